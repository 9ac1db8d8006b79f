//! SNS: topics that record what is published to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;

use crate::hub::{AwsError, Hub};
use crate::operations;
use crate::protocol::query::SNS_NAMESPACE;
use crate::protocol::xml::Writer;
use crate::random::Random;

/// Most bytes of a message ("Publish" in the API reference).
const MESSAGE_BYTES_MAX: usize = 262_144;
/// A subject is shorter than this many characters.
const SUBJECT_CHARACTERS_BELOW: usize = 100;

/// A message as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id.
    pub message_id: String,
    /// The topic.
    pub topic_arn: String,
    /// The subject, if there is one.
    pub subject: Option<String>,
    /// The text.
    pub message: String,
    /// Message attributes: their string values (or Base64, for binary ones) by name.
    pub attributes: BTreeMap<String, String>,
    /// When.
    pub at: Timestamp,
    /// Who published; see [`crate::Caller::name`].
    pub caller: String,
}

/// Told of every publication.
pub type PublishObserver = Arc<dyn Fn(&Notification) + Send + Sync>;

#[derive(Default)]
struct State {
    topics: BTreeMap<String, String>,
    published: Vec<Notification>,
    observers: Vec<PublishObserver>,
}

/// What does an action: form and caller in, the XML document out.
type Act = fn(&Sns, &BTreeMap<String, String>, &str) -> Result<String, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 1] = [("Publish", Sns::publish)];

/// The simulated service. Cloning shares it.
#[derive(Clone)]
pub struct Sns {
    hub: Arc<dyn Hub>,
    random: Arc<Random>,
    state: Arc<Mutex<State>>,
}

impl Sns {
    /// A service without topics; message ids come from `random`.
    pub fn new(hub: Arc<dyn Hub>, random: Arc<Random>) -> Sns {
        Sns {
            hub,
            random,
            state: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("SNS does not panic while it holds its state")
    }

    /// Sets up a topic and returns its ARN.
    pub fn create_topic(&self, name: &str) -> String {
        let arn = format!("arn:aws:sns:{}:{}:{name}", self.hub.region(), self.hub.account());
        self.lock().topics.insert(arn.clone(), name.to_owned());
        arn
    }

    /// Everything published so far, in order.
    pub fn published(&self) -> Vec<Notification> {
        self.lock().published.clone()
    }

    /// Adds an observer of later publications.
    pub fn on_publish(&self, observer: PublishObserver) {
        self.lock().observers.push(observer);
    }

    /// Answers a request: the XML document, or the refusal.
    pub fn handle(&self, action: &str, form: &BTreeMap<String, String>, caller: &str) -> Result<String, AwsError> {
        operations::find("sns", &OPERATIONS, action)?(self, form, caller)
    }

    fn publish(&self, form: &BTreeMap<String, String>, caller: &str) -> Result<String, AwsError> {
        let notification = self.read_publish(form, caller)?;
        let observers = {
            let mut state = self.lock();
            state.published.push(notification.clone());
            state.observers.clone()
        };
        // Outside of the lock, so that an observer may look at the topic.
        for observer in observers {
            observer(&notification);
        }
        let mut xml = Writer::new();
        xml.open_in("PublishResponse", SNS_NAMESPACE).open("PublishResult");
        xml.leaf("MessageId", &notification.message_id).close("PublishResult");
        xml.open("ResponseMetadata")
            .leaf("RequestId", &self.random.uuid())
            .close("ResponseMetadata");
        xml.close("PublishResponse");
        Ok(xml.finish())
    }

    fn read_publish(&self, form: &BTreeMap<String, String>, caller: &str) -> Result<Notification, AwsError> {
        let known = |name: &str| {
            matches!(name, "TopicArn" | "Subject" | "Message") || name.starts_with("MessageAttributes.entry.")
        };
        if let Some(name) = form.keys().find(|name| !known(name)) {
            return Err(AwsError::not_simulated(&format!(
                "sns:Publish with the parameter {name}"
            )));
        }
        let topic_arn = form
            .get("TopicArn")
            .ok_or_else(|| invalid("TopicArn or TargetArn Reason: no value"))?;
        let message = form.get("Message").filter(|text| !text.is_empty());
        let message = message.ok_or_else(|| invalid("Empty message"))?;
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(invalid("Message too long"));
        }
        let subject = form.get("Subject").cloned();
        if subject.as_ref().is_some_and(|text| !valid_subject(text)) {
            return Err(invalid("Subject"));
        }
        if !self.lock().topics.contains_key(topic_arn) {
            return Err(AwsError::new(404, "NotFound", "Topic does not exist"));
        }
        Ok(Notification {
            message_id: self.random.uuid(),
            topic_arn: topic_arn.clone(),
            subject,
            message: message.clone(),
            attributes: read_attributes(form)?,
            at: self.hub.now(),
            caller: caller.to_owned(),
        })
    }
}

/// Not empty, under 100 printable ASCII characters without line breaks, and not beginning with a blank.
fn valid_subject(subject: &str) -> bool {
    (1..SUBJECT_CHARACTERS_BELOW).contains(&subject.len())
        && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && !subject.starts_with(' ')
}

/// Reads `MessageAttributes.entry.1.Name` and `.Value.DataType`, `.Value.StringValue`, `.Value.BinaryValue`.
fn read_attributes(form: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, AwsError> {
    let mut attributes = BTreeMap::new();
    for (key, name) in form.iter().filter(|(key, _)| key.ends_with(".Name")) {
        let prefix = key.trim_end_matches(".Name");
        let part = |part: &str| form.get(&format!("{prefix}.Value.{part}"));
        if part("DataType").is_none() {
            return Err(invalid(&format!("The message attribute '{name}' must contain a type")));
        }
        let value = part("StringValue").or_else(|| part("BinaryValue"));
        let value = value.ok_or_else(|| invalid(&format!("The message attribute '{name}' must contain a value")))?;
        attributes.insert(name.clone(), value.clone());
    }
    Ok(attributes)
}

fn invalid(what: &str) -> AwsError {
    AwsError::new(400, "InvalidParameter", format!("Invalid parameter: {what}"))
}
