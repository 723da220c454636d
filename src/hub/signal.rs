//! How a session learns which of its documents have something new: a set of tokens and one waker.

use std::collections::VecDeque;
use std::task::Context;

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

    /// Moves the documents that rang to the end of `tokens`; whether any did.
    pub fn take(&self, tokens: &mut VecDeque<Token>) -> bool {
        let mut rung = self.rung.lock();
        let any = !rung.is_empty();
        tokens.extend(rung.drain(..));
        any
    }

    /// Has the task of `cx` woken at the next ring. One that came before is not heard: look again afterwards.
    pub fn listen(&self, cx: &Context) {
        self.waker.register(cx.waker());
    }
}
