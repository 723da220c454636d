//! Writes logs as an authority would grant them, from a seed: for the store's tests and its benchmark.

use std::sync::Arc;

use variorum::document::{
    Author, Chain, ChainKey, ClientKey, Epoch, Identity, Kind, Origin, Revision, Seq, Snapshot, Stretch, Time, User,
};
use variorum::ot::TextOp;

/// Numbers from a seed (xorshift64*, Vigna 2016): the same in every run.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way.
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `below`, which is not 0.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// One document and those who write it.
#[derive(Clone)]
pub struct Scribe {
    identity: Identity,
    now: Snapshot,
    dice: Dice,
    /// Who writes, and how often each has.
    writers: Vec<(Arc<Author>, ClientKey, u64)>,
    /// Where a run of typing goes on.
    caret: u64,
}

impl Scribe {
    /// A document of this name, with three writers of which one has no name.
    pub fn new(name: &str, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut sixteen = || std::array::from_fn(|_| dice.below(256) as u8);
        let identity = Identity {
            id: name.parse().expect("the test gives a document id"),
            kind: Kind::Text,
            epoch: Epoch(sixteen()),
            key: ChainKey(sixteen()),
            created: Time(1_700_000_000_000),
        };
        let writer = |n: u8| {
            let name = ["Ana", "Björn", ""][usize::from(n)];
            let user = User { id: format!("user-{n}-of-{seed:06}").into(), name: name.into() };
            let session = (n != 1).then(|| format!("session-{n}-{seed:012}").into());
            (Arc::new(Author { session, user }), ClientKey::of_client(&format!("{n} {name} {seed}")), 0)
        };
        let writers = (0..3).map(writer).collect();
        Scribe { now: Snapshot::genesis(&identity), identity, dice, writers, caret: 0 }
    }

    /// One who goes on from here in another document, a branch of this one.
    pub fn branch(&self, name: &str, seed: u64) -> Self {
        let other = Scribe::new(name, seed);
        Scribe { now: self.now.clone(), ..other }
    }

    /// What never changes about the document.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Content, chain and time after everything written.
    pub fn now(&self) -> &Snapshot {
        &self.now
    }

    /// The clients that write.
    pub fn clients(&self) -> impl Iterator<Item = ClientKey> {
        self.writers.iter().map(|writer| writer.1)
    }

    /// Edits of every sort: at any place, of any of the writers, also with no origin.
    pub fn edits(&mut self, count: u64) -> Vec<Arc<Revision>> {
        (0..count).map(|_| self.edit()).collect()
    }

    /// One writer's keystrokes, one character each, as nearly all edits are.
    pub fn keystrokes(&mut self, count: u64) -> Vec<Arc<Revision>> {
        let keystroke = |scribe: &mut Self| {
            let len = scribe.now.content.len();
            if scribe.dice.below(50) == 0 {
                scribe.caret = scribe.dice.below(len + 1);
            }
            let at = scribe.caret.min(len);
            let later = 80 + scribe.dice.below(200);
            if at > 0 && scribe.dice.below(10) == 0 {
                scribe.caret = at - 1;
                return scribe.grant(at - 1, 1, "", 0, later);
            }
            scribe.caret = at + 1;
            let letter = scribe.dice.below(27) as u8;
            let letter = if letter == 26 { " ".to_owned() } else { char::from(b'a' + letter).to_string() };
            scribe.grant(at, 0, &letter, 0, later)
        };
        (0..count).map(|_| keystroke(self)).collect()
    }

    fn edit(&mut self) -> Arc<Revision> {
        let len = self.now.content.len();
        let at = self.dice.below(len + 1);
        let deleted = if self.dice.below(3) == 0 { self.dice.below((len - at).min(6) + 1) } else { 0 };
        let text: String =
            (0..self.dice.below(5)).map(|_| ['a', 'é', '𝄞', ' ', 'z'][self.dice.below(5) as usize]).collect();
        let (writer, later) = (self.dice.below(4) as usize, self.dice.below(3));
        self.grant(at, deleted, &text, writer, later)
    }

    /// The next revision; writer 3 is writer 0 over HTTP, without an origin.
    fn grant(&mut self, at: u64, deleted: u64, text: &str, writer: usize, later_ms: u64) -> Arc<Revision> {
        let op = TextOp::splice(self.now.content.len(), at, deleted, text).expect("the range lies within the document");
        let (author, client, seq) = &mut self.writers[writer % 3];
        let origin = (writer < 3).then(|| {
            *seq += 1;
            Origin { client: *client, seq: Seq(*seq) }
        });
        let mut revision = Revision {
            version: self.now.version.next(),
            op,
            author: author.clone(),
            origin,
            time: Time(self.now.time.0 + later_ms),
            chain: Chain(0),
        };
        revision.chain = revision.chain_after(self.now.chain, &self.identity.key);
        self.now.forward(&Stretch::of(&revision)).expect("the op was made for this content");
        Arc::new(revision)
    }
}
