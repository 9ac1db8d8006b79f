//! Route 53: hosted zones, record sets, atomic changes and their way to INSYNC.

pub mod batch;
pub mod bucket;
pub mod record;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use batch::{Action, AppliedChange, Change};
pub use bucket::BucketSize;
pub use record::{AliasTarget, RecordSet, RoutingPolicy, normalise};

use crate::hub::{AwsError, Hub};
use crate::operations;
use crate::protocol::xml::Element;
use bucket::Bucket;
use record::RecordKey;

/// The name servers of every zone.
pub(crate) const NAME_SERVERS: [&str; 4] = [
    "ns-1.awsdns-01.com.",
    "ns-2.awsdns-02.net.",
    "ns-3.awsdns-03.org.",
    "ns-4.awsdns-04.co.uk.",
];

/// How Route 53 behaves where it may behave in several ways.
#[derive(Debug, Clone)]
pub struct Route53Knobs {
    /// Virtual time from a change to INSYNC; usually within 60 s in reality. Default 20 s.
    pub insync_after: Duration,
    /// For how long after a batch another one for the same zone gets PriorRequestNotComplete. Default none.
    pub zone_busy_for: Duration,
    /// One bucket for all calls of the account; `None` switches it off. Default 50, refilled 10/s.
    pub account_bucket: Option<BucketSize>,
    /// One bucket for each operation. Default 50, refilled 10/s.
    pub operation_bucket: Option<BucketSize>,
    /// One bucket for changes: CREATE and DELETE take 1, UPSERT 2. Default 1,500, refilled 100/s.
    pub change_bucket: Option<BucketSize>,
    /// The largest page of ListResourceRecordSets. Default 300, as the service's.
    pub page_max: u32,
}

impl Default for Route53Knobs {
    fn default() -> Route53Knobs {
        Route53Knobs {
            insync_after: Duration::from_secs(20),
            zone_busy_for: Duration::ZERO,
            account_bucket: Some(BucketSize {
                capacity: 50,
                refill_per_s: 10,
            }),
            operation_bucket: Some(BucketSize {
                capacity: 50,
                refill_per_s: 10,
            }),
            change_bucket: Some(BucketSize {
                capacity: 1_500,
                refill_per_s: 100,
            }),
            page_max: 300,
        }
    }
}

/// A batch that was applied, for checks of what happened to DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedBatch {
    /// When.
    pub at: Timestamp,
    /// The change's id, without `/change/`.
    pub change_id: String,
    /// The zone's id, without `/hostedzone/`.
    pub zone_id: String,
    /// Who called; see [`crate::Caller::name`].
    pub caller: String,
    /// The batch's comment.
    pub comment: Option<String>,
    /// What it did, in order.
    pub changes: Vec<AppliedChange>,
}

/// A hosted zone and its records.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub id: String,
    pub name: String,
    /// VPC id, for a private zone.
    pub vpc_id: Option<String>,
    pub caller_reference: String,
    pub records: BTreeMap<RecordKey, RecordSet>,
    protected: BTreeSet<(String, String)>,
    changed_at: Option<Timestamp>,
}

/// A change, as GetChange shows it.
#[derive(Debug, Clone)]
pub(crate) struct ChangeInfo {
    pub id: String,
    pub submitted_at: Timestamp,
    pub in_sync: bool,
    pub comment: Option<String>,
}

struct State {
    knobs: Route53Knobs,
    zones: BTreeMap<String, Zone>,
    health_checks: BTreeSet<String>,
    changes: BTreeMap<String, ChangeInfo>,
    history: Vec<AppliedBatch>,
    buckets: BTreeMap<String, Bucket>,
}

/// A request, and what is needed to answer it.
struct Request<'a> {
    hub: &'a dyn Hub,
    now: Timestamp,
    id: &'a str,
    query: &'a BTreeMap<String, String>,
    document: Option<&'a Element>,
    caller: &'a str,
}

type Act = fn(&mut State, &Request<'_>) -> Result<String, AwsError>;

/// What is simulated.
const OPERATIONS: [(&str, Act); 4] = [
    ("ListResourceRecordSets", |state, request| {
        state.list_record_sets(request.id, request.query)
    }),
    ("ChangeResourceRecordSets", |state, request| {
        wire::allow_query("ChangeResourceRecordSets", request.query, &[])?;
        let changes = wire::read_change_request(request.document)?;
        let change_id = format!("C{}", identifier(request.hub));
        state.change_record_sets(request.id, changes, request.caller, change_id, request.now)
    }),
    ("GetChange", |state, request| {
        wire::allow_query("GetChange", request.query, &[])?;
        state.get_change(request.id, request.now)
    }),
    ("GetHostedZone", |state, request| {
        wire::allow_query("GetHostedZone", request.query, &[])?;
        Ok(wire::write_hosted_zone(state.zone(request.id)?, &request.hub.region()))
    }),
];

/// The operations that are simulated.
pub(crate) fn operations() -> Vec<&'static str> {
    operations::names(&OPERATIONS)
}

