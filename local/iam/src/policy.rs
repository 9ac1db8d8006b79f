//! Policies and how they decide.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use crate::{Request, Tags};
use serde_json::Value;

/// What a policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, by the statement of that name.
    Allowed(String),
    /// Not, and why.
    Denied(String),
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its name, made of the policy's and its own.
    pub name: String,
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    operator: Operator,
    /// For all values, for any value, or for the only one.
    quantifier: Quantifier,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    Like,
    Null,
    Bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    All,
    Any,
}

/// A policy: its statements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// The statements.
    pub statements: Vec<Statement>,
}

impl Policy {
    /// Reads a resolved policy document. `name` is the policy's.
    pub fn read(name: &str, document: &Value) -> Result<Self, String> {
        let mut statements = Vec::new();
        for (index, statement) in list(&document["Statement"]).into_iter().enumerate() {
            let own = statement["Sid"]
                .as_str()
                .map_or_else(|| (index + 1).to_string(), str::to_owned);
            statements.push(Statement::read(format!("{name}/{own}"), &statement)?);
        }
        if statements.is_empty() {
            return Err(format!("the policy {name} has no statement"));
        }
        Ok(Self { statements })
    }

    /// Decides: an explicit denial wins, then an allowance, else denied.
    pub fn decide(&self, request: &Request, tags: Tags<'_>) -> Decision {
        match verdict(self.statements.iter(), request, tags) {
            Verdict::Denied(name) => Decision::Denied(format!("the statement {name} denies it")),
            Verdict::Allowed(name) => Decision::Allowed(name.to_owned()),
            Verdict::Silent => Decision::Denied("no identity-based policy allows it".to_owned()),
        }
    }
}

/// What statements say of a request, by the name of the one that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    Denied(&'a str),
    Allowed(&'a str),
    Silent,
}

/// An explicit denial wins, then an allowance.
pub(crate) fn verdict<'a>(
    statements: impl Iterator<Item = &'a Statement>,
    request: &Request,
    tags: Tags<'_>,
) -> Verdict<'a> {
    let mut verdict = Verdict::Silent;
    for statement in statements {
        // What is allowed already can only be denied.
        let matters = !statement.allow || verdict == Verdict::Silent;
        if !matters || !statement.applies(request, tags) {
            continue;
        }
        if !statement.allow {
            return Verdict::Denied(&statement.name);
        }
        verdict = Verdict::Allowed(&statement.name);
    }
    verdict
}

impl Statement {
    fn read(name: String, statement: &Value) -> Result<Self, String> {
        const KNOWN: [&str; 5] = ["Sid", "Effect", "Action", "Resource", "Condition"];
        let members = statement.as_object().ok_or_else(|| format!("{name} is no statement"))?;
        if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("{name}: the member {unknown} is not evaluated here"));
        }
        let allow = match statement["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            other => return Err(format!("{name}: the effect {other:?} is none")),
        };
        let mut conditions = Vec::new();
        for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for (key, values) in keys.as_object().into_iter().flatten() {
                conditions.push(Condition::read(&name, operator, key, values)?);
            }
        }
        Ok(Self {
            actions: words(&name, &statement["Action"])?,
            resources: words(&name, &statement["Resource"])?,
            name,
            allow,
            conditions,
        })
    }

    /// Whether it allows anything.
    pub fn allows(&self) -> bool {
        self.allow
    }

    /// Its actions, as written.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Its resources.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    fn applies(&self, request: &Request, tags: Tags<'_>) -> bool {
        let action = request.action.to_ascii_lowercase();
        self.actions
            .iter()
            .any(|pattern| like(&pattern.to_ascii_lowercase(), &action))
            && self.resources.iter().any(|pattern| like(pattern, &request.resource))
            && self.conditions.iter().all(|condition| condition.holds(request, tags))
    }
}

impl Condition {
    fn read(name: &str, operator: &str, key: &str, values: &Value) -> Result<Self, String> {
        let (quantifier, operator) = match operator.split_once(':') {
            None => (Quantifier::One, operator),
            Some(("ForAllValues", operator)) => (Quantifier::All, operator),
            Some(("ForAnyValue", operator)) => (Quantifier::Any, operator),
            Some((other, _)) => return Err(format!("{name}: {other} is no quantifier")),
        };
        let operator = match operator {
            "StringEquals" | "ArnEquals" => Operator::Equals,
            "StringLike" | "ArnLike" => Operator::Like,
            "Null" => Operator::Null,
            "Bool" => Operator::Bool,
            other => return Err(format!("{name}: the condition operator {other} is not evaluated here")),
        };
        Ok(Self {
            operator,
            quantifier,
            key: key.to_owned(),
            values: words(name, values)?,
        })
    }

