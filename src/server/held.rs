//! What has come of messages and bodies that are not at their end yet. Each may be as large as a document, and nobody has to
//! finish what they began: so it is bounded for everyone together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of each that are not counted: whoever types never has more under way, and touches nothing that is shared.
const UNCOUNTED: usize = 16 << 10;

/// All that is under way.
pub(super) struct Held {
    bytes: AtomicUsize,
    most: usize,
}

/// What of it is one connection's. Dropping it gives it back.
pub(super) struct Share {
    held: Arc<Held>,
    bytes: usize,
}

impl Held {
    /// Room for so many bytes.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Held { bytes: AtomicUsize::new(0), most })
    }

    /// The share of someone who has nothing under way yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { held: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Adds bytes that came, and answers whether there was room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.counted();
        self.bytes += bytes;
        let more = self.counted() - before;
        more == 0 || self.held.bytes.fetch_add(more, Ordering::Relaxed) + more <= self.held.most
    }

    /// What was under way is at its end.
    pub(super) fn clear(&mut self) {
        let counted = self.counted();
        if counted > 0 {
            self.held.bytes.fetch_sub(counted, Ordering::Relaxed);
        }
        self.bytes = 0;
    }

    fn counted(&self) -> usize {
        self.bytes.saturating_sub(UNCOUNTED)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_are_bounded_and_given_back() {
        let held = Held::new(100);
        let (mut one, mut two) = (held.share(), held.share());
        assert!(one.grow(UNCOUNTED) && two.grow(UNCOUNTED - 1) && two.grow(1));
        assert!(one.grow(60) && two.grow(40));
        assert!(!two.grow(1));
        one.clear();
        assert!(two.grow(59) && one.grow(UNCOUNTED));
        assert!(!one.grow(1));
        drop((one, two));
        assert_eq!(held.bytes.load(Ordering::Relaxed), 0);
    }
}
