//! What CloudWatch has of DMS: `CDCLatencySource` and `CDCLatencyTarget`, a point a minute while a task runs.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Monitoring.html>

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Dms;
use super::replicator::Lag;
use super::world::{Point, World};
use crate::fleet::members::{Members, invalid, not_simulated};
use crate::hub::AwsError;
use crate::operations;
use crate::protocol::cbor::Item;

const MINUTE_S: i64 = 60;

/// How often the lag is asked for that fills the minutes before a task's start, until there is one.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Publishes a point at the end of every minute for as long as this run of the task lasts.
pub(super) async fn publish(dms: Dms, arn: String, run: u64) {
    let history = i64::from(dms.knobs().metric_history);
    if history > 0 {
        let first = loop {
            match lag(&dms, &arn, run) {
                None => return,
                Some(lag @ Lag::Seconds { .. }) => break lag,
                Some(_) => tokio::time::sleep(ASK_EVERY).await,
            }
        };
        for minutes_ago in (1..=history).rev() {
            push(&dms, &arn, minutes_ago, first);
        }
    }
    loop {
        let into_minute = dms.with(|_, scene| scene.now.as_millisecond().rem_euclid(MINUTE_S * 1000));
        tokio::time::sleep(Duration::from_millis((MINUTE_S * 1000 - into_minute).unsigned_abs())).await;
        let Some(lag) = lag(&dms, &arn, run) else { return };
        push(&dms, &arn, 1, lag);
    }
}

/// How far the task is behind now; nothing when this run of it is over.
fn lag(dms: &Dms, arn: &str, run: u64) -> Option<Lag> {
    let spec = dms.with(|world, _| {
        let task = world.tasks.get(arn)?;
        (task.run == run && task.status == "running").then(|| task.spec.clone())
    })?;
    Some(dms.replicator().lag(&spec))
}

/// Adds the point of a minute so many minutes ago; a lag that is not known makes none.
fn push(dms: &Dms, arn: &str, minutes_ago: i64, lag: Lag) {
    let Lag::Seconds { source, target } = lag else { return };
    dms.with(|world, scene| {
        if let Some(task) = world.tasks.get_mut(arn) {
            let minute = (scene.now.as_second().div_euclid(MINUTE_S) - minutes_ago) * MINUTE_S;
            task.points.push(Point {
                minute: Timestamp::from_second(minute).unwrap_or(scene.now),
                source,
                target,
            });
        }
    });
}

/// A metric that is asked for.
struct Wanted {
    id: String,
    label: String,
    metric: String,
    dimensions: BTreeMap<String, String>,
}

/// What does an operation.
type Act = fn(&Dms, &Value) -> Result<Item, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 1] = [("GetMetricData", get_data)];

pub(super) fn handle(dms: &Dms, operation: &str, body: &Value) -> Result<Item, AwsError> {
    operations::find("monitoring", &OPERATIONS, operation)?(dms, body)
}

fn get_data(dms: &Dms, body: &Value) -> Result<Item, AwsError> {
    let known = ["MetricDataQueries", "StartTime", "EndTime", "ScanBy"];
    let members = Members::of("monitoring", "GetMetricData", body, &known)?;
    let time = |name: &str| {
        let seconds = members.value(name).and_then(Value::as_f64);
        seconds
            .and_then(|seconds| Timestamp::from_millisecond((seconds * 1e3) as i64).ok())
            .ok_or_else(|| invalid(format!("monitoring: {name} must be an instant")))
    };
    let (from, to) = (time("StartTime")?, time("EndTime")?);
    if from >= to {
        return Err(invalid("monitoring: StartTime must be before EndTime"));
    }
    let newest_first = match members.text("ScanBy")?.unwrap_or("TimestampDescending") {
        "TimestampDescending" => true,
        "TimestampAscending" => false,
        other => return Err(not_simulated(format_args!("monitoring: ScanBy {other}"))),
    };
    let queries = members.list("MetricDataQueries")?;
    let mut results = Vec::new();
    for query in queries {
        let wanted = read(query)?;
        let mut points = dms.with(|world, scene| {
            let delay = SignedDuration::try_from(scene.knobs.metric_delay).unwrap_or(SignedDuration::ZERO);
            let seen = |point: &Point| {
                from <= point.minute
                    && point.minute < to
                    && scene.now.duration_since(point.minute) >= SignedDuration::from_secs(MINUTE_S) + delay
            };
            let points = series(world, &wanted.dimensions).unwrap_or_default();
            points.iter().copied().filter(seen).collect::<Vec<Point>>()
        });
        if newest_first {
            points.reverse();
        }
        results.push(show(wanted, &points));
    }
    Ok(Item::Map(vec![
        ("MetricDataResults", Item::List(results)),
        ("Messages", Item::List(Vec::new())),
    ]))
}

