//! Token buckets, which Route 53 throttles by.

use jiff::Timestamp;

/// The size of a bucket and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSize {
    /// Tokens of a full bucket.
    pub capacity: u32,
    /// Tokens added each second.
    pub refill_per_s: u32,
}

/// A bucket in millitokens, so that it counts exactly.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    size: BucketSize,
    millitokens: u64,
    filled_at: Timestamp,
}

impl Bucket {
    /// A full bucket.
    pub fn new(size: BucketSize, now: Timestamp) -> Bucket {
        Bucket {
            size,
            millitokens: u64::from(size.capacity) * 1_000,
            filled_at: now,
        }
    }

    /// Fills up to `now`, and says whether `tokens` are there.
    pub fn holds(&mut self, tokens: u64, now: Timestamp) -> bool {
        let elapsed_ms = now.duration_since(self.filled_at).as_millis().max(0) as u64;
        let filled = self
            .millitokens
            .saturating_add(elapsed_ms.saturating_mul(u64::from(self.size.refill_per_s)));
        self.millitokens = filled.min(u64::from(self.size.capacity) * 1_000);
        self.filled_at = self.filled_at.max(now);
        self.millitokens >= tokens * 1_000
    }

    /// Takes tokens that [`Bucket::holds`] found.
    pub fn take(&mut self, tokens: u64) {
        self.millitokens = self.millitokens.saturating_sub(tokens * 1_000);
    }
}
