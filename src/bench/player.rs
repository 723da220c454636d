//! One simulated person with one document open: a real client's machine, or on the floor somebody who sends as many bytes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use serde::Deserialize;

use super::floor::{Join, Sizes};
use super::line::Line;
use super::tally::Tally;
use super::team::Team;
use super::typing::Typing;
use crate::client::{Event, Machine, Step};
use crate::document::{Chain, DocumentId, Seq, Time, Version};
use crate::protocol::{ClientMessage, Create, Hello, PROTOCOL, ServerMessage};

/// What all players on one server share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) tally: RefCell<Tally>,
    /// Whether people type: those who are flat out send the next edit at each ack only then.
    pub(super) typing: Cell<bool>,
    /// What must not happen and did.
    pub(super) trouble: RefCell<Option<String>>,
}

impl Shared {
    pub(super) fn fails(&self, why: impl Into<String>) {
        self.trouble.borrow_mut().get_or_insert(why.into());
    }
}

/// A person with a document open.
pub(super) struct Player {
    pub(super) speech: Speech,
    pub(super) line: Option<Rc<Line>>,
    pub(super) team: Rc<RefCell<Team>>,
    shared: Rc<Shared>,
    typing: Option<Typing>,
    /// Whether the next edit follows each ack.
    flat_out: bool,
    /// When the edit in flight was sent.
    sent: Option<Instant>,
}

/// How a player speaks.
pub(super) enum Speech {
    /// As a client of the server.
    Client { doc: DocumentId, machine: Box<Machine>, secret: String },
    /// With frames of the same size, to the floor.
    Floor(Puppet),
}

/// Who speaks to the floor.
pub(super) struct Puppet {
    pub(super) number: usize,
    pub(super) room: u64,
    pub(super) sizes: Sizes,
    pub(super) joined: bool,
    /// Edits sent.
    count: u64,
    /// The text's length, if there were a text.
    length: u64,
    /// What was typed while an edit is in flight.
    waiting: bool,
}

/// `ack`, without looking for its type first.
#[derive(Deserialize)]
struct Ack {
    seq: Seq,
    version: Version,
    chain: Chain,
    time: Time,
}

/// How a player behaves.
pub(super) struct Manner {
    pub(super) typing: Option<Typing>,
    pub(super) flat_out: bool,
}

impl Player {
    /// A client that opens a document, made if it is not there.
    pub(super) fn client(
        shared: &Rc<Shared>,
        team: &Rc<RefCell<Team>>,
        doc: DocumentId,
        manner: Manner,
        content: &str,
    ) -> Self {
        let crate::client::Identity { client: secret, .. } = crate::client::Identity::random();
        let machine = Box::new(Machine::new(doc.clone(), Some(Create::text(content))));
        Self::new(shared, team, manner, Speech::Client { doc, machine, secret })
    }

    /// Somebody in a room of the floor.
    pub(super) fn puppet(shared: &Rc<Shared>, team: &Rc<RefCell<Team>>, manner: Manner, puppet: Puppet) -> Self {
        Self::new(shared, team, manner, Speech::Floor(puppet))
    }

    fn new(shared: &Rc<Shared>, team: &Rc<RefCell<Team>>, Manner { typing, flat_out }: Manner, speech: Speech) -> Self {
        let (team, shared) = (team.clone(), shared.clone());
        Player { speech, line: None, team, shared, typing, flat_out, sent: None }
    }

    /// Takes up a connection and says the first words on it.
    pub(super) fn begin(&mut self, line: Rc<Line>) {
        self.line = Some(line);
        match &mut self.speech {
            Speech::Client { machine, secret, .. } => {
                let client = secret.clone();
                let hello = Hello { protocol: PROTOCOL, client, token: None, name: Some("bench".into()), person: None };
                let step = machine.connected();
                self.say(&ClientMessage::Hello(hello));
                self.perform(step);
            }
            Speech::Floor(puppet) => {
                let join = Join { room: puppet.room, sizes: puppet.sizes };
                let join = serde_json::to_string(&join).expect("numbers are JSON");
                self.line.iter().for_each(|line| line.say(&join));
            }
        }
    }

