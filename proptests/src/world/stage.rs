//! What everyone in a world shares: its clock, its trace, what was seen and what was counted.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use variorum::document::Time;
use variorum::hub;

use super::ledger::Ledger;
use super::net::Gate;
use crate::scribe::Dice;

/// When every world begins: a fixed day, in milliseconds since 1970.
const BEGINNING_MS: u64 = 1_700_000_000_000;
/// The characters that are typed: from here on, each once in a world.
const FIRST_TYPED: u32 = 0x2_0000;

/// What everyone shares.
pub struct Stage {
    /// Simulated milliseconds since the beginning.
    clock_ms: AtomicU64,
    /// By how much the server's clock is wrong.
    skew_ms: AtomicI64,
    /// Whether the faults are over: nobody types any more, and everybody must come to the same text.
    calm: AtomicBool,
    /// Whether the server was given a backup that is older than what it had acknowledged.
    restored: AtomicBool,
    /// Characters typed so far.
    typed: AtomicU32,
    randomness: Mutex<Dice>,
    trace: Mutex<Trace>,
    /// What was seen, said and promised.
    pub ledger: Mutex<Ledger>,
    /// What happened how often.
    pub tally: Mutex<Tally>,
    /// What everyone has on the screen, by who and which document.
    pub views: Mutex<BTreeMap<(String, String), View>>,
    /// The way of each client to the server.
    pub gates: Mutex<BTreeMap<String, Arc<Gate>>>,
    problem: Mutex<Option<String>>,
}

/// What someone has of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The incarnation.
    pub epoch: String,
    /// The version.
    pub version: u64,
    /// The text.
    pub text: String,
    /// Whether nothing is unsent.
    pub settled: bool,
    /// Names and states of who is here, for those who follow presence.
    pub people: Option<Vec<(String, Option<String>)>>,
}

/// How often what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Simulated milliseconds, each of them times the clients there were.
    pub client_ms: u64,
    /// Edits acknowledged.
    pub edits: u64,
    /// Faults of each sort.
    pub faults: BTreeMap<String, u64>,
    /// Everything else that tells whether the world was a lively one.
    pub events: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds another world's.
    pub fn add(&mut self, other: &Tally) {
        self.client_ms += other.client_ms;
        self.edits += other.edits;
        for (mine, theirs) in [(&mut self.faults, &other.faults), (&mut self.events, &other.events)] {
            theirs.iter().for_each(|(name, count)| *mine.entry(name.clone()).or_default() += count);
        }
    }
}

/// Every event in order, as a hash and, if wished, as lines.
struct Trace {
    /// FNV-1a over all lines: two runs with the same hash did the same.
    hash: u64,
    lines: u64,
    print: bool,
}

impl Stage {
    /// A stage before the first act.
    pub fn new(seed: u64, print: bool) -> Self {
        Stage {
            clock_ms: AtomicU64::new(0),
            skew_ms: AtomicI64::new(0),
            calm: AtomicBool::new(false),
            restored: AtomicBool::new(false),
            typed: AtomicU32::new(0),
            randomness: Mutex::new(Dice::new(seed ^ 0x5eed)),
            trace: Mutex::new(Trace { hash: 0xcbf2_9ce4_8422_2325, lines: 0, print }),
            ledger: Mutex::default(),
            tally: Mutex::default(),
            views: Mutex::default(),
            gates: Mutex::default(),
            problem: Mutex::default(),
        }
    }

    /// Simulated milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    /// Moves the clock.
    pub fn set_now(&self, ms: u64) {
        self.clock_ms.store(ms, Ordering::Relaxed);
    }

    /// Makes the server's clock jump.
    pub fn jump(&self, by_ms: i64) {
        self.skew_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Whether the faults are over.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Ends the faults.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether a backup was restored: only then is a client's place one that cannot be continued.
    pub fn was_restored(&self) -> bool {
        self.restored.load(Ordering::Relaxed)
    }

    /// A backup was restored.
    pub fn restored(&self) {
        self.restored.store(true, Ordering::Relaxed);
    }

    /// A character that nobody has typed in this world.
    pub fn fresh_char(&self) -> char {
        let n = self.typed.fetch_add(1, Ordering::Relaxed);
        char::from_u32(FIRST_TYPED + n).expect("a world types fewer characters than there are in these planes")
    }

    /// Whether a character is one that was typed, and so is in the log once at most.
    pub fn is_typed(character: char) -> bool {
        character as u32 >= FIRST_TYPED
    }

    /// Writes an event down.
    pub fn note(&self, who: &str, what: impl Display) {
        let line = format!("{:>9.3} {who:<9} {what}", self.now_ms() as f64 / 1_000.0);
        let mut trace = self.trace.lock();
        for byte in line.bytes().chain([b'\n']) {
            trace.hash = (trace.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        trace.lines += 1;
        if trace.print {
            println!("{line}");
        }
    }

    /// The hash of the trace so far, and how many events it holds.
    pub fn hash(&self) -> (u64, u64) {
        let trace = self.trace.lock();
        (trace.hash, trace.lines)
    }

    /// Counts a fault and writes it down.
    pub fn fault(&self, name: &str, what: impl Display) {
        self.note("FAULT", format_args!("{name} {what}"));
        *self.tally.lock().faults.entry(name.to_owned()).or_default() += 1;
    }

    /// Counts something that is no fault.
    pub fn count(&self, name: &str) {
        *self.tally.lock().events.entry(name.to_owned()).or_default() += 1;
    }

    /// Something happened that must never happen. The first one ends the world.
    pub fn fail(&self, who: &str, what: impl Display) {
        self.note(who, format_args!("MUST NOT BE: {what}"));
        self.problem.lock().get_or_insert_with(|| format!("{who}: {what}"));
    }

    /// What must never happen and did.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }
}

impl hub::World for Stage {
    fn now(&self) -> Time {
        let (now, skew) = (self.now_ms(), self.skew_ms.load(Ordering::Relaxed));
        Time((BEGINNING_MS + now).saturating_add_signed(skew))
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut dice = self.randomness.lock();
        bytes.iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
    }
}
