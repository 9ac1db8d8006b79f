//! A Task's `Resource`: which integration, which pattern. Anything else is refused when loaded.

/// How a Task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Until the service answered.
    RequestResponse,
    /// Until the job it started has ended. `version` 2 gives JSON where 1 gives strings.
    Sync { version: u8 },
    /// Until somebody completes the token.
    TaskToken,
}

/// A Task's resource, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// A function's own ARN as the resource.
    LambdaDirect { arn: String },
    /// `arn:aws:states:::service:action`, optimised or `aws-sdk:`.
    Service {
        /// `lambda`, `states`, `sns`, or `aws-sdk:mgn`: what histories call the resource type.
        service: String,
        /// `invoke`, `startExecution`, `publish`.
        action: String,
        /// The action with its pattern's suffix: what histories call the resource.
        resource: String,
        pattern: Pattern,
    },
}

const RR: u8 = 1;
const SYNC: u8 = 2;
const TOKEN: u8 = 4;
const SYNC2: u8 = 8;

// Optimised integrations and their patterns.
// https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
const OPTIMISED: &[(&str, &str, u8)] = &[
    ("lambda", "invoke", RR | TOKEN),
    ("states", "startExecution", RR | SYNC | SYNC2 | TOKEN),
    ("sns", "publish", RR | TOKEN),
    ("sqs", "sendMessage", RR | TOKEN),
    ("events", "putEvents", RR | TOKEN),
    ("dynamodb", "getItem", RR),
    ("dynamodb", "putItem", RR),
    ("dynamodb", "updateItem", RR),
    ("dynamodb", "deleteItem", RR),
    ("ecs", "runTask", RR | SYNC | TOKEN),
    ("batch", "submitJob", RR | SYNC),
    ("glue", "startJobRun", RR | SYNC),
    ("codebuild", "startBuild", RR | SYNC),
    ("athena", "startQueryExecution", RR | SYNC),
    ("athena", "getQueryExecution", RR),
    ("athena", "getQueryResults", RR),
    ("apigateway", "invoke", RR | TOKEN),
    ("bedrock", "invokeModel", RR),
];

/// Parses a resource; the error says what is simulated instead.
pub(crate) fn parse(text: &str) -> Result<Resource, String> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < 6 || parts[0] != "arn" || !parts[1].starts_with("aws") {
        return Err(format!("'{text}' is not a resource ARN"));
    }
    match (parts[2], parts[5]) {
        ("lambda", "function") if parts.len() >= 7 => Ok(Resource::LambdaDirect { arn: text.to_owned() }),
        ("states", "activity") => Err("activities are not simulated: use .waitForTaskToken".to_owned()),
        ("states", "aws-sdk") if parts.len() == 8 => aws_sdk(parts[6], parts[7]),
        ("states", service) if parts[3].is_empty() && parts[4].is_empty() => optimised(service, &parts[6..].join(":")),
        _ => Err(format!("the resource '{text}' is not simulated")),
    }
}

fn split_pattern(resource: &str) -> (String, Pattern) {
    for (suffix, pattern) in [
        (".waitForTaskToken", Pattern::TaskToken),
        (".sync:2", Pattern::Sync { version: 2 }),
        (".sync", Pattern::Sync { version: 1 }),
    ] {
        if let Some(action) = resource.strip_suffix(suffix) {
            return (action.to_owned(), pattern);
        }
    }
    (resource.to_owned(), Pattern::RequestResponse)
}

fn aws_sdk(service: &str, resource: &str) -> Result<Resource, String> {
    let (action, pattern) = split_pattern(resource);
    if matches!(pattern, Pattern::Sync { .. }) {
        return Err("AWS SDK integrations have no .sync".to_owned());
    }
    if service.is_empty() || !action.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(format!(
            "'aws-sdk:{service}:{action}' is not service:action with a lower-case first letter"
        ));
    }
    Ok(Resource::Service {
        service: format!("aws-sdk:{service}"),
        action,
        resource: resource.to_owned(),
        pattern,
    })
}

fn optimised(service: &str, resource: &str) -> Result<Resource, String> {
    let (action, pattern) = split_pattern(resource);
    let Some((_, _, allowed)) = OPTIMISED.iter().find(|(s, a, _)| *s == service && *a == action) else {
        return Err(format!("the integration '{service}:{action}' is not simulated"));
    };
    let wanted = match pattern {
        Pattern::RequestResponse => RR,
        Pattern::Sync { version: 2 } => SYNC2,
        Pattern::Sync { .. } => SYNC,
        Pattern::TaskToken => TOKEN,
    };
    if allowed & wanted == 0 {
        return Err(format!("'{service}:{action}' has no pattern '{resource}'"));
    }
    Ok(Resource::Service {
        service: service.to_owned(),
        action,
        resource: resource.to_owned(),
        pattern,
    })
}
