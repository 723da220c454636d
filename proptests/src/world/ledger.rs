//! What was promised and seen while a world ran, to be held against its log at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use variorum::document::{ClientKey, Identity, Revision};
use variorum::ot::{Part, TextOp};

use super::stage::{Stage, View};
use crate::plain;

/// A document's log, from the beginning.
#[derive(Debug, Clone)]
pub struct History {
    /// What never changes about it.
    pub identity: Identity,
    /// Every revision.
    pub revisions: Vec<Arc<Revision>>,
    /// Whether the document was deleted.
    pub removed: bool,
}

/// An edit that someone was told is durable.
#[derive(Debug, Clone)]
pub struct Ack {
    /// Who was told.
    pub who: String,
    /// In which document.
    pub doc: String,
    /// The client.
    pub client: ClientKey,
    /// Its seq.
    pub seq: u64,
    /// The revision it became.
    pub version: u64,
    /// The op as granted, where it was told.
    pub op: Option<TextOp>,
}

/// A place in a document's history: epoch, version, chain.
pub type Spot = (String, u64, String);

/// What was promised and seen.
#[derive(Default)]
pub struct Ledger {
    /// Edits that someone was told are durable.
    pub acks: Vec<Ack>,
    /// The text that someone had at a place, by document; who had it first.
    seen: BTreeMap<(String, Spot), (String, String)>,
    /// Every character typed, with who typed it in which document.
    typed: BTreeMap<char, (String, String)>,
    /// Characters that need not be in the log: their author took them back unsent, got them back, or lost them with a
    /// client that kept nothing.
    excused: BTreeSet<char>,
    /// Documents that someone asked to delete, done or not.
    doomed: BTreeSet<String>,
    /// Incarnations whose deletion was acknowledged, by document and epoch.
    deleted: BTreeSet<(String, String)>,
}

impl Ledger {
    /// Someone typed this.
    pub fn types(&mut self, who: &str, doc: &str, text: &str) {
        for character in text.chars().filter(|character| Stage::is_typed(*character)) {
            self.typed.insert(character, (who.to_owned(), doc.to_owned()));
        }
    }

    /// These characters need not be in the log.
    pub fn excuse(&mut self, text: &str) {
        self.excused.extend(text.chars());
    }

    /// Someone took out what they see: what they typed themselves may never have been sent.
    pub fn takes_back(&mut self, who: &str, text: &str) {
        let own = text.chars().filter(|character| self.typed.get(character).is_some_and(|(by, _)| by == who));
        self.excused.extend(own);
    }

    /// Someone's client is gone, with all that it had not sent.
    pub fn forgets(&mut self, who: &str) {
        self.excused.extend(self.typed.iter().filter(|(_, (by, _))| by == who).map(|(character, _)| character));
    }

    /// Someone asks for a document to be deleted.
    pub fn dooms(&mut self, doc: &str) {
        self.doomed.insert(doc.to_owned());
    }

    /// Whether a document may have been deleted, so that its clients may find another in its place, or none.
    pub fn is_doomed(&self, doc: &str) -> bool {
        self.doomed.contains(doc)
    }

    /// Someone was told that an incarnation is gone, or found it gone: from now on nobody finds it.
    pub fn buries(&mut self, doc: &str, epoch: &str) {
        self.deleted.insert((doc.to_owned(), epoch.to_owned()));
    }

    /// The incarnations of a document that are known to be gone.
    pub fn buried(&self, doc: &str) -> BTreeSet<String> {
        self.deleted.iter().filter(|(of, _)| of == doc).map(|(_, epoch)| epoch.clone()).collect()
    }

    /// Someone has this text at this place: all who were there had the same.
    pub fn sees(&mut self, who: &str, doc: &str, spot: Spot, text: &str) -> Result<(), String> {
        let (first, there) =
            self.seen.entry((doc.to_owned(), spot.clone())).or_insert_with(|| (who.to_owned(), text.to_owned()));
        if there == text {
            return Ok(());
        }
        Err(format!("at {doc} {spot:?} there is {text:?}, where {first} had {there:?}"))
    }

    /// Everything that does not hold of `logs`. `lost` are the histories that a restored backup has cut short.
    pub fn audit(&self, logs: &[History], lost: &[History]) -> Result<(), String> {
        let mut known: BTreeMap<(String, Spot), String> = BTreeMap::new();
        for history in logs.iter().chain(lost) {
            sound(history, &mut known)?;
        }
        for ((doc, spot), (who, text)) in &self.seen {
            match known.get(&(doc.clone(), spot.clone())) {
                None => return Err(format!("{who} was at {doc} {spot:?}, which is no place of any history")),
                Some(there) if there != text => {
                    return Err(format!("{who} had {text:?} at {doc} {spot:?}, the log gives {there:?}"));
                }
                Some(_) => {}
            }
        }
        self.acks_hold(logs, lost)?;
        self.typing_is_there(logs, lost)
    }

