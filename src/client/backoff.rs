//! How long a client waits before it connects again: exponential backoff with full jitter, so that the clients of a server
//! that went away do not all come back at once (Brooker, "Exponential Backoff And Jitter", 2015).

use std::time::Duration;

/// Bounds of the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest wait of all.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_millis(500), most: Duration::from_secs(20) }
    }
}

impl Backoff {
    /// The wait after this many failures in a row: any length up to the bound, all alike likely. `random` is uniform over
    /// all its values.
    pub fn wait(&self, failures: u32, random: u64) -> Duration {
        let bound = self.first.saturating_mul(1 << failures.min(20)).min(self.most);
        bound.mul_f64(random as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_anything_up_to_a_bound_that_doubles_until_it_is_the_most() {
        let backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_secs(20) };
        let longest: Vec<_> = (0..8).map(|failures| backoff.wait(failures, u64::MAX).as_millis()).collect();
        assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
        assert_eq!(backoff.wait(3, 0), Duration::ZERO);
        assert_eq!(backoff.wait(u32::MAX, u64::MAX), backoff.most);
    }
}
