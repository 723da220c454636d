//! `verify`: each sort of damage is found, and named with its document and versions.

use std::path::Path;
use std::sync::Arc;

use proptests::scribe::Scribe;
use rusqlite::Connection;
use tempfile::TempDir;
use variorum::document::{Author, Chain, Label, Revision, Snapshot, Time, User, Version};
use variorum::ot::TextOp;
use variorum::store::{BranchPoint, Created, Incarnation, SNAPSHOT_EVERY, Store, StoreError};

use super::{copied, open, wrong_with};

/// Number 1, `alpha`: 8,700 revisions, of which the last 20 are in the journal only; a snapshot; a label. Number 2, `beta`: 300.
/// Number 3 was deleted. Number 4, `gamma`, is empty.
async fn store() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (mut alpha, mut beta) = (Scribe::new("alpha", 1), Scribe::new("beta", 2));
    for scribe in [&alpha, &beta, &Scribe::new("gone", 3), &Scribe::new("gamma", 4)] {
        store.create(scribe.identity().clone(), None).await.unwrap();
    }
    let write = async |number, scribe: &mut Scribe, count| {
        let at = scribe.now().version;
        store.append(Incarnation(number), at, scribe.edits(count)).await.unwrap();
    };
    write(1, &mut alpha, SNAPSHOT_EVERY).await;
    store.keep_snapshot(Incarnation(1), alpha.now().clone()).await.unwrap();
    write(1, &mut alpha, 488).await;
    write(2, &mut beta, 300).await;
    let label = Label {
        name: "first".parse().unwrap(),
        version: Version(7),
        author: User { id: "u".into(), name: "Ana".into() },
        time: Time(1),
        note: String::new(),
    };
    store.put_label(Incarnation(1), label).await.unwrap();
    store.remove(Incarnation(3)).await.unwrap();
    store.fold_now().await;
    write(1, &mut alpha, 20).await;
    // Left as a crash leaves it: the newest row is in the journal.
    drop(store);
    directory
}

fn sql(directory: &Path) -> Connection {
    Connection::open(directory.join("variorum.db")).unwrap()
}

/// Flips a bit of the one body that a query finds by its rowid or key, given as the rest of the statement.
fn flip(directory: &Path, table: &str, which: &str, place: usize) {
    let sql = sql(directory);
    let body: Vec<u8> =
        sql.query_row(&format!("SELECT body FROM {table} WHERE {which}"), [], |row| row.get(0)).unwrap();
    let mut damaged = body;
    let place = if place < damaged.len() { place } else { damaged.len() / 2 };
    damaged[place] ^= 0x10;
    assert_eq!(sql.execute(&format!("UPDATE {table} SET body = ?1 WHERE {which}"), [damaged]).unwrap(), 1);
}

fn run(directory: &Path, statement: &str) {
    sql(directory).execute_batch(statement).unwrap();
}

/// Changes bytes of the database file, in the page where a table or index begins.
fn rot(directory: &Path, name: &str, from: &[u8], to: &[u8]) {
    let root: i64 = sql(directory)
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0))
        .unwrap();
    let path = directory.join("variorum.db");
    let mut file = std::fs::read(&path).unwrap();
    let page = &mut file[(root as usize - 1) * 4096..root as usize * 4096];
    let at = page.windows(from.len()).position(|window| window == from).expect("it is in its root page");
    page[at..at + to.len()].copy_from_slice(to);
    std::fs::write(&path, file).unwrap();
}

const NEWEST_ROW: &str = "id = (SELECT max(id) FROM journal)";