    /// The connection is gone.
    pub(super) fn end(&mut self) {
        self.line = None;
        if let Speech::Client { machine, .. } = &mut self.speech {
            machine.disconnected();
        }
    }

    /// Whether the document is open, and nothing typed waits for its ack.
    pub(super) fn is_quiet(&self) -> bool {
        match &self.speech {
            Speech::Client { machine, .. } => machine.is_open() && machine.is_synchronized(),
            Speech::Floor(puppet) => puppet.joined && self.sent.is_none(),
        }
    }

    /// The client's machine; none on the floor.
    pub(super) fn machine(&self) -> Option<&Machine> {
        match &self.speech {
            Speech::Client { machine, .. } => Some(machine),
            Speech::Floor(_) => None,
        }
    }

    /// Whether it types.
    pub(super) fn is_writer(&self) -> bool {
        self.typing.is_some()
    }

    /// The document's name; on the floor, what it would be.
    pub(super) fn doc(&self) -> DocumentId {
        match &self.speech {
            Speech::Client { doc, .. } => doc.clone(),
            Speech::Floor(puppet) => puppet.doc(),
        }
    }

    /// Types one edit.
    pub(super) fn types(&mut self) {
        let Some(typing) = &mut self.typing else { return };
        match &mut self.speech {
            Speech::Client { machine, .. } => {
                let op = typing.next(machine.text().len());
                match machine.edit(&op) {
                    Ok(step) => self.perform(step),
                    Err(error) => self.shared.fails(format!("an edit was not taken: {error}")),
                }
            }
            Speech::Floor(puppet) if self.sent.is_some() => puppet.waiting = true,
            Speech::Floor(puppet) => {
                let op = typing.next(puppet.length);
                puppet.length = crate::ot::Op::target_len(&op);
                puppet.count += 1;
                // As long as the edit would be, and it says who sent it and when.
                let edit = ClientMessage::Edit(crate::protocol::EditMessage {
                    doc: puppet.doc(),
                    version: Version(puppet.count),
                    seq: Seq(puppet.count),
                    op: Ok(op),
                });
                let len = serde_json::to_string(&edit).map_or(0, |json| json.len());
                let frame = format!("e{:06}{:010}", puppet.number, puppet.count);
                let frame = format!("{frame}{}", ".".repeat(len.saturating_sub(frame.len())));
                let now = Instant::now();
                self.team.borrow_mut().sends(puppet.number, puppet.count, now);
                self.sent = Some(now);
                self.line.iter().for_each(|line| line.say(&frame));
            }
        }
    }

    /// Takes a frame.
    pub(super) fn hear(&mut self, frame: &str) {
        let now = Instant::now();
        match &mut self.speech {
            Speech::Client { .. } => self.hear_server(frame, now),
            Speech::Floor(_) => self.hear_floor(frame, now),
        }
    }

    fn hear_server(&mut self, frame: &str, now: Instant) {
        let message = if frame.starts_with(r#"{"type":"revision""#) {
            self.revision(frame, now)
        } else if frame.starts_with(r#"{"type":"ack""#) {
            self.ack(frame, now)
        } else {
            serde_json::from_str(frame).map_err(|error| error.to_string())
        };
        let message = match message {
            Ok(ServerMessage::Error { code, message, .. }) => return self.shared.fails(format!("{code}: {message}")),
            Ok(ServerMessage::Refused { code, message, .. }) => {
                return self.shared.fails(format!("refused, {code}: {message}"));
            }
            Ok(message) => message,
            Err(error) => return self.shared.fails(format!("a frame is not understood: {error}: {frame:.80}")),
        };
        let acknowledged = matches!(message, ServerMessage::Ack { .. });
        let Speech::Client { machine, .. } = &mut self.speech else { return };
        let step = machine.receive(message);
        self.perform(step);
        if acknowledged && self.flat_out && self.shared.typing.get() {
            self.types();
        }
    }

