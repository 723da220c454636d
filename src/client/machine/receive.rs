//! What the server's messages do to a document.

use super::{Here, InFlight, Link, Machine, Step};
use crate::client::event::{Closed, Event, Why};
use crate::document::{Chain, Kind, Seq, Version};
use crate::ot::{Content, LengthMismatch, Op, TextOp};
use crate::protocol::{Code, Retry, RevisionItem, ServerMessage, TakenView};

/// After how long to try again where the server does not say.
const RETRY_MS: u64 = 1_000;
/// Doublings of that time while it goes on failing.
const RETRY_DOUBLINGS: u32 = 5;

/// The server's messages do not follow on one another, or do not fit the text.
struct Broken;

impl From<LengthMismatch> for Broken {
    fn from(_: LengthMismatch) -> Self {
        Broken
    }
}

impl Machine {
    /// The server said something about this document.
    pub fn receive(&mut self, message: ServerMessage) -> Step {
        match (&self.link, message) {
            (Link::Opening, message @ ServerMessage::Opened { .. }) => self.opened(message),
            (Link::Open, ServerMessage::Revision { item, .. }) => {
                let mut events = Vec::new();
                match self.take_revision(&item, &mut events) {
                    Ok(()) => Step { events, ..Step::default() },
                    Err(Broken) => self.start_afresh(Why::Gap, events),
                }
            }
            (Link::Open, ServerMessage::Ack { seq, version, chain, .. }) => self.acknowledged(seq, version, chain),
            (Link::Open, ServerMessage::Refused { seq, code, message, .. }) => self.refused(seq, code, message),
            (Link::Open, ServerMessage::Diverged { version, .. }) if version == self.version() => {
                self.start_afresh(Why::Diverged(version), Vec::new())
            }
            (Link::Opening | Link::Open, ServerMessage::Closed { code, message, .. }) => self.closed(code, message),
            (Link::Opening | Link::Open, ServerMessage::Error { code, message, seq, reply_to, retry_ms, .. }) => {
                self.failed(code, message, seq.map(Seq), reply_to.as_deref() == Some("open"), retry_ms)
            }
            _ => Step::default(),
        }
    }

    fn opened(&mut self, message: ServerMessage) -> Step {
        let ServerMessage::Opened { kind, epoch, version, chain, access, taken, content, reset, revisions, .. } =
            message
        else {
            return Step::default();
        };
        if kind.parse() != Ok(Kind::Text) {
            let sentence = format!("document {} is of kind {kind:?}; this client edits text", self.doc);
            return self.end(Closed::new(Some(Code::WrongKind), sentence));
        }
        let there = Here { epoch, version, chain };
        let mut events = Vec::new();
        match (content, revisions) {
            (Some(content), _) => self.replace(&content, there, reset.map(Into::into), taken, &mut events),
            (None, Some(missed)) => {
                if self.catch_up(&missed, &there, taken, &mut events).is_err() {
                    return self.start_afresh(Why::Gap, events);
                }
            }
            (None, None) => return self.start_afresh(Why::Gap, events),
        }
        self.create = None;
        self.access = access;
        self.link = Link::Open;
        self.failures = 0;
        // A seq that was taken before is never given again, also by a client that forgot it.
        self.last_seq = self.last_seq.max(taken.map_or(Seq(0), |taken| taken.seq));
        events.push(Event::Opened { version });
        self.send(events)
    }

    /// Follows the revisions that were missed. The edit of unknown fate is among them if it was taken.
    fn catch_up(
        &mut self,
        missed: &[RevisionItem],
        there: &Here,
        taken: Option<TakenView>,
        events: &mut Vec<Event>,
    ) -> Result<(), Broken> {
        for item in missed {
            match &self.in_flight {
                Some(sent) if item.seq == Some(sent.seq) => {
                    self.take_ack(sent.seq, item.version, item.chain, events)?;
                }
                _ => self.take_revision(item, events)?,
            }
        }
        let arrived = self.place.as_ref() == Some(there);
        let taken_unseen = self.in_flight.as_ref().is_some_and(|sent| was_taken(sent, taken));
        if arrived && !taken_unseen { Ok(()) } else { Err(Broken) }
    }

    /// Takes the text anew. What was typed and not taken no longer has a place in it, and is handed back.
    fn replace(
        &mut self,
        content: &str,
        there: Here,
        reset: Option<String>,
        taken: Option<TakenView>,
        events: &mut Vec<Event>,
    ) {
        // Seqs are of an epoch: what another incarnation has taken under this one is another edit.
        if let Some(taken) = taken
            && self.place.as_ref().is_some_and(|here| here.epoch == there.epoch)
            && let Some(sent) = self.in_flight.take_if(|sent| was_taken(sent, Some(taken)))
            && sent.seq == taken.seq
        {
            events.push(Event::Acknowledged { seq: sent.seq, version: taken.version, op: None });
        }
        let first = self.place.is_none();
        let typed = self.take_all_typed();
        let unsent = self.hand_back(typed);
        let why = self.afresh.take().or(reset.map(Why::Place)).unwrap_or(Why::Gap);
        self.screen = Content::from(content);
        self.place = Some(there);
        if !first {
            events.push(Event::Reset { text: self.screen.clone(), why, unsent });
        }
    }

