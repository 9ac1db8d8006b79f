//! The colours of the style sheet, held to WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for what is drawn.

use super::super::STYLE;
use std::collections::BTreeMap;

/// Text and what it stands on.
const TEXT: [(&str, &[&str]); 5] = [
    (
        "--ink",
        &[
            "--paper",
            "--panel",
            "--sunken",
            "--sea-wash",
            "--bad-wash",
            "--band-even",
            "--band-odd",
        ],
    ),
    ("--soft", &["--paper", "--panel"]),
    ("--sea", &["--paper", "--panel", "--sea-wash", "--bad-wash"]),
    ("--warn", &["--paper", "--panel", "--warn-wash"]),
    ("--bad", &["--paper", "--panel", "--bad-wash", "--sea-wash"]),
];
/// Marks and bars and what they stand on.
const DRAWN: [(&str, &[&str]); 6] = [
    ("--sea", &["--panel", "--sunken"]),
    ("--down", &["--panel", "--sunken"]),
    ("--edge", &["--panel", "--paper", "--sunken"]),
    ("--warn", &["--panel", "--sunken"]),
    ("--ink", &["--panel", "--sunken"]),
    ("--panel", &["--down"]),
];

/// The colours of each `:root` rule, in order: light, dark, print.
fn palettes() -> Vec<BTreeMap<&'static str, [f64; 3]>> {
    let rules = STYLE
        .split(":root {")
        .skip(1)
        .map(|rest| rest.split('}').next().expect("a rule ends"));
    rules
        .map(|rule| {
            let pairs = rule.split(';').filter_map(|declaration| declaration.split_once(": #"));
            pairs
                .map(|(name, value)| (name.trim(), channels(value.trim())))
                .collect()
        })
        .collect()
}

fn channels(hex: &str) -> [f64; 3] {
    [0, 2, 4].map(|start| {
        let byte = u8::from_str_radix(&hex[start..start + 2], 16).expect("two hexadecimal digits");
        let share = f64::from(byte) / 255.0;
        if share <= 0.040_45 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    })
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |[red, green, blue]: [f64; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

#[test]
fn black_on_white_has_the_contrast_that_the_standard_gives_it() {
    assert!((contrast(channels("000000"), channels("ffffff")) - 21.0).abs() < 1e-9);
}

#[test]
fn text_and_drawings_can_be_told_from_what_they_stand_on_in_light_dark_and_print() {
    let palettes = palettes();
    assert_eq!(palettes.len(), 3);
    for (index, palette) in palettes.iter().enumerate() {
        for (pairs, ratio_min) in [(&TEXT[..], 4.5), (&DRAWN[..], 3.0)] {
            for (front, backs) in pairs {
                for back in *backs {
                    let ratio = contrast(palette[front], palette[back]);
                    assert!(ratio >= ratio_min, "palette {index}: {front} on {back} is {ratio:.2}");
                }
            }
        }
    }
}

#[test]
fn colours_are_only_ever_named_where_the_test_of_contrast_sees_them() {
    for rule in STYLE.split('}') {
        let (selector, body) = rule.split_once('{').unwrap_or((rule, ""));
        let in_root = selector.contains(":root") || body.trim_start().starts_with(":root");
        assert!(in_root || !body.contains(": #"), "{selector}");
    }
}
