//! What every engine of the store does, held against the memory engine: the trait's promises, each as a test.

mod pruning;

use std::sync::Arc;

use proptest::prelude::*;
use proptests::scribe::{Dice, Scribe};
use tempfile::TempDir;
use variorum::document::{ClientKey, Label, Revision, Seq, Snapshot, Stretch, Taken, Time, User, Version};
use variorum::ot::TextOp;
use variorum::store::{
    APPEND_BYTES_MAX, AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, LABELS_MAX, Labelled,
    Listed, MemoryStore, SNAPSHOT_EVERY, SqliteOptions, SqliteStore, Store, StoreError, as_many_as_weigh,
};

/// What happens to an engine between writing and reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Memory,
    Unfolded,
    Folded,
    Reopened,
    /// The process ends without a word; what it had written is found by the next.
    Crashed,
    FoldedAndCrashed,
}

const TURNS: [Turn; 6] =
    [Turn::Memory, Turn::Unfolded, Turn::Folded, Turn::Reopened, Turn::Crashed, Turn::FoldedAndCrashed];

struct World {
    turn: Turn,
    memory: MemoryStore,
    sqlite: Option<SqliteStore>,
    directory: TempDir,
}

fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap()
}

impl World {
    fn new(turn: Turn) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = (turn != Turn::Memory).then(|| open(&directory));
        World { turn, memory: MemoryStore::new(), sqlite, directory }
    }

    fn store(&self) -> &dyn Store {
        self.sqlite.as_ref().map_or(&self.memory as &dyn Store, |sqlite| sqlite)
    }

    async fn turn(&mut self) {
        let Some(store) = &self.sqlite else { return };
        if matches!(self.turn, Turn::Folded | Turn::FoldedAndCrashed) {
            store.fold_now().await;
        }
        match self.turn {
            Turn::Reopened => {
                store.close().await;
                self.sqlite = Some(open(&self.directory));
            }
            Turn::Crashed | Turn::FoldedAndCrashed => {
                let copy = tempfile::tempdir().unwrap();
                for file in std::fs::read_dir(&self.directory).unwrap() {
                    let file = file.unwrap();
                    std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
                }
                self.sqlite = Some(open(&copy));
                self.directory = copy;
            }
            Turn::Memory | Turn::Unfolded | Turn::Folded => {}
        }
        assert_eq!(self.store().condition(), Condition::Good);
    }

    async fn create(&self, scribe: &Scribe) -> Incarnation {
        match self.store().create(scribe.identity().clone(), None).await {
            Ok(Created::New(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    /// A document with this many revisions, appended in batches.
    async fn write(&self, scribe: &mut Scribe, count: u64, batch: u64) -> (Incarnation, Vec<Arc<Revision>>) {
        let document = self.create(scribe).await;
        let revisions = scribe.edits(count);
        let mut at = Version::ZERO;
        for batch in revisions.chunks(batch as usize) {
            self.store().append(document, at, batch.to_vec()).await.unwrap();
            at = batch.last().unwrap().version;
        }
        (document, revisions)
    }
}

fn block_on<T>(run: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(run)
}

/// Runs a test on every engine, and on SQLite with every sort of turn.
fn on_every_engine(test: impl AsyncFn(World)) {
    for turn in TURNS {
        eprintln!("{turn:?}");
        block_on(test(World::new(turn)));
    }
}

fn head_of(revision: &Revision) -> Head {
    Head { version: revision.version, chain: revision.chain, time: revision.time }
}

#[test]
fn what_was_appended_is_read() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 1);
        let (document, revisions) = world.write(&mut scribe, 700, 7).await;
        world.turn().await;
        let store = world.store();
        let found = store.find(&"d".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((found.incarnation, &found.identity), (document, scribe.identity()));
        assert_eq!(store.find(&"e".parse().unwrap()).await.unwrap(), None);
        assert_eq!(store.head(document).await.unwrap(), head_of(&revisions[699]));
        let tail = store.tail(document).await.unwrap();
        assert!(tail.snapshot.is_none());
        assert_eq!(tail.revisions, revisions);
        for (from, to) in [(0, 700), (0, 0), (700, 700), (3, 4), (255, 257), (256, 512), (300, 301), (699, 700)] {
            let range = store.revisions(document, Version(from), Version(to)).await.unwrap();
            assert_eq!(range, revisions[from as usize..to as usize], "({from}, {to}]");
        }
    });
}

#[test]
fn some_revisions_are_as_many_as_weigh_what_was_asked_for() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 1);
        let (document, revisions) = world.write(&mut scribe, 700, 7).await;
        world.turn().await;
        let store = world.store();
        for (from, to) in [(0, 700), (3, 4), (200, 600), (699, 700)] {
            for room in [0, 1, 1_000, 20_000, usize::MAX] {
                let some = store.some_revisions(document, Version(from), Version(to), room).await.unwrap();
                let expected = as_many_as_weigh(room, revisions[from as usize..to as usize].to_vec());
                assert_eq!(some, expected, "({from}, {to}] in {room} bytes");
            }
        }
        assert_eq!(store.some_revisions(document, Version(7), Version(7), 1_000).await.unwrap(), []);
    });
}

