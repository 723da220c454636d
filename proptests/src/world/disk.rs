//! A disk that survives its server: what was synced stays, what was only written may be gone or torn after a crash.

use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;
use variorum::document::{ChainKey, Epoch, Identity, Kind, Revision, Time, Version};
use variorum::store::{Incarnation, MemoryStore, Store, decode_record, encode_record};

use super::ledger::History;
use super::stage::Stage;
use crate::scribe::Dice;

/// A disk. A log on it is frames, each all or nothing: length, checksum, and a creation, consecutive records or a removal.
pub struct Disk {
    pub(super) stage: Arc<Stage>,
    pub(super) medium: Mutex<Medium>,
}

/// What is on it.
pub(super) struct Medium {
    /// Survives everything.
    synced: Vec<u8>,
    /// Written, and not yet synced.
    unsynced: Vec<u8>,
    backup: Vec<u8>,
    /// Histories that a restored backup has cut short.
    lost: Vec<History>,
    pub(super) mood: Mood,
    pub(super) dice: Dice,
}

/// How a disk behaves at present: chances in a hundred, and milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mood {
    /// Of a write that fails and is not done.
    pub write_fails: u64,
    /// Of a sync that fails, and may turn out to have been done.
    pub sync_fails: u64,
    /// Of a read that fails.
    pub read_fails: u64,
    /// The longest that a sync takes.
    pub slow_ms: u64,
}

/// Something that is all there or not at all.
pub(super) enum Frame {
    Creation(Identity, Option<Arc<Revision>>),
    Revisions(Incarnation, Vec<Arc<Revision>>),
    Removal(Incarnation),
}

impl Disk {
    /// An empty disk.
    pub fn new(stage: Arc<Stage>, seed: u64) -> Arc<Self> {
        let medium = Medium {
            synced: Vec::new(),
            unsynced: Vec::new(),
            backup: Vec::new(),
            lost: Vec::new(),
            mood: Mood::default(),
            dice: Dice::new(seed ^ 0xd15c),
        };
        Arc::new(Disk { stage, medium: Mutex::new(medium) })
    }

    /// Changes how it behaves.
    pub fn set_mood(&self, mood: Mood) {
        self.medium.lock().mood = mood;
    }

    /// The server is gone without warning: of what was not synced, some part may be there, the last of it garbled.
    pub fn crash(&self) {
        let mut medium = self.medium.lock();
        let Medium { synced, unsynced, dice, .. } = &mut *medium;
        let written = unsynced.len() as u64;
        unsynced.truncate(dice.below(written + 1) as usize);
        if !unsynced.is_empty() && dice.below(4) == 0 {
            let byte = dice.below(unsynced.len() as u64) as usize;
            unsynced[byte] ^= 1 << dice.below(8);
        }
        if written > 0 {
            self.stage.fault("torn", format_args!("{} of {written} unsynced bytes are left", unsynced.len()));
        }
        synced.append(unsynced);
    }

    /// Keeps a copy of what is synced.
    pub fn back_up(&self) {
        let mut medium = self.medium.lock();
        medium.backup = medium.synced.clone();
    }

    /// Puts the copy in place of what is there, while no server runs. Answers whether anything was lost.
    pub fn restore(&self) -> bool {
        let before = self.histories();
        let mut medium = self.medium.lock();
        let cut = medium.backup.len() < medium.synced.len();
        medium.synced = medium.backup.clone();
        if cut {
            medium.lost.extend(before);
        }
        cut
    }

    /// What a server finds when it starts: the log, which ends before the first frame that is not whole.
    pub(super) fn recover(&self) -> MemoryStore {
        let mut medium = self.medium.lock();
        let store = MemoryStore::new();
        let mut whole = 0;
        while let Some((frame, len)) = read_frame(&medium.synced[whole..]) {
            apply(&store, frame);
            whole += len;
        }
        medium.synced.truncate(whole);
        medium.unsynced.clear();
        store
    }

