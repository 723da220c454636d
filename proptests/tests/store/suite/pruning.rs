//! Pruning: what is kept is as it was, what is not is said to be gone, and no crash on the way leaves anything else.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use variorum::document::{LEDGER_PAGE, LedgerPage, Trail};
use variorum::store::{HORIZON_EVERY, Kept, verify};

use super::*;

/// A document, all that was ever written into it, and what must be left of it.
struct Life {
    document: Incarnation,
    scribe: Scribe,
    revisions: Vec<Arc<Revision>>,
    horizon: Version,
    /// Kept before the horizon, beside 0.
    steps: BTreeSet<Version>,
    labels: BTreeSet<Version>,
    /// Where the first branch begins.
    branch: Option<Version>,
}

fn pruned<T>(document: Incarnation, version: Version, oldest: Version) -> Result<T, StoreError> {
    Err(StoreError::Pruned { document, version, oldest })
}

impl Life {
    async fn begin(world: &World, name: &str, seed: u64) -> Self {
        let scribe = Scribe::new(name, seed);
        let document = world.create(&scribe).await;
        Life {
            document,
            scribe,
            revisions: Vec::new(),
            horizon: Version::ZERO,
            steps: BTreeSet::new(),
            labels: BTreeSet::new(),
            branch: None,
        }
    }

    fn head(&self) -> Version {
        self.scribe.now().version
    }

    async fn write(&mut self, world: &World, count: u64, at_once: u64) {
        let mut left = count;
        while left > 0 {
            let at = self.head();
            // A snapshot is kept where the hub keeps one.
            let to_snapshot = SNAPSHOT_EVERY - at.0 % SNAPSHOT_EVERY;
            let more = self.scribe.edits(at_once.min(left).min(to_snapshot));
            left -= more.len() as u64;
            world.store().append(self.document, at, more.clone()).await.unwrap();
            self.revisions.extend(more);
            if self.head().0.is_multiple_of(SNAPSHOT_EVERY) {
                world.store().keep_snapshot(self.document, self.scribe.now().clone()).await.unwrap();
            }
        }
    }

    fn holds(&self, version: Version) -> bool {
        version == Version::ZERO || version >= self.horizon || self.steps.contains(&version)
    }

    fn label(version: Version) -> Label {
        let author = User { id: "ana".into(), name: "Ana".into() };
        let name = format!("at {version}").parse().unwrap();
        Label { name, version, author, time: Time(5), note: String::new() }
    }

    async fn put_label(&mut self, world: &World, version: Version) {
        let put = world.store().put_label(self.document, Self::label(version)).await;
        if self.holds(version) {
            assert!(matches!(put, Ok(Labelled::New | Labelled::Existing(_))), "{put:?}");
            self.labels.insert(version);
        } else {
            assert_eq!(put, pruned(self.document, version, self.horizon));
        }
    }

    async fn delete_label(&mut self, world: &World, version: Version) {
        let name = Self::label(version).name;
        assert_eq!(world.store().delete_label(self.document, name).await, Ok(self.labels.remove(&version)));
    }

    /// What pruning comes to, by the words of the contract.
    fn prune_here(&mut self, to: Version) {
        let most = to.min(Version(self.head().0.saturating_sub(1))).min(self.branch.unwrap_or(self.head()));
        self.horizon = self.horizon.max(Version(most.0 / HORIZON_EVERY * HORIZON_EVERY));
        let before = |version: &Version| Version::ZERO < *version && *version < self.horizon;
        self.steps = self.labels.iter().copied().filter(before).collect();
    }

    async fn prune(&mut self, world: &World, to: Version) {
        let before = world.store().kept(self.document).await.unwrap();
        let preview = world.store().prune(self.document, to, true).await.unwrap();
        assert_eq!(world.store().kept(self.document).await.unwrap(), before, "a preview does nothing");
        let done = world.store().prune(self.document, to, false).await.unwrap();
        assert_eq!(done, preview);
        assert_eq!(done.before, self.horizon);
        self.prune_here(to);
        assert_eq!(done.horizon, self.horizon, "pruned to {to} of {}", self.head());
        let due: Vec<Version> = self.steps.iter().copied().chain(Some(self.horizon).filter(|h| h.0 > 0)).collect();
        assert_eq!(done.kept, due);
    }

