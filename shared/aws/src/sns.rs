//! SNS: messages to people.

use crate::classify::{beginning, step_error};
use landfall_domain::StepError;

/// The service's name in errors.
const SERVICE: &str = "SNS";

/// Characters of a subject.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const SUBJECT_CHARACTERS_MAX: usize = 100;

/// Bytes of a message, subject and envelope included, are 262,144; a character is four bytes at most, and a message
/// that long is read by nobody.
const MESSAGE_CHARACTERS_MAX: usize = 60_000;

/// SNS.
#[derive(Debug, Clone)]
pub struct Sns {
    client: aws_sdk_sns::Client,
}

impl Sns {
    /// Wraps a client.
    pub fn new(client: aws_sdk_sns::Client) -> Self {
        Self { client }
    }

    /// Publishes a message. What does not fit is made to: an alert must not fail over its subject. Repeating it sends
    /// it twice.
    /// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
    pub async fn publish(&self, topic_arn: &str, subject: &str, message: &str) -> Result<(), StepError> {
        self.client
            .publish()
            .topic_arn(topic_arn)
            .set_subject(subject_line(subject))
            .message(beginning(message, MESSAGE_CHARACTERS_MAX))
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "Publish", error))?;
        Ok(())
    }
}

/// A subject as SNS takes it: ASCII without line breaks and control characters, at most 100 characters, beginning with a
/// letter, a digit or a punctuation mark. [`None`] when nothing is left.
fn subject_line(subject: &str) -> Option<String> {
    let line: String = subject
        .trim()
        .chars()
        .map(|character| match character {
            ' '..='~' => character,
            _ if character.is_whitespace() || character.is_control() => ' ',
            _ => '?',
        })
        .take(SUBJECT_CHARACTERS_MAX)
        .collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Canned, json};

    #[test]
    fn a_subject_is_made_to_fit() {
        assert_eq!(subject_line("Wave 1 is held").as_deref(), Some("Wave 1 is held"));
        assert_eq!(subject_line(" Welle\nf\u{fc}nf\u{7} ").as_deref(), Some("Welle f?nf"));
        assert_eq!(subject_line(&"x".repeat(101)).map(|line| line.len()), Some(100));
        assert_eq!(subject_line(" \n"), None);
    }

    #[tokio::test]
    async fn a_message_is_published_under_its_subject() {
        let body = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
        let aws = Canned::new([json(200, body)]);
        let sns = Sns::new(aws.sns());
        sns.publish("arn:aws:sns:eu-west-1:1:t", "held", "why").await.unwrap();
        let request = &aws.requests()[0];
        assert!(
            request.contains("Subject=held") && request.contains("Message=why"),
            "{request}"
        );
    }
}
