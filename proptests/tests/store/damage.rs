//! What the SQLite engine does with damage: it names what cannot be read, harms nothing else, and never takes a loss
//! for an end.

use std::path::Path;
use std::sync::Arc;

use proptests::scribe::Scribe;
use rusqlite::Connection;
use tempfile::TempDir;
use variorum::document::{Revision, Snapshot, Stretch, Version};
use variorum::store::{
    AppendError, Condition, Created, Incarnation, OpenError, SNAPSHOT_EVERY, SqliteOptions, SqliteStore, Store,
    StoreError, encode_record,
};

const A: Incarnation = Incarnation(1);
const B: Incarnation = Incarnation(2);

/// A directory with the documents `a` and `b`, and what was written into them.
struct World {
    directory: TempDir,
    a: Scribe,
    b: Scribe,
    in_a: Vec<Arc<Revision>>,
    in_b: Vec<Arc<Revision>>,
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, SqliteOptions::default()).unwrap()
}

fn open_accepting_loss(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, SqliteOptions { accept_loss: true, ..SqliteOptions::default() }).unwrap()
}

impl World {
    /// Both documents with `count` revisions each; the store is gone without having been closed.
    async fn unfolded(count: u64) -> Self {
        Self::write(count, async |_| {}).await
    }

    /// The same, all in pages and closed.
    async fn folded(count: u64) -> Self {
        let end = async |store: &SqliteStore| {
            // Closing alone leaves to the next start what it cannot fold in time.
            store.fold_now().await;
            store.close().await;
        };
        Self::write(count, end).await
    }

