//! Words for people: what a headline may hold, and lists that stay short. The whole of what was said goes into the audit
//! trail and the reports of checks, never into a headline.

use serde_json::Value;
use std::fmt;

/// Characters of a part of a sentence that somebody else wrote: the output of a command, the message of a service.
pub const QUOTE_CHARS_MAX: usize = 200;

/// Characters of one of those sentences: a command's output or a cause can be pages.
const REASON_CHARS_MAX: usize = 300;

/// Sentences that an outcome carries through Step Functions; the rest is in the audit trail.
const REASONS_MAX: usize = 5;

/// The first sentences, each on one line and not too long, and how many more there are.
pub fn few(reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(REASONS_MAX);
    let first = reasons.iter().take(REASONS_MAX);
    let mut few: Vec<String> = first.map(|reason| one_line(&plain(reason), REASON_CHARS_MAX)).collect();
    if more > 0 {
        few.push(format!("and {more} more"));
    }
    few
}

/// A number with its noun: `1 server`, `2 servers`.
pub fn count(number: impl fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = match noun {
        _ if number == "1" => "",
        noun if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

/// A text on one line, without the rulers that Systems Manager puts between output and errors, and cut where it is long.
pub fn one_line(text: &str, characters: usize) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !is_ruler(line));
    let line = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= characters {
        return line;
    }
    let short: String = line.chars().take(characters.saturating_sub(1)).collect();
    format!("{}…", short.trim_end())
}

/// A line such as `----------ERROR-------`.
fn is_ruler(line: &str) -> bool {
    line.starts_with("-----") && line.ends_with("-----")
}

/// A reason without what Step Functions and Lambda wrap it in: `AccessDenied: {"errorMessage": "MGN denied …", …}` is the
/// sentence alone, and the description of an execution that failed is its status and its own cause.
pub fn plain(reason: &str) -> String {
    let mut text = reason.to_owned();
    // Each turn takes one object out; a cause inside a cause is bounded by the size of an execution's output.
    for _ in 0..REASONS_MAX {
        let Some((from, to, said)) = wrapped(&text) else {
            break;
        };
        text.replace_range(from..to, &said);
    }
    text
}

/// The first object in a text that says a cause: from where, with the error's name before it, to where, and what it says.
fn wrapped(text: &str) -> Option<(usize, usize, String)> {
    for (start, _) in text.match_indices('{') {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { continue };
        let Some(said) = cause(&value) else { continue };
        let end = start + values.byte_offset();
        return Some((name_before(text, start), end, said));
    }
    None
}

fn cause(value: &Value) -> Option<String> {
    let text = |member: &str| value.get(member).and_then(Value::as_str);
    if let Some(message) = text("errorMessage") {
        return Some(message.to_owned());
    }
    let (execution, status) = (text("ExecutionArn")?, text("Status")?);
    let name = execution.rsplit(':').next().unwrap_or(execution);
    let why = [text("Error"), text("Cause")].into_iter().flatten().collect::<Vec<_>>();
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", why.join(": "))
    };
    Some(format!("execution {name} is {status}{why}"))
}

/// Where the name of the error begins that stands before an object, as in `AccessDenied: {`.
fn name_before(text: &str, object: usize) -> usize {
    let Some(before) = text[..object].strip_suffix(": ") else {
        return object;
    };
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '.';
    before.trim_end_matches(is_name).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_carries_few_reasons_and_says_how_many_more_there_are() {
        let reasons: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(few(reasons), ["0", "1", "2", "3", "4", "and 2 more"]);
        assert_eq!(few(vec!["0".to_owned()]), ["0"]);
    }

    #[test]
    fn one_of_a_thing_is_not_spoken_of_as_many() {
        assert_eq!([count(1, "server"), count(2, "server")], ["1 server", "2 servers"]);
        assert_eq!([count(1, "batch"), count(0, "batch")], ["1 batch", "0 batches"]);
    }

    #[test]
    fn the_output_of_a_command_becomes_one_short_line() {
        let output = "scripted failure\n\n----------ERROR-------\nfailed to run commands: exit status 1";
        assert_eq!(
            one_line(output, 200),
            "scripted failure failed to run commands: exit status 1"
        );
        assert_eq!(one_line("äöü äöü äöü", 8), "äöü äöü…");
    }

    #[test]
    fn a_headline_never_carries_the_cause_of_a_function_as_json() {
        let cause = r#"{"errorMessage":"MGN denied DescribeJobs: no","errorType":"AccessDenied","requestId":"1"}"#;
        assert_eq!(plain(&format!("AccessDenied: {cause}")), "MGN denied DescribeJobs: no");
        assert_eq!(
            plain(&format!(
                "batch 1: AccessDenied: {cause}; batch 2: States.Timeout: {cause}"
            )),
            "batch 1: MGN denied DescribeJobs: no; batch 2: MGN denied DescribeJobs: no"
        );
        let child = r#"{"ExecutionArn":"arn:aws:states:eu-west-1:1:execution:test-batch:web-1","Status":"ABORTED","Input":"{}"}"#;
        assert_eq!(plain(child), "execution web-1 is ABORTED");
        assert_eq!(
            plain("the site answers {\"a\": 1} and {"),
            "the site answers {\"a\": 1} and {"
        );
    }
}