fn read(query: &Value) -> Result<Wanted, AwsError> {
    const OPERATION: &str = "GetMetricData";
    let of = |value: &'_ Value, known: &[&str]| Members::of("monitoring", OPERATION, value, known).map(|_| ());
    of(query, &["Id", "MetricStat", "Label", "ReturnData"])?;
    let (stat, metric) = (&query["MetricStat"], &query["MetricStat"]["Metric"]);
    of(stat, &["Metric", "Period", "Stat"])?;
    of(metric, &["Namespace", "MetricName", "Dimensions"])?;
    let text = |value: &Value, name: &str| {
        let text = value[name].as_str().map(str::to_owned);
        text.ok_or_else(|| invalid(format!("monitoring: {name} must be a string")))
    };
    let name = text(metric, "MetricName")?;
    match text(metric, "Namespace")?.as_str() {
        "AWS/DMS" if matches!(name.as_str(), "CDCLatencySource" | "CDCLatencyTarget") => {}
        namespace => return Err(not_simulated(format_args!("monitoring: {namespace} {name}"))),
    }
    if stat["Period"].as_i64() != Some(MINUTE_S) {
        return Err(not_simulated(format_args!("monitoring: the period {}", stat["Period"])));
    }
    match text(stat, "Stat")?.as_str() {
        // A minute has one point, so these are the same.
        "Maximum" | "Minimum" | "Average" => {}
        other => return Err(not_simulated(format_args!("monitoring: the statistic {other}"))),
    }
    let mut dimensions = BTreeMap::new();
    for dimension in metric["Dimensions"].as_array().into_iter().flatten() {
        dimensions.insert(text(dimension, "Name")?, text(dimension, "Value")?);
    }
    let id = text(query, "Id")?;
    Ok(Wanted {
        label: query["Label"].as_str().unwrap_or(&name).to_owned(),
        id,
        metric: name,
        dimensions,
    })
}

/// The points under exactly these dimensions: the instance's identifier, and the last segment of the task's ARN. Wrong
/// dimensions have no points, and that is no error.
fn series<'a>(world: &'a World, dimensions: &BTreeMap<String, String>) -> Option<&'a [Point]> {
    let instance = dimensions.get("ReplicationInstanceIdentifier")?;
    let resource = dimensions.get("ReplicationTaskIdentifier")?;
    let (_, task) = world.tasks.iter().find(|(arn, task)| {
        arn.rsplit(':').next() == Some(resource)
            && world
                .instances
                .get(&task.instance_arn)
                .is_some_and(|one| one.identifier == *instance)
    })?;
    (dimensions.len() == 2).then_some(task.points.as_slice())
}

fn show(wanted: Wanted, points: &[Point]) -> Item {
    let source = wanted.metric == "CDCLatencySource";
    let value = |point: &Point| Item::Number(if source { point.source } else { point.target });
    Item::Map(vec![
        ("Id", Item::Text(wanted.id)),
        ("Label", Item::Text(wanted.label)),
        (
            "Timestamps",
            Item::List(points.iter().map(|point| Item::Time(point.minute)).collect()),
        ),
        ("Values", Item::List(points.iter().map(value).collect())),
        ("StatusCode", Item::Text("Complete".to_owned())),
    ])
}