    /// Holds everything that the store says against all that was written.
    async fn hold(&self, store: &dyn Store, dice: &mut Dice, pairs: usize) {
        let (document, head) = (self.document, self.head());
        assert_eq!(store.head(document).await.unwrap(), head_of(self.revisions.last().unwrap()));
        let kept = store.kept(document).await.unwrap();
        self.hold_kept(&kept);
        let oldest = kept.horizon();
        for _ in 0..pairs {
            let (a, b) = (self.any(&kept, dice), self.any(&kept, dice));
            let (from, to) = (a.min(b), a.max(b));
            let singles = &self.revisions[from.0 as usize..to.0 as usize];
            let stretches = store.stretches(document, from, to).await;
            let trail = store.trail(document, from, to).await;
            let broken = [from, to].into_iter().find(|version| !kept.holds(*version));
            match broken.filter(|_| from < to) {
                Some(version) => {
                    assert_eq!(stretches, pruned(document, version, oldest));
                    assert_eq!(trail, pruned(document, version, oldest));
                }
                None => {
                    let due = Stretch::join_all(singles.iter().map(|one| Stretch::of(one)).collect());
                    assert_eq!(Stretch::join_all(stretches.unwrap()), due, "({from}, {to}]");
                    let due = Trail::join_all(singles.iter().map(|one| Trail::of(one)).collect());
                    assert_eq!(trail.unwrap(), due, "({from}, {to}]");
                }
            }
            let revisions = store.revisions(document, from, to).await;
            match from < oldest && from < to {
                true => assert_eq!(revisions, pruned(document, from, oldest)),
                false => assert_eq!(revisions.unwrap(), singles),
            }
            let snapshot = store.snapshot_before(document, to).await.unwrap();
            let at = snapshot.map_or(Version::ZERO, |snapshot| snapshot.version);
            assert!(at <= to && kept.holds(at) && (to < oldest || oldest <= at), "{at} before {to}, {oldest}");
        }
        let pages: Vec<u64> = (0..head.0.div_ceil(LEDGER_PAGE)).collect();
        for (page, number) in store.ledger(document, pages).await.unwrap().into_iter().zip(0..) {
            let from = number * LEDGER_PAGE;
            let to = head.0.min(from + LEDGER_PAGE);
            assert_eq!(*page, LedgerPage::of(Version(from), &self.revisions[from as usize..to as usize]));
        }
        for client in self.scribe.clients() {
            let mut of_client = self.revisions.iter().rev().filter_map(|revision| {
                let origin = revision.origin.filter(|origin| origin.client == client)?;
                Some(Taken { seq: origin.seq, version: revision.version })
            });
            assert_eq!(store.taken(document, client).await.unwrap(), of_client.next());
        }
        for _ in 0..10 {
            let time = Time(self.revisions[dice.below(head.0) as usize].time.0 - dice.below(3));
            let due = self.revisions.partition_point(|revision| revision.time <= time) as u64;
            assert_eq!(store.version_at(document, time).await.unwrap(), Version(due));
        }
        let tail = store.tail(document).await.unwrap();
        assert_eq!(tail.kept, kept);
        let mut now = tail.snapshot.unwrap_or_else(|| Snapshot::genesis(self.scribe.identity()));
        tail.revisions.iter().for_each(|revision| now.forward(&Stretch::of(revision)).unwrap());
        assert_eq!((now.version, now.chain), (head, self.scribe.now().chain));
        assert_eq!(now.content.to_string(), self.scribe.now().content.to_string());
    }

    /// What is said to be kept has the time and chain that it always had.
    fn hold_kept(&self, kept: &Kept) {
        for place in kept.places() {
            assert_eq!(*place, head_of(&self.revisions[place.version.0 as usize - 1]));
        }
        assert!(kept.horizon().0.is_multiple_of(HORIZON_EVERY) && kept.horizon() < self.head());
    }

    /// A version, often one that something is about.
    fn any(&self, kept: &Kept, dice: &mut Dice) -> Version {
        let head = self.head().0;
        let near = match dice.below(4) {
            0 if !kept.places().is_empty() => {
                kept.places()[dice.below(kept.places().len() as u64) as usize].version.0 + dice.below(3)
            }
            1 => dice.below(head / HORIZON_EVERY + 1) * HORIZON_EVERY + dice.below(3),
            _ => dice.below(head + 2),
        };
        Version(near.saturating_sub(1).min(head))
    }

