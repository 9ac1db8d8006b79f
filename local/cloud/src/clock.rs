//! Virtual time: a start instant plus what tokio's clock has counted since, which a paused runtime advances by itself.

use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use jiff::{SignedDuration, Timestamp};

/// The one clock of a simulated cloud: services, SDK clients and the state machine interpreter all read it.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl VirtualClock {
    /// Starts at `start`. Call it inside the runtime whose clock is to be followed.
    pub fn new(start: Timestamp) -> VirtualClock {
        VirtualClock {
            start,
            origin: tokio::time::Instant::now(),
        }
    }

    /// Virtual time now.
    pub fn now(&self) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(self.elapsed()).expect("a simulation does not run for hundreds of years");
        self.start
            .checked_add(elapsed)
            .expect("a simulation does not reach the year 9999")
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl TimeSource for VirtualClock {
    fn now(&self) -> SystemTime {
        SystemTime::from(VirtualClock::now(self))
    }
}

impl AsyncSleep for VirtualClock {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(duration))
    }
}

impl asl::Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        VirtualClock::now(self)
    }
}
