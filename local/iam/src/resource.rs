//! What resources themselves say of who may use them: the key, the topic, the queue, and the permissions that SAM gives
//! to the rules of functions.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_identity-vs-resource.html>

use crate::policy::{Policy, Statement, Verdict, verdict};
use crate::template::Template;
use crate::wiring::Wiring;
use crate::{Request, Tags};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who asks a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks<'a> {
    /// A role of this account, whose own policies were asked already.
    Role,
    /// A service by itself, as in `events.amazonaws.com`.
    Service(&'a str),
}

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq)]
enum Who {
    Everybody,
    /// Whoever an identity-based policy of the account allows it to.
    Account,
    Services(Vec<String>),
}

/// The policies of the template's resources.
#[derive(Debug, Clone, Default)]
pub struct ResourcePolicies {
    account: String,
    /// By the resource's ARN.
    statements: BTreeMap<String, Vec<(Who, Statement)>>,
    /// Resource → the key that encrypts it.
    keys: BTreeMap<String, String>,
    region: String,
}

impl ResourcePolicies {
    /// Reads them.
    pub fn of_template(template: &Template, wiring: &Wiring) -> Result<Self, String> {
        let mut policies = Self {
            account: template.account().to_owned(),
            region: template.region().to_owned(),
            ..Self::default()
        };
        for (id, resource) in template.resources(&["AWS::KMS::Key"]) {
            let arn = template.text(&json!({ "Fn::GetAtt": format!("{id}.Arn") }))?;
            policies.add(template, id, &arn, &resource["Properties"]["KeyPolicy"])?;
        }
        let named = [
            ("AWS::SNS::TopicPolicy", "Topics", "Ref"),
            ("AWS::SQS::QueuePolicy", "Queues", "Arn"),
        ];
        for (kind, member, attribute) in named {
            for (id, resource) in template.resources(&[kind]) {
                let properties = &resource["Properties"];
                for of in properties[member].as_array().into_iter().flatten() {
                    let of = of["Ref"]
                        .as_str()
                        .ok_or_else(|| format!("{id}: {of} is no resource of the template"))?;
                    let arn = match attribute {
                        "Ref" => template.text(&json!({ "Ref": of }))?,
                        other => template.text(&json!({ "Fn::GetAtt": format!("{of}.{other}") }))?,
                    };
                    policies.add(template, id, &arn, &properties["PolicyDocument"])?;
                }
            }
        }
        policies.add_encryption(template)?;
        policies.add_rules(template, wiring)?;
        Ok(policies)
    }

    fn add(&mut self, template: &Template, id: &str, arn: &str, document: &Value) -> Result<(), String> {
        let document = template
            .resolve(document)?
            .ok_or_else(|| format!("{id} has no policy"))?;
        for statement in document["Statement"].as_array().into_iter().flatten() {
            let mut own = statement.clone();
            let principal = own
                .as_object_mut()
                .and_then(|members| members.remove("Principal"))
                .ok_or_else(|| format!("{id}: a statement without a principal"))?;
            let who = self.who(id, &principal)?;
            let read = Policy::read(id, &json!({ "Statement": [own] }))?.statements;
            let here = self.statements.entry(arn.to_owned()).or_default();
            here.extend(read.into_iter().map(|statement| (who.clone(), statement)));
        }
        Ok(())
    }

    fn who(&self, id: &str, principal: &Value) -> Result<Who, String> {
        let root = format!("arn:aws:iam::{}:root", self.account);
        let services = |value: &Value| -> Option<Vec<String>> {
            match value {
                Value::String(one) => Some(vec![one.clone()]),
                Value::Array(several) => several.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
                _ => None,
            }
        };
        let members = principal.as_object();
        match members.and_then(|members| members.iter().next().filter(|_| members.len() == 1)) {
            None if principal == "*" => Ok(Who::Everybody),
            Some((kind, value)) if kind == "AWS" && value == "*" => Ok(Who::Everybody),
            Some((kind, value)) if kind == "AWS" && *value == json!(root) => Ok(Who::Account),
            Some((kind, value)) if kind == "Service" => services(value)
                .map(Who::Services)
                .ok_or_else(|| format!("{id}: the service {value} is no name")),
            _ => Err(format!("{id}: the principal {principal} is not evaluated here")),
        }
    }

