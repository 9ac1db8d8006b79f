//! How long a thread waited for a processor: on a machine with other work, that is nobody's share of a downtime.

use jiff::{SignedDuration, Timestamp};
use landfall_cloud::VirtualClock;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two readings.
const READ_EVERY: Duration = Duration::from_millis(5);

/// The kernel's count of a thread's waiting, read again and again until this is dropped.
pub struct Waiting {
    /// Instants, and nanoseconds that were waited until then.
    readings: Arc<Mutex<Vec<(Timestamp, u64)>>>,
    stop: Arc<AtomicBool>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Waiting {
    /// Of the thread that calls it. Where the kernel does not count, nothing was waited.
    /// <https://docs.kernel.org/scheduler/sched-stats.html>
    pub fn of_this_thread(clock: VirtualClock) -> Self {
        let (readings, stop) = (
            Arc::<Mutex<Vec<(Timestamp, u64)>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        let file = PathBuf::from("/proc").join(thread).join("schedstat");
        let (into, stopped) = (readings.clone(), stop.clone());
        let reader = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let waited = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
                let reading = (clock.now(), waited.unwrap_or_default());
                into.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
                std::thread::sleep(READ_EVERY);
            }
        });
        Self {
            readings,
            stop,
            reader: Some(reader),
        }
    }

    /// How long it waited between two instants; never more than there is between them.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = until(&readings, to).saturating_sub(until(&readings, from));
        let waited = SignedDuration::from_nanos(i64::try_from(waited).unwrap_or(i64::MAX));
        waited.min(to.duration_since(from))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // It has nothing to say.
            let _ = reader.join();
        }
    }
}

/// What had been waited at an instant, by the readings before and after it.
fn until(readings: &[(Timestamp, u64)], at: Timestamp) -> u64 {
    let after = readings.partition_point(|(read_at, _)| *read_at < at);
    let (Some((from, low)), Some((to, high))) = (readings.get(after.saturating_sub(1)), readings.get(after)) else {
        return readings.last().map_or(0, |(_, waited)| *waited);
    };
    let (whole, part) = (to.duration_since(*from).as_nanos(), at.duration_since(*from).as_nanos());
    if whole <= 0 || part <= 0 {
        return *low;
    }
    let share = i128::from(high.saturating_sub(*low)) * part / whole;
    low + u64::try_from(share).unwrap_or_default()
}
