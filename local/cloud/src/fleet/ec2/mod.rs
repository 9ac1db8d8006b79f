//! EC2 as far as a migration uses it: the launched instances, their checks, their power, and snapshots of their volumes.
//!
//! The query protocol: parameters in a form (`InstanceId.1`, `Filter.1.Value.1`), answers in XML of API version 2016-11-15.

mod instances;
mod power;
mod query;
mod snapshots;
mod xml;

use std::collections::BTreeMap;

use super::Fleet;
use crate::hub::AwsError;
use crate::operations;
use query::Query;

/// What does an action: the answer without its outermost element.
type Action = fn(&Fleet, &Query<'_>) -> Result<String, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Action); 9] = [
    ("DescribeInstances", instances::describe),
    ("DescribeInstanceStatus", instances::describe_status),
    ("StopInstances", power::stop),
    ("StartInstances", power::start),
    ("TerminateInstances", power::terminate),
    ("ModifyInstanceAttribute", power::modify_attribute),
    ("CreateSnapshots", snapshots::create),
    ("DescribeSnapshots", snapshots::describe),
    ("DeleteSnapshot", snapshots::delete),
];

impl Fleet {
    /// One EC2 call: the action, and the form's parameters (`Action` and `Version` may be among them); the XML document comes back.
    pub fn ec2(&self, action: &str, params: &BTreeMap<String, String>) -> Result<String, AwsError> {
        let request_id = self.with(|_, scene| scene.uuid());
        let query = Query::new(action, params);
        let body = operations::find("ec2", &OPERATIONS, action)?(self, &query)?;
        Ok(xml::document(action, &request_id, &body))
    }
}

/// EC2's refusals are all 400.
fn refusal(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}
