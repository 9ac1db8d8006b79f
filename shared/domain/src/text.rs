//! Sentences that people read at three in the morning, made from what machines say.

use serde_json::{Deserializer, Value};

/// Sentences that an outcome carries; the rest is counted. The whole stands in the audit trail.
const SENTENCES_MAX: usize = 5;

/// Characters of one sentence: a command's output or a cause can be pages.
const SENTENCE_CHARS_MAX: usize = 300;

/// The first sentences, each on one line and not too long, and how many more there are.
pub fn few(reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(SENTENCES_MAX);
    let mut few: Vec<String> = reasons.iter().take(SENTENCES_MAX).map(|reason| plain(reason)).collect();
    if more > 0 {
        few.push(format!("and {more} more"));
    }
    few
}

/// A text on one line, with error objects of Lambda replaced by what they say, and cut where it gets too long.
pub fn plain(text: &str) -> String {
    let said = without_error_objects(text);
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SENTENCE_CHARS_MAX) {
        Some((end, _)) => format!("{} …", line[..end].trim_end()),
        None => line,
    }
}

/// Lambda puts an error into a cause as `{"errorMessage": …, "errorType": …}`; only the message is for people.
fn without_error_objects(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut objects = Deserializer::from_str(rest).into_iter::<Value>();
        let object = objects.next().and_then(Result::ok);
        match object.as_ref().and_then(|object| object["errorMessage"].as_str()) {
            Some(message) => {
                plain.push_str(message);
                rest = &rest[objects.byte_offset()..];
            }
            None => {
                plain.push('{');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_object_is_replaced_by_what_it_says() {
        let cause = r#"AccessDenied: {"errorMessage":"MGN denied DescribeJobs: not you","errorType":"AccessDenied","requestId":"1"}; next"#;
        assert_eq!(plain(cause), "AccessDenied: MGN denied DescribeJobs: not you; next");
        assert_eq!(
            plain(r#"start with {"waveId": "web-1"}"#),
            r#"start with {"waveId": "web-1"}"#
        );
        assert_eq!(plain("a { b"), "a { b");
    }

    #[test]
    fn a_sentence_is_one_line_and_ends_somewhere() {
        assert_eq!(plain("curl: (7)\n  failed\tto connect"), "curl: (7) failed to connect");
        let long = plain(&"word ".repeat(200));
        assert!(long.chars().count() <= SENTENCE_CHARS_MAX + 2 && long.ends_with('…'));
    }

    #[test]
    fn more_than_a_few_are_counted() {
        let reasons: Vec<String> = (0..8).map(|number| number.to_string()).collect();
        let few = few(reasons);
        assert_eq!((few.len(), few[5].as_str()), (6, "and 3 more"));
    }
}
