//! Reading an EC2 form strictly: every parameter is asked for, and one nobody asked for is refused by name.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::refusal;
use crate::fleet::members::not_simulated;
use crate::hub::AwsError;

/// One EC2 request.
pub(crate) struct Query<'a> {
    action: &'a str,
    params: &'a BTreeMap<String, String>,
    /// What has been asked for so far.
    read: RefCell<BTreeSet<String>>,
}

/// One `Filter.n`.
pub(crate) struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl<'a> Query<'a> {
    /// A request with nothing read of it but what belongs to every request.
    pub fn new(action: &'a str, params: &'a BTreeMap<String, String>) -> Query<'a> {
        let common = ["Action", "Version"].map(str::to_owned);
        Query {
            action,
            params,
            read: RefCell::new(BTreeSet::from(common)),
        }
    }

    /// A parameter by its full name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.read.borrow_mut().insert(name.to_owned());
        self.params.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    pub fn required(&self, name: &str) -> Result<&'a str, AwsError> {
        self.text(name).ok_or_else(|| {
            refusal(
                "MissingParameter",
                format!("The request must contain the parameter {name}"),
            )
        })
    }

    /// A boolean; false if absent.
    pub fn flag(&self, name: &str) -> Result<bool, AwsError> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(invalid_value(name, other)),
        }
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<usize>, AwsError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| invalid_value(name, text))
    }

    /// `name.1`, `name.2`, …
    pub fn list(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        while let Some(value) = self.text(&format!("{name}.{}", values.len() + 1)) {
            values.push(value.to_owned());
        }
        values
    }

    /// `Filter.n.Name` with `Filter.n.Value.m`.
    pub fn filters(&self) -> Vec<Filter> {
        let mut filters = Vec::new();
        while let Some(name) = self.text(&format!("Filter.{}.Name", filters.len() + 1)) {
            let values = self.list(&format!("Filter.{}.Value", filters.len() + 1));
            filters.push(Filter {
                name: name.to_owned(),
                values,
            });
        }
        filters
    }

    /// `TagSpecification.n` for one resource type; other types are not simulated.
    pub fn tags(&self, resource: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let mut tags = BTreeMap::new();
        let mut specification = 1;
        while let Some(kind) = self.text(&format!("TagSpecification.{specification}.ResourceType")) {
            if kind != resource {
                return Err(not_simulated(format_args!("ec2:{} tags on {kind}", self.action)));
            }
            let mut tag = 1;
            while let Some(key) = self.text(&format!("TagSpecification.{specification}.Tag.{tag}.Key")) {
                let value = self.text(&format!("TagSpecification.{specification}.Tag.{tag}.Value"));
                tags.insert(key.to_owned(), value.unwrap_or_default().to_owned());
                tag += 1;
            }
            specification += 1;
        }
        Ok(tags)
    }

    /// Refuses what nobody has asked for: call it when everything known has been read.
    pub fn finish(&self) -> Result<(), AwsError> {
        let read = self.read.borrow();
        match self.params.keys().find(|name| !read.contains(*name)) {
            Some(unknown) => Err(not_simulated(format_args!("ec2:{} parameter {unknown}", self.action))),
            None => Ok(()),
        }
    }

    /// A filter nobody knows.
    pub fn unknown_filter(&self, name: &str) -> AwsError {
        not_simulated(format_args!("ec2:{} filter {name}", self.action))
    }
}

fn invalid_value(name: &str, value: &str) -> AwsError {
    refusal(
        "InvalidParameterValue",
        format!("Value ({value}) for parameter {name} is invalid"),
    )
}
