//! One person of a recording, as one client.
//!
//! A client takes revisions as they come, so its text may hold some that the person had not seen when they typed. Those are
//! kept in a list, and each transaction is moved past them:
//!
//! ```text
//!                unseen, in order
//!      seen ───────────────────────▶ the client's text
//!        │                             │
//!        │ transaction                 │ what the client types
//!        ▼                             ▼
//!        · ───────────────────────────▶ ·
//!                unseen, moved
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::Failure;
use super::board::{Board, Entry};
use super::trace::{Trace, Transaction};
use crate::client::{Doc, Event};
use crate::document::Version;
use crate::ot::{LengthMismatch, Op, TextOp};

/// A person who types.
pub(super) struct Agent {
    number: usize,
    doc: Doc,
    events: UnboundedReceiver<Event>,
    trace: Arc<Trace>,
    board: Arc<Board>,
    /// The revisions up to here are in `unseen`, or were seen.
    place: Version,
    /// What the client's text has at `place` beyond what the person has seen and typed.
    unseen: VecDeque<Entry>,
    /// The person's last op, moved to `place`, while `place` is before its revision.
    typed: Option<TextOp>,
}

impl Agent {
    /// Someone who has seen the text at `begin` and nothing since, though their client may have: another may type already.
    pub(super) fn new(number: usize, doc: Doc, begin: Version, trace: Arc<Trace>, board: Arc<Board>) -> Self {
        let (_, events) = doc.events();
        Agent { number, place: begin, doc, events, trace, board, unseen: VecDeque::new(), typed: None }
    }

    /// Types everything, and answers who it is with the document.
    pub(super) async fn types(mut self, batch: bool, progress: impl Fn()) -> Result<(usize, Doc), Failure> {
        let trace = self.trace.clone();
        if batch {
            self.events.close();
        }
        for (index, transaction) in trace.agents[self.number].iter().enumerate() {
            match batch {
                true => self.types_on(index, transaction)?,
                false => self.types_one(index, transaction).await?,
            }
            progress();
        }
        self.doc.flushed().await?;
        Ok((self.number, self.doc))
    }

    /// Types a transaction without waiting for the one before: there is nobody else.
    fn types_on(&mut self, index: usize, transaction: &Transaction) -> Result<(), Failure> {
        let mut fits = Ok(());
        self.doc.edit(|machine| match transaction.op(machine.text().len()) {
            Ok(op) => Some(op),
            Err(reason) => {
                fits = Err(reason);
                None
            }
        })?;
        fits.map_err(|reason| self.does_not_fit(index, reason))
    }

    /// Types a transaction and waits for its revision.
    async fn types_one(&mut self, index: usize, transaction: &Transaction) -> Result<(), Failure> {
        let needed = self.board.has(&transaction.after).await;
        self.doc.reached(needed).await?;
        loop {
            self.board.knows(self.place, self.doc.version()).await;
            let mut made = None;
            let Agent { doc, board, place, unseen, typed, number, .. } = &mut *self;
            doc.edit(|machine| {
                // A revision may have come just now, and its ack not yet have reached its agent.
                let missed = board.between(*place, machine.version())?;
                let op = absorb(missed, *number, unseen, typed)
                    .map_err(|mismatch| mismatch.to_string())
                    .and_then(|()| move_past(unseen, transaction, machine.text().len(), |_, _| {}));
                *place = machine.version();
                let op = made.insert(op).as_ref().ok()?;
                Some(op.clone())
            })?;
            match made {
                None => continue,
                Some(Err(reason)) => return Err(self.does_not_fit(index, reason)),
                Some(Ok(op)) if op.is_identity() => {
                    self.board.vanished(self.number, self.place);
                    return Ok(());
                }
                Some(Ok(op)) => {
                    self.typed = Some(op);
                    return self.acknowledged(index).await;
                }
            }
        }
    }

    async fn acknowledged(&mut self, index: usize) -> Result<(), Failure> {
        loop {
            match self.events.recv().await {
                Some(Event::Acknowledged { version, op: Some(op), .. }) => {
                    self.board.granted(version, Entry { agent: self.number, transaction: index, op });
                    return Ok(());
                }
                Some(Event::Changed { .. } | Event::Disconnected | Event::Opened { .. }) => {}
                Some(other) => return Err(Failure::NotTaken(format!("{other:?}"))),
                None => return Err(Failure::NotTaken("the client has ended".into())),
            }
        }
    }

    fn does_not_fit(&self, transaction: usize, reason: String) -> Failure {
        Failure::DoesNotFit { agent: self.number, transaction, reason }
    }
}

/// Takes the revisions since the last look into the list of what was not seen. Those before the agent's own last op are
/// moved past it, as they were on the agent's screen.
fn absorb(
    missed: Vec<Entry>,
    number: usize,
    unseen: &mut VecDeque<Entry>,
    typed: &mut Option<TextOp>,
) -> Result<(), LengthMismatch> {
    for mut entry in missed {
        if entry.agent == number {
            debug_assert_eq!(typed.as_ref(), Some(&entry.op), "exact composition: moved here as it was moved there");
            *typed = None;
            continue;
        }
        if let Some(mine) = typed.take() {
            let (moved, theirs) = TextOp::transform(&mine, &entry.op)?;
            *typed = Some(moved);
            entry.op = theirs;
        }
        unseen.push_back(entry);
    }
    Ok(())
}

/// Forgets what the transaction has seen, and moves it past the rest, and the rest past it. `meets` is called with it and each
/// of the rest on their common text.
pub(super) fn move_past(
    unseen: &mut VecDeque<Entry>,
    transaction: &Transaction,
    len: u64,
    mut meets: impl FnMut(&TextOp, &Entry),
) -> Result<TextOp, String> {
    let seen = |entry: &Entry| entry.transaction < transaction.seen[entry.agent];
    while unseen.front().is_some_and(seen) {
        unseen.pop_front();
    }
    if unseen.iter().any(seen) {
        return Err("its agent had seen a revision, and not an earlier one of a third agent".into());
    }
    let mut op = transaction.op(unseen.front().map_or(len, |first| first.op.base_len()))?;
    for entry in unseen {
        meets(&op, entry);
        let moved = TextOp::transform(&op, &entry.op);
        (op, entry.op) = moved.map_err(|mismatch| mismatch.to_string())?;
    }
    Ok(op)
}