    async fn write(count: u64, end: impl AsyncFn(&SqliteStore)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let (mut a, mut b) = (Scribe::new("a", 1), Scribe::new("b", 2));
        for (scribe, number) in [(&a, A), (&b, B)] {
            let created = store.create(scribe.identity().clone(), None).await;
            assert_eq!(created, Ok(Created::New(number)));
        }
        let (in_a, in_b) = (a.edits(count), b.edits(count));
        for (one, other) in in_a.chunks(10).zip(in_b.chunks(10)) {
            let at = Version(one[0].version.0 - 1);
            let both = tokio::join!(store.append(A, at, one.to_vec()), store.append(B, at, other.to_vec()));
            assert_eq!(both, (Ok(()), Ok(())));
        }
        end(&store).await;
        World { directory, a, b, in_a, in_b }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Another program's connection to the database. When it is closed, all it did is in the one file.
    fn sql(&self) -> Connection {
        Connection::open(self.path().join("variorum.db")).unwrap()
    }

    /// Flips a bit of each body that a query of (key, body) finds, with an update that takes body and key.
    fn flip(&self, select: &str, update: &str, place: impl Fn(&[u8]) -> Option<usize>) -> usize {
        let sql = self.sql();
        let rows: Vec<(i64, Vec<u8>)> = {
            let mut select = sql.prepare(select).unwrap();
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let mut flipped = 0;
        for (key, mut body) in rows {
            let Some(place) = place(&body) else { continue };
            body[place] ^= 0x40;
            flipped += sql.execute(update, rusqlite::params![body, key]).unwrap();
        }
        flipped
    }

    fn flip_journal(&self, place: impl Fn(&[u8]) -> Option<usize>) -> usize {
        self.flip("SELECT id, body FROM journal", "UPDATE journal SET body = ?1 WHERE id = ?2", place)
    }

    /// Where the record of a revision lies in a body.
    fn record(&self, document: Incarnation, revision: &Revision) -> impl Fn(&[u8]) -> Option<usize> + use<> {
        let mut record = Vec::new();
        encode_record(document, revision, &mut record);
        move |body| body.windows(record.len()).position(|window| window == record)
    }
}

/// All of a document reads as it was written, by every way there is.
async fn is_whole(store: &SqliteStore, document: Incarnation, written: &[Arc<Revision>]) {
    let (from, to) = (Version::ZERO, Version(written.len() as u64));
    assert_eq!(store.revisions(document, from, to).await.unwrap(), written);
    assert_eq!(store.head(document).await.unwrap().version, to);
    let stretches = store.stretches(document, from, to).await.unwrap();
    let singles = written.iter().map(|revision| Stretch::of(revision)).collect();
    assert_eq!(Stretch::join_all(stretches), Stretch::join_all(singles));
}

/// The revisions `(from, to]` cannot be read, and the error names the document and this version.
async fn is_damaged(store: &SqliteStore, document: Incarnation, (from, to): (u64, u64), at: u64) {
    match store.revisions(document, Version(from), Version(to)).await {
        Err(StoreError::Damaged { document: named, version, .. }) => {
            assert_eq!((named, version), (document, Version(at)))
        }
        other => panic!("({from}, {to}]: {other:?}"),
    }
}

#[tokio::test]
async fn a_damaged_record_of_the_journal_is_named_and_harms_nobody_else() {
    let mut world = World::unfolded(100).await;
    for version in [1, 37, 100] {
        let find = world.record(A, &world.in_a[version - 1]);
        assert_eq!(world.flip_journal(|body| find(body).map(|at| at + 30)), 1);
        let store = open(world.path());
        assert_eq!(store.condition(), Condition::Good);
        let version = version as u64;
        is_damaged(&store, A, (0, 100), version).await;
        is_damaged(&store, A, (version - 1, version), version).await;
        for (from, to) in [(0, version - 1), (version, 100)] {
            let range = store.revisions(A, Version(from), Version(to)).await.unwrap();
            assert_eq!(range, world.in_a[from as usize..to as usize]);
        }
        let appended = store.append(A, Version(100), world.a.clone().edits(1)).await;
        assert!(matches!(appended, Err(AppendError::Store(StoreError::Damaged { document: A, .. }))), "{appended:?}");
        is_whole(&store, B, &world.in_b).await;
        let more = world.b.edits(10);
        store.append(B, world.in_b.last().unwrap().version, more.clone()).await.unwrap();
        world.in_b.extend(more);
        is_whole(&store, B, &world.in_b).await;
        drop(store);
        // Undone, so that the next round has one damage to look at.
        let find = world.record(A, &world.in_a[version as usize - 1]);
        let damaged = move |body: &[u8]| {
            (0..body.len().saturating_sub(30)).find(|at| {
                let mut healed = body.to_vec();
                healed[at + 30] ^= 0x40;
                find(&healed) == Some(*at)
            })
        };
        assert_eq!(world.flip_journal(|body| damaged(body).map(|at| at + 30)), 1);
    }
    is_whole(&open(world.path()), A, &world.in_a).await;
}

#[tokio::test]
async fn a_damaged_document_stays_damaged_while_others_are_folded() {
    let world = World::unfolded(100).await;
    let find = world.record(A, &world.in_a[54]);
    assert_eq!(world.flip_journal(|body| find(body).map(|at| at + 30)), 1);
    for _ in 0..3 {
        let store = open(world.path());
        store.fold_now().await;
        is_damaged(&store, A, (50, 60), 55).await;
        let before = store.revisions(A, Version(0), Version(54)).await.unwrap();
        assert_eq!(before, world.in_a[..54]);
        is_whole(&store, B, &world.in_b).await;
        store.close().await;
    }
    let pages: i64 =
        world.sql().query_row("SELECT count(*) FROM pages WHERE document = 2", [], |row| row.get(0)).unwrap();
    assert_eq!(pages, 1);
}

#[tokio::test]
async fn a_damaged_footer_loses_nothing() {
    let world = World::unfolded(100).await;
    // From the end: 4 bytes of row checksum, 4 of footer checksum, 4 of footer length, then the footer.
    for from_end in [1, 5, 9, 13, 15] {
        let flipped = world.flip_journal(|body| Some(body.len() - from_end));
        assert!(flipped > 10);
        let store = open(world.path());
        assert_eq!(store.condition(), Condition::Good, "{from_end} from the end");
        is_whole(&store, A, &world.in_a).await;
        is_whole(&store, B, &world.in_b).await;
        drop(store);
        world.flip_journal(|body| Some(body.len() - from_end));
    }
}

#[tokio::test]
async fn a_journal_row_that_says_nothing_any_more_is_a_loss() {
    let world = World::unfolded(100).await;
    let find = world.record(A, &world.in_a[54]);
    assert_eq!(world.flip_journal(|body| find(body).map(|at| at + 30)), 1);
    let sql = world.sql();
    let (row, mut body): (i64, Vec<u8>) = {
        // The damaged row is the one whose checksum is wrong.
        let mut select = sql.prepare("SELECT id, body FROM journal").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
        rows.map(Result::unwrap).find(|(_, body)| !sum_holds(body)).unwrap()
    };
    let footer = body.len() - 13;
    body[footer] ^= 1;
    sql.execute("UPDATE journal SET body = ?1 WHERE id = ?2", rusqlite::params![body, row]).unwrap();
    drop(sql);
    let store = open(world.path());
    let Condition::ReadOnly(sentence) = store.condition() else { panic!("{:?}", store.condition()) };
    assert!(sentence.contains(&format!("journal row {row} cannot be read")), "{sentence}");
    let range = store.revisions(A, Version(0), Version(50)).await.unwrap();
    assert_eq!(range, world.in_a[..50]);
    is_damaged(&store, A, (0, 100), 51).await;
    store.close().await;
    drop(store);
    let store = open_accepting_loss(world.path());
    assert_eq!(store.condition(), Condition::Good);
    is_damaged(&store, A, (0, 100), 51).await;
    drop(store);
    assert_eq!(open(world.path()).condition(), Condition::Good);
}

/// A row ends with the checksum of what is before.
fn sum_holds(body: &[u8]) -> bool {
    // CRC-32 as zlib has it, bit by bit: a second opinion on the one that the store uses.
    let (content, sum) = body.split_last_chunk::<4>().unwrap();
    let mut crc = !0u32;
    for byte in content {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc == u32::from_le_bytes(*sum)
}

#[tokio::test]
async fn a_damaged_page_is_named_and_harms_nobody_else() {
    let mut world = World::folded(600).await;
    let update = "UPDATE pages SET body = ?1 WHERE document = 1 AND first = ?2";
    for (first, last) in [(1, 256), (257, 512)] {
        let select = format!("SELECT first, body FROM pages WHERE document = 1 AND first = {first}");
        for place in [0, 4, 7, 900] {
            assert_eq!(world.flip(&select, update, |_| Some(place)), 1);
            let store = open(world.path());
            assert_eq!(store.condition(), Condition::Good);
            is_damaged(&store, A, (0, 600), first).await;
            is_damaged(&store, A, (first + 9, first + 10), first + 10).await;
            let rest = store.revisions(A, Version(last), Version(600)).await.unwrap();
            assert_eq!(rest, world.in_a[last as usize..]);
            is_whole(&store, B, &world.in_b).await;
            let more = world.b.edits(3);
            store.append(B, Version(world.in_b.len() as u64), more.clone()).await.unwrap();
            world.in_b.extend(more);
            store.close().await;
            assert_eq!(world.flip(&select, update, |_| Some(place)), 1);
        }
    }
    is_whole(&open(world.path()), A, &world.in_a).await;
}

#[tokio::test]
async fn a_missing_page_is_a_hole_and_not_an_end() {
    for (gone, hole) in [(1, 1), (257, 257)] {
        let world = World::folded(600).await;
        assert_eq!(world.sql().execute("DELETE FROM pages WHERE document = 1 AND first = ?1", [gone]).unwrap(), 1);
        let store = open(world.path());
        is_damaged(&store, A, (0, 600), hole).await;
        is_whole(&store, B, &world.in_b).await;
    }
}

#[tokio::test]
async fn a_damaged_last_page_takes_no_more_revisions() {
    let mut world = World::folded(600).await;
    let store = open(world.path());
    // The newest row stays in the journal; with one of B in it, nothing of A is left there.
    store.append(B, Version(600), world.b.edits(1)).await.unwrap();
    store.close().await;
    let select = "SELECT first, body FROM pages WHERE document = 1 AND first = 513";
    let update = "UPDATE pages SET body = ?1 WHERE document = 1 AND first = ?2";
    assert_eq!(world.flip(select, update, |body| Some(body.len() / 2)), 1);
    let store = open(world.path());
    let appended = store.append(A, Version(600), world.a.edits(1)).await;
    assert!(matches!(appended, Err(AppendError::Store(StoreError::Damaged { document: A, .. }))), "{appended:?}");
    assert!(matches!(store.tail(A).await, Err(StoreError::Damaged { document: A, .. })));
    store.append(B, Version(601), world.b.edits(1)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_identity_is_not_an_unknown_document() {
    let world = World::folded(20).await;
    let update = "UPDATE documents SET body = ?1 WHERE number = ?2";
    assert_eq!(world.flip("SELECT number, body FROM documents WHERE number = 1", update, |_| Some(9)), 1);
    let store = open(world.path());
    let found = store.find(&"a".parse().unwrap()).await;
    assert!(matches!(found, Err(StoreError::Damaged { document: A, .. })), "{found:?}");
    let created = store.create(world.a.identity().clone(), None).await;
    assert!(matches!(created, Err(StoreError::Damaged { document: A, .. })), "{created:?}");
    assert_eq!(store.find(&"b".parse().unwrap()).await.unwrap().unwrap().incarnation, B);
    is_whole(&store, A, &world.in_a).await;
}

#[tokio::test]
async fn damaged_blocks_and_clients_are_made_again() {
    let world = World::folded(1200).await;
    let blocks = world.flip(
        "SELECT level * 1000 + place, body FROM blocks WHERE document = 1 AND place % 2 = 0",
        "UPDATE blocks SET body = ?1 WHERE document = 1 AND level * 1000 + place = ?2",
        |_| Some(6),
    );
    assert_eq!(blocks, 9 + 1);
    assert_eq!(world.sql().execute("DELETE FROM blocks WHERE document = 1 AND place % 3 = 1", []).unwrap(), 6 + 1);
    let clients = world.flip("SELECT rowid_of.n, rowid_of.body FROM (SELECT row_number() OVER () AS n, body FROM clients
            WHERE document = 1) AS rowid_of",
        "UPDATE clients SET body = ?1 WHERE document = 1 AND client =
            (SELECT client FROM (SELECT row_number() OVER () AS n, client FROM clients WHERE document = 1) WHERE n = ?2)",
        |_| Some(5));
    assert_eq!(clients, 3);
    let store = open(world.path());
    is_whole(&store, A, &world.in_a).await;
    for client in world.a.clients() {
        let taken = store.taken(A, client).await.unwrap().unwrap();
        let last =
            world.in_a.iter().rev().find(|revision| revision.origin.is_some_and(|origin| origin.client == client));
        assert_eq!(taken.version, last.unwrap().version);
    }
    store.close().await;
    let count = world.sql().query_row("SELECT count(*) FROM blocks WHERE document = 1", [], |row| row.get::<_, i64>(0));
    assert_eq!(count, Ok(18 + 2), "what was composed again is kept again");
}

#[tokio::test]
async fn a_damaged_snapshot_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut a = Scribe::new("a", 1);
    store.create(a.identity().clone(), None).await.unwrap();
    for _ in 0..2 {
        let at = a.now().version;
        store.append(A, at, a.edits(SNAPSHOT_EVERY)).await.unwrap();
        store.keep_snapshot(A, a.now().clone()).await.unwrap();
    }
    let at = a.now().version;
    store.append(A, at, a.edits(3)).await.unwrap();
    store.close().await;
    drop(store);
    let now = |snapshot: Option<Snapshot>, revisions: &[Arc<Revision>]| {
        let mut now = snapshot.unwrap_or_else(|| Snapshot::genesis(a.identity()));
        revisions.iter().for_each(|revision| now.forward(&Stretch::of(revision)).unwrap());
        (now.version, now.chain, now.content.to_string())
    };
    let due = now(Some(a.now().clone()), &[]);
    for (version, left) in [(2 * SNAPSHOT_EVERY, Some(SNAPSHOT_EVERY)), (SNAPSHOT_EVERY, None)] {
        let sql = Connection::open(directory.path().join("variorum.db")).unwrap();
        let flip = "UPDATE snapshots SET body = CAST(substr(body, 1, 100) || x'00ff' || substr(body, 103) AS BLOB)
            WHERE version = ?1";
        assert_eq!(sql.execute(flip, [version as i64]).unwrap(), 1);
        drop(sql);
        let store = open(directory.path());
        let tail = store.tail(A).await.unwrap();
        assert_eq!(tail.snapshot.as_ref().map(|snapshot| snapshot.version), left.map(Version));
        assert_eq!(now(tail.snapshot, &tail.revisions), due);
        store.close().await;
    }
    // Kept again, there is one again.
    let store = open(directory.path());
    store.keep_snapshot(A, a.now().clone()).await.unwrap();
    assert_eq!(store.tail(A).await.unwrap().snapshot.unwrap().version, a.now().version);
}

/// What lies in a directory, without SQLite's index of its log, which holds nothing that the log does not.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .filter(|(name, _)| name != "variorum.db-shm")
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_loss_of_the_newest_commits_is_noticed() {
    for truncate in [true, false] {
        let mut world = World::unfolded(200).await;
        let log = world.path().join("variorum.db-wal");
        let mut bytes = std::fs::read(&log).unwrap();
        // Zeros follow the log: room for it to grow into.
        let half = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
        if truncate {
            bytes.truncate(half);
        } else {
            bytes[half] ^= 1;
        }
        std::fs::write(&log, bytes).unwrap();
        let before = files(world.path());

        let store = open(world.path());
        let Condition::ReadOnly(sentence) = store.condition() else { panic!("{:?}", store.condition()) };
        assert!(sentence.starts_with("the journal ends at row "), "{sentence}");
        let unavailable = StoreError::Unavailable(sentence.clone());
        let head = store.head(A).await.unwrap().version;
        assert!(head > Version::ZERO && head < Version(200));
        let left = store.revisions(A, Version::ZERO, head).await.unwrap();
        assert_eq!(left, world.in_a[..head.0 as usize]);
        let appended = store.append(A, head, world.in_a[head.0 as usize..][..1].to_vec()).await;
        assert_eq!(appended, Err(AppendError::Store(unavailable.clone())));
        let created = store.create(Scribe::new("c", 3).identity().clone(), None).await;
        assert_eq!(created, Err(unavailable.clone()));
        assert_eq!(store.keep_snapshot(A, world.a.now().clone()).await, Err(unavailable));
        store.fold_now().await;
        store.close().await;
        drop(store);
        assert!(files(world.path()) == before, "a damaged directory is left as it is");

        let store = open_accepting_loss(world.path());
        assert_eq!(store.condition(), Condition::Good);
        assert_eq!(store.head(A).await.unwrap().version, head);
        store.append(A, head, world.in_a[head.0 as usize..].to_vec()).await.unwrap();
        drop(store);
        let store = open(world.path());
        assert_eq!(store.condition(), Condition::Good);
        is_whole(&store, A, &world.in_a).await;
        let more = world.a.edits(1);
        store.append(A, Version(200), more).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_from_a_backup_without_its_mark_is_taken() {
    for mark in [None, Some(&b"nonsense"[..])] {
        let world = World::unfolded(50).await;
        let path = world.path().join("variorum.mark");
        match mark {
            None => std::fs::remove_file(&path).unwrap(),
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
        }
        let store = open(world.path());
        assert_eq!(store.condition(), Condition::Good);
        is_whole(&store, A, &world.in_a).await;
    }
}

#[tokio::test]
async fn a_mark_without_its_database_is_an_error_and_not_a_new_store() {
    let world = World::folded(50).await;
    for empty in [false, true] {
        let database = world.path().join("variorum.db");
        std::fs::remove_file(&database).unwrap_or_default();
        if empty {
            std::fs::write(&database, b"").unwrap();
        }
        let opened = SqliteStore::open(world.path(), SqliteOptions::default()).err();
        assert!(matches!(opened, Some(OpenError::Vanished { .. })), "{opened:?}");
    }
    let store = open_accepting_loss(world.path());
    assert_eq!(store.find(&"a".parse().unwrap()).await, Ok(None));
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let second = SqliteStore::open(directory.path(), SqliteOptions::default()).err().unwrap();
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
    assert!(second.to_string().contains("in use by another process"), "{second}");
    store.close().await;
    let again = open(directory.path());
    drop(store);
    drop(again);
    open(directory.path());
}

#[tokio::test]
async fn a_database_of_a_newer_server_or_another_program_is_refused() {
    let world = World::folded(5).await;
    world.sql().execute_batch("PRAGMA user_version = 99").unwrap();
    let newer = SqliteStore::open(world.path(), SqliteOptions::default()).err().unwrap();
    assert!(matches!(newer, OpenError::Newer { found: 99, .. }), "{newer}");
    world.sql().execute_batch("PRAGMA application_id = 7").unwrap();
    let foreign = SqliteStore::open(world.path(), SqliteOptions::default()).err().unwrap();
    assert!(matches!(foreign, OpenError::Foreign { found: 7, .. }), "{foreign}");
}

#[tokio::test]
async fn looking_writes_nothing() {
    let world = World::folded(500).await;
    let before = files(world.path());
    let store = open(world.path());
    is_whole(&store, A, &world.in_a).await;
    store.tail(B).await.unwrap();
    store.find(&"c".parse().unwrap()).await.unwrap();
    store.fold_now().await;
    store.close().await;
    assert!(files(world.path()) == before);
}

#[tokio::test]
async fn a_failed_commit_is_not_acknowledged_and_the_store_goes_on_by_itself() {
    let mut world = World::folded(100).await;
    let store = open(world.path());
    // Another program holds the database longer than the store waits for it.
    let other = world.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let more = world.a.edits(5);
    let appended = store.append(A, Version(100), more.clone()).await;
    assert!(matches!(appended, Err(AppendError::Store(StoreError::Unavailable(_)))), "{appended:?}");
    assert!(matches!(store.condition(), Condition::Failing(_)));
    is_whole(&store, A, &world.in_a).await;
    let created = store.create(Scribe::new("c", 3).identity().clone(), None).await;
    assert!(matches!(created, Err(StoreError::Unavailable(_))), "{created:?}");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    // Nobody asks; it notices by itself.
    while store.condition() != Condition::Good {
        tokio::task::yield_now().await;
    }
    // The outcome was unknown; it is settled by reading.
    let head = store.head(A).await.unwrap().version;
    assert_eq!(head, Version(100));
    store.append(A, head, more.clone()).await.unwrap();
    world.in_a.extend(more);
    is_whole(&store, A, &world.in_a).await;
    assert!(store.stats().failures >= 1);
    drop(store);
    is_whole(&open(world.path()), A, &world.in_a).await;
}

#[tokio::test]
async fn nothing_is_read_before_the_log_is_certainly_on_the_disk() {
    let world = World::unfolded(100).await;
    // What a crash left may be in the system's memory only. While it cannot be written anew, it is not shown to anyone.
    let other = world.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = open(world.path());
    assert!(matches!(store.condition(), Condition::Failing(_)));
    let head = store.head(A).await;
    assert!(matches!(head, Err(StoreError::Unavailable(_))), "{head:?}");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    while store.condition() != Condition::Good {
        tokio::task::yield_now().await;
    }
    is_whole(&store, A, &world.in_a).await;
}
