//! How a session learns which of its documents have something new: a set of tokens and one waker.

use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// Which of a session's documents.
pub type Token = u32;

/// One session's bell. Any number of documents ring it; the session alone listens.
#[derive(Default)]
pub struct Signal {
    waker: AtomicWaker,
    /// Documents that rang since the session last looked. A document stands here once at most: it rings again only after
    /// the session took from it (`Follower::rung`), so the list is bounded by the documents open.
    rung: Mutex<Vec<Token>>,
}

impl Signal {
    /// Says that a document has something new.
    pub fn ring(&self, token: Token) {
        self.rung.lock().push(token);
        self.waker.wake();
    }

    /// Moves the documents that rang into `tokens`; pending if none did.
    pub fn poll(&self, cx: &mut Context, tokens: &mut Vec<Token>) -> Poll<()> {
        // Registered before looking, so that a ring between the two wakes again.
        self.waker.register(cx.waker());
        let mut rung = self.rung.lock();
        if rung.is_empty() {
            return Poll::Pending;
        }
        tokens.append(&mut rung);
        Poll::Ready(())
    }
}
