//! What DMS tells EventBridge.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_EventBridge.html>, `CHAP_Events.html`

use serde_json::json;

use crate::hub::EventDetail;

/// An event of a replication task.
pub(super) fn task(arn: &str, category: &str, kind: &str, id: &str, message: &str) -> EventDetail {
    event(arn, "REPLICATION_TASK", "Task", category, kind, id, message)
}

/// An event of a replication instance.
pub(super) fn instance(arn: &str, category: &str, kind: &str, id: &str, message: &str) -> EventDetail {
    event(arn, "REPLICATION_INSTANCE", "Instance", category, kind, id, message)
}

fn event(arn: &str, of: &str, title: &str, category: &str, kind: &str, id: &str, message: &str) -> EventDetail {
    EventDetail {
        source: "aws.dms".to_owned(),
        detail_type: format!("DMS Replication {title} State Change"),
        resources: vec![arn.to_owned()],
        detail: json!({
            "type": of,
            "category": category,
            "eventType": format!("{of}_{kind}"),
            "eventId": id,
            "resourceLink": format!("https://console.aws.amazon.com/dms/v2/home#{}", arn.rsplit(':').next().unwrap_or_default()),
            "detailMessage": message,
        }),
    }
}
