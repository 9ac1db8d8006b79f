//! Seeded randomness: the same seed gives the same simulation.

use std::sync::Mutex;

/// A SplitMix64 generator behind a lock. Each use of randomness has a stream of its own, so that turning one
/// knob does not shift what another part of the cloud draws.
#[derive(Debug)]
pub struct Random {
    state: Mutex<u64>,
}

impl Random {
    /// The stream number `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Random {
        let state = seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
        Random {
            state: Mutex::new(state),
        }
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        let mut state = self.state.lock().expect("no panic while drawing");
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True with the given probability, from 0 (never) to 1 (always).
    pub fn chance(&self, probability: f64) -> bool {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// A duration from `low` to `high`, both included, in whole milliseconds.
    pub fn between(&self, low: std::time::Duration, high: std::time::Duration) -> std::time::Duration {
        let span_ms = high.saturating_sub(low).as_millis() as u64;
        low + std::time::Duration::from_millis(self.next() % (span_ms + 1))
    }

    /// A name of `length` characters from the capital letters and digits, as AWS makes identifiers.
    pub fn identifier(&self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..length)
            .map(|_| char::from(ALPHABET[(self.next() % 36) as usize]))
            .collect()
    }

    /// A version 4 UUID in its usual form.
    pub fn uuid(&self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}
