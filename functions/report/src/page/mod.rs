//! The report as one HTML page that needs nothing else: no script, no font, no picture is fetched.
//!
//! The page says what the report says and invents no sentence of its own about a wave; it only counts, orders and
//! draws. Markup is written with `maud`: it is checked by the compiler, escapes every text that is put into it, and
//! leaves no template engine in the function.

mod databases;
mod format;
mod marks;
mod overview;
mod records;
mod scale;
mod servers;
mod summary;
mod table;
mod timeline;
mod wave;

#[cfg(test)]
mod tests;

use landfall_domain::report::Report;
use maud::{DOCTYPE, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// What a browser may do with the page: nothing but show it. It is the second line of defence behind the escaping,
/// since most of the texts come from plans, hosts and AWS.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Above this many rows a list shows what needs a look and folds the rest away.
const ROWS_MAX: usize = 40;

/// Renders the report as a complete HTML document.
///
/// The order is that of a reader in a hurry: how it stands, what is down, who must act until when, what a rollback
/// costs now; then the waves, and for each wave everything that is known.
pub fn render(report: &Report) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                // An empty icon, so that a browser does not ask a server for one.
                link rel="icon" href="data:,";
                title { (report.title) " · Landfall report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (marks::definitions())
                (summary::masthead(report))
                main {
                    (summary::down_now(report))
                    (summary::closed_now(report))
                    (summary::board(report))
                    (summary::figures(report))
                    @if report.waves.len() > 1 { (overview::waves(report)) }
                    @for wave in &report.waves { (wave::section(report, wave)) }
                }
                footer {
                    p {
                        "Made by Landfall from its wave table, " (format::moment(report.generated_at))
                        ". All times are UTC."
                    }
                }
            }
        }
    };
    make_visible(&document.into_string())
}

/// Replaces characters that show nothing but change what is seen: control characters, and marks that turn the
/// direction of the text, with which a name could be made to look like another one.
fn make_visible(html: &str) -> String {
    let hides = |c: char| match c {
        '\n' | '\t' => false,
        '\u{061c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    };
    html.chars()
        .map(|c| if hides(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
