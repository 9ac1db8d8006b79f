//! From what sqlx says to what the port says. No text here ever holds a password: sqlx's errors do not, and ours name
//! host and login only.

use landfall_aws::database::{DatabaseError, Login};

/// Where a connection goes, for errors.
#[derive(Debug, Clone)]
pub struct Place {
    /// Host and port.
    pub host: String,
}

impl Place {
    /// Of a login.
    pub fn of(login: &Login) -> Self {
        Self {
            host: format!("{}:{}", login.host, login.port),
        }
    }

    /// What a failed statement means: whether the server refused it, or could not be heard.
    pub fn failed(&self, what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> DatabaseError {
        let host = self.host.clone();
        let what = what.into();
        move |error| match error {
            sqlx::Error::Database(said) if !is_lost(said.code().as_deref()) => DatabaseError::Refused {
                what,
                code: said
                    .code()
                    .map(|code| code.into_owned())
                    .unwrap_or_else(|| "no code".to_owned()),
                message: said.message().to_owned(),
            },
            sqlx::Error::Database(said) => DatabaseError::Unreachable {
                host,
                message: said.message().to_owned(),
            },
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                DatabaseError::Unreachable {
                    host,
                    message: error.to_string(),
                }
            }
            other => DatabaseError::Refused {
                what,
                code: "client".to_owned(),
                message: other.to_string(),
            },
        }
    }

    /// Nothing came within the time.
    pub fn silent(&self, seconds: u64) -> DatabaseError {
        DatabaseError::Unreachable {
            host: self.host.clone(),
            message: format!("no answer within {seconds} seconds"),
        }
    }
}

/// SQLSTATEs with which a server ends a session or is not there yet: connection exceptions, shutdowns, start-ups.
fn is_lost(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_shuts_down_is_unreachable_and_has_refused_nothing() {
        assert!(is_lost(Some("57P01")));
        assert!(is_lost(Some("08006")));
        assert!(!is_lost(Some("42501")));
        assert!(!is_lost(None));
    }
}
