//! Everything about the simulated DMS that may be turned.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fleet::Spread;

/// When a trouble is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From the task's start on.
    Always,
    /// So long after the task's last start.
    After(Duration),
    /// Once applications are locked out of the source.
    SourceClosed,
}

/// What can be wrong with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Changes arrive so much later than they were committed, instead of [`DmsKnobs::apply_delay`].
    ApplyDelay(Duration),
    /// Changes of this table (`schema.table` on the source; [`None`] for all) are never applied, while the task runs.
    Stuck(Option<String>),
    /// Of a hundred changes of this table (`schema.table` on the source) so many are left out, silently: only validation
    /// finds them.
    Skips(String, u64),
    /// The next row of this table that is applied (`schema.table` on the source) arrives different. Validation does not
    /// get to it before applications are locked out of the source.
    Corrupts(String),
    /// The task dies.
    Dies {
        /// Its status then: `stopped` or `failed`.
        status: &'static str,
        /// Its stop reason, as in `FATAL_ERROR`.
        reason: &'static str,
        /// Its last failure message.
        message: &'static str,
    },
    /// An error that DMS takes for recoverable, again and again: nothing is applied, the task reads `running`, and its
    /// metrics read 0.
    RestartsForever,
    /// Its metrics are not published.
    NoMetrics,
    /// Its metrics read 0, whatever the lag is.
    ZeroMetrics,
    /// Tables that were validated read `Pending revalidation` for so long.
    Revalidates(Duration),
}

/// A trouble of the tasks whose identifiers contain a text; the empty text is in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The text.
    pub task: String,
    /// From when on.
    pub when: When,
    /// What.
    pub what: What,
}

impl Trouble {
    /// A trouble of every task.
    pub fn new(when: When, what: What) -> Trouble {
        Trouble {
            task: String::new(),
            when,
            what,
        }
    }
}

/// How an assessment run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssessmentEnd {
    /// Every check passed.
    Passed,
    /// These checks warn.
    Warning(Vec<String>),
    /// These checks failed.
    Failed(Vec<String>),
    /// DMS itself failed, with this message.
    ErrorExecuting(String),
}

/// Every knob of DMS. `default()` is a calm day.
#[derive(Debug, Clone, PartialEq)]
pub struct DmsKnobs {
    /// API calls that are taken at once.
    pub bucket: u32,
    /// API calls that are taken each second in the long run.
    pub refill_per_s: u32,
    /// Most items on a page, whatever `MaxRecords` asks for.
    pub page: usize,
    /// Whether a describe call that finds nothing is `ResourceNotFoundFault`; otherwise an empty list.
    pub empty_is_fault: bool,
    /// From a replication instance's creation to `available`.
    pub instance_create: Spread,
    /// How long a replication instance reads `deleting`.
    pub instance_delete: Spread,
    /// Replication instances whose identifiers contain one of these end `failed`.
    pub failing_instances: Vec<String>,
    /// How long an endpoint reads `deleting`.
    pub endpoint_delete: Spread,
    /// How long a connection test takes.
    pub connection_test: Spread,
    /// Endpoints whose identifiers contain one of these cannot be connected to.
    pub failing_connections: Vec<String>,
    /// From a task's creation to `ready`.
    pub task_create: Spread,
    /// From a task's start to `running`.
    pub task_start: Spread,
    /// From a stop to `stopped`; nothing is applied meanwhile.
    pub task_stop: Spread,
    /// How long a task reads `deleting`.
    pub task_delete: Spread,
    /// Whether a deleted task leaves its replication slot on the source.
    pub leaves_slot: bool,
    /// How long an assessment run takes.
    pub assessment: Spread,
    /// How assessment runs end.
    pub assessment_end: AssessmentEnd,
    /// How long a part of a schema conversion takes.
    pub conversion: Spread,
    /// Parts of a schema conversion that end `FAILED`, by operation, as in `StartMetadataModelConversion`, with what DMS
    /// says.
    pub failing_conversions: BTreeMap<String, String>,
    /// What DMS says of parts that end `SUCCESS`, by operation: what they leave to people.
    pub conversion_remarks: BTreeMap<String, String>,
    /// How long after its minute a point of a metric can be read.
    pub metric_delay: Duration,
    /// Only for a run on a real clock, which has no minutes to wait for points: so many minutes before its start get a
    /// point too, with the first lag that is known. Default 0.
    pub metric_history: u32,
    /// How long the full load of a table takes, besides its rows.
    pub load_table: Spread,
    /// Rows that the full load carries each second.
    pub load_rows_per_s: u64,
    /// From a commit on the source to its rows on the target.
    pub apply_delay: Duration,
    /// With batch apply: how long changes are gathered.
    pub batch_wait: Duration,
    /// With batch apply: from one table to the next. The tables with the fewest changes come first, so that a fence
    /// overtakes data.
    pub batch_table: Duration,
    /// How often rows that arrived are compared. Between two comparisons the statistics are those of the former: a table
    /// can read `Validated` for so long although rows have arrived since.
    pub validation_every: Duration,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

impl Default for DmsKnobs {
    fn default() -> DmsKnobs {
        DmsKnobs {
            bucket: 100,
            refill_per_s: 4,
            page: 500,
            empty_is_fault: true,
            instance_create: Spread::seconds(5 * 60, 10 * 60),
            instance_delete: Spread::seconds(3 * 60, 6 * 60),
            failing_instances: Vec::new(),
            endpoint_delete: Spread::seconds(5, 15),
            connection_test: Spread::seconds(20, 60),
            failing_connections: Vec::new(),
            task_create: Spread::seconds(10, 20),
            task_start: Spread::seconds(20, 60),
            task_stop: Spread::seconds(10, 30),
            task_delete: Spread::seconds(20, 60),
            leaves_slot: false,
            assessment: Spread::seconds(3 * 60, 6 * 60),
            assessment_end: AssessmentEnd::Passed,
            conversion: Spread::seconds(60, 180),
            failing_conversions: BTreeMap::new(),
            conversion_remarks: BTreeMap::new(),
            metric_delay: Duration::from_secs(45),
            metric_history: 0,
            load_table: Spread::seconds(10, 30),
            load_rows_per_s: 5_000,
            apply_delay: Duration::from_millis(800),
            batch_wait: Duration::from_secs(2),
            batch_table: Duration::from_millis(700),
            validation_every: Duration::from_secs(1),
            troubles: Vec::new(),
        }
    }
}

impl DmsKnobs {
    /// What is not documented, turned against the reader of the API.
    pub fn awkward() -> DmsKnobs {
        DmsKnobs {
            page: 2,
            empty_is_fault: false,
            leaves_slot: true,
            metric_delay: Duration::from_secs(58),
            ..DmsKnobs::default()
        }
    }

    /// The same service whose work takes `factor` times as long: for a run on a real clock.
    pub fn scaled(self, factor: f64) -> DmsKnobs {
        DmsKnobs {
            instance_create: self.instance_create.scaled(factor),
            instance_delete: self.instance_delete.scaled(factor),
            endpoint_delete: self.endpoint_delete.scaled(factor),
            connection_test: self.connection_test.scaled(factor),
            task_create: self.task_create.scaled(factor),
            task_start: self.task_start.scaled(factor),
            task_stop: self.task_stop.scaled(factor),
            task_delete: self.task_delete.scaled(factor),
            assessment: self.assessment.scaled(factor),
            conversion: self.conversion.scaled(factor),
            load_table: self.load_table.scaled(factor),
            ..self
        }
    }
}