    /// Which key encrypts which resource.
    fn add_encryption(&mut self, template: &Template) -> Result<(), String> {
        for (kind, attribute, key) in [
            ("AWS::DynamoDB::Table", "Arn", "/SSESpecification/KMSMasterKeyId"),
            ("AWS::SNS::Topic", "Ref", "/KmsMasterKeyId"),
            ("AWS::SQS::Queue", "Arn", "/KmsMasterKeyId"),
        ] {
            for (id, resource) in template.resources(&[kind]) {
                let arn = match attribute {
                    "Ref" => json!({ "Ref": id }),
                    other => json!({ "Fn::GetAtt": format!("{id}.{other}") }),
                };
                if let Some(key) = resource["Properties"].pointer(key) {
                    self.keys.insert(template.text(&arn)?, template.text(key)?);
                }
            }
        }
        Ok(())
    }

    /// SAM lets each rule of a function invoke it, and nobody else.
    /// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources-function.html>
    fn add_rules(&mut self, template: &Template, wiring: &Wiring) -> Result<(), String> {
        for rule in &wiring.rules {
            let function = template.arn("lambda", &format!("function:{}", rule.function));
            let document = json!({ "Statement": [{
                "Sid": rule.name,
                "Effect": "Allow",
                "Principal": { "Service": "events.amazonaws.com" },
                "Action": "lambda:InvokeFunction",
                "Resource": function,
                "Condition": { "ArnLike": { "aws:SourceArn": rule.arn } },
            }]});
            self.add(template, &rule.function, &function, &document)?;
        }
        Ok(())
    }

    /// Whether the resource, and the key that encrypts it, let this be done. What a role asks was allowed by its own
    /// policies already: within an account, a resource without a word about it leaves it at that, and a key does not.
    pub fn check(&self, asks: Asks<'_>, request: &Request) -> Result<(), String> {
        self.asked(asks, request, false)?;
        let Some(key) = self.keys.get(&request.resource) else {
            return Ok(());
        };
        for action in ["kms:GenerateDataKey", "kms:Decrypt"] {
            let mut through = Request::new(action, key).with("kms:CallerAccount", &[&self.account]);
            through = match asks {
                Asks::Role => {
                    let service = request.action.split(':').next().unwrap_or_default();
                    through.with("kms:ViaService", &[&format!("{service}.{}.amazonaws.com", self.region)])
                }
                Asks::Service(_) => through.with("aws:SourceAccount", &[&self.account]),
            };
            self.asked(asks, &through, true)?;
        }
        Ok(())
    }

