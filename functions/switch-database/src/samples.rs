//! Records for tests.

use landfall_domain::record::DatabaseRecord;
use serde_json::json;

/// A database in a state.
pub(crate) fn database(state: &str) -> DatabaseRecord {
    let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
    let side = json!({
        "engine": "postgres", "adminSecretArn": secret("a"), "fenceSecretArn": secret("f"),
        "applicationSecretArn": secret("p"), "dmsSecretArn": secret("d"),
        "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms-secrets",
    });
    let plan = json!({
        "databaseId": "shop", "source": side, "target": side,
        "replicationInstance": {
            "class": "dms.c5.large", "allocatedStorageGb": 100, "subnetGroupIdentifier": "dms",
            "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
        },
        "tableMappings": { "rules": [] },
        "switch": { "parameter": { "name": "/shop/host", "targetValue": "new" } },
    });
    serde_json::from_value(json!({
        "waveId": "w", "databaseId": "shop", "moveGroup": "all", "plan": plan, "state": state,
    }))
    .unwrap()
}
