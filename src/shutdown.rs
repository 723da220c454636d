//! How a server goes away: a phase that everyone watches, and a count of who is still at work.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Serving,
    /// New work is refused; what was begun goes on.
    Draining,
    /// Every connection ends.
    Closing,
}

/// The phase, and the right to count as at work. Whoever holds a clone is waited for.
#[derive(Clone)]
pub struct Watch {
    phase: watch::Receiver<Phase>,
    _at_work: mpsc::Sender<()>,
}

/// Moves the phase on.
pub struct Shutdown {
    phase: watch::Sender<Phase>,
    /// Ends when the last [`Watch`] was dropped: nothing is ever sent.
    all_gone: mpsc::Receiver<()>,
}

/// A server that serves.
pub fn serving() -> (Shutdown, Watch) {
    let (phase, watched) = watch::channel(Phase::Serving);
    let (at_work, all_gone) = mpsc::channel(1);
    (Shutdown { phase, all_gone }, Watch { phase: watched, _at_work: at_work })
}

impl Shutdown {
    /// Tells everyone.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Waits until everyone at work is gone, at most this long. Answers whether they are.
    pub async fn all_gone(&mut self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, self.all_gone.recv()).await.is_ok()
    }
}

impl Watch {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the phase is at least this one.
    pub async fn reached(&mut self, phase: Phase) {
        // A server that was dropped is as good as closing.
        let _ = self.phase.wait_for(|now| *now >= phase).await;
    }
}

/// The operating system's wish that the process ends: SIGTERM or SIGINT.
pub async fn asked_by_system() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
