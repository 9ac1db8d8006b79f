//! How waves end: as they must, and with nothing left.

use crate::checks;
use crate::servers::{Servers, Shop, Side};
use landfall_domain::report::WaveOutcome;
use runner::world::World;
use std::time::Duration;

/// How long a wave may take until it is over.
const OVER_WITHIN: Duration = Duration::from_secs(240);

/// The audit trail of a wave, for a failure, and every function that failed in its world.
pub fn story(world: &World, id: &str) -> String {
    let log = world.records().log;
    let lines = log.iter().filter(|(wave, _)| wave == id);
    let mut text: Vec<String> = lines
        .map(|(_, line)| format!("    {} {}", line.at, line.text))
        .collect();
    let invocations = world.invocations();
    let failed = invocations.iter().filter_map(|one| Some((one, one.failure.as_ref()?)));
    text.extend(failed.map(|(one, failure)| format!("    {} {} failed: {failure:?}", one.ended_at, one.function)));
    text.join("\n")
}

/// The first of many sentences, with the wave.
pub fn first(id: &str, wrong: Vec<String>) -> Vec<String> {
    let more = wrong.len().saturating_sub(5);
    let mut shown: Vec<String> = wrong
        .into_iter()
        .take(5)
        .map(|one| format!("wave {id}: {one}"))
        .collect();
    if more > 0 {
        shown.push(format!("wave {id}: and {more} more"));
    }
    shown
}

/// Waits until an execution is over; what is wrong with how its wave ended.
pub async fn over(world: &World, execution: &str, id: &str, wanted: WaveOutcome) -> Vec<String> {
    if tokio::time::timeout(OVER_WITHIN, world.finished(execution))
        .await
        .is_err()
    {
        let seconds = OVER_WITHIN.as_secs();
        return vec![format!("wave {id} is not over after {seconds} s\n{}", story(world, id))];
    }
    let records = world.records();
    let wave = records.wave(id);
    let outcome = wave.and_then(|wave| wave.outcome);
    if outcome == Some(wanted) {
        return Vec::new();
    }
    let said = wave.map(|wave| (wave.headline.clone(), wave.undo_failures.clone()));
    vec![format!("wave {id} ended {outcome:?}: {said:?}\n{}", story(world, id))]
}

/// What a wave that is over has left: in DMS, in Scheduler, on the databases, on record.
pub async fn left(world: &World, servers: &Servers, id: &str, shop: &Shop, open: Side) -> Vec<String> {
    let mut left = checks::left(servers, shop, open).await;
    let stem = format!("{id}-{}", shop.id());
    let dms = world.cloud.dms().inventory();
    let schedules = world.cloud.scheduler().schedules().into_iter().map(|(name, _)| name);
    let all = dms.into_iter().chain(schedules);
    left.extend(
        all.filter(|name| name.contains(&stem))
            .map(|name| format!("{name} is left")),
    );
    match world.records().database(&shop.id()) {
        Some(record) => left.extend(checks::not_retired(record)),
        None => left.push("the database is not on record".to_owned()),
    }
    first(id, left)
}