/// The simulated service. Cloning shares it.
#[derive(Clone)]
pub struct Route53 {
    hub: Arc<dyn Hub>,
    state: Arc<Mutex<State>>,
}

impl Route53 {
    /// A service without zones.
    pub fn new(hub: Arc<dyn Hub>, knobs: Route53Knobs) -> Route53 {
        let state = State {
            knobs,
            zones: BTreeMap::new(),
            health_checks: BTreeSet::new(),
            changes: BTreeMap::new(),
            history: Vec::new(),
            buckets: BTreeMap::new(),
        };
        Route53 {
            hub,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("Route 53 does not panic while it holds its state")
    }

    /// Sets up a public zone with its NS and SOA sets. `id` is as in `Z0123456789ABC`, without a path.
    pub fn add_zone(&self, id: &str, name: &str) {
        self.insert_zone(id, name, None);
    }

    /// Sets up a private zone of one VPC.
    pub fn add_private_zone(&self, id: &str, name: &str, vpc_id: &str) {
        self.insert_zone(id, name, Some(vpc_id.to_owned()));
    }

    fn insert_zone(&self, id: &str, name: &str, vpc_id: Option<String>) {
        let name = normalise(name);
        let soa = format!(
            "{} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",
            NAME_SERVERS[0]
        );
        let records = [
            RecordSet::simple(&name, "NS", 172_800, &NAME_SERVERS),
            RecordSet::simple(&name, "SOA", 900, &[&soa]),
        ];
        let zone = Zone {
            id: id.to_owned(),
            name,
            vpc_id,
            caller_reference: format!("set-up of {id}"),
            records: records.into_iter().map(|record| (record.key(), record)).collect(),
            protected: BTreeSet::new(),
            changed_at: None,
        };
        self.lock().zones.insert(id.to_owned(), zone);
    }

    /// Puts a record as somebody outside of the product would, past all rules but the zone's existence.
    pub fn put_record(&self, zone_id: &str, mut record: RecordSet) -> Result<(), AwsError> {
        record.name = normalise(&record.name);
        let mut state = self.lock();
        let zone = state.zone_mut(zone_id)?;
        zone.records.insert(record.key(), record);
        Ok(())
    }

    /// Takes a record away as somebody outside of the product would. Says whether there was one.
    pub fn remove_record(
        &self,
        zone_id: &str,
        name: &str,
        record_type: &str,
        set_identifier: Option<&str>,
    ) -> Result<bool, AwsError> {
        let key = RecordKey::new(&normalise(name), record_type, set_identifier);
        Ok(self.lock().zone_mut(zone_id)?.records.remove(&key).is_some())
    }

    /// Protects a name and type: any batch that changes it fails as a whole.
    pub fn protect(&self, zone_id: &str, name: &str, record_type: &str) -> Result<(), AwsError> {
        let what = (normalise(name), record_type.to_owned());
        self.lock().zone_mut(zone_id)?.protected.insert(what);
        Ok(())
    }

    /// Makes a health check id known, so that records may name it.
    pub fn add_health_check(&self, id: &str) {
        self.lock().health_checks.insert(id.to_owned());
    }

    /// Replaces the knobs; running changes and buckets keep what they have.
    pub fn set_knobs(&self, knobs: Route53Knobs) {
        self.lock().knobs = knobs;
    }

    /// The records of a zone in Route 53's order, NS and SOA included; empty for an unknown zone.
    pub fn records(&self, zone_id: &str) -> Vec<RecordSet> {
        self.lock()
            .zones
            .get(zone_id)
            .map(|zone| zone.records.values().cloned().collect())
            .unwrap_or_default()
    }

    /// One record set.
    pub fn record(
        &self,
        zone_id: &str,
        name: &str,
        record_type: &str,
        set_identifier: Option<&str>,
    ) -> Option<RecordSet> {
        let key = RecordKey::new(&normalise(name), record_type, set_identifier);
        self.lock().zones.get(zone_id)?.records.get(&key).cloned()
    }

    /// Every batch applied through the API, in order.
    pub fn history(&self) -> Vec<AppliedBatch> {
        self.lock().history.clone()
    }

    /// Answers a request: the XML document, or the refusal.
    pub fn handle(
        &self,
        operation: &str,
        id: &str,
        query: &BTreeMap<String, String>,
        document: Option<&Element>,
        caller: &str,
    ) -> Result<String, AwsError> {
        let now = self.hub.now();
        let mut state = self.lock();
        state.throttle(operation, now)?;
        let act = operations::find("route53", &OPERATIONS, operation)?;
        let request = Request {
            hub: &*self.hub,
            now,
            id,
            query,
            document,
            caller,
        };
        act(&mut state, &request)
    }
}

/// Twenty letters and digits.
fn identifier(hub: &dyn Hub) -> String {
    const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..20)
        .map(|_| char::from(ALPHABET[(hub.random() % 36) as usize]))
        .collect()
}

impl State {
    fn zone(&self, id: &str) -> Result<&Zone, AwsError> {
        self.zones.get(id).ok_or_else(|| no_such_zone(id))
    }

