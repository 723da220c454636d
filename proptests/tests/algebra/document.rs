//! A document against the plainest one there is: it keeps every revision, moves an edit past them one by one, and looks a
//! client up by reading the whole log. What the two decide must be equal in every field.

use std::sync::Arc;

use proptest::{prop_assert, prop_assert_eq};
use proptests::{Source, TestCaseResult, cases, check_random, plain};
use variorum::document::{
    Author, Chain, ChainKey, ClientKey, Decision, Document, Edit, EditLimits, Epoch, History, Identity, Kind, Missing,
    Origin, Refusal, Revision, SentOp, Seq, Snapshot, Stretch, Taken, Time, User, Version,
};
use variorum::ot::{Content, Op, TextOp};

#[test]
fn decisions_are_those_of_the_plainest_document() {
    check_random(600, 900, |source| {
        let mut world = World::new();
        let before = *source.pick(&[0, 10, 70, 200, 700]);
        world.prefill(&mut Source::seeded(source.below(1_000)), before);
        for _ in 0..source.below(40) {
            match source.below(12) {
                0..=7 => {
                    let edit = world.some_edit(source);
                    world.propose(source, edit)?;
                }
                8 | 9 => world.commit()?,
                10 => world.reopen(source),
                _ => world.document.forget_clients(|client| client.0[0] % 2 == 0),
            }
        }
        world.commit()?;
        world.document_is_its_log()
    });
}

#[test]
fn an_edit_from_any_base_is_what_its_client_would_hold() {
    // Every base of a long history, in memory and beyond it, in one go each.
    let mut source = Source::seeded(9);
    let mut world = World::new();
    world.prefill(&mut source, 1_400);
    assert!(world.document.history().start() > Version(512), "some of it is out of memory");
    for base in (0..=1_400).step_by(7) {
        let op = cases::op(&mut source, world.len_at(Version(base)));
        let edit = Edit { base: Version(base), origin: None, author: author(0), may_write: true, op: Ok(op.into()) };
        world.propose(&mut source, edit).unwrap();
        world.batch.clear();
    }
}

#[test]
fn the_time_never_decreases() {
    let mut world = World::new();
    for now in [50, 40, 60, 10, 60] {
        let edit = world.insert(None, "x");
        let granted = world.document.rebase(&world.batch, &edit, Time(now), &LIMITS);
        let Ok(Decision::Granted(revision)) = granted else { panic!("{granted:?}") };
        world.batch.push(revision);
    }
    let times: Vec<_> = world.batch.iter().map(|revision| revision.time.0).collect();
    assert_eq!(times, [50, 50, 60, 60, 60]);
    world.commit().unwrap();
    let edit = world.insert(None, "x");
    let Ok(Decision::Granted(next)) = world.document.rebase(&[], &edit, Time(1), &LIMITS) else { panic!() };
    assert_eq!(next.time, Time(60), "nor over batches");
}

#[test]
fn a_repeat_is_answered_with_its_version_whatever_comes_with_it() {
    let mut source = Source::seeded(10);
    let mut world = World::new();
    world.prefill(&mut source, 300);
    let alice = ClientKey::of_client("alice");
    let first = Edit { base: Version(10), ..world.insert(Some((alice, 4)), "first") };
    let first = Edit { op: Ok(cases::op(&mut source, world.len_at(Version(10))).into()), ..first };
    let Decision::Granted(granted) = world.propose(&mut source, first.clone()).unwrap() else { panic!() };
    assert_eq!(granted.version, Version(301));

    let mut as_moved = first.clone();
    as_moved.bring_forward(&[world.stretch(Version(10), Version(200))], &LIMITS);
    let garbage = Edit { base: Version(u64::MAX), op: Err(Refusal::ReadOnly), may_write: false, ..first.clone() };
    let ways = [first, as_moved, garbage];
    // In its own batch, behind others in that batch, across batches, beyond memory, after a restart.
    for round in 0..5 {
        for edit in &ways {
            assert_eq!(world.propose(&mut source, edit.clone()).unwrap(), Decision::Repeated(Version(301)), "{round}");
        }
        match round {
            0 => world.push(&mut source, 3),
            1 => world.commit().unwrap(),
            2 => world.prefill(&mut source, 700),
            _ => world.reopen(&mut source),
        }
    }
}