/// What is done to a store, and what is said of it then; every line begins so.
type Case = (&'static str, fn(&Path), &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "a record of the journal",
        |d| flip(d, "journal", NEWEST_ROW, 40),
        &["journal row", "document alpha, version 8681: the record's checksum"],
    ),
    (
        "a footer of the journal",
        |d| {
            let sql = sql(d);
            let len: i64 = sql
                .query_row(&format!("SELECT length(body) FROM journal WHERE {NEWEST_ROW}"), [], |row| row.get(0))
                .unwrap();
            drop(sql);
            flip(d, "journal", NEWEST_ROW, len as usize - 13);
        },
        &["journal row"],
    ),
    (
        "the newest row of the journal",
        |d| run(d, &format!("DELETE FROM journal WHERE {NEWEST_ROW}")),
        &["database: the journal ends at row"],
    ),
    (
        "the mark",
        |d| std::fs::remove_file(d.join("variorum.mark")).unwrap(),
        &["database: there is no high-water mark"],
    ),
    (
        "a page",
        |d| flip(d, "pages", "document = 1 AND first = 257", 900),
        &["document alpha, versions 257 to 512: their page: "],
    ),
    (
        "a missing page",
        |d| run(d, "DELETE FROM pages WHERE document = 1 AND first = 257"),
        &["document alpha, versions 257 to 512: they are missing"],
    ),
    (
        "the first page",
        |d| run(d, "DELETE FROM pages WHERE document = 2 AND first = 1"),
        &["document beta, versions 1 to 256: they are missing"],
    ),
    (
        "a page's time",
        |d| run(d, "UPDATE pages SET time = time + 1 WHERE document = 2 AND first = 257"),
        &["document beta, versions 257 to 300: their page: "],
    ),
    ("a document's row", |d| flip(d, "documents", "number = 2", 9), &["document beta: the document's own row: "]),
    (
        "a document's name",
        |d| run(d, "UPDATE documents SET id = 'delta' WHERE number = 2"),
        &["document delta: its row says that its name is beta", "document delta: the document's own row: its row says"],
    ),
    (
        "a document's row that is gone",
        |d| run(d, "DELETE FROM documents WHERE number = 2"),
        &[
            "document number 2: its row is lost",
            "document number 2: there is no such document, but pages of it",
            "document number 2: there is no such document, but blocks of it",
            "document number 2: there is no such document, but clients of it",
            "document number 2: there is no such document, but marks of it",
        ],
    ),
    ("a deletion that is forgotten", |d| run(d, "DELETE FROM removed"), &["document number 3: its row is lost"]),
    (
        "a document there and deleted",
        |d| run(d, "INSERT INTO removed VALUES(2, 1, x'00')"),
        &["document number 2: it is there, and also among those that were deleted"],
    ),
    (
        "numbers given twice",
        |d| run(d, "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'documents'"),
        &["database: it says that 2 document numbers were given, but there is number 4"],
    ),
    (
        "a block",
        |d| flip(d, "blocks", "document = 1 AND level = 1 AND place = 3", 20),
        &["document alpha, versions 1537 to 2048: their block: "],
    ),
    (
        "a block beyond the end",
        |d| {
            run(
                d,
                "INSERT INTO blocks SELECT 1, 0, 500, body FROM blocks WHERE document = 1 AND level = 0 AND place = 0",
            )
        },
        &["document alpha, versions 32001 to 32064: there is a block of them, but the document ends at 8700"],
    ),
    (
        "a snapshot",
        |d| flip(d, "snapshots", "document = 1 AND version = 8192 AND part = 0", 40),
        &["document alpha, version 8192: its snapshot: "],
    ),
    (
        "a client's row",
        |d| flip(d, "clients", "document = 2 AND client = (SELECT min(client) FROM clients WHERE document = 2)", 5),
        &["document beta: a client's row is damaged: "],
    ),
    (
        "a client's row that is gone",
        |d| {
            run(
                d,
                "DELETE FROM clients WHERE document = 2 AND client = (SELECT min(client) FROM clients WHERE document = 2)",
            )
        },
        &["document beta, version "],
    ),
    ("a label", |d| flip(d, "labels", "document = 1", 8), &["document alpha: its label \"first\": "]),
    (
        "pages of nobody",
        |d| run(d, "INSERT INTO pages SELECT 77, first, last, time, body FROM pages WHERE document = 2"),
        &["document number 77: there is no such document, but pages of it"],
    ),
    (
        "the index of names",
        |d| rot(d, "sqlite_autoindex_documents_1", b"beta", b"bets"),
        &[
            "database: row 2 missing from index sqlite_autoindex_documents_1",
            "document beta: it is number 2, but the index of names has nothing",
        ],
    ),
    ("a page of SQLite's", |d| rot(d, "labels", &[0x0a], &[0x07]), &["database: ", "document "]),
];

