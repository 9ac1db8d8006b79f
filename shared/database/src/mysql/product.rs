//! Which product answers, and what differs between them.

use super::{sql, word};
use crate::failure::Place;
use landfall_aws::database::DatabaseError;
use sqlx::mysql::MySqlConnection;

/// A product and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// MariaDB, otherwise MySQL.
    pub mariadb: bool,
    /// Major and minor version.
    pub version: (u32, u32),
    /// As the server says it.
    pub text: String,
}

impl Product {
    pub async fn ask(connection: &mut MySqlConnection, place: &Place) -> Result<Self, DatabaseError> {
        let row = sqlx::raw_sql(sql("SELECT @@version".to_owned()))
            .fetch_one(connection)
            .await;
        Ok(Self::read(&word(&row.map_err(place.failed("to read the version"))?, 0)))
    }

    /// Reads `10.11.19-MariaDB-0+deb12u1-log` or `8.0.36`.
    fn read(text: &str) -> Self {
        let mut numbers = text
            .split(|letter: char| !letter.is_ascii_digit())
            .map(|part| part.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self {
            mariadb: text.contains("MariaDB"),
            version,
            text: text.to_owned(),
        }
    }

    /// Product and version.
    pub fn name(&self) -> String {
        let name = if self.mariadb { "MariaDB" } else { "MySQL" };
        format!("{name} {}", self.text.split('-').next().unwrap_or(&self.text))
    }

    /// The privileges with which an account passes `read_only`.
    /// <https://mariadb.com/kb/en/grant/#global-privileges>,
    /// <https://dev.mysql.com/doc/refman/8.0/en/server-system-variables.html#sysvar_read_only>
    pub fn exempting(&self) -> &'static [&'static str] {
        match (self.mariadb, self.version) {
            (true, (11.., _) | (10, 11..)) => &["READ ONLY ADMIN", "READ_ONLY ADMIN"],
            (true, (10, 5..)) => &["READ ONLY ADMIN", "READ_ONLY ADMIN", "SUPER"],
            (true, _) => &["SUPER"],
            (false, (8.., _)) => &["CONNECTION_ADMIN", "SUPER"],
            (false, _) => &["SUPER"],
        }
    }

    /// The privilege to grant to the fence writer.
    pub fn fence_privilege(&self) -> &'static str {
        match (self.mariadb, self.version) {
            (true, (11.., _) | (10, 5..)) => "READ ONLY ADMIN",
            (false, (8.., _)) => "CONNECTION_ADMIN",
            _ => "SUPER",
        }
    }

    /// What sets a global variable so that it lasts over a restart, as far as the product can.
    pub fn set_global(&self) -> &'static str {
        if !self.mariadb && self.version.0 >= 8 {
            "SET PERSIST"
        } else {
            "SET GLOBAL"
        }
    }

    /// What shows the position of the binary log.
    pub fn show_position(&self) -> &'static str {
        match (self.mariadb, self.version) {
            (true, (11.., _) | (10, 5..)) => "SHOW BINLOG STATUS",
            (false, (9.., _) | (8, 4..)) => "SHOW BINARY LOG STATUS",
            _ => "SHOW MASTER STATUS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_privilege_of_the_fence_writer_differs_by_product_and_version() {
        let privilege = |text| Product::read(text).fence_privilege();
        assert_eq!(privilege("10.11.19-MariaDB-0+deb12u1-log"), "READ ONLY ADMIN");
        assert_eq!(privilege("10.4.30-MariaDB"), "SUPER");
        assert_eq!(privilege("8.0.36"), "CONNECTION_ADMIN");
        assert_eq!(privilege("5.7.44-log"), "SUPER");
        assert_eq!(Product::read("11.4.2-MariaDB").show_position(), "SHOW BINLOG STATUS");
        assert_eq!(Product::read("8.4.0").show_position(), "SHOW BINARY LOG STATUS");
        assert_eq!(Product::read("10.11.19-MariaDB-0+deb12u1").name(), "MariaDB 10.11.19");
    }
}
