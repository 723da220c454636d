//! Waiting for the writers of a busy document who are about to write again, so that they share a batch and its sync.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Authority, BATCH_MAX, Input};

/// Longest that a batch waits for writers who were just answered.
const COMPANY_MAX: Duration = Duration::from_millis(10);
/// How many appends' time is waited at most: a writer who came after the append began would wait for that one and the next, and
/// a batch with all of them in it spares a sync and, for each, a write to the socket.
const COMPANY_APPENDS: u32 = 3;

impl Authority {
    /// Waits for those who were just answered and have been answering at once: else the writers of a busy document fall into
    /// two halves that take turns, each with a sync of its own. One who does not come is not waited for again before having
    /// come quickly once more. People at a keyboard never do.
    pub(super) async fn let_writers_come(&mut self, inputs: &mut Vec<Input>) {
        let window = (self.append_time * COMPANY_APPENDS).min(COMPANY_MAX);
        while inputs.len() < BATCH_MAX {
            let Some(until) = self.live.state.lock().awaits(Instant::now(), window) else { break };
            let room = BATCH_MAX - inputs.len();
            tokio::select! {
                biased;
                _ = self.input.recv_many(inputs, room) => {}
                () = sleep_until(until) => {}
            }
        }
    }
}