#[tokio::test]
async fn every_sort_of_damage_is_found_and_named() {
    let sound = store().await;
    assert_eq!(wrong_with(sound.path()), [""; 0]);
    for (what, damage, said) in CASES {
        let copy = copied(sound.path());
        damage(copy.path());
        let found = wrong_with(copy.path());
        for line in *said {
            assert!(found.iter().any(|found| found.starts_with(line)), "{what}: nothing says {line:?} in {found:#?}");
        }
        for line in &found {
            assert!(said.iter().any(|said| line.starts_with(said)), "{what}: {line} is said of what is sound");
        }
    }
    assert_eq!(wrong_with(sound.path()), [""; 0], "looking changes nothing");
}

#[tokio::test]
async fn what_is_whole_but_wrong_is_found_by_computing_it_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    // Each is written as a server with a fault might: every checksum holds.
    // Those that spoil an op stay below a block's 64 revisions: no server composes what does not fit.
    let write = async |name: &str, seed: u64, count: u64, spoil: &dyn Fn(&mut Revision)| {
        let mut scribe = Scribe::new(name, seed);
        let Ok(Created::New(number)) = store.create(scribe.identity().clone(), None).await else { panic!("{name}") };
        let mut revisions = scribe.edits(count);
        let mut spoiled = Revision::clone(&revisions[49]);
        spoil(&mut spoiled);
        revisions[49] = Arc::new(spoiled);
        store.append(number, Version::ZERO, revisions).await.unwrap();
        (number, scribe)
    };
    write("chain", 1, 60, &|revision| revision.chain = Chain(7)).await;
    write("op", 2, 60, &|revision| revision.op = TextOp::splice(1, 0, 0, "x").unwrap()).await;
    let eve = User { id: "eve".into(), name: "Eve".into() };
    let eve = Arc::new(Author { session: None, user: eve });
    write("author", 3, 60, &|revision| revision.author = eve.clone()).await;
    write("time", 4, 60, &|revision| revision.time = Time(5)).await;
    let (number, scribe) = write("snapshot", 5, 100, &|_| {}).await;
    let wrong = Snapshot { version: Version(64), content: "other".into(), ..scribe.now().clone() };
    store.keep_snapshot(number, wrong).await.unwrap();
    let ahead = Snapshot { version: Version(SNAPSHOT_EVERY), ..scribe.now().clone() };
    store.keep_snapshot(number, ahead).await.unwrap();
    store.close().await;
    let found = wrong_with(directory.path());
    for (document, line) in [
        ("chain", "document chain, version 50: its chain is 0000000000000007, its history gives "),
        ("op", "document op, version 50: its op does not fit"),
        ("author", "document author, version 50: its chain is "),
        ("time", "document time, version 50: its time is 5, before "),
        ("snapshot", "document snapshot, version 64: its snapshot is not the content that its revisions give"),
        ("snapshot", "document snapshot, version 8192: there is a snapshot of it, but the document ends at 100"),
    ] {
        assert!(found.iter().any(|found| found.starts_with(line)), "{document}: nothing says {line:?} in {found:#?}");
    }
}

#[tokio::test]
async fn a_block_that_is_whole_and_another_documents_is_found() {
    // Two stores whose documents differ in what was written alone: their blocks are sealed under the same place.
    let [directory, other] = [1, 2].map(|_| tempfile::tempdir().unwrap());
    for (directory, seed) in [(&directory, 1), (&other, 2)] {
        let store = open(directory.path());
        let mut scribe = Scribe::new("d", seed);
        let Ok(Created::New(number)) = store.create(scribe.identity().clone(), None).await else { panic!("it is new") };
        store.append(number, Version::ZERO, scribe.edits(600)).await.unwrap();
        store.fold_now().await;
        store.close().await;
    }
    let which = "document = 1 AND level = 0 AND place = 2";
    let body: Vec<u8> =
        sql(other.path()).query_row(&format!("SELECT body FROM blocks WHERE {which}"), [], |row| row.get(0)).unwrap();
    assert_eq!(
        sql(directory.path()).execute(&format!("UPDATE blocks SET body = ?1 WHERE {which}"), [body]).unwrap(),
        1
    );
    let due = "document d, versions 129 to 192: their block is not what they give when they are composed";
    assert_eq!(wrong_with(directory.path()), [due]);
}