    /// The log of every document, as it is on the disk, in order of their numbers; of those that were removed too.
    pub fn histories(&self) -> Vec<History> {
        let medium = self.medium.lock();
        let mut histories: Vec<History> = Vec::new();
        let mut rest = &medium.synced[..];
        while let Some((frame, len)) = read_frame(rest) {
            match frame {
                Frame::Creation(identity, first) => {
                    histories.push(History { identity, revisions: first.into_iter().collect(), removed: false });
                }
                Frame::Revisions(Incarnation(number), revisions) => {
                    histories[number as usize - 1].revisions.extend(revisions);
                }
                Frame::Removal(Incarnation(number)) => histories[number as usize - 1].removed = true,
            }
            rest = &rest[len..];
        }
        histories
    }

    /// Histories that a restored backup has cut short.
    pub fn lost(&self) -> Vec<History> {
        self.medium.lock().lost.clone()
    }
}

impl Medium {
    pub(super) fn write(&mut self, document: Incarnation, frame: &Frame) {
        let mut body = Vec::new();
        match frame {
            Frame::Creation(identity, first) => {
                body.push(1);
                let id = identity.id.as_str();
                body.push(id.len() as u8);
                body.extend_from_slice(id.as_bytes());
                body.extend_from_slice(&identity.epoch.0);
                body.extend_from_slice(&identity.key.0);
                body.extend_from_slice(&identity.created.0.to_le_bytes());
                first.iter().for_each(|revision| encode_record(document, revision, &mut body));
            }
            Frame::Revisions(document, revisions) => {
                body.push(2);
                revisions.iter().for_each(|revision| encode_record(*document, revision, &mut body));
            }
            Frame::Removal(document) => {
                body.push(3);
                body.extend_from_slice(&document.0.to_le_bytes());
            }
        }
        self.unsynced.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.unsynced.extend_from_slice(&sum(&body).to_le_bytes());
        self.unsynced.extend_from_slice(&body);
    }

    pub(super) fn sync(&mut self) {
        let Medium { synced, unsynced, .. } = self;
        synced.append(unsynced);
    }

    pub(super) fn forget_unsynced(&mut self) {
        self.unsynced.clear();
    }
}

/// Does to a store in memory what a frame says.
pub(super) fn apply(store: &MemoryStore, frame: Frame) {
    let done = match frame {
        Frame::Creation(identity, first) => store.create(identity, first).now_or_never().map(|made| made.is_ok()),
        Frame::Revisions(document, revisions) => {
            let at = Version(revisions[0].version.0 - 1);
            store.append(document, at, revisions).now_or_never().map(|appended| appended.is_ok())
        }
        Frame::Removal(document) => store.remove(document).now_or_never().map(|removed| removed.is_ok()),
    };
    assert_eq!(done, Some(true), "frames follow one another, and the memory engine answers at once");
}

/// The frame at the beginning of `bytes`, and its length; none if it is not whole.
fn read_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<4>()?;
    let body = rest.get(..u32::from_le_bytes(*len) as usize)?;
    if sum(body) != u32::from_le_bytes(*expected) {
        return None;
    }
    let (kind, mut rest) = body.split_first()?;
    if *kind == 3 {
        let number = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        return Some((Frame::Removal(Incarnation(number)), 8 + body.len()));
    }
    let mut creation = None;
    if *kind == 1 {
        let (len, after) = rest.split_first()?;
        let (id, after) = after.split_at_checked(usize::from(*len))?;
        let (epoch, after) = after.split_first_chunk::<16>()?;
        let (key, after) = after.split_first_chunk::<16>()?;
        let (created, after) = after.split_first_chunk::<8>()?;
        rest = after;
        creation = Some(Identity {
            id: std::str::from_utf8(id).ok()?.parse().ok()?,
            kind: Kind::Text,
            epoch: Epoch(*epoch),
            key: ChainKey(*key),
            created: Time(u64::from_le_bytes(*created)),
        });
    }
    let mut document = Incarnation(0);
    let mut revisions = Vec::new();
    while !rest.is_empty() {
        // The frame is whole, so every record in it is.
        let (of, revision, len) = decode_record(rest).expect("a whole frame holds whole records");
        document = of;
        revisions.push(Arc::new(revision));
        rest = &rest[len..];
    }
    let frame = match creation {
        Some(identity) => Frame::Creation(identity, revisions.pop()),
        None => Frame::Revisions(document, revisions),
    };
    Some((frame, 8 + body.len()))
}

/// FNV-1a: enough against what a crash does to a frame.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
