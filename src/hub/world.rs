//! What the core may not take for itself: the clock and randomness. A simulation passes its own.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::document::Time;

/// Clock and randomness.
pub trait World: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Time;

    /// Fills `bytes` with random bytes that nobody can guess.
    fn random(&self, bytes: &mut [u8]);
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl World for System {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock set before 1970 reads as 1970: times never decrease along a document anyway.
        Time(since.map_or(0, |since| since.as_millis() as u64))
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }
}