#[test]
fn an_append_that_is_too_large_harms_nobody() {
    on_every_engine(async |mut world| {
        let (mut small, large) = (Scribe::new("small", 1), Scribe::new("large", 2));
        let (a, b) = (world.create(&small).await, world.create(&large).await);
        let op = TextOp::splice(0, 0, 0, &"x".repeat(APPEND_BYTES_MAX)).unwrap();
        let mut revision = Revision::clone(&large.clone().edits(1)[0]);
        revision.op = op;
        let refused = world.store().append(b, Version::ZERO, vec![Arc::new(revision)]).await;
        assert!(matches!(refused, Err(AppendError::TooLarge { bytes }) if bytes > APPEND_BYTES_MAX), "{refused:?}");
        world.store().append(a, Version::ZERO, small.edits(3)).await.unwrap();
        assert_eq!(world.store().condition(), Condition::Good);
        world.turn().await;
        let heads = [world.store().head(a).await.unwrap().version, world.store().head(b).await.unwrap().version];
        assert_eq!(heads, [Version(3), Version::ZERO]);
    });
}

#[test]
fn an_append_is_taken_only_at_the_head_and_all_or_none() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 2);
        let document = world.create(&scribe).await;
        let revisions = scribe.edits(6);
        let conflict = |head| Err(AppendError::Conflict { head: Version(head) });
        world.store().append(document, Version::ZERO, revisions[..3].to_vec()).await.unwrap();
        world.turn().await;
        let store = world.store();
        assert_eq!(store.append(document, Version::ZERO, revisions[..1].to_vec()).await, conflict(3));
        assert_eq!(store.append(document, Version(2), revisions[2..5].to_vec()).await, conflict(3));
        assert_eq!(store.append(document, Version(5), revisions[5..].to_vec()).await, conflict(3));
        assert_eq!(store.append(document, Version(2), Vec::new()).await, conflict(3));
        assert_eq!(store.append(document, Version(3), Vec::new()).await, Ok(()));
        assert_eq!(store.head(document).await.unwrap().version, Version(3));
        store.append(document, Version(3), revisions[3..].to_vec()).await.unwrap();
        assert_eq!(store.tail(document).await.unwrap().revisions, revisions);
    });
}

#[test]
fn of_two_concurrent_appenders_one_is_first_each_time() {
    on_every_engine(async |mut world| {
        let scribe = Scribe::new("d", 3);
        let document = world.create(&scribe).await;
        let store = world.store();
        let appender = async |which: u64| {
            let mut won = 0;
            while won < 40 {
                let log = store.tail(document).await.unwrap();
                // Each replays what is there and goes on from it: both write the same document.
                let mut scribe = Scribe::new("d", 3);
                scribe.edits(log.revisions.len() as u64);
                let next = scribe.edits(1 + which);
                let at = Version(log.revisions.len() as u64);
                match store.append(document, at, next).await {
                    Ok(()) => won += 1,
                    Err(AppendError::Conflict { head }) => assert!(head > at),
                    Err(other) => panic!("{other}"),
                }
            }
        };
        tokio::join!(appender(0), appender(1));
        world.turn().await;
        let revisions = world.store().tail(document).await.unwrap().revisions;
        assert_eq!(revisions, Scribe::new("d", 3).edits(40 + 80));
    });
}

#[test]
fn a_name_is_given_once_and_a_number_never_again() {
    on_every_engine(async |mut world| {
        let (mut one, mut two) = (Scribe::new("one", 4), Scribe::new("two", 5));
        let (first, second) = (one.edits(1).remove(0), two.edits(1).remove(0));
        let store = world.store();
        let made = |created| if let Created::New(number) = created { number } else { panic!("{created:?}") };
        let one_number = made(store.create(one.identity().clone(), Some(first.clone())).await.unwrap());
        let two_number = made(store.create(two.identity().clone(), Some(second)).await.unwrap());
        assert_ne!(one_number, two_number);
        world.turn().await;
        let store = world.store();
        let again = store.create(Scribe::new("one", 6).identity().clone(), Some(first.clone())).await.unwrap();
        let Created::Existing(found) = again else { panic!("{again:?}") };
        assert_eq!((found.incarnation, &found.identity), (one_number, one.identity()));
        assert_eq!(store.head(one_number).await.unwrap(), head_of(&first));
        assert_eq!(store.tail(one_number).await.unwrap().revisions, [first]);
        store.append(one_number, Version(1), one.edits(3)).await.unwrap();
        let three = made(store.create(Scribe::new("three", 7).identity().clone(), None).await.unwrap());
        assert!(three > two_number && two_number > one_number);
    });
}

