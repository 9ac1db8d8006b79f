//! A plan holds no secret: it is the input of an execution, which the console shows, and it is kept in the wave table.

use super::load::Problem;
use serde_json::Value;

/// What stands in the place of a secret, in everything that is said about a document.
const HIDDEN: &str = "…";

/// Members whose value is a secret whatever it is, without case and without `-` and `_`.
const NAMES: [&str; 8] = [
    "password",
    "passwd",
    "pwd",
    "secretvalue",
    "secretaccesskey",
    "accesskey",
    "privatekey",
    "apikey",
];

/// Words that give a secret away inside a text when a literal follows: `password=hunter2`.
const ASSIGNED: [&str; 4] = ["password", "passwd", "pwd", "secret_access_key"];

/// The document with every secret in it hidden, and where they were. What is said about the rest of the document can then
/// not repeat one.
pub(super) fn hide(document: &Value) -> (Value, Vec<Problem>) {
    let mut hidden = document.clone();
    let mut problems = Vec::new();
    walk(&mut hidden, "$", &mut problems);
    (hidden, problems)
}

fn walk(value: &mut Value, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let path = format!("{path}.{name}");
                if is_secret_name(name) && !member.is_null() {
                    *member = Value::String(HIDDEN.to_owned());
                    problems.push(problem(path));
                } else {
                    walk(member, &path, problems);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), problems);
            }
        }
        Value::String(text) if assigns_secret(text) => {
            *text = HIDDEN.to_owned();
            problems.push(problem(path.to_owned()));
        }
        _ => {}
    }
}

fn problem(path: String) -> Problem {
    Problem {
        path,
        value: HIDDEN.to_owned(),
        allowed: "no secret stands in a plan: put it into Secrets Manager, or on the host, and name it here".to_owned(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|letter| !"-_".contains(*letter)).collect();
    NAMES.contains(&plain.to_ascii_lowercase().as_str())
}

/// Whether a text gives a literal to a password. A reference (`password=$DB_PASSWORD`, `password={{resolve:…}}`) is none.
fn assigns_secret(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    ASSIGNED.iter().any(|word| {
        small.match_indices(word).any(|(at, _)| {
            let after = small[at + word.len()..].trim_start();
            let Some(value) = after.strip_prefix('=') else {
                return false;
            };
            let value = value.trim_start().trim_start_matches(['"', '\'']);
            value.chars().next().is_some_and(|first| first.is_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_found_at_its_path_and_never_repeated() {
        let document = json!({
            "servers": [{ "checks": [{ "commands": ["mysql --password=hunter2 -e 'select 1'"] }] }],
            "Data_Base": { "Secret-Access-Key": "hunter3", "password": { "deep": "hunter4" } },
        });
        let (hidden, problems) = hide(&document);
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "$.servers[0].checks[0].commands[0]",
                "$.Data_Base.Secret-Access-Key",
                "$.Data_Base.password"
            ]
        );
        let said = format!("{hidden} {problems:?}");
        assert!(!said.contains("hunter"), "{said}");
    }

    #[test]
    fn a_reference_to_a_secret_is_none() {
        for text in [
            "mysql --password=\"$(cat /run/secrets/db)\"",
            "psql \"host=db password=$PGPASSWORD\"",
            "grep -q 'password =' /etc/app.conf",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/password-AbCdEf",
        ] {
            assert!(!assigns_secret(text), "{text}");
        }
        let (_, problems) = hide(&json!({ "adminSecretArn": "arn:aws:secretsmanager:x" }));
        assert_eq!(problems, Vec::new());
    }
}
