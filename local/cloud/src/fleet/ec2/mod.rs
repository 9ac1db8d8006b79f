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
use super::members::not_simulated;
use crate::hub::AwsError;
use query::Query;

impl Fleet {
    /// One EC2 call: the action, and the form's parameters (`Action` and `Version` may be among them); the XML document comes back.
    pub fn ec2(&self, action: &str, params: &BTreeMap<String, String>) -> Result<String, AwsError> {
        let request_id = self.with(|_, scene| scene.uuid());
        let query = Query::new(action, params);
        let body = match action {
            "DescribeInstances" => instances::describe(self, &query),
            "DescribeInstanceStatus" => instances::describe_status(self, &query),
            "StopInstances" => power::stop(self, &query),
            "StartInstances" => power::start(self, &query),
            "TerminateInstances" => power::terminate(self, &query),
            "ModifyInstanceAttribute" => power::modify_attribute(self, &query),
            "CreateSnapshots" => snapshots::create(self, &query),
            "DescribeSnapshots" => snapshots::describe(self, &query),
            "DeleteSnapshot" => snapshots::delete(self, &query),
            other => Err(not_simulated(format_args!("ec2:{other}"))),
        }?;
        Ok(xml::document(action, &request_id, &body))
    }
}

/// EC2's refusals are all 400.
fn refusal(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}
