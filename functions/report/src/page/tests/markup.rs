//! The page as markup: well-formed, escaped, complete in itself.

use super::{extremes, render, samples};
use std::collections::BTreeSet;

/// A start tag.
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Elements that may be on the page. None of them runs or fetches anything.
const ELEMENTS: &str = "html head meta link title style body header main section footer div span p a h1 h2 h3 h4 ul ol li \
    dl dt dd table caption thead tbody tr th td details summary pre strong time figure figcaption \
    svg symbol g circle path rect line text use";
/// Attributes that may be on the page. None of them is a handler, a style or a source.
const ATTRIBUTES: &str = "lang charset name content http-equiv rel href class id role scope datetime title data-label \
    aria-label aria-labelledby aria-hidden focusable width height viewBox cx cy r d x y x1 x2 y1 y2 text-anchor";
const VOID: [&str; 2] = ["meta", "link"];

/// Reads the page as a strict parser would: every `<` is a tag, every tag is closed in order, every value is quoted.
pub fn elements(page: &str) -> Vec<Element> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let end = closing.find('>').expect("a tag ends");
            assert_eq!(open.pop().as_deref(), Some(&closing[..end]), "tags are closed in order");
            rest = &closing[end..];
            continue;
        }
        let (element, after) = start_tag(rest);
        rest = after;
        if element.name == "style" {
            rest = &rest[rest.find("</style>").expect("the style ends")..];
        }
        if !VOID.contains(&element.name.as_str()) {
            open.push(element.name.clone());
        }
        found.push(element);
    }
    assert!(open.is_empty(), "left open: {open:?}");
    found
}

fn start_tag(text: &str) -> (Element, &str) {
    let end = text.find([' ', '>']).expect("a tag ends");
    let (name, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('>') {
            return (
                Element {
                    name: name.into(),
                    attributes,
                },
                after,
            );
        }
        rest = rest
            .strip_prefix(' ')
            .unwrap_or_else(|| panic!("a space before an attribute in <{name}"));
        let end = rest.find(['=', ' ', '>']).expect("an attribute ends");
        let (attribute, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix("=\"") else {
            attributes.push((attribute.into(), String::new()));
            rest = after;
            continue;
        };
        let (value, after) = value.split_once('"').expect("a value ends");
        attributes.push((attribute.into(), value.into()));
        rest = after;
    }
}

/// Where a text first stands.
pub fn position(page: &str, text: &str) -> usize {
    page.find(text).unwrap_or_else(|| panic!("{text:?} is not on the page"))
}

/// How often a text stands there.
pub fn count_of(page: &str, text: &str) -> usize {
    page.matches(text).count()
}

fn pages() -> Vec<(&'static str, String)> {
    let hostile = ("hostile", extremes::hostile());
    super::samples()
        .into_iter()
        .chain([hostile])
        .map(|(name, report)| (name, render(&report)))
        .collect()
}

#[test]
fn a_text_from_a_plan_never_becomes_markup() {
    let elements_known: BTreeSet<&str> = ELEMENTS.split_whitespace().collect();
    let attributes_known: BTreeSet<&str> = ATTRIBUTES.split_whitespace().collect();
    for (name, page) in pages() {
        for element in elements(&page) {
            assert!(
                elements_known.contains(element.name.as_str()),
                "{name}: <{}>",
                element.name
            );
            for (attribute, _) in &element.attributes {
                assert!(
                    attributes_known.contains(attribute.as_str()),
                    "{name}: {attribute} on <{}>",
                    element.name
                );
            }
        }
    }
    let hostile = render(&extremes::hostile());
    assert!(
        hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "the text itself is shown"
    );
}

#[test]
fn characters_that_hide_or_turn_text_are_made_visible() {
    let page = render(&extremes::hostile());
    assert!(page.contains("&amp;\u{fffd}\u{fffd}"));
    for hidden in ['\u{202e}', '\u{0}'] {
        assert!(!page.contains(hidden), "{hidden:?}");
    }
}

#[test]
fn the_page_fetches_nothing() {
    for (name, page) in pages() {
        for element in elements(&page) {
            let target = element.attribute("href").unwrap_or("#");
            assert!(target.starts_with('#') || target == "data:,", "{name}: {target}");
        }
        assert!(page.contains("default-src 'none'"), "{name}");
    }
    for fetching in ["url(", "@import", "http:", "https:", "//"] {
        assert!(!super::super::STYLE.contains(fetching), "{fetching}");
    }
    let clean = render(&samples::completed_program());
    assert!(!clean.contains("http:") && !clean.contains("https:"));
}

#[test]
fn every_link_leads_somewhere_and_every_id_and_attribute_is_there_once() {
    for (name, page) in pages() {
        let elements = elements(&page);
        let mut ids = BTreeSet::new();
        for element in &elements {
            if let Some(id) = element.attribute("id") {
                assert!(ids.insert(id), "{name}: the id {id} is there twice");
            }
            let names: BTreeSet<&String> = element.attributes.iter().map(|(attribute, _)| attribute).collect();
            assert_eq!(
                names.len(),
                element.attributes.len(),
                "{name}: an attribute of <{}> is there twice",
                element.name
            );
        }
        for element in &elements {
            for reference in ["href", "aria-labelledby"]
                .into_iter()
                .filter_map(|attribute| element.attribute(attribute))
            {
                let id = reference.strip_prefix('#').unwrap_or(reference);
                assert!(id == "data:," || ids.contains(id), "{name}: nothing is called {id}");
            }
        }
    }
}

#[test]
fn the_page_has_a_language_a_title_and_headings_that_do_not_skip() {
    for (name, page) in pages() {
        let elements = elements(&page);
        assert_eq!(elements[0].attribute("lang"), Some("en"), "{name}");
        let levels: Vec<u32> = elements
            .iter()
            .filter_map(|element| element.name.strip_prefix('h')?.parse().ok())
            .collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{name}");
        assert!(
            levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
            "{name}: {levels:?}"
        );
    }
    let page = render(&samples::completed_program());
    assert!(page.contains("<title>shop-2026 · Landfall report</title>"));
}

#[test]
fn every_table_has_a_caption_and_scoped_headings() {
    for (name, page) in pages() {
        let elements = elements(&page);
        let number = |wanted: &str| elements.iter().filter(|element| element.name == wanted).count();
        assert_eq!(number("table"), number("caption"), "{name}");
        let headings = elements.iter().filter(|element| element.name == "th");
        assert!(
            headings.clone().all(|element| element.attribute("scope").is_some()),
            "{name}"
        );
        let cells = elements.iter().filter(|element| element.name == "td");
        assert!(
            cells.clone().all(|element| element.attribute("data-label").is_some()),
            "{name}"
        );
    }
}

#[test]
fn every_drawing_says_in_words_what_it_shows_or_is_silent() {
    for (name, page) in pages() {
        for plot in elements(&page)
            .iter()
            .filter(|element| element.attribute("class") == Some("plot"))
        {
            let words = plot.attribute("aria-label").is_some_and(|words| !words.is_empty());
            assert!(words || plot.attribute("aria-hidden") == Some("true"), "{name}");
        }
    }
}