#[test]
fn seqs_rise_with_gaps() {
    let mut source = Source::seeded(11);
    let mut world = World::new();
    let alice = ClientKey::of_client("alice");
    let decide = |world: &mut World, source: &mut Source, seq: u64| {
        let edit = world.insert(Some((alice, seq)), "x");
        world.propose(source, edit).unwrap()
    };
    for (version, seq) in [1, 2, 9, 1_000_000].into_iter().enumerate() {
        let taken = Version(version as u64 + 1);
        assert!(
            matches!(decide(&mut world, &mut source, seq), Decision::Granted(revision) if revision.version == taken)
        );
        for low in (0..seq).take(3) {
            let refusal = Refusal::SeqOutOfOrder { seq: Seq(low), last: Seq(seq) };
            assert_eq!(decide(&mut world, &mut source, low), Decision::Refused(refusal));
        }
        assert_eq!(decide(&mut world, &mut source, seq), Decision::Repeated(taken));
        if version == 1 {
            world.commit().unwrap();
        }
    }
    let bob = world.insert(Some((ClientKey::of_client("bob"), 1)), "x");
    assert!(matches!(world.propose(&mut source, bob), Ok(Decision::Granted(_))), "seqs are each client's own");
}

#[test]
fn checks_come_in_the_order_of_the_protocol() {
    let mut source = Source::seeded(12);
    let mut world = World::new();
    let alice = ClientKey::of_client("alice");
    for (seq, text) in [(1, "he"), (3, "llo")] {
        let edit = world.insert(Some((alice, seq)), text);
        world.propose(&mut source, edit).unwrap();
        world.commit().unwrap();
    }
    let limits = EditLimits { op_bytes: 4, op_parts: 3, document_length: 8 };
    let edit = |seq, may_write, base, op: Result<TextOp, Refusal>| Edit {
        base: Version(base),
        origin: Some(Origin { client: alice, seq: Seq(seq) }),
        author: author(0),
        may_write,
        op: op.map(SentOp::from),
    };
    let op = |json| Ok(TextOp::from_json(json).unwrap());
    let bad = Refusal::BadOp(TextOp::from_json("[0]").unwrap_err());
    let too_large = |what: &'static str, found, most, unit| Refusal::TooLarge { what, found, most, unit };
    // Each edit has its fault, and as many of those that are asked for later as go together.
    let table = [
        ("read only", edit(2, false, 9, Err(bad.clone())), Refusal::ReadOnly),
        ("new and read only", edit(4, false, 2, op(r#"[5,"x"]"#)), Refusal::ReadOnly),
        ("seq", edit(2, true, 9, Err(bad.clone())), Refusal::SeqOutOfOrder { seq: Seq(2), last: Seq(3) }),
        ("ahead, and bad", edit(4, true, 3, Err(bad.clone())), ahead(3, 2)),
        ("ahead, and too long", edit(4, true, 9, op(r#"[5,"xxxxx"]"#)), ahead(9, 2)),
        ("no op", edit(4, true, 2, Err(bad.clone())), bad),
        ("does not fit the head", edit(4, true, 2, op(r#"[6,"xxxxx"]"#)), misfit(6, 5, 2)),
        ("does not fit an old version", edit(4, true, 1, op(r#"[5,"xxxxx"]"#)), misfit(5, 2, 1)),
        ("bytes", edit(4, true, 2, op(r#"["é",1,"é",1,"é",3]"#)), too_large("the op inserts", 6, 4, "bytes")),
        ("parts", edit(4, true, 2, op(r#"["x",1,"x",4]"#)), too_large("the op has", 4, 3, "parts")),
        ("length", edit(4, true, 2, op(r#"[5,"xxxx"]"#)), too_large("the document would have", 9, 8, "characters")),
    ];
    for (fault, edit, refusal) in table {
        let decision = world.document.rebase(&[], &edit, Time(0), &limits);
        assert_eq!(decision, Ok(Decision::Refused(refusal)), "{fault}");
    }
    let repeat = edit(3, false, 9, Err(Refusal::ReadOnly));
    assert_eq!(world.document.rebase(&[], &repeat, Time(0), &limits), Ok(Decision::Repeated(Version(2))));
}

fn ahead(base: u64, head: u64) -> Refusal {
    Refusal::VersionAhead { base: Version(base), head: Version(head) }
}

fn misfit(op: u64, found: u64, base: u64) -> Refusal {
    Refusal::LengthMismatch { op, found, base: Version(base) }
}

#[test]
fn a_document_past_its_limit_may_be_made_shorter() {
    let mut source = Source::seeded(13);
    let mut world = World::new();
    let edit = world.insert(None, "too long");
    world.propose(&mut source, edit).unwrap();
    world.commit().unwrap();
    let limits = EditLimits { document_length: 4, ..LIMITS };
    for (op, taken) in [("[-1,7]", true), (r#"["x",-1,7]"#, true), ("[8]", true), (r#"[8,"x"]"#, false)] {
        let edit = Edit { op: Ok(TextOp::from_json(op).unwrap().into()), ..world.insert(None, "") };
        let decision = world.document.rebase(&[], &edit, Time(0), &limits).unwrap();
        assert_eq!(matches!(decision, Decision::Granted(_)), taken, "{op}: {decision:?}");
    }
}

#[test]
fn what_is_not_in_memory_is_asked_for_once_it_matters() {
    let mut source = Source::seeded(14);
    let mut world = World::new();
    world.prefill(&mut source, 130);
    world.reopen_at(Version(128));
    let alice = ClientKey::of_client("alice");
    let stranger = Edit { base: Version(3), may_write: false, ..world.insert(Some((alice, 1)), "x") };
    let decide = |world: &World, edit: &Edit| world.document.rebase(&[], edit, Time(0), &LIMITS);
    assert_eq!(decide(&world, &stranger), Err(Missing::Taken(alice)), "even of who may not write: it may be a repeat");
    world.document.learn(alice, None);
    assert_eq!(decide(&world, &stranger), Ok(Decision::Refused(Refusal::ReadOnly)), "no history is read for that");
    let old = Edit { may_write: true, ..stranger };
    assert_eq!(decide(&world, &old), Err(Missing::History(Version(3))));
    let none = Edit { op: Err(Refusal::ReadOnly), ..old };
    assert_eq!(decide(&world, &none), Ok(Decision::Refused(Refusal::ReadOnly)), "nor for what is no op");
}

#[test]
fn what_was_taken_while_the_log_was_read_is_newer_than_what_it_said() {
    let mut source = Source::seeded(15);
    let mut world = World::new();
    let alice = ClientKey::of_client("alice");
    let edit = world.insert(Some((alice, 7)), "x");
    assert!(matches!(world.propose(&mut source, edit.clone()), Ok(Decision::Granted(_))));
    world.commit().unwrap();
    for older in [None, Some(Taken { seq: Seq(3), version: Version(0) })] {
        world.document.learn(alice, older);
        assert_eq!(world.propose(&mut source, edit.clone()).unwrap(), Decision::Repeated(Version(1)));
    }
}

#[test]
fn any_stretch_of_the_window_is_its_revisions() {
    let mut source = Source::seeded(15);
    let mut world = World::new();
    world.prefill(&mut source, 900);
    let history: &History = world.document.history();
    let (start, head) = (history.start().0, history.head().0);
    assert_eq!((start % 64, head), (0, 900));
    for version in start + 1..=head {
        assert_eq!(history.get(Version(version)).unwrap(), &world.log[version as usize - 1]);
    }
    assert_eq!((history.get(Version(start)), history.get(Version(head + 1))), (None, None));
    for _ in 0..2_000 {
        let from = start + source.below(head - start + 1);
        let to = from + source.below(head - from + 1);
        let pieces = history.pieces(Version(from), Version(to));
        let mut at = Version(from);
        for piece in &pieces {
            let stretch = piece.stretch();
            assert_eq!(stretch.from, at);
            let size = stretch.to.since(stretch.from);
            assert!([1, 8, 64].contains(&size) && stretch.from.0 % size == 0, "a piece of {size} at {at}");
            at = stretch.to;
        }
        assert_eq!(at, Version(to));
        // At most seven of each size before and behind the largest ones.
        assert!(pieces.len() <= 28 + (to - from) as usize / 64, "{} pieces for {from} to {to}", pieces.len());
        let one_by_one = (from < to).then(|| world.stretch(Version(from), Version(to)));
        assert_eq!(history.stretch(Version(from), Version(to)), one_by_one);
    }
    // What is older than the window is reached from the next block of 64, wherever it is to lead in the window.
    for _ in 0..200 {
        let (from, to) = (source.below(start), Version(start + source.below(head - start + 1)));
        let reached = history.reached_from(Version(from));
        assert_eq!(reached.0, from.next_multiple_of(64));
        let one_by_one = (reached < to).then(|| world.stretch(reached, to));
        assert_eq!(history.stretch(reached, to), one_by_one);
    }
}

#[test]
fn blocks_of_64_reach_back_for_thousands_of_revisions_and_no_further() {
    const REACH: u64 = 16_384;
    let mut history = History::new(Version(100));
    let author = Arc::new(Author { session: None, user: User { id: "u".into(), name: "".into() } });
    let mut before = 0;
    for version in 101..=REACH + 1_000 {
        let op = TextOp::splice(version - 101, 0, 0, "x").unwrap();
        let (time, chain) = (Time(version), Chain(version));
        let revision = Revision { version: Version(version), op, author: author.clone(), origin: None, time, chain };
        history.push(Arc::new(revision));
        let oldest = history.reached_from(Version::ZERO);
        // The first whole block begins at 128; until the window moves on, what is before it is there singly.
        let reached = version.saturating_sub(REACH).max(128).next_multiple_of(64);
        let expected = if history.start().0 == 100 { 100 } else { reached };
        assert_eq!(oldest.0, expected, "at {version}");
        assert_eq!(history.reached_from(history.start()), history.start());
        if version % 97 == 0 {
            let stretch = history.stretch(oldest, Version(version)).expect("it is not empty");
            assert_eq!((stretch.from, stretch.to, stretch.chain), (oldest, Version(version), chain));
            assert_eq!((stretch.op.base_len(), stretch.op.target_len()), (oldest.0 - 100, version - 100));
        }
        assert!(before <= oldest.0);
        before = oldest.0;
    }
}

#[test]
fn the_window_is_bounded_by_what_it_weighs_and_still_whole() {
    const WEIGHT_MAX: usize = 32 << 20;
    let mut source = Source::seeded(16);
    let mut history = History::new(Version::ZERO);
    let author = Arc::new(Author { session: None, user: User { id: "u".into(), name: "".into() } });
    let (mut length, mut heavy, mut cut) = (0, false, false);
    for version in 1..=400 {
        // Mostly keystrokes; now and then, and for a while, texts of megabytes in the place of all there was.
        heavy = if version % 40 == 0 { !heavy } else { heavy };
        let bytes = if heavy && source.below(3) == 0 { source.below(5 << 20) as usize } else { 1 };
        let deleted = if bytes > 1 { length } else { 0 };
        let op = TextOp::splice(length, 0, deleted, &"x".repeat(bytes)).unwrap();
        length = length - deleted + bytes as u64;
        let (time, chain) = (Time(version), Chain(version));
        let revision = Revision { version: Version(version), op, author: author.clone(), origin: None, time, chain };
        history.push(Arc::new(revision));
        let (start, head) = (history.start(), history.head());
        assert_eq!(head, Version(version));
        assert!(history.weight() <= WEIGHT_MAX || start.next() == head, "{} bytes at {head}", history.weight());
        cut |= start.0 % 64 != 0;
        let oldest = history.reached_from(Version::ZERO);
        assert!(oldest <= start && history.stretch(oldest, head).is_some_and(|stretch| stretch.from == oldest));
        let from = Version(start.0 + source.below(head.since(start)));
        let pieces = history.pieces(from, head);
        assert!(pieces.len() <= 28 + head.since(from) as usize / 64, "{} pieces from {from} to {head}", pieces.len());
        let stretch = history.stretch(from, head).expect("it is not empty");
        assert_eq!((stretch.from, stretch.to, stretch.chain), (from, head, Chain(version)));
        assert_eq!(stretch.op.target_len(), length);
        let before = history.get(from.next()).expect("it is in the window").op.base_len();
        assert_eq!(stretch.op.base_len(), before);
    }
    assert!(cut, "some of it was let go of for its weight");
}

#[test]
fn the_chain_tells_every_difference() {
    let key = ChainKey([7; 16]);
    let revision = |op: &str| Revision {
        version: Version(5),
        op: TextOp::from_json(op).unwrap(),
        author: Arc::new(Author { session: None, user: User { id: "ab".into(), name: "c".into() } }),
        origin: None,
        time: Time(9),
        chain: Chain(0),
    };
    let same = revision(r#"[1,"a",-2]"#);
    let by = |session: Option<&str>, id: &str, name: &str| Revision {
        author: Arc::new(Author { session: session.map(Into::into), user: User { id: id.into(), name: name.into() } }),
        ..same.clone()
    };
    let from = |client, seq| Revision {
        origin: Some(Origin { client: ClientKey([client; 16]), seq: Seq(seq) }),
        ..same.clone()
    };
    let different = [
        same.clone(),
        Revision { version: Version(6), ..same.clone() },
        Revision { time: Time(10), ..same.clone() },
        by(Some(""), "ab", "c"),
        by(Some("ab"), "c", ""),
        by(None, "a", "bc"),
        by(None, "abc", ""),
        by(None, "", "abc"),
        from(0, 0),
        from(0, 1),
        from(1, 0),
        revision("[]"),
        revision("[3]"),
        revision("[-3]"),
        revision("[1,-2]"),
        revision(r#"[1,-2,"a"]"#),
        revision(r#"[1,"b",-2]"#),
        revision(r#"[1,"aa",-2]"#),
        revision(r#"[1,"a",-1]"#),
        revision(r#"[1,"a",-2,1]"#),
        revision(r#"[1,"a\u0000",-2]"#),
        revision(r#"["é"]"#),
        revision("[\"e\u{301}\"]"),
    ];
    let mut chains: Vec<_> = different.iter().map(|revision| revision.chain_after(Chain(1), &key)).collect();
    chains.push(same.chain_after(Chain(2), &key));
    chains.push(same.chain_after(Chain(1), &ChainKey([8; 16])));
    chains.push(key.genesis(Epoch([0; 16])));
    chains.push(key.genesis(Epoch([1; 16])));
    chains.push(ChainKey([8; 16]).genesis(Epoch([0; 16])));
    for (place, chain) in chains.iter().enumerate() {
        assert!(!chains[..place].contains(chain), "case {place} has the chain of an earlier one");
    }
    // It is of what comes before and of the revision, and not of the chain that the revision had.
    let other = Revision { chain: Chain(77), ..same.clone() };
    assert_eq!(other.chain_after(Chain(1), &key), same.chain_after(Chain(1), &key));
    // Stored chains must mean the same for ever.
    assert_eq!(same.chain_after(Chain(1), &key).to_string(), "b574f50acae66ef4");
}

// ---- The world: a document, and the plainest one beside it.

const LIMITS: EditLimits = EditLimits { op_bytes: 40, op_parts: 12, document_length: 400 };

struct World {
    identity: Identity,
    document: Document,
    /// Revision `i + 1` is at `i`.
    log: Vec<Arc<Revision>>,
    /// The content at each version, by the plain reading of ops.
    contents: Vec<String>,
    /// Granted, and not yet committed.
    batch: Vec<Revision>,
}

impl World {
    fn new() -> Self {
        let identity = Identity {
            id: "d".parse().unwrap(),
            kind: Kind::Text,
            epoch: Epoch([1; 16]),
            key: ChainKey([2; 16]),
            created: Time(5),
        };
        let document = Document::new(identity.clone(), Snapshot::genesis(&identity));
        World { identity, document, log: Vec::new(), contents: vec![String::new()], batch: Vec::new() }
    }

    fn head(&self) -> Version {
        Version(self.log.len() as u64)
    }

    fn len_at(&self, version: Version) -> u64 {
        plain::len(&self.contents[version.0 as usize])
    }

    /// Commits `count` revisions of nobody's.
    fn prefill(&mut self, source: &mut Source, count: u64) {
        for _ in 0..count {
            self.push(source, 1);
            self.commit().unwrap();
        }
    }

    /// Grants `count` edits of nobody's in the batch, each on the head.
    fn push(&mut self, source: &mut Source, count: u64) {
        for _ in 0..count {
            let op = keystroke(source, self.len_at(self.head()));
            let author = author(source.below(3) as u8);
            let edit = Edit { base: self.head(), origin: None, author, may_write: true, op: Ok(op.into()) };
            let limits = EditLimits { op_bytes: 1_000, op_parts: 1_000, ..LIMITS };
            let decision = self.document.rebase(&self.batch, &edit, Time(10), &limits);
            let Ok(Decision::Granted(revision)) = decision else { panic!("{decision:?}") };
            self.batch.push(revision);
        }
    }

    /// An insert at the beginning of the head.
    fn insert(&self, origin: Option<(ClientKey, u64)>, text: &str) -> Edit {
        let op = TextOp::splice(self.len_at(self.head()), 0, 0, text);
        let origin = origin.map(|(client, seq)| Origin { client, seq: Seq(seq) });
        Edit { base: self.head(), origin, author: author(0), may_write: true, op: Ok(op.unwrap().into()) }
    }

    /// What one of four clients may send: mostly a good edit on an older version, sometimes one with faults.
    fn some_edit(&self, source: &mut Source) -> Edit {
        let behind = *source.pick(&[0, 3, 20, 100, 10_000]);
        let base = Version(self.head().0 - source.below(self.head().0.min(behind) + 1));
        let covers = self.len_at(base) + u64::from(source.once_in(16));
        let op = match cases::op(source, covers) {
            _ if source.once_in(16) => Err(Refusal::BadOp(TextOp::from_json("[0]").unwrap_err())),
            op => Ok(op.into()),
        };
        let base = if source.once_in(16) { Version(self.head().0 + 1 + source.below(3)) } else { base };
        let client = source.below(5) as u8;
        let origin = (client > 0).then(|| {
            let client = ClientKey([client; 16]);
            let last = self.last_taken(client).map_or(0, |taken| taken.seq.0);
            let seq = match source.below(8) {
                0..=4 => last + 1,
                5 => last + 1 + source.below(9),
                6 => last,
                _ => last.saturating_sub(source.below(3)),
            };
            Origin { client, seq: Seq(seq) }
        });
        Edit { base, origin, author: author(client), may_write: !source.once_in(16), op }
    }

    /// Asks both documents, and puts what was granted into the batch.
    fn propose(&mut self, source: &mut Source, edit: Edit) -> Result<Decision, proptest::test_runner::TestCaseError> {
        let now = Time(source.below(50));
        let expected = self.plain_decision(&edit, now);
        let mut asked = edit.clone();
        let decision = loop {
            match self.document.rebase(&self.batch, &asked, now, &LIMITS) {
                Ok(decision) => break decision,
                Err(Missing::Taken(client)) => {
                    let committed = self.log.iter().rev().find_map(|revision| taken_from(client, revision));
                    self.document.learn(client, committed);
                }
                Err(Missing::History(base)) => {
                    prop_assert_eq!(base, asked.base);
                    let stretches = self.stretches(source, base, self.document.history().start());
                    asked.bring_forward(&stretches, &LIMITS);
                }
            }
        };
        prop_assert_eq!(&decision, &expected, "{:?} at {}", edit, self.head());
        if let Decision::Granted(revision) = &decision {
            self.batch.push(revision.clone());
        }
        Ok(decision)
    }

    /// What the plainest document decides, in the order of the protocol.
    fn plain_decision(&self, edit: &Edit, now: Time) -> Decision {
        let last = edit.origin.and_then(|origin| self.last_taken(origin.client));
        if let (Some(origin), Some(last)) = (edit.origin, last)
            && origin.seq == last.seq
        {
            return Decision::Repeated(last.version);
        }
        if !edit.may_write {
            return Decision::Refused(Refusal::ReadOnly);
        }
        if let (Some(origin), Some(last)) = (edit.origin, last)
            && origin.seq < last.seq
        {
            return Decision::Refused(Refusal::SeqOutOfOrder { seq: origin.seq, last: last.seq });
        }
        if edit.base > self.head() {
            return Decision::Refused(ahead(edit.base.0, self.head().0));
        }
        let op = match &edit.op {
            Ok(sent) => sent.op(),
            Err(refusal) => return Decision::Refused(refusal.clone()),
        };
        if op.base_len() != self.len_at(edit.base) {
            return Decision::Refused(misfit(op.base_len(), self.len_at(edit.base), edit.base.0));
        }
        let since = self.log[edit.base.0 as usize..].iter().map(|revision| &revision.op);
        let since = since.chain(self.batch.iter().map(|revision| &revision.op));
        let moved = since.fold(op.clone(), |op, past| op.transform_incoming(past).unwrap());
        let inserted = op.inserted_bytes();
        let too_large = |what, found, most, unit| Decision::Refused(Refusal::TooLarge { what, found, most, unit });
        if inserted > LIMITS.op_bytes {
            return too_large("the op inserts", inserted as u64, LIMITS.op_bytes as u64, "bytes");
        }
        if op.parts_len() > LIMITS.op_parts {
            return too_large("the op has", op.parts_len() as u64, LIMITS.op_parts as u64, "parts");
        }
        if moved.target_len() > LIMITS.document_length.max(moved.base_len()) {
            return too_large("the document would have", moved.target_len(), LIMITS.document_length, "characters");
        }
        let last = self.batch.last().or(self.log.last().map(|last| &**last));
        let (chain, time) = last.map_or_else(
            || (self.identity.key.genesis(self.identity.epoch), self.identity.created),
            |last| (last.chain, last.time),
        );
        let mut revision = Revision {
            version: Version(self.log.len() as u64 + self.batch.len() as u64 + 1),
            op: moved,
            author: edit.author.clone(),
            origin: edit.origin,
            time: time.max(now),
            chain,
        };
        revision.chain = revision.chain_after(chain, &self.identity.key);
        Decision::Granted(revision)
    }

    fn last_taken(&self, client: ClientKey) -> Option<Taken> {
        let in_batch = self.batch.iter().rev().find_map(|revision| taken_from(client, revision));
        in_batch.or_else(|| self.log.iter().rev().find_map(|revision| taken_from(client, revision)))
    }

    /// The batch is durable now.
    fn commit(&mut self) -> TestCaseResult {
        for revision in std::mem::take(&mut self.batch) {
            let content = plain::apply(&revision.op, &self.contents[self.log.len()]);
            let revision = Arc::new(revision);
            self.document.advance(revision.clone());
            prop_assert_eq!(self.document.now().content.to_string(), content.as_str());
            self.log.push(revision);
            self.contents.push(content);
        }
        prop_assert_eq!(self.document.head(), self.head());
        Ok(())
    }

    /// The batch was lost with the process; the document is read anew from one of its snapshots.
    fn reopen(&mut self, source: &mut Source) {
        let snapshot = 64 * source.below(self.head().0 / 64 + 1);
        self.reopen_at(Version(snapshot));
    }

    fn reopen_at(&mut self, version: Version) {
        self.batch.clear();
        let mut snapshot = Snapshot::genesis(&self.identity);
        if version > Version::ZERO {
            snapshot.forward(&self.stretch(Version::ZERO, version)).unwrap();
        }
        self.document = Document::new(self.identity.clone(), snapshot);
        for revision in &self.log[version.0 as usize..] {
            self.document.advance(revision.clone());
        }
    }

    /// The revisions `(from, to]` as one stretch, composed one by one.
    fn stretch(&self, from: Version, to: Version) -> Stretch {
        let mut revisions = self.log[from.0 as usize..to.0 as usize].iter().map(|revision| Stretch::of(revision));
        let first = revisions.next().expect("the stretch is not empty");
        revisions.fold(first, |stretch, next| stretch.join(&next))
    }

    /// The same as stretches of any lengths, as a store may hand them over.
    fn stretches(&self, source: &mut Source, from: Version, to: Version) -> Vec<Stretch> {
        let mut at = from;
        std::iter::from_fn(|| {
            let left = to.since(at);
            let size = 1 + source.below(left.max(1)).min(*source.pick(&[600, 64, 7, 0]));
            let next = Version(at.0 + size);
            let stretch = (left > 0).then(|| self.stretch(at, next));
            at = next;
            stretch
        })
        .collect()
    }

    fn document_is_its_log(&self) -> TestCaseResult {
        let mut chain = self.identity.key.genesis(self.identity.epoch);
        let mut time = self.identity.created;
        for (revision, version) in self.log.iter().zip(1..) {
            prop_assert_eq!(revision.version, Version(version));
            prop_assert!(revision.time >= time, "time decreases at version {}", version);
            chain = revision.chain_after(chain, &self.identity.key);
            prop_assert_eq!(revision.chain, chain);
            time = revision.time;
        }
        let now = self.document.now();
        prop_assert_eq!((now.version, now.chain, now.time), (self.head(), chain, time));
        prop_assert!(now.content == Content::from(self.contents.last().unwrap().as_str()));
        for client in 1..5 {
            let client = ClientKey([client; 16]);
            if let Ok(taken) = self.document.taken(client) {
                prop_assert_eq!(taken, self.last_taken(client));
            }
        }
        Ok(())
    }
}

/// A small change, as typing is: most text outlives it, so that old edits still find their places. Now and then any op at
/// all, in a text that stays short.
fn keystroke(source: &mut Source, len: u64) -> TextOp {
    let place = source.below(len + 1);
    let most = if len < 60 { 2 } else { 4 };
    let (deleted, inserted) = (source.below(most).min(len - place), cases::text(source, 2));
    match cases::op(source, len) {
        op if source.once_in(40) && op.target_len() < 60 => op,
        _ => TextOp::splice(len, place, deleted, &inserted).expect("the place lies within"),
    }
}

fn taken_from(client: ClientKey, revision: &Revision) -> Option<Taken> {
    let origin = revision.origin.filter(|origin| origin.client == client)?;
    Some(Taken { seq: origin.seq, version: revision.version })
}

fn author(number: u8) -> Arc<Author> {
    let session = (number > 0).then(|| format!("session {number}").into());
    Arc::new(Author { session, user: User { id: format!("user {}", number / 2).into(), name: "".into() } })
}
