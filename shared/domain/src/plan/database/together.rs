//! What a schema cannot say of the databases of a wave among each other, and beside its servers.

use super::rules::{self, Wrong};
use super::{DatabasePlan, SwitchPoint};
use crate::plan::WavePlan;
use std::collections::BTreeMap;

/// Everything that is wrong with the databases of a wave, at paths below the wave (`.databases[0].fence.schema`).
pub fn wrong(plan: &WavePlan) -> Vec<Wrong> {
    let mut found = Vec::new();
    if plan.servers.is_empty() && plan.databases.is_empty() {
        let text = "at least one server, or one in databases: there is nothing to move";
        found.push((".servers".to_owned(), text.to_owned()));
    }
    for (index, database) in plan.databases.iter().enumerate() {
        let at = format!(".databases[{index}]");
        let own = rules::wrong(plan.wave_id.as_str(), database);
        found.extend(own.into_iter().map(|(path, allowed)| (format!("{at}{path}"), allowed)));
    }
    told_apart(&plan.databases, &mut found);
    in_groups(plan, &mut found);
    switched_once(plan, &mut found);
    found
}

/// Ids, and servers: logins belong to a whole server, so closing one database closes every other on it.
fn told_apart(databases: &[DatabasePlan], found: &mut Vec<Wrong>) {
    let (mut ids, mut servers) = (BTreeMap::new(), BTreeMap::new());
    for (index, database) in databases.iter().enumerate() {
        let at = format!(".databases[{index}]");
        if let Some(first) = ids.insert(&database.database_id, index) {
            let text = format!("a database is listed once; databases[{first}] has it too");
            found.push((format!("{at}.databaseId"), text));
        }
        for (secret, side) in [
            (&database.source.admin_secret_arn, "source"),
            (&database.target.admin_secret_arn, "target"),
        ] {
            if let Some((first, other)) = servers
                .insert(secret, (index, side))
                .filter(|(first, _)| *first != index)
            {
                let text = format!(
                    "a server that no other database of the wave is on: closing one would close the other; databases[{first}].{other} has this secret too"
                );
                found.push((format!("{at}.{side}.adminSecretArn"), text));
            }
        }
    }
}

fn in_groups(plan: &WavePlan, found: &mut Vec<Wrong>) {
    if plan.move_groups.is_empty() {
        return;
    }
    let mut placed = BTreeMap::new();
    for (index, group) in plan.move_groups.iter().enumerate() {
        if group.servers.is_empty() && group.databases.is_empty() {
            let text = "at least one server, or one in databases: an empty group moves nothing";
            found.push((format!(".moveGroups[{index}].servers"), text.to_owned()));
        }
        for (number, id) in group.databases.iter().enumerate() {
            let path = format!(".moveGroups[{index}].databases[{number}]");
            if !plan.databases.iter().any(|database| &database.database_id == id) {
                found.push((path.clone(), "a database of this wave".to_owned()));
            }
            if let Some(first) = placed.insert(id, index) {
                let text = format!("a database is in one group; moveGroups[{first}] has it too");
                found.push((path, text));
            }
        }
    }
    for (index, database) in plan.databases.iter().enumerate() {
        if !placed.contains_key(&database.database_id) {
            let path = format!(".databases[{index}].databaseId");
            found.push((path, "in one of the moveGroups".to_owned()));
        }
    }
}

/// One switch point is changed by one step only: two would each take the other's change for somebody else's.
fn switched_once(plan: &WavePlan, found: &mut Vec<Wrong>) {
    let mut seen = BTreeMap::new();
    for (index, database) in plan.databases.iter().enumerate() {
        let (point, path) = match &database.switch {
            SwitchPoint::Route53 {
                hosted_zone_id, name, ..
            } => {
                let name = stored(name);
                let set = plan
                    .traffic
                    .dns
                    .iter()
                    .position(|set| &set.hosted_zone_id == hosted_zone_id && set.stored_name() == name);
                let path = format!(".databases[{index}].switch.route53.name");
                if let Some(set) = set {
                    let text = format!(
                        "a record set that is not in traffic.dns: it is switched with the database, and traffic.dns[{set}] would switch it again"
                    );
                    found.push((path.clone(), text));
                }
                (format!("{hosted_zone_id} {name}"), path)
            }
            SwitchPoint::Parameter { name, .. } => (name.clone(), format!(".databases[{index}].switch.parameter.name")),
        };
        if let Some(first) = seen.insert(point, index) {
            let text = format!("a switch point of its own; databases[{first}] has it too");
            found.push((path, text));
        }
    }
}

/// A name as Route 53 keeps it: small letters, with the final dot.
fn stored(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}