    fn holds_exactly(&self, kept: &Kept) {
        let due: Vec<Version> = self.steps.iter().copied().chain(Some(self.horizon).filter(|h| h.0 > 0)).collect();
        let places: Vec<Version> = kept.places().iter().map(|place| place.version).collect();
        assert_eq!(places, due);
    }
}

#[test]
fn what_is_kept_is_as_it_was_and_what_is_not_is_said_to_be_gone() {
    for seed in 0..2 {
        on_every_engine(async |mut world| {
            let mut dice = Dice::new(seed * 7 + 1);
            let mut life = Life::begin(&world, "d", seed).await;
            life.write(&world, 300 + dice.below(2500), 40).await;
            for round in 0..5 {
                for _ in 0..dice.below(4) {
                    let version = Version(dice.below(life.head().0 + 1));
                    life.put_label(&world, version).await;
                }
                if let Some(version) = life.labels.first().copied().filter(|_| dice.below(3) == 0) {
                    life.delete_label(&world, version).await;
                }
                let to = Version(dice.below(life.head().0 + 300));
                life.prune(&world, to).await;
                life.holds_exactly(&world.store().kept(life.document).await.unwrap());
                life.hold(world.store(), &mut dice, 30).await;
                world.turn().await;
                life.hold(world.store(), &mut dice, 30).await;
                life.write(&world, 1 + dice.below(900), 300).await;
                if round % 2 == 0 {
                    life.hold(world.store(), &mut dice, 20).await;
                }
            }
            if let Some(store) = world.sqlite.take() {
                store.close().await;
                drop(store);
                assert_eq!(problems(world.directory.path()), "");
            }
        });
    }
}

#[test]
fn a_long_history_is_pruned_past_its_snapshots() {
    on_every_engine(async |mut world| {
        let mut dice = Dice::new(3);
        let mut life = Life::begin(&world, "d", 30).await;
        life.write(&world, 2 * SNAPSHOT_EVERY + 700, 1000).await;
        life.put_label(&world, Version(SNAPSHOT_EVERY - 1)).await;
        world.turn().await;
        life.prune(&world, Version(SNAPSHOT_EVERY + 1000)).await;
        life.hold(world.store(), &mut dice, 20).await;
        world.turn().await;
        life.prune(&world, Version(u64::MAX >> 1)).await;
        life.hold(world.store(), &mut dice, 20).await;
        assert_eq!(life.horizon.0, (2 * SNAPSHOT_EVERY + 699) / HORIZON_EVERY * HORIZON_EVERY);
    });
}

#[test]
fn what_a_branch_needs_is_kept() {
    on_every_engine(async |mut world| {
        let mut dice = Dice::new(4);
        let mut life = Life::begin(&world, "d", 40).await;
        life.write(&world, 1000, 50).await;
        // Of a version that is its parent's: a label of the branch keeps it readable too.
        let branch = life.scribe.branch("twig", 41);
        let parent = life.document;
        let begins = |version| BranchPoint { parent, version: Version(version) };
        let made = world.store().create_branch(branch.identity().clone(), begins(700)).await.unwrap();
        let Created::New(twig) = made else { panic!("{made:?}") };
        assert_eq!(world.store().put_label(twig, Life::label(Version(300))).await, Ok(Labelled::New));
        world.turn().await;
        life.branch = Some(Version(700));
        life.labels.insert(Version(300));
        life.prune(&world, Version(900)).await;
        assert_eq!(life.horizon, Version(512));
        life.hold(world.store(), &mut dice, 40).await;
        let store = world.store();
        let of_branch = store.trail(twig, Version(300), Version(700)).await.unwrap();
        let due = Trail::join_all(life.revisions[300..700].iter().map(|one| Trail::of(one)).collect());
        assert_eq!(of_branch, due);
        assert_eq!(store.kept(twig).await, store.kept(life.document).await);
        assert_eq!(store.prune(twig, Version(699), false).await.unwrap().horizon, Version::ZERO);
        let again = store.create_branch(Scribe::new("late", 42).identity().clone(), begins(300)).await;
        assert_eq!(again, pruned(life.document, Version(300), Version(512)));
        let pages = store.ledger(twig, vec![0]).await.unwrap();
        assert_eq!(*pages[0], LedgerPage::of(Version(0), &life.revisions[..700]));
        // Without the branch nothing of it is needed any more.
        store.remove(twig).await.unwrap();
        (life.branch, life.labels) = (None, BTreeSet::new());
        life.prune(&world, Version(900)).await;
        life.holds_exactly(&world.store().kept(life.document).await.unwrap());
        life.hold(world.store(), &mut dice, 20).await;
    });
}