    fn revision(&mut self, frame: &str, now: Instant) -> Result<ServerMessage, String> {
        let mut team = self.team.borrow_mut();
        let item = team.parse(frame)?;
        let mut tally = self.shared.tally.borrow_mut();
        tally.deliveries += 1;
        if item.from.is_none() {
            tally.single_revisions += 1;
            tally.revision_bytes += frame.len() as u64;
        }
        for version in item.before().0 + 1..=item.version.0 {
            if let Some(sent) = team.arrived(version, now) {
                tally.to_screens.saturating_record((now - sent).as_micros() as u64);
            }
        }
        Ok(ServerMessage::Revision { doc: self.doc(), item })
    }

    fn ack(&mut self, frame: &str, now: Instant) -> Result<ServerMessage, String> {
        let Ack { seq, version, chain, time } = serde_json::from_str(frame).map_err(|error| error.to_string())?;
        let mut tally = self.shared.tally.borrow_mut();
        tally.edits += 1;
        tally.ack_bytes += frame.len() as u64;
        if let Some(sent) = self.sent.take() {
            tally.to_ack.saturating_record((now - sent).as_micros() as u64);
            let screens = &mut tally.to_screens;
            let arrived = |at: Instant| screens.saturating_record((at - sent).as_micros() as u64);
            self.team.borrow_mut().acknowledged(version.0, sent, arrived);
        }
        Ok(ServerMessage::Ack { doc: self.doc(), seq, version, chain, time })
    }

    fn hear_floor(&mut self, frame: &str, now: Instant) {
        let Speech::Floor(puppet) = &mut self.speech else { return };
        let mut tally = self.shared.tally.borrow_mut();
        if !frame.starts_with('a') {
            tally.deliveries += 1;
            let number = |from, to| frame.get(from..to).and_then(|digits| digits.parse::<u64>().ok());
            let (Some(writer), Some(count)) = (number(1, 7), number(7, 17)) else {
                return self.shared.fails(format!("not a frame of the floor: {frame:.40}"));
            };
            if let Some(sent) = self.team.borrow().sent_by(writer as usize, count) {
                tally.to_screens.saturating_record((now - sent).as_micros() as u64);
            }
            return;
        }
        puppet.joined = true;
        let Some(sent) = self.sent.take() else { return };
        tally.edits += 1;
        tally.to_ack.saturating_record((now - sent).as_micros() as u64);
        drop(tally);
        if std::mem::take(&mut puppet.waiting) || self.flat_out && self.shared.typing.get() {
            self.types();
        }
    }

    fn perform(&mut self, step: Step) {
        if let Some(message) = step.send {
            self.say(&message);
        }
        if step.retry_ms.is_some() {
            self.shared.fails("the server asks to try again later");
        }
        for event in step.events {
            match event {
                Event::Reset { why, .. } => self.shared.fails(format!("the text was taken anew: {why:?}")),
                Event::Closed { closed, .. } => self.shared.fails(format!("the document was closed: {closed}")),
                _ => {}
            }
        }
    }

    fn say(&mut self, message: &ClientMessage) {
        let json = serde_json::to_string(message).expect("every message of ours is JSON");
        if matches!(message, ClientMessage::Edit(_)) {
            self.sent = Some(Instant::now());
            let mut tally = self.shared.tally.borrow_mut();
            tally.edits_sent += 1;
            tally.edit_bytes += json.len() as u64;
        }
        self.line.iter().for_each(|line| line.say(&json));
    }
}

impl Puppet {
    pub(super) fn new(number: usize, room: u64, sizes: Sizes, length: u64) -> Self {
        Puppet { number, room, sizes, joined: false, count: 0, length, waiting: false }
    }

    fn doc(&self) -> DocumentId {
        document("bench", self.room)
    }
}

/// The name of a workload's document.
pub(super) fn document(workload: &str, number: u64) -> DocumentId {
    format!("{workload}-{number:05}").parse().expect("a workload is named by letters, digits and hyphens")
}
