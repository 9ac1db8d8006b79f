//! What Landfall asks people, with the command that answers.

use crate::cli::say;
use crate::operator;
use crate::world::World;
use landfall_domain::record::Decision;
use std::path::{Path, PathBuf};

/// Prints every question that is published, and writes the answers to files that `aws lambda invoke` can send.
pub(super) fn attach(world: &World, folder: PathBuf) {
    world.on_message(move |_, notification| {
        let Some(question) = operator::question(&notification.message) else {
            return;
        };
        let kind = question.kind.as_str().to_lowercase();
        let mut text = format!("\n  {} To answer:\n", subject(notification.subject.as_deref()));
        for (verb, decision) in [("approve", Decision::Approved), ("reject", Decision::Rejected)] {
            let file = folder.join(format!("{verb}-{}-{kind}.json", question.wave_id));
            let answer = operator::request(&question, decision);
            match std::fs::write(&file, answer.to_string()) {
                Ok(()) => text.push_str(&format!("    {}\n", command(&file))),
                Err(error) => text.push_str(&format!("    {} cannot be written: {error}\n", file.display())),
            }
        }
        say(&text);
    });
}

/// The command that sends an answer, as the request to the function's URL would arrive.
fn command(file: &Path) -> String {
    format!(
        "aws lambda invoke --function-name approve --payload fileb://{} /dev/stdout",
        file.display()
    )
}

fn subject(subject: Option<&str>) -> &str {
    subject.unwrap_or("Landfall asks something.")
}