    fn zone_mut(&mut self, id: &str) -> Result<&mut Zone, AwsError> {
        self.zones.get_mut(id).ok_or_else(|| no_such_zone(id))
    }

    /// Takes one token of the account's and the operation's bucket, or none at all.
    fn throttle(&mut self, operation: &str, now: Timestamp) -> Result<(), AwsError> {
        let buckets = [
            ("account", self.knobs.account_bucket),
            (operation, self.knobs.operation_bucket),
        ];
        self.take(&buckets, 1, now)
    }

    fn take(&mut self, buckets: &[(&str, Option<BucketSize>)], tokens: u64, now: Timestamp) -> Result<(), AwsError> {
        let used = || buckets.iter().filter_map(|(name, size)| size.map(|size| (*name, size)));
        for (name, size) in used() {
            let bucket = self
                .buckets
                .entry(name.to_owned())
                .or_insert_with(|| Bucket::new(size, now));
            if !bucket.holds(tokens, now) {
                return Err(AwsError::new(400, "Throttling", "Rate exceeded"));
            }
        }
        for (name, _) in used() {
            if let Some(bucket) = self.buckets.get_mut(name) {
                bucket.take(tokens);
            }
        }
        Ok(())
    }

    fn list_record_sets(&self, id: &str, query: &BTreeMap<String, String>) -> Result<String, AwsError> {
        let page = wire::read_page_request(query, self.knobs.page_max)?;
        let zone = self.zone(id)?;
        let name = page.name.as_deref().map(normalise);
        let start = name.map(|name| {
            RecordKey::new(
                &name,
                page.record_type.as_deref().unwrap_or_default(),
                page.identifier.as_deref(),
            )
        });
        let mut from_start: Vec<&RecordSet> = match &start {
            Some(start) => zone.records.range(start..).map(|(_, record)| record).collect(),
            None => zone.records.values().collect(),
        };
        let next = from_start.get(page.max_items as usize).copied();
        from_start.truncate(page.max_items as usize);
        Ok(wire::write_record_sets(&from_start, next, page.max_items))
    }

    fn change_record_sets(
        &mut self,
        id: &str,
        request: wire::ChangeRequest,
        caller: &str,
        change_id: String,
        now: Timestamp,
    ) -> Result<String, AwsError> {
        let busy_for = self.knobs.zone_busy_for;
        let zone = self.zone(id)?;
        if zone
            .changed_at
            .is_some_and(|at| now.duration_since(at).unsigned_abs() < busy_for)
        {
            let message = "The request was rejected because Route 53 was still processing a prior request.";
            return Err(AwsError::new(400, "PriorRequestNotComplete", message));
        }
        self.known_health_checks(&request.changes)?;
        let target = batch::Target {
            zone_name: &zone.name,
            records: &zone.records,
            protected: &zone.protected,
        };
        let (records, changes) = batch::apply(&target, &request.changes)
            .map_err(|problems| AwsError::new(400, "InvalidChangeBatch", format!("[{}]", problems.join(", "))))?;
        let tokens = request.changes.iter().map(|change| change.action.cost() as u64).sum();
        self.take(&[("changes", self.knobs.change_bucket)], tokens, now)?;

        let zone = self.zone_mut(id)?;
        zone.records = records;
        zone.changed_at = Some(now);
        let info = ChangeInfo {
            id: change_id.clone(),
            submitted_at: now,
            in_sync: self.knobs.insync_after.is_zero(),
            comment: request.comment.clone(),
        };
        self.changes.insert(change_id.clone(), info.clone());
        self.history.push(AppliedBatch {
            at: now,
            change_id,
            zone_id: id.to_owned(),
            caller: caller.to_owned(),
            comment: request.comment,
            changes,
        });
        Ok(wire::write_change_info("ChangeResourceRecordSetsResponse", &info))
    }

    fn known_health_checks(&self, changes: &[Change]) -> Result<(), AwsError> {
        let named = changes.iter().filter(|change| change.action != Action::Delete);
        for id in named.filter_map(|change| change.record.health_check_id.as_ref()) {
            if !self.health_checks.contains(id) {
                let message = format!("No health check exists with the specified ID: {id}");
                return Err(AwsError::new(404, "NoSuchHealthCheck", message));
            }
        }
        Ok(())
    }

    fn get_change(&self, id: &str, now: Timestamp) -> Result<String, AwsError> {
        let info = self
            .changes
            .get(id)
            .ok_or_else(|| AwsError::new(404, "NoSuchChange", format!("Could not find resource with ID: {id}")))?;
        let insync_after = SignedDuration::try_from(self.knobs.insync_after).unwrap_or(SignedDuration::MAX);
        let mut info = info.clone();
        info.in_sync |= now.duration_since(info.submitted_at) >= insync_after;
        Ok(wire::write_change_info("GetChangeResponse", &info))
    }
}

fn no_such_zone(id: &str) -> AwsError {
    AwsError::new(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
}
