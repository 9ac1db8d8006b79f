//! The little XML that EC2's answers need.

use std::collections::BTreeMap;

/// One element with text.
pub(super) fn text(name: &str, value: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", escape(value.as_ref()))
}

/// One element around others.
pub(super) fn nest(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

/// A list: EC2 puts each member into an `item`.
pub(super) fn list(name: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items.into_iter().map(|item| nest("item", &item)).collect();
    nest(name, &items)
}

/// `tagSet`.
pub(super) fn tag_set(tags: &BTreeMap<String, String>) -> String {
    list(
        "tagSet",
        tags.iter().map(|(key, value)| text("key", key) + &text("value", value)),
    )
}

/// The whole answer to an action.
pub(super) fn document(action: &str, request_id: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{}{body}</{action}Response>",
        text("requestId", request_id)
    )
}

fn escape(raw: &str) -> String {
    let mut clean = String::with_capacity(raw.len());
    for one in raw.chars() {
        match one {
            '&' => clean.push_str("&amp;"),
            '<' => clean.push_str("&lt;"),
            '>' => clean.push_str("&gt;"),
            '"' => clean.push_str("&quot;"),
            '\'' => clean.push_str("&apos;"),
            // XML 1.0 has no place for other control characters.
            one if one.is_control() && !matches!(one, '\n' | '\r' | '\t') => clean.push('\u{fffd}'),
            one => clean.push(one),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_element() {
        assert_eq!(text("a", "<b>&\"'\u{1}"), "<a>&lt;b&gt;&amp;&quot;&apos;\u{fffd}</a>");
    }
}
