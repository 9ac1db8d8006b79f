//! Applications: they write all the time, connect again at once when they are refused, and never stop trying. What was
//! acknowledged to them is remembered, with the instants before and after its COMMIT.

use crate::servers::{Shop, Side};
use crate::session::{Failed, Session};
use jiff::Timestamp;
use landfall_cloud::VirtualClock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two transactions of a writer.
const PAUSE: Duration = Duration::from_millis(25);

/// Between two attempts to connect: a refused login costs the server as much as one that is let in.
const REFUSED_PAUSE: Duration = Duration::from_millis(25);

/// Where a writer writes.
pub type Place = Arc<dyn Fn() -> Side + Send + Sync>;

/// How a writer behaves.
#[derive(Clone)]
pub struct WriterSpec {
    /// Its number, in its rows.
    pub number: u32,
    /// Where it writes now; asked before each transaction.
    pub place: Place,
    /// Whether it connects for each transaction; otherwise it keeps its session.
    pub reconnects: bool,
}

/// What was acknowledged.
#[derive(Debug, Clone)]
pub struct Kept {
    /// By whom.
    pub side: Side,
    /// The writer, and the number of its transaction.
    pub writer: u32,
    pub n: u64,
    /// The order that was made or changed, and its version since.
    pub order: i64,
    pub version: u64,
    /// Before COMMIT was sent.
    pub sent_at: Timestamp,
    /// After its answer was read.
    pub heard_at: Timestamp,
}

/// What was refused: a login, a statement, or a commit whose answer never came.
#[derive(Debug, Clone)]
pub struct Refused {
    pub side: Side,
    pub at: Timestamp,
}

/// What writers have seen. Clones share it.
#[derive(Clone, Default)]
pub struct Diary {
    kept: Arc<Mutex<Vec<Kept>>>,
    refused: Arc<Mutex<Vec<Refused>>>,
}

impl Diary {
    pub fn kept(&self) -> Vec<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn refused(&self) -> Vec<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writers of one database, until they are ended.
pub struct Writers {
    pub diary: Diary,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    /// Starts them on another thread's runtime, as the other programs that they are.
    pub fn start(runtime: &tokio::runtime::Handle, clock: &VirtualClock, shop: &Shop, specs: Vec<WriterSpec>) -> Self {
        let (diary, stop) = (Diary::default(), Arc::new(AtomicBool::new(false)));
        let tasks = specs.into_iter().map(|spec| {
            let writer = Writer {
                shop: shop.clone(),
                clock: clock.clone(),
                diary: diary.clone(),
                spec,
                orders: BTreeMap::new(),
                next: 1,
            };
            runtime.spawn(writer.write(stop.clone()))
        });
        let tasks = tasks.collect();
        Self { diary, stop, tasks }
    }

    /// Ends them, and waits for what they have begun.
    pub async fn end(self) -> Diary {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a writer does not panic");
        }
        self.diary
    }
}

struct Writer {
    shop: Shop,
    clock: VirtualClock,
    diary: Diary,
    spec: WriterSpec,
    /// Its orders with their versions, as they were acknowledged.
    orders: BTreeMap<i64, u64>,
    next: u64,
}

impl Writer {
    async fn write(mut self, stop: Arc<AtomicBool>) {
        let mut open: Option<(Side, Session)> = None;
        while !stop.load(Ordering::Relaxed) {
            let side = (self.spec.place)();
            let mut session = match open.take().filter(|(where_, _)| *where_ == side) {
                Some((_, session)) => session,
                None => match Session::open(&self.shop.login(side, &self.shop.application)).await {
                    Ok(session) => session,
                    Err(_) => {
                        self.refused(side);
                        tokio::time::sleep(REFUSED_PAUSE).await;
                        continue;
                    }
                },
            };
            match self.transaction(side, &mut session).await {
                Ok(()) if self.spec.reconnects => {}
                Ok(()) => open = Some((side, session)),
                // Whatever was done is not known, and is not done again; the next transaction is tried at once.
                Err(_) => self.refused(side),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn refused(&self, side: Side) {
        let at = self.clock.now();
        let mut refused = self.diary.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.push(Refused { side, at });
    }

    /// One of its orders, another one each time.
    fn known(&self, n: u64) -> Option<(i64, u64)> {
        let place = usize::try_from(n).unwrap_or_default() * 7 % self.orders.len().max(1);
        self.orders.iter().nth(place).map(|(order, version)| (*order, *version))
    }

    /// A new order with two lines, or every third time a change of one that is there; and always a visit.
    async fn transaction(&mut self, side: Side, session: &mut Session) -> Result<(), Failed> {
        let (schema, lines) = (self.shop.schema(), self.shop.lines());
        let (writer, n) = (self.spec.number, self.next);
        self.next += 1;
        session.run("BEGIN").await?;
        let (order, version) = match self.known(n).filter(|_| n.is_multiple_of(3)) {
            Some((order, version)) => {
                let text = format!(
                    "UPDATE {schema}.orders SET version = {} WHERE id = {order}",
                    version + 1
                );
                session.run(&text).await?;
                (order, version + 1)
            }
            None => {
                let text = format!(
                    "INSERT INTO {schema}.orders (writer, n, version, note) VALUES ({writer}, {n}, 0, 'by writer {writer}') RETURNING id"
                );
                let id = session.value(&text).await?;
                let order: i64 = id.parse().map_err(|_| format!("{id} is no key"))?;
                let text = format!("INSERT INTO {schema}.{lines} (order_id, amount) VALUES ({order}, 1), ({order}, 2)");
                session.run(&text).await?;
                (order, 0)
            }
        };
        let text = format!("INSERT INTO {schema}.visits (writer, n, page) VALUES ({writer}, {n}, '/orders/{order}')");
        session.run(&text).await?;
        // An order that was changed, and whose commit is not known, is not changed again.
        self.orders.remove(&order);
        let sent_at = self.clock.now();
        session.run("COMMIT").await?;
        let heard_at = self.clock.now();
        self.orders.insert(order, version);
        let kept = Kept {
            side,
            writer,
            n,
            order,
            version,
            sent_at,
            heard_at,
        };
        self.diary
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(kept);
        Ok(())
    }
}
