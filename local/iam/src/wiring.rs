//! What invokes functions by itself: the event rules and schedules of the template.

use crate::template::Template;
use serde_json::Value;
use std::time::Duration;

/// A rule of EventBridge with a function as its target.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The function's and the event's logical ids together, as SAM names it.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The function, without the stack's name.
    pub function: String,
    /// The event pattern, resolved; names of machines are without the stack's.
    pub pattern: Value,
    /// The queue that takes events which cannot be given to the function.
    pub dead_letters: Option<String>,
}

/// A recurring schedule of EventBridge Scheduler with a function as its target.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The function's and the event's logical ids together, as SAM names it.
    pub name: String,
    /// The function, without the stack's name.
    pub function: String,
    /// The period.
    pub every: Duration,
    /// The role that invokes, by its logical id.
    pub role: String,
    /// The queue that takes what cannot be given to the function.
    pub dead_letters: Option<String>,
}

/// Where the events go of which a function has failed in every invocation.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
#[derive(Debug, Clone, PartialEq)]
pub struct OnFailure {
    /// The function, without the stack's name.
    pub function: String,
    /// The queue.
    pub queue: String,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wiring {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The schedules.
    pub schedules: Vec<Schedule>,
    /// The destinations of what failed.
    pub on_failure: Vec<OnFailure>,
}

impl Wiring {
    /// Reads the `Events` and the asynchronous invocation of every function. What is not understood is an error that names it.
    pub fn of_template(template: &Template) -> Result<Self, String> {
        let mut wiring = Self::default();
        for (id, resource) in template.resources(&["AWS::Serverless::Function"]) {
            let properties = &resource["Properties"];
            let function = template.unprefixed(&properties["FunctionName"])?;
            for (event, body) in properties["Events"].as_object().into_iter().flatten() {
                wiring
                    .add(template, &format!("{id}{event}"), &function, body)
                    .map_err(|why| format!("{id}.Events.{event}: {why}"))?;
            }
            let destination = &properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
            if destination["Type"] == "SQS" {
                wiring.on_failure.push(OnFailure {
                    function,
                    queue: template.text(&destination["Destination"])?,
                });
            } else if !destination.is_null() {
                return Err(format!("{id}: a destination that is no queue is not read here"));
            }
        }
        Ok(wiring)
    }

    fn add(&mut self, template: &Template, name: &str, function: &str, body: &Value) -> Result<(), String> {
        let properties = &body["Properties"];
        let dead_letters = match properties.get("DeadLetterConfig") {
            Some(queue) => Some(template.text(&queue["Arn"])?),
            None => None,
        };
        match body["Type"].as_str() {
            Some("EventBridgeRule") => {
                only(properties, &["Pattern", "RetryPolicy", "DeadLetterConfig"])?;
                self.rules.push(Rule {
                    arn: template.arn("events", &format!("rule/{name}")),
                    name: name.to_owned(),
                    function: function.to_owned(),
                    pattern: template.resolve_unprefixed(&properties["Pattern"])?,
                    dead_letters,
                });
            }
            Some("ScheduleV2") => {
                only(
                    properties,
                    &["ScheduleExpression", "RoleArn", "RetryPolicy", "DeadLetterConfig"],
                )?;
                let role = properties["RoleArn"]["Fn::GetAtt"].as_str();
                self.schedules.push(Schedule {
                    name: name.to_owned(),
                    function: function.to_owned(),
                    every: rate(&template.text(&properties["ScheduleExpression"])?)?,
                    role: role
                        .and_then(|role| role.strip_suffix(".Arn"))
                        .ok_or("it has no role of the template")?
                        .to_owned(),
                    dead_letters,
                });
            }
            other => return Err(format!("an event of the type {other:?} is not read here")),
        }
        Ok(())
    }
}

fn only(properties: &Value, known: &[&str]) -> Result<(), String> {
    let members = properties.as_object().into_iter().flatten();
    match members
        .map(|(name, _)| name)
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(unknown) => Err(format!("the property {unknown} is not read here")),
        None => Ok(()),
    }
}

/// `rate(5 minutes)`.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#rate-based>
fn rate(expression: &str) -> Result<Duration, String> {
    let unknown = || format!("the schedule expression {expression:?} is not read here");
    let inside = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let (number, unit) = inside.and_then(|inside| inside.split_once(' ')).ok_or_else(unknown)?;
    let number: u64 = number.parse().map_err(|_| unknown())?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return Err(unknown()),
    };
    Ok(Duration::from_secs(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::tests::stack;

    fn read(events: &str) -> Result<Wiring, String> {
        let text = format!(
            "
Resources:
  Queue: {{ Type: AWS::SQS::Queue, Properties: {{ QueueName: letters }} }}
  Role: {{ Type: AWS::IAM::Role }}
  Machine: {{ Type: AWS::Serverless::StateMachine, Properties: {{ Name: !Sub '${{AWS::StackName}}-wave' }} }}
  Sweep:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-sweep
      EventInvokeConfig: {{ DestinationConfig: {{ OnFailure: {{ Type: SQS, Destination: !GetAtt Queue.Arn }} }} }}
      Events:
        {events}
"
        );
        Wiring::of_template(&Template::read(&text, stack())?)
    }

    #[test]
    fn rules_and_schedules_are_read_with_their_patterns_periods_and_queues() {
        let queue = "arn:aws:sqs:eu-west-1:111122223333:letters";
        let wiring = read(
            "Often: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(5 minutes), RoleArn: !GetAtt Role.Arn, DeadLetterConfig: { Arn: !GetAtt Queue.Arn } } }",
        )
        .expect("it is read");
        assert_eq!(wiring.schedules[0].every, Duration::from_secs(300));
        assert_eq!(wiring.schedules[0].function, "sweep");
        assert_eq!(wiring.schedules[0].role, "Role");
        assert_eq!(wiring.schedules[0].dead_letters.as_deref(), Some(queue));
        assert_eq!(wiring.on_failure[0].queue, queue);
        let wiring = read(
            "Ended: { Type: EventBridgeRule, Properties: { Pattern: { source: [aws.states], detail: { stateMachineArn: [!Ref Machine] } } } }",
        )
        .expect("it is read");
        assert_eq!(wiring.rules[0].name, "SweepEnded");
        assert_eq!(
            wiring.rules[0].pattern["detail"]["stateMachineArn"][0],
            "arn:aws:states:eu-west-1:111122223333:stateMachine:wave"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (events, named) in [
            ("A: { Type: SQS, Properties: {} }", "SQS"),
            (
                "A: { Type: EventBridgeRule, Properties: { Pattern: {}, Input: x } }",
                "Input",
            ),
            (
                "A: { Type: ScheduleV2, Properties: { ScheduleExpression: cron(0 3 * * ? *), RoleArn: !GetAtt Role.Arn } }",
                "cron",
            ),
        ] {
            let error = read(events).expect_err(events);
            assert!(error.contains(named) && error.contains("Sweep.Events.A"), "{error}");
        }
    }
}