#[test]
fn an_empty_document_begins_at_genesis() {
    on_every_engine(async |mut world| {
        let scribe = Scribe::new("d", 8);
        let document = world.create(&scribe).await;
        world.turn().await;
        let store = world.store();
        let genesis = Snapshot::genesis(scribe.identity());
        let head = Head { version: Version::ZERO, chain: genesis.chain, time: genesis.time };
        assert_eq!(store.head(document).await.unwrap(), head);
        let tail = store.tail(document).await.unwrap();
        assert!(tail.snapshot.is_none() && tail.revisions.is_empty());
        assert_eq!(store.version_at(document, Time(u64::MAX >> 1)).await.unwrap(), Version::ZERO);
        assert_eq!(store.taken(document, ClientKey([0; 16])).await.unwrap(), None);
    });
}

#[test]
fn a_number_that_was_never_given_is_unknown() {
    on_every_engine(async |mut world| {
        world.write(&mut Scribe::new("d", 9), 10, 5).await;
        world.turn().await;
        let store = world.store();
        for number in [0, 2, 1 << 40] {
            let document = Incarnation(number);
            let unknown = StoreError::Unknown(document);
            assert_eq!(store.head(document).await, Err(unknown.clone()));
            assert_eq!(store.tail(document).await.unwrap_err(), unknown);
            assert_eq!(store.revisions(document, Version(0), Version(0)).await, Err(unknown.clone()));
            assert_eq!(store.taken(document, ClientKey([0; 16])).await, Err(unknown.clone()));
            let appended = store.append(document, Version::ZERO, Scribe::new("x", 1).edits(1)).await;
            assert_eq!(appended, Err(AppendError::Store(unknown)));
        }
    });
}

#[test]
fn a_stretch_is_exactly_its_singles_composed() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 10);
        let (document, mut revisions) = world.write(&mut scribe, 1100, 50).await;
        world.turn().await;
        let store = world.store();
        // Some of it is in pages, some in the journal.
        let more = scribe.edits(150);
        store.append(document, Version(1100), more.clone()).await.unwrap();
        revisions.extend(more);
        let model = MemoryStore::new();
        model.create(scribe.identity().clone(), None).await.unwrap();
        model.append(Incarnation(1), Version::ZERO, revisions.clone()).await.unwrap();
        let mut dice = Dice::new(10);
        for _ in 0..60 {
            let from = dice.below(1250);
            let to = from + dice.below(1251 - from);
            let stretches = store.stretches(document, Version(from), Version(to)).await.unwrap();
            let singles: Vec<_> = revisions[from as usize..to as usize].iter().map(|one| Stretch::of(one)).collect();
            assert_eq!(Stretch::join_all(stretches.clone()), Stretch::join_all(singles), "({from}, {to}]");
            let as_few = model.stretches(Incarnation(1), Version(from), Version(to)).await.unwrap();
            assert_eq!(stretches, as_few, "({from}, {to}]");
        }
    });
}

#[test]
fn the_newest_snapshot_at_or_before_a_version_is_found() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 11);
        let document = world.create(&scribe).await;
        let mut kept = Vec::new();
        for step in 0..3 {
            let at = scribe.now().version;
            world.store().append(document, at, scribe.edits(SNAPSHOT_EVERY)).await.unwrap();
            if step < 2 {
                world.store().keep_snapshot(document, scribe.now().clone()).await.unwrap();
                world.store().keep_snapshot(document, scribe.now().clone()).await.unwrap();
                kept.push(scribe.now().clone());
            }
        }
        world.turn().await;
        let store = world.store();
        let same = |found: Option<Snapshot>, kept: Option<&Snapshot>| {
            let parts = |s: &Snapshot| (s.version, s.chain, s.time, s.content.to_string());
            assert_eq!(found.as_ref().map(parts), kept.map(parts));
        };
        let every = SNAPSHOT_EVERY;
        for (version, which) in
            [(0, None), (every - 1, None), (every, Some(0)), (2 * every - 1, Some(0)), (2 * every, Some(1))]
        {
            let found = store.snapshot_before(document, Version(version)).await.unwrap();
            same(found, which.map(|which| &kept[which]));
        }
        let tail = store.tail(document).await.unwrap();
        same(tail.snapshot.clone(), Some(&kept[1]));
        assert_eq!(tail.revisions.len() as u64, every);
        let mut now = tail.snapshot.unwrap();
        tail.revisions.iter().for_each(|revision| now.forward(&Stretch::of(revision)).unwrap());
        same(Some(now), Some(scribe.now()));
    });
}