    fn acks_hold(&self, logs: &[History], lost: &[History]) -> Result<(), String> {
        for ack in &self.acks {
            let in_log = |history: &History| {
                history.identity.id.as_str() == ack.doc
                    && history.revisions.get(ack.version as usize - 1).is_some_and(|revision| {
                        revision.origin.is_some_and(|it| it.client == ack.client && it.seq.0 == ack.seq)
                            && ack.op.as_ref().is_none_or(|op| *op == revision.op)
                    })
            };
            if !logs.iter().chain(lost).any(in_log) {
                return Err(format!("{} was told of an edit that is not in the log so: {ack:?}", ack.who));
            }
        }
        Ok(())
    }

    /// Every character typed was inserted once, or its author knows that it was not.
    fn typing_is_there(&self, logs: &[History], lost: &[History]) -> Result<(), String> {
        let mut times: BTreeMap<(char, Option<usize>), u64> = BTreeMap::new();
        for (place, history) in logs.iter().enumerate() {
            let ops = history.revisions.iter().map(|revision| inserted_by(&revision.op)).collect::<String>();
            for character in ops.chars().filter(|character| Stage::is_typed(*character)) {
                // What nobody typed is what a document was made with. Whoever wants it made asks until it is there, and if
                // it was made, and deleted before they heard of it, it is made again.
                let once_in = (!self.typed.contains_key(&character)).then_some(place);
                *times.entry((character, once_in)).or_default() += 1;
            }
        }
        if let Some(((character, _), times)) = times.iter().find(|(_, times)| **times > 1) {
            let by = &self.typed.get(character);
            return Err(format!("{character:?}, typed once by {by:?}, is in the log {times} times"));
        }
        let cut: BTreeSet<char> = lost
            .iter()
            .flat_map(|history| &history.revisions)
            .flat_map(|revision| inserted_by(&revision.op).chars().collect::<Vec<_>>())
            .collect();
        for (character, (who, doc)) in &self.typed {
            if !times.contains_key(&(*character, None)) && !self.excused.contains(character) && !cut.contains(character)
            {
                return Err(format!("{who} typed {character:?} in {doc}: it is not in the log, and nobody was told"));
            }
        }
        Ok(())
    }
}

/// What an op inserts.
pub fn inserted_by(op: &TextOp) -> String {
    op.parts().filter_map(|part| if let Part::Insert(text) = part { Some(text) } else { None }).collect()
}

/// Checks a history for itself, and enters the text of each of its places, folded in the plainest way.
fn sound(history: &History, known: &mut BTreeMap<(String, Spot), String>) -> Result<(), String> {
    let (identity, doc) = (&history.identity, history.identity.id.to_string());
    let mut text = String::new();
    let mut chain = identity.key.genesis(identity.epoch);
    let mut time = identity.created;
    let mut last_seq: BTreeMap<ClientKey, u64> = BTreeMap::new();
    known.insert((doc.clone(), (identity.epoch.to_string(), 0, chain.to_string())), text.clone());
    for (revision, version) in history.revisions.iter().zip(1..) {
        if revision.version.0 != version {
            return Err(format!("{doc} has version {} where {version} should be", revision.version));
        }
        if revision.op.parts().map(covered).sum::<u64>() != plain::len(&text) {
            return Err(format!("{doc} at {version}: the op {:?} does not cover {text:?}", revision.op));
        }
        text = plain::apply(&revision.op, &text);
        chain = revision.chain_after(chain, &identity.key);
        if revision.chain != chain {
            return Err(format!("{doc} at {version}: the chain is {}, its history gives {chain}", revision.chain));
        }
        if revision.time < time {
            return Err(format!("{doc} at {version}: time goes back from {time:?} to {:?}", revision.time));
        }
        time = revision.time;
        if let Some(origin) = revision.origin {
            let before = last_seq.insert(origin.client, origin.seq.0);
            if before >= Some(origin.seq.0) {
                return Err(format!("{doc} at {version}: seq {} of a client comes after {before:?}", origin.seq));
            }
        }
        known.insert((doc.clone(), (identity.epoch.to_string(), version, chain.to_string())), text.clone());
    }
    Ok(())
}

fn covered(part: Part) -> u64 {
    match part {
        Part::Keep(len) | Part::Delete(len) => len,
        Part::Insert(_) => 0,
    }
}

impl History {
    /// The text that the log gives, in the plainest way.
    pub fn text(&self) -> String {
        self.revisions.iter().fold(String::new(), |text, revision| plain::apply(&revision.op, &text))
    }
}

/// Whether a view is what the log gives, and why not.
pub fn agrees(view: &View, log: &History, text: &str) -> Result<(), String> {
    let (epoch, head) = (log.identity.epoch.to_string(), log.revisions.len() as u64);
    if view.epoch != epoch {
        return Err(format!("of epoch {}, the log is of {epoch}", view.epoch));
    }
    if view.version != head || !view.settled {
        let unsent = if view.settled { "" } else { ", with something unsent" };
        return Err(format!("at version {}{unsent}, the log ends at {head}", view.version));
    }
    if view.text == text { Ok(()) } else { Err(format!("{:?} on the screen, {text:?} in the log", view.text)) }
}
