//! A SAM template: read, and its intrinsic functions resolved as CloudFormation would for a stack.

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use std::collections::BTreeMap;

/// The stack that a template is resolved for.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Parameters that differ from their defaults.
    pub parameters: BTreeMap<String, String>,
}

/// A template and the stack it is resolved for.
#[derive(Debug, Clone)]
pub struct Template {
    document: Value,
    stack: Stack,
}

impl Template {
    /// Reads a template. Short forms of intrinsic functions become long ones.
    pub fn read(text: &str, stack: Stack) -> Result<Self, String> {
        let yaml: Yaml = serde_yaml_ng::from_str(text).map_err(|error| format!("the template is no YAML: {error}"))?;
        Ok(Self {
            document: plain(yaml)?,
            stack,
        })
    }

    /// The document with long forms of intrinsic functions, nothing resolved.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The resources of these types, by logical id.
    pub fn resources<'a>(&'a self, types: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.document["Resources"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, resource)| resource["Type"].as_str().is_some_and(|kind| types.contains(&kind)))
            .map(|(id, resource)| (id.as_str(), resource))
    }

    /// Whether a resource exists in this stack.
    pub fn exists(&self, resource: &Value) -> Result<bool, String> {
        match resource["Condition"].as_str() {
            None => Ok(true),
            Some(name) => self.condition(name),
        }
    }

    /// Resolves the intrinsic functions of a value. [`None`] is `AWS::NoValue`.
    pub fn resolve(&self, value: &Value) -> Result<Option<Value>, String> {
        match value {
            Value::Array(items) => {
                let mut resolved = Vec::new();
                for item in items {
                    resolved.extend(self.resolve(item)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(members) => match intrinsic(members) {
                Some((name, argument)) => self.call(name, argument),
                None => {
                    let mut resolved = Map::new();
                    for (key, member) in members {
                        if let Some(member) = self.resolve(member)? {
                            resolved.insert(key.clone(), member);
                        }
                    }
                    Ok(Some(Value::Object(resolved)))
                }
            },
            other => Ok(Some(other.clone())),
        }
    }

    /// The same, for a value that has to be a text.
    pub fn text(&self, value: &Value) -> Result<String, String> {
        match self.resolve(value)? {
            Some(Value::String(text)) => Ok(text),
            other => Err(format!("{value} is no text but {other:?}")),
        }
    }

    /// The account of the stack.
    pub fn account(&self) -> &str {
        &self.stack.account
    }

    /// The Region of the stack.
    pub fn region(&self) -> &str {
        &self.stack.region
    }

    /// An ARN in the account and the Region of the stack.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.stack.region, self.stack.account)
    }

    /// A text without the stack's name before it: what is simulated is deployed without it.
    pub fn unprefixed(&self, value: &Value) -> Result<String, String> {
        let text = self.text(value)?;
        let prefix = format!("{}-", self.stack.name);
        Ok(text.strip_prefix(&prefix).unwrap_or(&text).to_owned())
    }

    /// A value with its intrinsic functions resolved and, in the ARNs of functions, machines and executions, without the
    /// stack's name.
    pub fn resolve_unprefixed(&self, value: &Value) -> Result<Value, String> {
        let resolved = self.resolve(value)?.ok_or_else(|| format!("{value} has no value"))?;
        Ok(without_prefix(resolved, &format!("{}-", self.stack.name)))
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>, String> {
        Ok(Some(match name {
            "Ref" => match self.reference(word(argument)?)? {
                Some(value) => value,
                None => return Ok(None),
            },
            "Fn::Sub" => json!(self.substitute(word(argument)?)?),
            "Fn::GetAtt" => {
                let (resource, attribute) = pair(argument)?;
                json!(self.attribute(&resource, &attribute)?)
            }
            "Fn::Join" => {
                let items = argument[1].clone();
                let Some(Value::Array(items)) = self.resolve(&items)? else {
                    return Err(format!("Fn::Join of {argument} has no list"));
                };
                let words: Result<Vec<&str>, String> = items.iter().map(word).collect();
                json!(words?.join(word(&argument[0])?))
            }
            "Fn::If" => {
                let branch = if self.condition(word(&argument[0])?)? {
                    &argument[1]
                } else {
                    &argument[2]
                };
                return self.resolve(branch);
            }
            other => return Err(format!("the intrinsic function {other} is not resolved here")),
        }))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>, String> {
        let stack = &self.stack;
        Ok(Some(match name {
            "AWS::Partition" => json!("aws"),
            "AWS::Region" => json!(stack.region),
            "AWS::AccountId" => json!(stack.account),
            "AWS::StackName" => json!(stack.name),
            "AWS::NoValue" => return Ok(None),
            parameter if self.document["Parameters"].get(parameter).is_some() => self.parameter(parameter)?,
            resource => json!(self.attribute(resource, "Ref")?),
        }))
    }

    fn parameter(&self, name: &str) -> Result<Value, String> {
        let declared = &self.document["Parameters"][name];
        let value = match (self.stack.parameters.get(name), &declared["Default"]) {
            (Some(value), _) => value.clone(),
            (None, Value::String(value)) => value.clone(),
            (None, Value::Number(value)) => value.to_string(),
            (None, _) => return Err(format!("the parameter {name} has no value")),
        };
        Ok(match declared["Type"].as_str() {
            Some("CommaDelimitedList") => {
                json!(value.split(',').map(str::trim).collect::<Vec<_>>())
            }
            _ => json!(value),
        })
    }

    fn condition(&self, name: &str) -> Result<bool, String> {
        match self.document["Conditions"].get(name) {
            Some(condition) => self.holds(condition),
            None => Err(format!("the condition {name} is not declared")),
        }
    }

    fn holds(&self, condition: &Value) -> Result<bool, String> {
        let members = condition
            .as_object()
            .ok_or_else(|| format!("{condition} is no condition"))?;
        let (name, argument) = members.iter().next().ok_or("a condition is empty")?;
        let each = || argument.as_array().into_iter().flatten();
        match name.as_str() {
            "Condition" => self.condition(word(argument)?),
            "Fn::Not" => Ok(!self.holds(&argument[0])?),
            "Fn::And" => each().try_fold(true, |all, one| Ok(all && self.holds(one)?)),
            "Fn::Or" => each().try_fold(false, |any, one| Ok(any || self.holds(one)?)),
            "Fn::Equals" => Ok(self.resolve(&argument[0])? == self.resolve(&argument[1])?),
            other => Err(format!("the condition function {other} is not resolved here")),
        }
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?} is not closed"))?;
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
            } else if let Some((resource, attribute)) = name.split_once('.') {
                result.push_str(&self.attribute(resource, attribute)?);
            } else {
                let value = self
                    .reference(name)?
                    .ok_or_else(|| format!("{name} in {text:?} has no value"))?;
                result.push_str(word(&value)?);
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    /// What `Ref` and `Fn::GetAtt` give for a resource.
    fn attribute(&self, id: &str, attribute: &str) -> Result<String, String> {
        let resource = &self.document["Resources"][id];
        let Some(kind) = resource["Type"].as_str() else {
            return Err(format!("the resource {id} is not in the template"));
        };
        let Stack {
            name: stack,
            account,
            region,
            ..
        } = &self.stack;
        let named = |property: &str| match resource["Properties"].get(property) {
            Some(name) => self.text(name),
            None => Ok(format!("{stack}-{id}")),
        };
        let arn = |service: &str, rest: String| format!("arn:aws:{service}:{region}:{account}:{rest}");
        Ok(match (kind, attribute) {
            ("AWS::Serverless::Function", "Ref") => named("FunctionName")?,
            ("AWS::Serverless::Function", "Arn") => arn("lambda", format!("function:{}", named("FunctionName")?)),
            ("AWS::Serverless::StateMachine", "Ref" | "Arn") => {
                arn("states", format!("stateMachine:{}", named("Name")?))
            }
            ("AWS::DynamoDB::Table", "Ref") => named("TableName")?,
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", format!("table/{}", named("TableName")?)),
            ("AWS::SNS::Topic", "Ref" | "TopicArn") => arn("sns", named("TopicName")?),
            ("AWS::SQS::Queue", "Arn") => arn("sqs", named("QueueName")?),
            ("AWS::SQS::Queue", "QueueName") => named("QueueName")?,
            ("AWS::Logs::LogGroup", "Ref") => named("LogGroupName")?,
            ("AWS::Logs::LogGroup", "Arn") => arn("logs", format!("log-group:{}:*", named("LogGroupName")?)),
            ("AWS::IAM::Role", "Ref") => format!("{stack}-{id}"),
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{account}:role/{stack}-{id}"),
            ("AWS::IAM::ManagedPolicy", "Ref") => format!("arn:aws:iam::{account}:policy/{stack}-{id}"),
            ("AWS::KMS::Key", "Arn") => arn("kms", format!("key/{id}")),
            (kind, attribute) => return Err(format!("{attribute} of {id}, a {kind}, is not resolved here")),
        })
    }
}

fn without_prefix(value: Value, prefix: &str) -> Value {
    match value {
        Value::String(text) => {
            let text = ["function:", "stateMachine:", "execution:"]
                .iter()
                .fold(text, |text, kind| {
                    text.replace(&format!(":{kind}{prefix}"), &format!(":{kind}"))
                });
            Value::String(text)
        }
        Value::Array(items) => items.into_iter().map(|item| without_prefix(item, prefix)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, member)| (key, without_prefix(member, prefix)))
            .collect(),
        other => other,
    }
}

/// An object that is one intrinsic function.
fn intrinsic(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

fn word(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is no text"))
}

fn pair(argument: &Value) -> Result<(String, String), String> {
    match argument {
        Value::String(text) => text
            .split_once('.')
            .map(|(resource, attribute)| (resource.to_owned(), attribute.to_owned()))
            .ok_or_else(|| format!("{text:?} names no attribute")),
        Value::Array(items) if items.len() == 2 => Ok((word(&items[0])?.to_owned(), word(&items[1])?.to_owned())),
        other => Err(format!("{other} names no attribute")),
    }
}

/// YAML as JSON; a tag such as `!Sub` becomes the long form.
fn plain(yaml: Yaml) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(number) => serde_json::to_value(&number).map_err(|error| error.to_string())?,
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(plain).collect::<Result<_, _>>()?),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (key, value) in members {
                let key = match key {
                    Yaml::String(key) => key,
                    other => return Err(format!("the key {other:?} is no text")),
                };
                object.insert(key, plain(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = match tag.trim_start_matches('!') {
                "Ref" => "Ref".to_owned(),
                "Condition" => "Condition".to_owned(),
                other => format!("Fn::{other}"),
            };
            json!({ name: plain(tagged.value)? })
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stack with every parameter at its default.
    pub(crate) fn stack() -> Stack {
        Stack {
            name: "landfall".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            parameters: BTreeMap::new(),
        }
    }

    fn template() -> Template {
        let text = "
Parameters:
  Zones: { Type: CommaDelimitedList, Default: 'a, b' }
  Vpc: { Type: String, Default: '' }
Conditions:
  InVpc: !Not [!Equals [!Ref Vpc, '']]
Resources:
  Table: { Type: AWS::DynamoDB::Table, Properties: { TableName: !Ref AWS::StackName } }
";
        Template::read(text, stack()).expect("a template")
    }

    #[test]
    fn intrinsic_functions_are_resolved_and_unknown_ones_refused() {
        let template = template();
        let resolve = |value: Value| template.resolve(&value);
        let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/landfall";
        assert_eq!(resolve(json!({ "Fn::GetAtt": "Table.Arn" })), Ok(Some(json!(arn))));
        assert_eq!(
            resolve(json!({ "Fn::Sub": "x-${AWS::Region}-${Table.Arn}" })),
            Ok(Some(json!(format!("x-eu-west-1-{arn}"))))
        );
        assert_eq!(resolve(json!({ "Ref": "Zones" })), Ok(Some(json!(["a", "b"]))));
        assert_eq!(
            resolve(json!([{ "Fn::If": ["InVpc", 1, { "Ref": "AWS::NoValue" }] }, 2])),
            Ok(Some(json!([2])))
        );
        assert!(resolve(json!({ "Fn::Select": [0, []] })).is_err());
        assert!(resolve(json!({ "Ref": "Nobody" })).is_err());
    }
}