#[test]
fn a_large_snapshot_comes_back_whole() {
    on_every_engine(async |mut world| {
        let scribe = Scribe::new("d", 12);
        let document = world.create(&scribe).await;
        let mut dice = Dice::new(12);
        let text: String = (0..400_000).filter_map(|_| char::from_u32(0x20 + dice.below(0x2000) as u32)).collect();
        let genesis = scribe.now().clone();
        let snapshot = Snapshot { content: text.as_str().into(), version: Version(SNAPSHOT_EVERY), ..genesis };
        world.store().keep_snapshot(document, snapshot).await.unwrap();
        world.turn().await;
        let found = world.store().snapshot_before(document, Version(SNAPSHOT_EVERY)).await.unwrap().unwrap();
        assert!(found.content.to_string() == text);
    });
}

#[test]
fn the_last_edit_taken_from_each_client_is_known() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 13);
        let (document, mut revisions) = world.write(&mut scribe, 300, 20).await;
        let last = async |world: &World, revisions: &[Arc<Revision>]| {
            for client in scribe.clients() {
                let mut of_client = revisions.iter().rev().filter_map(|revision| {
                    let origin = revision.origin.filter(|origin| origin.client == client)?;
                    Some(Taken { seq: origin.seq, version: revision.version })
                });
                assert_eq!(world.store().taken(document, client).await.unwrap(), of_client.next());
            }
            assert_eq!(world.store().taken(document, ClientKey([9; 16])).await.unwrap(), None);
        };
        world.turn().await;
        last(&world, &revisions).await;
        let mut scribe = scribe.clone();
        let more = scribe.edits(2);
        world.store().append(document, Version(300), more.clone()).await.unwrap();
        revisions.extend(more);
        last(&world, &revisions).await;
        world.turn().await;
        last(&world, &revisions).await;
        assert!(revisions.iter().any(|revision| revision.origin.is_some_and(|origin| origin.seq > Seq(1))));
    });
}

#[test]
fn the_version_at_a_time_is_the_newest_not_after_it() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 14);
        let (document, mut revisions) = world.write(&mut scribe, 900, 30).await;
        world.turn().await;
        let more = scribe.edits(40);
        world.store().append(document, Version(900), more.clone()).await.unwrap();
        revisions.extend(more);
        let (first, last) = (revisions[0].time.0, revisions[939].time.0);
        for time in [0, first - 1].into_iter().chain(first..=last + 1) {
            let due = revisions.partition_point(|revision| revision.time.0 <= time) as u64;
            assert_eq!(world.store().version_at(document, Time(time)).await.unwrap(), Version(due), "at {time}");
        }
    });
}

fn ids(listed: &[Listed]) -> Vec<&str> {
    listed.iter().map(|listed| listed.id.as_str()).collect()
}

#[test]
fn documents_are_listed_in_byte_order_with_where_they_are() {
    on_every_engine(async |mut world| {
        let names = ["b", "a:2", "a", "a:1:x", "Z", "a:10", "a~", "b.c", "a:1", "9"];
        let mut heads = std::collections::BTreeMap::new();
        for (seed, name) in (0..).zip(names) {
            let mut scribe = Scribe::new(name, seed);
            let (document, _) = world.write(&mut scribe, seed * 20, 7).await;
            heads.insert(name, (document, scribe));
        }
        world.turn().await;
        // What was committed since the turn, and is not folded, counts too.
        let (document, scribe) = heads.get_mut("a:1").unwrap();
        let at = scribe.now().version;
        world.store().append(*document, at, scribe.edits(3)).await.unwrap();
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        for (prefix, after, most) in [
            ("", "", 100),
            ("", "", 3),
            ("", "a:1", 100),
            ("a", "", 100),
            ("a:", "", 100),
            ("a:1", "a:1", 1),
            ("a:1", "a", 100),
            ("a:1", "b", 100),
            ("b", "a:1", 100),
            ("x", "", 100),
            ("é", "", 100),
            ("", "~~", 100),
        ] {
            let listed = world.store().list(prefix, after, most).await.unwrap();
            let due = sorted.iter().filter(|name| name.starts_with(prefix) && **name > after).take(most);
            assert_eq!(ids(&listed), due.copied().collect::<Vec<_>>(), "{prefix:?} after {after:?}, {most}");
            for Listed { id, found } in listed {
                let now = heads[id.as_str()].1.now();
                let head = Head { version: now.version, chain: now.chain, time: now.time };
                assert_eq!(found, Ok((heads[id.as_str()].1.identity().clone(), head)), "{id}");
            }
        }
    });
}