    fn holds(&self, request: &Request, tags: Tags<'_>) -> bool {
        let present = request.context(&self.key, tags);
        let one = |value: &String| match self.operator {
            Operator::Equals | Operator::Bool => self.values.contains(value),
            Operator::Like => self.values.iter().any(|pattern| like(pattern, value)),
            Operator::Null => false,
        };
        match (self.operator, self.quantifier) {
            (Operator::Null, _) => {
                let wanted_absent = self.values.iter().any(|value| value == "true");
                present.is_empty() == wanted_absent
            }
            // An empty set satisfies all; that is IAM's rule too.
            (_, Quantifier::All) => present.iter().all(one),
            (_, Quantifier::Any | Quantifier::One) => present.iter().any(one),
        }
    }
}

/// A list, or the only member of one.
fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    }
}

fn words(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for item in list(value) {
        match item {
            Value::String(word) => words.push(word),
            Value::Bool(word) => words.push(word.to_string()),
            // A parameter that is a list stands among single resources.
            Value::Array(items) => {
                for item in items {
                    words.push(
                        item.as_str()
                            .ok_or_else(|| format!("{name}: {item} is no text"))?
                            .to_owned(),
                    );
                }
            }
            other => return Err(format!("{name}: {other} is no text")),
        }
    }
    if words.is_empty() {
        return Err(format!("{name}: a list is empty"));
    }
    Ok(words)
}

/// Whether a text is like a pattern with `*` and `?`.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some(p);
            mark = t;
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some(at) = star {
            p = at + 1;
            mark += 1;
            t = mark;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn decide(document: &Value, request: &Request) -> Decision {
        let tags = |arn: &str| match arn {
            "arn:ours" => BTreeMap::from([("landfall:wave".to_owned(), "w".to_owned())]),
            _ => BTreeMap::new(),
        };
        Policy::read("p", document).expect("a policy").decide(request, &tags)
    }

    #[test]
    fn nothing_is_allowed_that_no_statement_allows_and_a_denial_wins() {
        let document = json!({ "Statement": [
            { "Sid": "A", "Effect": "Allow", "Action": "dms:Start*", "Resource": "arn:*" },
            { "Sid": "D", "Effect": "Deny", "Action": "dms:StartReplication", "Resource": "*" },
        ]});
        assert_eq!(
            decide(&document, &Request::new("dms:StartReplicationTask", "arn:x")),
            Decision::Allowed("p/A".to_owned())
        );
        assert!(matches!(
            decide(&document, &Request::new("dms:StartReplication", "arn:x")),
            Decision::Denied(_)
        ));
        assert!(matches!(
            decide(&document, &Request::new("dms:Stop", "arn:x")),
            Decision::Denied(_)
        ));
        assert!(matches!(
            decide(&document, &Request::new("dms:StartX", "x")),
            Decision::Denied(_)
        ));
    }

    #[test]
    fn conditions_look_at_tags_and_at_what_the_request_carries() {
        let tagged = json!({ "Statement": { "Effect": "Allow", "Action": "dms:X", "Resource": "*",
            "Condition": { "Null": { "aws:ResourceTag/landfall:wave": "false" } } } });
        assert!(matches!(
            decide(&tagged, &Request::new("dms:X", "arn:ours")),
            Decision::Allowed(_)
        ));
        assert!(matches!(
            decide(&tagged, &Request::new("dms:X", "arn:theirs")),
            Decision::Denied(_)
        ));
        let types = json!({ "Statement": { "Effect": "Allow", "Action": "r:C", "Resource": "*",
            "Condition": { "ForAllValues:StringEquals": { "r:Types": ["A", "CNAME"] } } } });
        let request = |values: &[&str]| Request::new("r:C", "z").with("r:Types", values);
        assert!(matches!(decide(&types, &request(&["A"])), Decision::Allowed(_)));
        assert!(matches!(decide(&types, &request(&["A", "MX"])), Decision::Denied(_)));
    }

    #[test]
    fn what_is_not_understood_is_refused_when_it_is_read() {
        let operator = json!({ "Statement": { "Effect": "Allow", "Action": "a:B", "Resource": "*",
            "Condition": { "DateLessThan": { "aws:CurrentTime": "2030-01-01" } } } });
        assert!(Policy::read("p", &operator).is_err());
        let member = json!({ "Statement": { "Effect": "Allow", "NotAction": "a:B", "Resource": "*" } });
        assert!(Policy::read("p", &member).is_err());
    }
}
