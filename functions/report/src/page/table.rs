//! Tables that become cards on a phone.
//!
//! The roles are written out because a browser forgets that a table is one once its rows are laid out as blocks.

use maud::{Markup, html};

/// A table with its caption; a column is its heading and its class ("" or "number").
pub(super) fn table(caption: &str, columns: &[(&str, &str)], rows: &Markup) -> Markup {
    html! {
        div.frame {
            table role="table" {
                caption { (caption) }
                thead role="rowgroup" {
                    tr role="row" {
                        @for (name, class) in columns {
                            th scope="col" role="columnheader" class=[some_class(class)] { (name) }
                        }
                    }
                }
                tbody role="rowgroup" { (rows) }
            }
        }
    }
}

/// The cell that names its row.
pub(super) fn row_head(content: &Markup) -> Markup {
    html! { th scope="row" role="rowheader" { (content) } }
}

/// A cell; its label is shown beside it where there are no column headings.
pub(super) fn cell(label: &str, class: &str, content: &Markup) -> Markup {
    html! {
        td role="cell" data-label=(label) class=[some_class(class)] { div.value { (content) } }
    }
}

fn some_class(class: &str) -> Option<&str> {
    (!class.is_empty()).then_some(class)
}

/// Rows that are shown, and below them rows that are folded away under a sentence that says what they are.
pub(super) fn folded(shown: Option<&Markup>, sentence: &str, rest: Option<&Markup>) -> Markup {
    html! {
        @if let Some(shown) = shown { (shown) }
        @if let Some(rest) = rest {
            details.rest { summary { (sentence) } (rest) }
        }
    }
}