#[test]
fn what_is_appended_while_it_folds_is_there() {
    block_on(async {
        let world = World::new(Turn::Unfolded);
        let (store, sqlite) = (world.store(), world.sqlite.as_ref().unwrap());
        let mut scribe = Scribe::new("d", 27);
        let document = world.create(&scribe).await;
        let revisions = scribe.edits(600);
        let mut folds = 0;
        let mut appends = std::pin::pin!(async {
            for revision in &revisions {
                let at = Version(revision.version.0 - 1);
                store.append(document, at, vec![revision.clone()]).await.unwrap();
            }
        });
        // Edits come between what a fold has read and its commit, as they do where someone types.
        while tokio::select! { biased; () = &mut appends => false, () = sqlite.fold_now() => true } {
            folds += 1;
        }
        assert!(folds > 5, "{folds} folds are too few for one to be overtaken for certain");
        assert_eq!(store.revisions(document, Version::ZERO, Version(600)).await.unwrap(), revisions);
    });
}

#[test]
fn a_removed_document_is_gone_and_its_name_is_free() {
    on_every_engine(async |mut world| {
        let (mut gone, mut other) = (Scribe::new("d", 21), Scribe::new("e", 22));
        let (document, _) = world.write(&mut gone, 900, 30).await;
        let (_, in_other) = world.write(&mut other, 50, 5).await;
        world.turn().await;
        // The newest part of it is in the journal, all else in pages.
        world.store().append(document, Version(900), gone.edits(5)).await.unwrap();
        let late = gone.edits(1);
        assert_eq!(world.store().remove(document).await, Ok(()));
        for _ in 0..2 {
            let store = world.store();
            assert_eq!(store.find(&"d".parse().unwrap()).await, Ok(None));
            assert_eq!(store.remove(document).await, Err(StoreError::Unknown(document)));
            assert_eq!(store.head(document).await, Err(StoreError::Unknown(document)));
            assert!(matches!(store.tail(document).await, Err(StoreError::Unknown(_))));
            assert_eq!(store.revisions(document, Version(0), Version(905)).await, Err(StoreError::Unknown(document)));
            let append = store.append(document, Version(905), late.clone()).await;
            assert_eq!(append, Err(AppendError::Store(StoreError::Unknown(document))));
            assert_eq!(ids(&store.list("", "", 10).await.unwrap()), ["e"]);
            world.turn().await;
        }
        // Under the same name, another document begins.
        let mut anew = Scribe::new("d", 23);
        let (number, revisions) = world.write(&mut anew, 40, 10).await;
        assert!(number > document, "{number:?} after {document:?}");
        world.turn().await;
        assert_eq!(world.store().tail(number).await.unwrap().revisions, revisions);
        assert_eq!(world.store().tail(Incarnation(2)).await.unwrap().revisions, in_other);
        assert_eq!(world.store().head(document).await, Err(StoreError::Unknown(document)));
    });
}

#[test]
fn nothing_is_left_of_a_removed_document_wherever_the_removal_was_cut_off() {
    block_on(async {
        let mut world = World::new(Turn::Crashed);
        let (mut gone, mut other) = (Scribe::new("d", 24), Scribe::new("e", 25));
        let (document, _) = world.write(&mut gone, 9_000, 100).await;
        let (_, in_other) = world.write(&mut other, 300, 50).await;
        world
            .store()
            .keep_snapshot(document, Snapshot { version: Version(SNAPSHOT_EVERY), ..gone.now().clone() })
            .await
            .unwrap();
        let sqlite = world.sqlite.as_ref().unwrap();
        sqlite.fold_now().await;
        let left = |world: &World| {
            let sql = rusqlite::Connection::open(world.directory.path().join("variorum.db")).unwrap();
            let count = |table: &str| {
                let sql = &sql;
                sql.query_row(&format!("SELECT count(*) FROM {table} WHERE document = {}", document.0), [], |row| {
                    row.get::<_, i64>(0)
                })
                .unwrap()
            };
            ["pages", "blocks", "clients", "snapshots", "marks", "ledger"].map(count)
        };
        assert!(left(&world).iter().all(|rows| *rows > 0), "{:?}", left(&world));
        assert_eq!(world.store().remove(document).await, Ok(()));
        // Copied as a crash would leave it while slices are written: each copy is healed by the next start.
        let mut cut = Vec::new();
        loop {
            let rows = left(&world).iter().sum::<i64>();
            let copy = tempfile::tempdir().unwrap();
            for file in ["variorum.db", "variorum.db-wal", "variorum.mark"] {
                let from = world.directory.path().join(file);
                if from.exists() {
                    std::fs::copy(from, copy.path().join(file)).unwrap();
                }
            }
            cut.push(copy);
            if rows == 0 || cut.len() > 40 {
                break;
            }
        }
        world.sqlite.as_ref().unwrap().fold_now().await;
        assert_eq!(left(&world), [0; 6]);
        for copy in cut {
            world.sqlite = Some(open(&copy));
            world.directory = copy;
            let sqlite = world.sqlite.as_ref().unwrap();
            assert_eq!(sqlite.condition(), Condition::Good);
            assert_eq!(sqlite.find(&"d".parse().unwrap()).await, Ok(None));
            sqlite.fold_now().await;
            assert_eq!(left(&world), [0; 6]);
            assert_eq!(world.store().tail(Incarnation(2)).await.unwrap().revisions, in_other);
        }
    });
}