    fn asked(&self, asks: Asks<'_>, request: &Request, is_key: bool) -> Result<(), String> {
        let request = request.clone().with("aws:SecureTransport", &["true"]);
        let request = match asks {
            Asks::Role => request,
            Asks::Service(_) => request.with("aws:SourceAccount", &[&self.account]),
        };
        let none: Tags<'_> = &|_| BTreeMap::new();
        let about_asker = |who: &Who| match (who, asks) {
            (Who::Everybody, _) => true,
            // A key leaves it to the account's policies, and none of the template's roles has a right on the key itself.
            (Who::Account, _) => false,
            (Who::Services(names), Asks::Service(service)) => names.iter().any(|name| name == service),
            (Who::Services(_), Asks::Role) => false,
        };
        let statements = self.statements.get(&request.resource).into_iter().flatten();
        let statements = statements
            .filter(|(who, _)| about_asker(who))
            .map(|(_, statement)| statement);
        let refused = |why: &str| {
            let who = match asks {
                Asks::Role => "the role",
                Asks::Service(service) => service,
            };
            let (action, resource) = (&request.action, &request.resource);
            Err(format!(
                "{who} is not authorized to perform: {action} on resource: {resource} because {why}"
            ))
        };
        match verdict(statements, &request, none) {
            Verdict::Allowed(_) => Ok(()),
            Verdict::Denied(_) => refused("a resource-based policy denies it"),
            Verdict::Silent if asks == Asks::Role && !is_key => Ok(()),
            Verdict::Silent => refused("no resource-based policy allows it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::tests::stack;

    const TEMPLATE: &str = "
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Statement:
          - { Effect: Allow, Principal: { AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root' }, Action: 'kms:*', Resource: '*' }
          - Effect: Allow
            Principal: { AWS: '*' }
            Action: ['kms:Decrypt', 'kms:GenerateDataKey*']
            Resource: '*'
            Condition: { StringEquals: { kms:CallerAccount: !Ref AWS::AccountId, kms:ViaService: !Sub 'sns.${AWS::Region}.amazonaws.com' } }
          - { Effect: Allow, Principal: { Service: events.amazonaws.com }, Action: ['kms:Decrypt', 'kms:GenerateDataKey*'], Resource: '*' }
  Table: { Type: AWS::DynamoDB::Table, Properties: { TableName: t, SSESpecification: { KMSMasterKeyId: !GetAtt Key.Arn } } }
  Topic: { Type: AWS::SNS::Topic, Properties: { TopicName: people, KmsMasterKeyId: !GetAtt Key.Arn } }
  Secret: { Type: AWS::SNS::Topic, Properties: { TopicName: secret } }
  SecretPolicy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Secret]
      PolicyDocument: { Statement: [{ Effect: Deny, Principal: '*', Action: 'sns:Publish', Resource: !Ref Secret }] }
  Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: letters, KmsMasterKeyId: !GetAtt Key.Arn } }
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: { Service: [events.amazonaws.com, scheduler.amazonaws.com] }
            Action: sqs:SendMessage
            Resource: !GetAtt Queue.Arn
            Condition: { StringEquals: { aws:SourceAccount: !Ref AWS::AccountId } }
  OnEvent:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: on-event
      Events:
        Servers: { Type: EventBridgeRule, Properties: { Pattern: { source: [aws.mgn] } } }
";

    fn policies() -> ResourcePolicies {
        let template = Template::read(TEMPLATE, stack()).expect("a template");
        let wiring = Wiring::of_template(&template).expect("its wiring");
        ResourcePolicies::of_template(&template, &wiring).expect("its policies")
    }

    fn arn(rest: &str) -> String {
        let (service, rest) = rest.split_once(' ').expect("a service and the rest");
        format!("arn:aws:{service}:eu-west-1:111122223333:{rest}")
    }

    #[test]
    fn a_role_is_stopped_by_a_denial_and_by_a_key_that_says_nothing_of_the_service() {
        let policies = policies();
        let ask = |action: &str, resource: &str| policies.check(Asks::Role, &Request::new(action, arn(resource)));
        assert_eq!(ask("sns:Publish", "sns people"), Ok(()));
        assert_eq!(
            ask("dms:StopReplicationTask", "dms task:x"),
            Ok(()),
            "no policy of its own"
        );
        let denied = ask("sns:Publish", "sns secret").expect_err("it is denied");
        assert!(denied.contains("denies it"), "{denied}");
        let key = ask("dynamodb:GetItem", "dynamodb table/t").expect_err("the key is used through sns only");
        assert!(key.contains("kms:GenerateDataKey"), "{key}");
    }

    #[test]
    fn a_service_needs_to_be_let_in() {
        let policies = policies();
        let send = Request::new("sqs:SendMessage", arn("sqs letters"));
        assert_eq!(policies.check(Asks::Service("events.amazonaws.com"), &send), Ok(()));
        let key = policies.check(Asks::Service("scheduler.amazonaws.com"), &send);
        assert!(key.expect_err("the key does not know it").contains("kms:"));
        assert!(policies.check(Asks::Service("s3.amazonaws.com"), &send).is_err());
        let invoke = Request::new("lambda:InvokeFunction", arn("lambda function:on-event"));
        let by = |rule: &str| {
            invoke
                .clone()
                .with("aws:SourceArn", &[&arn(&format!("events rule/{rule}"))])
        };
        let events = Asks::Service("events.amazonaws.com");
        assert_eq!(policies.check(events, &by("OnEventServers")), Ok(()));
        assert!(policies.check(events, &by("Another")).is_err());
    }
}