/// What `verify` finds.
fn problems(path: &Path) -> String {
    let mut found = String::new();
    verify(path, &mut |problem| found += &format!("{problem}\n")).unwrap();
    found
}

/// Ends of what was committed in a write-ahead log, as lengths of its file.
fn commits(log: &Path) -> Vec<u64> {
    let bytes = std::fs::read(log).unwrap();
    let salt = &bytes[16..24];
    let frames = bytes[32..].chunks_exact(4096 + 24).zip(1..);
    let whole = frames.take_while(|(frame, _)| frame[8..16] == *salt);
    // A frame that ends a commit says how many pages the database then has.
    whole.filter(|(frame, _)| frame[4..8] != [0; 4]).map(|(_, number)| 32 + number * (4096 + 24)).collect()
}

#[test]
fn a_crash_at_any_commit_of_pruning_leaves_a_whole_document() {
    block_on(async {
        let world = World::new(Turn::Folded);
        let mut dice = Dice::new(5);
        let mut life = Life::begin(&world, "d", 50).await;
        life.write(&world, 3000, 100).await;
        for version in [130, 200, 256, 300, 301, 1000, 1024, 2500] {
            life.put_label(&world, Version(version)).await;
        }
        let sqlite = world.sqlite.as_ref().unwrap();
        sqlite.fold_now().await;
        life.prune(&world, Version(700)).await;
        life.delete_label(&world, Version(200)).await;
        let log = world.directory.path().join("variorum.db-wal");
        let before = commits(&log).len();
        life.prune(&world, Version(2900)).await;
        let ends = commits(&log);
        assert!(ends.len() > before + 5, "{} commits before, {} after", before, ends.len());
        for end in ends[before - 1..].iter().copied() {
            let copy = tempfile::tempdir().unwrap();
            for file in std::fs::read_dir(&world.directory).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
            let cut = std::fs::File::options().write(true).open(copy.path().join("variorum.db-wal")).unwrap();
            cut.set_len(end).unwrap();
            let store = open(&copy);
            assert_eq!(store.condition(), Condition::Good);
            life.hold(&store, &mut dice, 25).await;
            // What was left behind goes by itself.
            store.fold_now().await;
            store.close().await;
            assert_eq!(problems(copy.path()), "", "cut at {end}");
            let conn = Connection::open(copy.path().join("variorum.db")).unwrap();
            let left: i64 = conn
                .query_row("SELECT count(*) FROM pages WHERE first <= (SELECT max(last) FROM steps)", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(left, 0, "cut at {end}");
            drop(conn);
            // And what was cut short is gone on with.
            let store = open(&copy);
            store.prune(life.document, Version(2900), false).await.unwrap();
            life.holds_exactly(&store.kept(life.document).await.unwrap());
            life.hold(&store, &mut dice, 25).await;
        }
    });
}

#[test]
fn appends_go_on_while_a_document_is_pruned() {
    block_on(async {
        let world = World::new(Turn::Unfolded);
        let mut life = Life::begin(&world, "d", 60).await;
        life.write(&world, 20_000, 1000).await;
        let pruning = world.store().prune(life.document, Version(19_000), false);
        let mut scribe = life.scribe.clone();
        let writing = async {
            let mut more = Vec::new();
            for _ in 0..200 {
                let at = scribe.now().version;
                let next = scribe.edits(2);
                world.store().append(life.document, at, next.clone()).await.unwrap();
                more.extend(next);
            }
            more
        };
        let (pruned, more) = tokio::join!(pruning, writing);
        life.revisions.extend(more);
        life.scribe = scribe;
        life.prune_here(Version(19_000));
        assert_eq!(pruned.unwrap().horizon, life.horizon);
        life.hold(world.store(), &mut Dice::new(6), 20).await;
    });
}