    /// Takes a revision of someone else's, or several composed.
    fn take_revision(&mut self, item: &RevisionItem, events: &mut Vec<Event>) -> Result<(), Broken> {
        if item.before() != self.version() || item.version <= self.version() {
            return Err(Broken);
        }
        let op = self.rebase(&item.op)?;
        self.advance(item.version, item.chain);
        events.push(Event::Changed { op, version: item.version });
        Ok(())
    }

    /// Moves what is unsent past a revision, and the revision past it onto the screen.
    ///
    /// ```text
    ///            place ──── revision ────▶ next place
    ///              │                           │
    ///    in flight │                           │ in flight, rebased
    ///              ▼                           ▼
    ///              ├─────────── · ────────────▶┤
    ///              │                           │
    ///       buffer │                           │ buffer, rebased
    ///              ▼                           ▼
    ///           screen ─── what it shows ───▶ next screen
    /// ```
    fn rebase(&mut self, revision: &TextOp) -> Result<TextOp, LengthMismatch> {
        let (in_flight, shown) = past(self.in_flight.as_ref().map(|sent| &sent.op), revision.clone())?;
        let (buffer, shown) = past(self.buffer.as_ref(), shown)?;
        shown.apply(&mut self.screen)?;
        if let (Some(sent), Some(op)) = (&mut self.in_flight, in_flight) {
            sent.op = op;
        }
        self.hold(buffer);
        Ok(shown)
    }

    /// An edit of ours is the next revision.
    fn take_ack(&mut self, seq: Seq, version: Version, chain: Chain, events: &mut Vec<Event>) -> Result<(), Broken> {
        if version != self.version().next() {
            return Err(Broken);
        }
        let op = self.in_flight.take().map(|sent| sent.op);
        self.advance(version, chain);
        self.failures = 0;
        events.push(Event::Acknowledged { seq, version, op });
        Ok(())
    }

    fn acknowledged(&mut self, seq: Seq, version: Version, chain: Chain) -> Step {
        if self.in_flight.as_ref().is_none_or(|sent| sent.seq != seq) {
            // The ack of a resend. One for a revision not seen yet is of an edit that was given up: its op comes with the
            // revisions that were missed.
            return if version > self.version() { self.open(Vec::new()) } else { Step::default() };
        }
        let mut events = Vec::new();
        match self.take_ack(seq, version, chain, &mut events) {
            Ok(()) => self.send(events),
            Err(Broken) => self.start_afresh(Why::Gap, events),
        }
    }

    fn refused(&mut self, seq: Seq, code: Code, message: String) -> Step {
        if self.in_flight.as_ref().is_none_or(|sent| sent.seq != seq) {
            return Step::default();
        }
        // It is no longer in flight: its fate is known, and it goes back with all that was typed on top of it.
        self.buffer = self.take_all_typed();
        self.start_afresh(Why::Refused { seq, code, message }, Vec::new())
    }

    /// Opens the document without saying where the client is, so that the whole text comes. What is unsent stays on the
    /// screen until it does, and is handed back then.
    fn start_afresh(&mut self, why: Why, events: Vec<Event>) -> Step {
        self.afresh = Some(why);
        self.open(events)
    }

    fn closed(&mut self, code: Code, message: String) -> Step {
        match code.retry() {
            // The answer to a `close` of whoever had the document open before on this connection.
            _ if code == Code::Closed => Step::default(),
            Retry::Later => {
                self.link = Link::Closed;
                Step { events: vec![Event::Disconnected], ..self.later(None) }
            }
            Retry::No | Retry::WithAnotherToken => self.end(Closed::new(Some(code), message)),
        }
    }

    fn failed(&mut self, code: Code, message: String, seq: Option<Seq>, open: bool, retry_ms: Option<u64>) -> Step {
        let later = code.retry() == Retry::Later;
        if self.link == Link::Opening {
            return match (open, later) {
                (true, true) => {
                    self.link = Link::Closed;
                    self.later(retry_ms)
                }
                (true, false) => self.end(Closed::new(Some(code), message)),
                (false, _) => Step::default(),
            };
        }
        match seq {
            Some(seq) if self.in_flight.as_ref().is_some_and(|sent| sent.seq == seq) => match code {
                Code::NotOpen => self.open(Vec::new()),
                // Its fate is unknown: it stays in flight and is sent again.
                _ if later => self.later(retry_ms),
                _ => self.refused(seq, code, message),
            },
            _ => Step::default(),
        }
    }

    fn later(&mut self, retry_ms: Option<u64>) -> Step {
        let wait = retry_ms.unwrap_or(RETRY_MS) << self.failures.min(RETRY_DOUBLINGS);
        self.failures = self.failures.saturating_add(1);
        Step { retry_ms: Some(wait), ..Step::default() }
    }

    fn advance(&mut self, version: Version, chain: Chain) {
        if let Some(here) = &mut self.place {
            here.version = version;
            here.chain = chain;
        }
    }
}

/// `mine` moved past `theirs`, and `theirs` past `mine`: the incoming side of the server's transform is ours.
fn past(mine: Option<&TextOp>, theirs: TextOp) -> Result<(Option<TextOp>, TextOp), LengthMismatch> {
    match mine {
        None => Ok((None, theirs)),
        Some(mine) => TextOp::transform(mine, &theirs).map(|(mine, theirs)| (Some(mine), theirs)),
    }
}

/// Whether an edit of unknown fate is in what the server has taken: one at or below the last seq taken is.
fn was_taken(sent: &InFlight, taken: Option<TakenView>) -> bool {
    taken.is_some_and(|taken| sent.seq <= taken.seq)
}