#[tokio::test]
async fn a_store_is_verified_beside_its_server_and_what_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut scribe = Scribe::new("d", 1);
    store.create(scribe.identity().clone(), None).await.unwrap();
    for _ in 0..20 {
        let at = scribe.now().version;
        store.append(Incarnation(1), at, scribe.edits(30)).await.unwrap();
        assert_eq!(wrong_with(directory.path()), [""; 0]);
    }
    store.close().await;
    let empty = tempfile::tempdir().unwrap();
    let none = variorum::store::verify(empty.path(), &mut |_| {}).unwrap_err();
    assert!(none.to_string().contains("there is no store"), "{none}");
    run(directory.path(), "PRAGMA user_version = 1");
    let older = variorum::store::verify(directory.path(), &mut |_| {}).unwrap_err();
    assert!(older.to_string().contains("start the server on it once"), "{older}");
}

#[tokio::test]
async fn damage_to_what_is_left_of_pruned_revisions_is_named_and_never_taken_for_less() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut scribe = Scribe::new("d", 1);
    store.create(scribe.identity().clone(), None).await.unwrap();
    store.append(Incarnation(1), Version::ZERO, scribe.edits(3000)).await.unwrap();
    let author = User { id: "u".into(), name: "Ana".into() };
    let label =
        Label { name: "here".parse().unwrap(), version: Version(300), author, time: Time(9), note: String::new() };
    store.put_label(Incarnation(1), label).await.unwrap();
    assert_eq!(store.prune(Incarnation(1), Version(2600), false).await.unwrap().kept, [Version(300), Version(2560)]);
    store.close().await;
    assert_eq!(wrong_with(directory.path()), [""; 0]);
    for (what, sql, said) in [
        (
            "a step",
            "UPDATE steps SET body = CAST(x'0011223344' || substr(body, 6) AS BLOB) WHERE first = 301",
            "what is left of it: ",
        ),
        ("the first step", "DELETE FROM steps WHERE first = 1", "a step of its pruned history leads from 300 to 2560"),
        ("the last step", "DELETE FROM steps WHERE first = 301", "they are missing"),
        ("a page of the ledger", "DELETE FROM ledger WHERE page = 1", "who made it is lost"),
    ] {
        let copy = copied(directory.path());
        run(copy.path(), sql);
        let found = wrong_with(copy.path());
        assert!(found.iter().any(|found| found.contains(said)), "{what}: nothing says {said:?} in {found:#?}");
        let store = open(copy.path());
        match store.tail(Incarnation(1)).await {
            Err(StoreError::Damaged { .. }) => {}
            Ok(tail) => assert_eq!(tail.revisions.last().unwrap().version, Version(3000), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_branch_is_verified_with_what_it_has_of_its_parent() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut scribe = Scribe::new("parent", 1);
    store.create(scribe.identity().clone(), None).await.unwrap();
    store.append(Incarnation(1), Version::ZERO, scribe.edits(700)).await.unwrap();
    let mut branch = scribe.branch("twig", 2);
    let begins = BranchPoint { parent: Incarnation(1), version: Version(700) };
    store.create_branch(branch.identity().clone(), begins).await.unwrap();
    store.append(Incarnation(2), Version(700), branch.edits(600)).await.unwrap();
    store.close().await;
    assert_eq!(wrong_with(directory.path()), [""; 0]);
    for (what, sql, said) in [
        (
            "its page",
            "UPDATE pages SET body = CAST('xxxxxxxx' AS BLOB) WHERE document = 2 AND first = 701",
            "document twig, ",
        ),
        (
            "a page too few",
            "DELETE FROM pages WHERE document = 2 AND first = 701",
            "document twig, versions 701 to 768: they are missing",
        ),
        ("its index", "DELETE FROM branches", "document twig: the document that it is a branch of is number 1"),
        (
            "its parent's page",
            "DELETE FROM pages WHERE document = 1 AND first = 257",
            "document parent, versions 257 to 512",
        ),
        (
            "its parent's end",
            "DELETE FROM pages WHERE document = 1 AND first > 500",
            "document twig: it begins at version 700, but",
        ),
    ] {
        let copy = copied(directory.path());
        run(copy.path(), sql);
        let found = wrong_with(copy.path());
        assert!(found.iter().any(|found| found.starts_with(said)), "{what}: nothing says {said:?} in {found:#?}");
    }
}
