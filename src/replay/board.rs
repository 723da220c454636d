//! What all agents of a replay know: which revision each transaction became.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::document::Version;
use crate::ot::TextOp;

/// A transaction that became a revision.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) agent: usize,
    /// Which of the agent's transactions.
    pub(super) transaction: usize,
    /// The op as granted.
    pub(super) op: TextOp,
}

/// Fills as acks come in; agents read it from different places.
pub(super) struct Board {
    /// The version that the agents begin at.
    begin: Version,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// By version, from the one after the beginning on. None: no ack came yet.
    entries: Vec<Option<Entry>>,
    /// For each agent, the version at which each of its transactions is in the text; it rises.
    settled: Vec<Vec<Version>>,
}

impl Board {
    pub(super) fn new(agents: usize, begin: Version) -> Self {
        let state = State { entries: Vec::new(), settled: vec![Vec::new(); agents] };
        Board { begin, state: Mutex::new(state), changed: Notify::new() }
    }

    /// A transaction became this revision.
    pub(super) fn granted(&self, version: Version, entry: Entry) {
        let place = version.since(self.begin) as usize - 1;
        let mut state = self.state.lock();
        state.settled[entry.agent].push(version);
        if state.entries.len() <= place {
            state.entries.resize(place + 1, None);
        }
        state.entries[place] = Some(entry);
        drop(state);
        self.changed.notify_waiters();
    }

    /// An agent's next transaction left nothing to change: at this version it is in the text.
    pub(super) fn vanished(&self, agent: usize, version: Version) {
        self.state.lock().settled[agent].push(version);
        self.changed.notify_waiters();
    }

    /// Waits until so many transactions of each agent are revisions. Answers the version that has them all.
    pub(super) async fn has(&self, seen: &[usize]) -> Version {
        self.until(|state| {
            let mut version = Version::ZERO;
            for (settled, seen) in state.settled.iter().zip(seen) {
                if let Some(last) = seen.checked_sub(1) {
                    version = version.max(*settled.get(last)?);
                }
            }
            Some(version)
        })
        .await
    }

    /// The revisions `(from, to]`, if all are known.
    pub(super) fn between(&self, from: Version, to: Version) -> Option<Vec<Entry>> {
        let state = self.state.lock();
        let entries = state.entries.get(self.places(from, to))?;
        entries.iter().cloned().collect()
    }

    /// Waits until the revisions `(from, to]` are known.
    pub(super) async fn knows(&self, from: Version, to: Version) {
        self.until(|state| {
            let entries = state.entries.get(self.places(from, to))?;
            entries.iter().all(Option::is_some).then_some(())
        })
        .await
    }

    fn places(&self, from: Version, to: Version) -> std::ops::Range<usize> {
        from.since(self.begin) as usize..to.since(self.begin) as usize
    }

    async fn until<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listening begins before looking, so a change in between is not missed.
            changed.as_mut().enable();
            if let Some(found) = look(&self.state.lock()) {
                return found;
            }
            changed.await;
        }
    }
}
