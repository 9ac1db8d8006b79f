//! A plan holds no secret: it is the input of an execution, which the console shows, and it is kept in the wave table.

use super::load::Problem;
use serde_json::Value;

/// What stands in the place of a secret, in everything that is said about a document.
const HIDDEN: &str = "…";

/// Ends of names of members whose value is a secret whatever it is, without case and without `-` and `_`. Extra connection
/// attributes of DMS are among them: `asmPassword`, and the key of Oracle's transparent encryption.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.Oracle.html>
const NAMES: [&str; 9] = [
    "password",
    "passwd",
    "pwd",
    "secretvalue",
    "secretaccesskey",
    "accesskey",
    "privatekey",
    "apikey",
    "securitydbencryption",
];

/// The end of the name of a member that takes the ARN of a secret, and nothing else.
const SECRET_ARN: &str = "secretarn";

/// Words that give a secret away inside a text when a literal follows: `password=hunter2`.
const ASSIGNED: [&str; 4] = ["password", "passwd", "pwd", "secret_access_key"];

/// Words that do so in a statement when a quoted literal follows: `IDENTIFIED BY 'hunter2'`.
const QUOTED: [&str; 2] = ["identified by", "password"];

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
                if (is_secret_name(name) && !member.is_null()) || stands_for_arn(name, member) {
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
        Value::String(text) if assigns_secret(text) || quotes_secret(text) || logs_in(text) => {
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

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| !"-_".contains(*letter));
    letters.collect::<String>().to_ascii_lowercase()
}

fn is_secret_name(name: &str) -> bool {
    let plain = plain(name);
    NAMES.iter().any(|end| plain.ends_with(end))
}

/// Whether a text stands where the ARN of a secret belongs and is none: it may well be the secret itself.
fn stands_for_arn(name: &str, member: &Value) -> bool {
    let text = member.as_str().filter(|text| !text.starts_with("arn:"));
    plain(name).ends_with(SECRET_ARN) && text.is_some_and(|text| !text.is_empty())
}

/// Whether a text is a statement that gives a password as a literal.
fn quotes_secret(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    QUOTED.iter().any(|word| {
        small.match_indices(word).any(|(at, _)| {
            let after = &small[at + word.len()..];
            let value = after.trim_start();
            // Without the blank it is the end of a quoted word: grep 'password' file.
            let quoted = value.strip_prefix(['\'', '"']).filter(|_| value.len() < after.len());
            quoted
                .and_then(|value| value.chars().next())
                .is_some_and(char::is_alphanumeric)
        })
    })
}

/// Whether a text holds an address with a password in it: `postgres://shop:hunter2@db`.
fn logs_in(text: &str) -> bool {
    text.match_indices("://").any(|(at, found)| {
        let rest = &text[at + found.len()..];
        let host = rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        let password = host.rsplit_once('@').and_then(|(login, _)| login.split_once(':'));
        password.is_some_and(|(_, password)| password.starts_with(char::is_alphanumeric))
    })
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
    fn a_secret_of_a_database_is_found_wherever_it_is_put() {
        let document = json!({ "databases": [{ "source": {
            "adminSecretArn": "hunter1",
            "fenceSecretArn": { "username": "fence", "password": "hunter2" },
            "extraConnectionAttributes": {
                "asmPassword": "hunter3",
                "afterConnectScript": "ALTER USER dms IDENTIFIED BY 'hunter4'",
                "connection": "pwd = hunter5",
            },
        }, "readyTarget": { "smokeTest": "SELECT dblink('postgres://shop:hunter6@db/shop')" } }] });
        let (hidden, problems) = hide(&document);
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        let source = |member: &str| format!("$.databases[0].source.{member}");
        let expected = [
            source("adminSecretArn"),
            source("fenceSecretArn.password"),
            source("extraConnectionAttributes.asmPassword"),
            source("extraConnectionAttributes.afterConnectScript"),
            source("extraConnectionAttributes.connection"),
            "$.databases[0].readyTarget.smokeTest".to_owned(),
        ];
        assert_eq!(paths, expected);
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
            "psql postgres://shop:$PGPASSWORD@db/shop",
            "curl http://localhost:8080/@me",
            "grep 'password' /etc/app.conf",
        ] {
            assert!(
                !assigns_secret(text) && !quotes_secret(text) && !logs_in(text),
                "{text}"
            );
        }
        let (_, problems) = hide(&json!({ "adminSecretArn": "arn:aws:secretsmanager:x" }));
        assert_eq!(problems, Vec::new());
    }
}