#[test]
fn nothing_is_taken_after_the_end() {
    on_every_engine(async |world| {
        let mut scribe = Scribe::new("d", 15);
        let (document, _) = world.write(&mut scribe, 5, 5).await;
        let store = world.store();
        store.close().await;
        store.close().await;
        assert_ne!(store.condition(), Condition::Good);
        let late = store.append(document, Version(5), scribe.edits(1)).await;
        assert!(matches!(late, Err(AppendError::Store(StoreError::Unavailable(_)))), "{late:?}");
    });
}

/// One step of a random life of a store with a few documents.
#[derive(Debug, Clone)]
enum Step {
    Create(usize),
    Append { document: usize, count: u64 },
    Stale { document: usize },
    Remove { document: usize },
    Keep { document: usize },
    Fold,
    Reopen,
    Look { document: usize, from: u64, to: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (document, count) = (0..4usize, prop_oneof![1..5u64, 1..300u64]);
    prop_oneof![
        2 => document.clone().prop_map(Step::Create),
        8 => (document.clone(), count).prop_map(|(document, count)| Step::Append { document, count }),
        1 => document.clone().prop_map(|document| Step::Stale { document }),
        1 => document.clone().prop_map(|document| Step::Remove { document }),
        1 => document.clone().prop_map(|document| Step::Keep { document }),
        3 => Just(Step::Fold),
        1 => Just(Step::Reopen),
        4 => (document, 0..3000u64, 0..3000u64).prop_map(|(document, from, to)| Step::Look { document, from, to }),
    ]
}

async fn live(steps: Vec<Step>) {
    let model = MemoryStore::new();
    let mut world = World::new(Turn::Reopened);
    let mut scribes: Vec<_> = (0..4).map(|n| Scribe::new(&format!("d{n}"), n)).collect();
    let mut numbers: [Option<Incarnation>; 4] = [None; 4];
    for step in steps {
        let sqlite = world.sqlite.as_ref().unwrap();
        match step {
            Step::Create(document) => {
                let first =
                    (numbers[document].is_none() && document % 2 == 0).then(|| scribes[document].edits(1).remove(0));
                let identity = scribes[document].identity();
                let expected = model.create(identity.clone(), first.clone()).await;
                assert_eq!(sqlite.create(identity.clone(), first).await, expected);
                if let Ok(Created::New(number)) = expected {
                    numbers[document] = Some(number);
                }
            }
            Step::Append { document, count } => {
                let Some(number) = numbers[document] else { continue };
                let at = scribes[document].now().version;
                let revisions = scribes[document].edits(count);
                model.append(number, at, revisions.clone()).await.unwrap();
                assert_eq!(sqlite.append(number, at, revisions).await, Ok(()));
            }
            Step::Stale { document } => {
                let Some(number) = numbers[document] else { continue };
                let revisions = scribes[document].clone().edits(1);
                let wrong = revisions[0].version;
                let stale = Arc::new(Revision { version: wrong.next(), ..Revision::clone(&revisions[0]) });
                let expected = model.append(number, wrong, vec![stale.clone()]).await;
                assert!(expected.is_err());
                assert_eq!(sqlite.append(number, wrong, vec![stale]).await, expected);
            }
            Step::Remove { document } => {
                let Some(number) = numbers[document].take() else { continue };
                assert_eq!(sqlite.remove(number).await, model.remove(number).await);
                let again = scribes[document].identity().created.0;
                scribes[document] = Scribe::new(&format!("d{document}"), again + number.0);
            }
            Step::Keep { document } => {
                let Some(number) = numbers[document] else { continue };
                let now = scribes[document].now().clone();
                model.keep_snapshot(number, now.clone()).await.unwrap();
                sqlite.keep_snapshot(number, now).await.unwrap();
            }
            Step::Fold => {
                sqlite.fold_now().await;
                assert_eq!(sqlite.list("", "", 9).await, model.list("", "", 9).await);
            }
            Step::Reopen => world.turn().await,
            Step::Look { document, from, to } => {
                let Some(number) = numbers[document] else { continue };
                let head = scribes[document].now().version.0;
                let (from, to) = (from.min(to).min(head), from.max(to).min(head));
                compare(&model, sqlite, number, (Version(from), Version(to)), &scribes[document]).await;
            }
        }
    }
    for (number, scribe) in numbers.iter().zip(&scribes) {
        let Some(number) = *number else { continue };
        let all = (Version::ZERO, scribe.now().version);
        compare(&model, world.store(), number, all, scribe).await;
        world.sqlite.as_ref().unwrap().fold_now().await;
        compare(&model, world.store(), number, all, scribe).await;
    }
}

/// Both answer every question about the document alike.
async fn compare(model: &dyn Store, store: &dyn Store, number: Incarnation, span: (Version, Version), scribe: &Scribe) {
    let (from, to) = span;
    assert_eq!(store.head(number).await, model.head(number).await);
    assert_eq!(store.revisions(number, from, to).await, model.revisions(number, from, to).await);
    assert_eq!(store.stretches(number, from, to).await, model.stretches(number, from, to).await);
    let (tail, due) = (store.tail(number).await.unwrap(), model.tail(number).await.unwrap());
    assert_eq!(tail.revisions, due.revisions);
    let text = |snapshot: Option<Snapshot>| snapshot.map(|s| (s.version, s.chain, s.time, s.content.to_string()));
    assert_eq!(text(tail.snapshot), text(due.snapshot));
    let before = store.snapshot_before(number, to).await.unwrap();
    assert_eq!(text(before), text(model.snapshot_before(number, to).await.unwrap()));
    for client in scribe.clients() {
        assert_eq!(store.taken(number, client).await, model.taken(number, client).await);
    }
    let (first, last) = (scribe.identity().created.0, scribe.now().time.0);
    for time in [first, first / 2 + last / 2, last] {
        assert_eq!(store.version_at(number, Time(time)).await, model.version_at(number, Time(time)).await);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_life_reads_as_in_memory(steps in prop::collection::vec(step(), 1..40)) {
        block_on(live(steps));
    }
}

#[test]
fn labels_stay_until_they_are_taken_away() {
    on_every_engine(async |mut world| {
        let mut scribe = Scribe::new("d", 3);
        let (document, _) = world.write(&mut scribe, 9, 9).await;
        let other = world.create(&Scribe::new("e", 4)).await;
        let label = |name: &str, version| Label {
            name: name.parse().unwrap(),
            version: Version(version),
            author: User { id: "u".into(), name: "Ana".into() },
            time: Time(7),
            note: format!("why {name}"),
        };
        let store = world.store();
        for given in [label("b", 3), label("a", 9), label("é", 3), label("gone", 1)] {
            assert_eq!(store.put_label(document, given).await, Ok(Labelled::New));
        }
        // A name is given once in a document, and again in another.
        assert_eq!(store.put_label(document, label("a", 2)).await, Ok(Labelled::Existing(label("a", 9))));
        assert_eq!(store.put_label(other, label("a", 0)).await, Ok(Labelled::New));
        assert_eq!(store.delete_label(document, "gone".parse().unwrap()).await, Ok(true));
        assert_eq!(store.delete_label(document, "gone".parse().unwrap()).await, Ok(false));
        world.turn().await;
        let store = world.store();
        assert_eq!(store.labels(document).await, Ok(vec![label("b", 3), label("é", 3), label("a", 9)]));
        assert_eq!(store.labels(other).await, Ok(vec![label("a", 0)]));
        let nobody = Incarnation(99);
        assert_eq!(store.labels(nobody).await, Err(StoreError::Unknown(nobody)));
        assert_eq!(store.put_label(nobody, label("a", 0)).await, Err(StoreError::Unknown(nobody)));
        let more = (3..LABELS_MAX).map(|n| store.put_label(document, label(&format!("n{n}"), 0)));
        let more = futures_util::future::join_all(more).await;
        assert!(more.iter().all(|labelled| *labelled == Ok(Labelled::New)));
        assert_eq!(store.put_label(document, label("z", 0)).await, Ok(Labelled::Full));
    });
}

/// A database as the first format left it.
#[test]
fn a_store_of_the_first_format_is_raised() {
    block_on(async {
        let world = World::new(Turn::Reopened);
        let (document, revisions) = world.write(&mut Scribe::new("d", 5), 300, 10).await;
        world.store().close().await;
        let conn = rusqlite::Connection::open(world.directory.path().join("variorum.db")).unwrap();
        conn.execute_batch(
            "DROP TABLE labels; DROP TABLE removed; DROP TABLE branches; DROP TABLE marks; DROP TABLE ledger;
            DROP TABLE steps; PRAGMA user_version = 1",
        )
        .unwrap();
        drop(conn);
        let store = open(&world.directory);
        assert_eq!(store.revisions(document, Version::ZERO, Version(300)).await, Ok(revisions));
        assert_eq!(store.labels(document).await, Ok(vec![]));
        let trail = store.trail(document, Version::ZERO, Version(300)).await.unwrap().unwrap();
        assert_eq!(trail.to, Version(300));
    });
}

/// Of a branch, everything up to where it begins is its parent's, and nothing is copied.
#[test]
fn a_branch_is_read_as_one_log() {
    // Where branches begin: the beginning, a block's end, a page's end, within both, and the parent's head.
    for at in [0, 64, 256, 300, 700] {
        on_every_engine(async |mut world| {
            let mut root_scribe = Scribe::new("root", 6);
            let root = world.create(&root_scribe).await;
            let mut of_root = root_scribe.edits(at);
            let mut scribe = root_scribe.branch("branch", 7);
            let begins = BranchPoint { parent: root, version: Version(at) };
            of_root.extend(root_scribe.edits(700 - at + 100));
            let store = world.store();
            store.append(root, Version::ZERO, of_root.clone()).await.unwrap();
            let made = store.create_branch(scribe.identity().clone(), begins).await.unwrap();
            let Created::New(branch) = made else { panic!("{made:?}") };
            let begun = store.head(branch).await.unwrap();
            assert_eq!(begun, Head { version: Version(at), chain: scribe.now().chain, time: scribe.now().time });
            let before = scribe.now().clone();
            let mut all = of_root[..at as usize].to_vec();
            for _ in 0..9 {
                let more = scribe.edits(80);
                store.append(branch, Version(all.len() as u64), more.clone()).await.unwrap();
                all.extend(more);
            }
            // A twig of the branch, and one that begins below where the branch does.
            let twigs = [("twig", at + 100), ("low", at / 2)].map(|(name, at)| (name, Version(at)));
            for (name, version) in twigs {
                let begins = BranchPoint { parent: branch, version };
                store.create_branch(Scribe::new(name, 8).identity().clone(), begins).await.unwrap();
            }
            world.turn().await;
            let store = world.store();
            let found = store.find(&"branch".parse().unwrap()).await.unwrap().unwrap();
            assert_eq!((found.incarnation, found.begins), (branch, Some(begins)));
            let names = |found: Vec<Found>| found.iter().map(|found| found.identity.id.to_string()).collect::<Vec<_>>();
            assert_eq!(names(store.branches(root).await.unwrap()), ["branch"]);
            assert_eq!(names(store.branches(branch).await.unwrap()), ["low", "twig"]);

            let head = Version(all.len() as u64);
            assert_eq!(store.head(branch).await.unwrap(), head_of(all.last().unwrap()));
            assert_eq!(store.revisions(root, Version::ZERO, Version(800)).await.unwrap(), of_root);
            for (from, to) in [(0, head.0), (at, head.0), (at.saturating_sub(3), at + 3), (at, at), (0, at), (70, 71)] {
                let (from, to) = (Version(from), Version(to));
                let expected = &all[from.0 as usize..to.0 as usize];
                assert_eq!(store.revisions(branch, from, to).await.unwrap(), expected, "{from} to {to}");
                let stretches = store.stretches(branch, from, to).await.unwrap();
                let singles = expected.iter().map(|revision| Stretch::of(revision)).collect();
                assert_eq!(Stretch::join_all(stretches), Stretch::join_all(singles), "{from} to {to}");
            }
            let tail = store.tail(branch).await.unwrap();
            let snapshot = tail.snapshot.unwrap();
            assert_eq!((snapshot.version, snapshot.chain), (Version::ZERO, genesis_of(&root_scribe).chain));
            assert_eq!(tail.revisions, all);
            for (place, revision) in all.iter().enumerate().step_by(37) {
                let last = all[place..].iter().take_while(|other| other.time == revision.time).last().unwrap();
                assert_eq!(store.version_at(branch, revision.time).await.unwrap(), last.version);
            }
            for (name, at) in twigs {
                let twig = store.find(&name.parse().unwrap()).await.unwrap().unwrap().incarnation;
                assert_eq!(store.revisions(twig, Version::ZERO, at).await.unwrap(), &all[..at.0 as usize]);
                assert_eq!(store.head(twig).await.unwrap().version, at);
            }
            // What was taken from clients of the parent is nothing to the branch.
            let parents = root_scribe.clients().next().unwrap();
            assert_eq!(store.taken(branch, parents).await.unwrap(), None);
            // A snapshot of what is the parent's is not kept twice.
            let kept = Snapshot { version: Version(at), ..before };
            store.keep_snapshot(branch, kept).await.unwrap();
            assert_eq!(store.snapshot_before(branch, head).await.unwrap().unwrap().version, Version::ZERO);
            // A name that is taken, and a parent that is not there.
            let again = store.create_branch(scribe.identity().clone(), begins).await.unwrap();
            assert_eq!(again, Created::Existing(found));
            let refused = store.remove(root).await.unwrap_err();
            assert_eq!(refused.to_string(), "there is a branch of the document: branch");
            let nobody = BranchPoint { parent: Incarnation(99), version: Version::ZERO };
            let orphan = store.create_branch(Scribe::new("orphan", 9).identity().clone(), nobody).await;
            assert_eq!(orphan, Err(StoreError::Unknown(Incarnation(99))));
        });
    }
}

fn genesis_of(scribe: &Scribe) -> Snapshot {
    Snapshot::genesis(scribe.identity())
}
