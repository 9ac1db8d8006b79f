//! Accounts: who there is, who passes read-only mode, who is locked.

use super::{Mysql, text, word};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::KeepOpen;
use std::collections::BTreeSet;

/// Accounts of the server itself, which nobody logs in with, and those of Amazon RDS.
const OF_THE_SERVER: [&str; 6] = [
    "mysql.sys",
    "mysql.session",
    "mysql.infoschema",
    "mariadb.sys",
    "rdsadmin",
    "rdsrepladmin",
];

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    pub host: String,
    pub locked: bool,
}

impl Account {
    /// As statements name it.
    pub fn quoted(&self) -> String {
        format!("{}@{}", text(&self.user), text(&self.host))
    }
}

/// Whether the host of an account is a name, and neither an address nor a pattern of addresses.
fn is_name(host: &str) -> bool {
    let of_address = |letter: char| letter.is_ascii_hexdigit() || ".:%_/".contains(letter);
    host != "localhost" && !host.is_empty() && !host.chars().all(of_address)
}

impl Mysql {
    /// Every account that applications could use: not the server's own, not our own, not those kept open.
    pub(super) async fn accounts(&mut self, keep: &KeepOpen) -> Result<Vec<Account>, DatabaseError> {
        let query = if self.product.mariadb {
            "SELECT user, host, coalesce(json_value(priv, '$.account_locked'), 'false') IN ('true', '1') FROM mysql.global_priv \
             WHERE coalesce(json_value(priv, '$.is_role'), 'false') NOT IN ('true', '1') ORDER BY user, host"
        } else {
            "SELECT user, host, account_locked = 'Y' FROM mysql.user ORDER BY user, host"
        };
        let rows = self.rows("to list accounts", query.to_owned()).await?;
        let by_address = self
            .value("to look at skip_name_resolve", "SELECT @@skip_name_resolve".to_owned())
            .await?
            == "1";
        let own = self.login.username.clone();
        let account = |row: &sqlx::mysql::MySqlRow| Account {
            user: word(row, 0),
            host: word(row, 1),
            locked: word(row, 2) == "1",
        };
        let ours = |account: &Account| {
            OF_THE_SERVER.contains(&account.user.as_str()) || account.user == own || keep.logins.contains(&account.user)
        };
        // Without names, nobody can log in to an account whose host is one, and it cannot be altered either.
        let usable = |account: &Account| !by_address || !is_name(&account.host);
        Ok(rows
            .iter()
            .map(account)
            .filter(|account| !ours(account) && usable(account))
            .collect())
    }

    /// The accounts that pass read-only mode, as `'user'@'host'`.
    pub(super) async fn exempt(&mut self) -> Result<BTreeSet<String>, DatabaseError> {
        let privileges: Vec<String> = self.product.exempting().iter().map(|name| text(name)).collect();
        let query = format!(
            "SELECT DISTINCT grantee FROM information_schema.user_privileges WHERE privilege_type IN ({})",
            privileges.join(", ")
        );
        Ok(self
            .words("to list privileged accounts", query)
            .await?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        assert!(is_name("app-01") && is_name("db.example.com"));
        assert!(!is_name("%") && !is_name("10.0.%") && !is_name("::1") && !is_name("localhost"));
    }
}
