//! `export` and `import`: a document is carried over with all its history, and clients go on where they were.

use std::path::Path;
use std::sync::Arc;

use proptests::live::Server;
use proptests::scribe::Scribe;
use serde_json::{Value, json};
use variorum::archive::{ImportError, Imported, export, import};
use variorum::document::{DocumentId, Label, Time, User, Version};
use variorum::limits::Limits;
use variorum::store::{AppendError, BranchPoint, Incarnation, PrunedPast, SNAPSHOT_EVERY, SqliteStore, Store, View};

use super::{open, wrong_with};

fn id(name: &str) -> DocumentId {
    name.parse().unwrap()
}

/// A store with the document `d` of so many revisions and two labels, its file, and who wrote it.
async fn exported(revisions: u64) -> (tempfile::TempDir, String, Scribe) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut scribe = Scribe::new("d", 7);
    store.create(Scribe::new("other", 1).identity().clone(), None).await.unwrap();
    store.create(scribe.identity().clone(), None).await.unwrap();
    store.append(Incarnation(2), Version::ZERO, scribe.edits(revisions)).await.unwrap();
    for (name, version) in [("first draft", 3), ("\"sent\"", revisions)] {
        let author = User { id: "u".into(), name: "Ana".into() };
        let name = name.parse().unwrap();
        let label = Label { name, version: Version(version), author, time: Time(9), note: "why".into() };
        store.put_label(Incarnation(2), label).await.unwrap();
    }
    let mut file = Vec::new();
    // Beside the store that is open.
    let mut view = View::open(directory.path()).unwrap();
    assert_eq!(export(&mut view, &id("d"), &mut file).unwrap(), Version(revisions));
    drop(view);
    store.close().await;
    (directory, String::from_utf8(file).unwrap(), scribe)
}

#[tokio::test]
async fn a_branch_is_carried_over_as_a_document_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut scribe = Scribe::new("d", 7);
    store.create(scribe.identity().clone(), None).await.unwrap();
    store.append(Incarnation(1), Version::ZERO, scribe.edits(1_500)).await.unwrap();
    let begins = BranchPoint { parent: Incarnation(1), version: scribe.now().version };
    let mut branch = scribe.branch("b", 9);
    store.create_branch(branch.identity().clone(), begins).await.unwrap();
    store.append(Incarnation(2), begins.version, branch.edits(20)).await.unwrap();
    // What comes to the parent later is not the branch's.
    store.append(Incarnation(1), begins.version, scribe.edits(30)).await.unwrap();
    let label = Label {
        name: "mine".parse().unwrap(),
        version: Version(3),
        author: User { id: "u".into(), name: "Ana".into() },
        time: Time(9),
        note: String::new(),
    };
    store.put_label(Incarnation(2), label.clone()).await.unwrap();
    let originals = store.revisions(Incarnation(2), Version::ZERO, Version(1_520)).await.unwrap();
    let file = |name: &str| {
        let mut file = Vec::new();
        export(&mut View::open(directory.path()).unwrap(), &id(name), &mut file).unwrap();
        String::from_utf8(file).unwrap()
    };
    let (first, earlier) = (file("b"), file("b"));
    assert_eq!(first, earlier, "the same branch is the same file");

    let to = tempfile::tempdir().unwrap();
    let imported = take(to.path(), &first, None).await.unwrap();
    assert_eq!((imported.id, imported.version), (id("b"), Version(1_520)));
    let there = open(&to.path().join("data"));
    let found = there.find(&id("b")).await.unwrap().unwrap();
    assert_eq!(found.begins, None);
    assert_ne!(found.identity.epoch, branch.identity().epoch, "clients of the branch begin anew");
    let taken_in = there.revisions(found.incarnation, Version::ZERO, Version(1_520)).await.unwrap();
    for (original, taken) in originals.iter().zip(&taken_in) {
        assert_eq!(
            (taken.version, &taken.op, &taken.author, taken.time),
            (original.version, &original.op, &original.author, original.time)
        );
        let own = original.origin.filter(|_| original.version > begins.version);
        assert_eq!(taken.origin, own, "version {}", taken.version);
    }
    assert_eq!(taken_in.len(), originals.len());
    assert_eq!(there.labels(found.incarnation).await.unwrap(), [label]);
    there.close().await;
    assert_eq!(wrong_with(&to.path().join("data")), Vec::<String>::new());

    // Exported again once there is more, it goes on from there; and what was taken in is exported as it came.
    store.append(Incarnation(2), Version(1_520), branch.edits(5)).await.unwrap();
    let more = take(to.path(), &file("b"), None).await.unwrap();
    assert_eq!((more.version, more.from), (Version(1_525), Version(1_520)));
    assert_eq!(again(to.path(), "b"), file("b"));
    store.close().await;
}

/// Takes a file into the store of a directory.
async fn take(directory: &Path, file: &str, new: Option<&str>) -> Result<Imported, ImportError> {
    let path = directory.join("file.jsonl");
    std::fs::write(&path, file).unwrap();
    let store = open(&directory.join("data"));
    let imported = import(&store, &path, new.map(id)).await;
    store.close().await;
    imported
}

/// The file of a document of the store that [`take`] takes into.
fn again(directory: &Path, name: &str) -> String {
    let mut file = Vec::new();
    export(&mut View::open(&directory.join("data")).unwrap(), &id(name), &mut file).unwrap();
    String::from_utf8(file).unwrap()
}

#[tokio::test]
async fn an_imported_document_is_the_exported_one_to_the_last_chain() {
    let revisions = SNAPSHOT_EVERY + 700;
    let (from, file, scribe) = exported(revisions).await;
    let to = tempfile::tempdir().unwrap();
    let imported = take(to.path(), &file, None).await.unwrap();
    assert_eq!(imported, Imported { id: id("d"), version: Version(revisions), from: Version::ZERO });
    assert_eq!(wrong_with(&to.path().join("data")), [""; 0]);
    assert!(again(to.path(), "d") == file);
    let (before, after) = (open(from.path()), open(&to.path().join("data")));
    let all = (Version::ZERO, Version(revisions));
    let read = async |store: &dyn Store, number| store.revisions(Incarnation(number), all.0, all.1).await.unwrap();
    assert!(read(&before, 2).await == read(&after, 1).await);
    assert_eq!(after.labels(Incarnation(1)).await, before.labels(Incarnation(2)).await);
    for client in scribe.clients() {
        assert_eq!(after.taken(Incarnation(1), client).await, before.taken(Incarnation(2), client).await);
    }
    // Opening it does not read all of its history.
    assert_eq!(
        after.tail(Incarnation(1)).await.unwrap().snapshot.map(|kept| kept.version),
        Some(Version(SNAPSHOT_EVERY))
    );
}

#[tokio::test]
async fn clients_of_the_imported_document_go_on_where_they_were() {
    let (directory, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::with(Arc::new(open(directory.path())), Limits::default()).await;
    let mut ana = server.client("ana").await;
    let opened = ana.open("d", "Hello").await;
    let ack = ana.edited("d", 1, 1, json!([5, "!"])).await;
    let body = json!({"version": 2, "op": [6, "?"]}).to_string();
    let keyed = [("Idempotency-Key", "k")];
    let posted = server.http("POST", "/v1/docs/d/edits", &keyed, &body).await.json();
    server.stop().await;
    let mut file = Vec::new();
    export(&mut View::open(directory.path()).unwrap(), &id("d"), &mut file).unwrap();
    let file = String::from_utf8(file).unwrap();
    take(to.path(), &file, None).await.unwrap();

    let server = Server::with(Arc::new(open(&to.path().join("data"))), Limits::default()).await;
    let mut ana = server.client("ana").await;
    let from = json!({"epoch": opened["epoch"], "version": 2, "chain": ack["chain"]});
    ana.say(json!({"type": "open", "doc": "d", "from": from, "pending": 1})).await;
    let again = ana.hears("opened").await;
    assert_eq!((&again["taken"], &again["chain"]), (&json!({"seq": 1, "version": 2}), &posted["chain"]));
    assert_eq!(again["revisions"].as_array().map(Vec::len), Some(1));
    // What was taken there is not taken again here.
    assert_eq!(ana.edited("d", 1, 1, json!([5, "!"])).await["version"], 2);
    assert_eq!(server.http("POST", "/v1/docs/d/edits", &keyed, &body).await.json(), posted);
    assert_eq!(ana.edited("d", 3, 2, json!([7, "."])).await["version"], 4);
    server.stop().await;
}

#[tokio::test]
async fn an_import_that_was_cut_off_is_gone_on_with() {
    let (from, file, scribe) = exported(900).await;
    let to = tempfile::tempdir().unwrap();
    let store = open(&to.path().join("data"));
    store.create(scribe.identity().clone(), None).await.unwrap();
    let before = open(from.path()).revisions(Incarnation(2), Version::ZERO, Version(512)).await.unwrap();
    store.append(Incarnation(1), Version::ZERO, before).await.unwrap();
    store.close().await;
    drop(store);
    let imported = take(to.path(), &file, None).await.unwrap();
    assert_eq!((imported.from, imported.version), (Version(512), Version(900)));
    assert!(again(to.path(), "d") == file);
    // Once more changes nothing.
    assert_eq!(take(to.path(), &file, None).await.unwrap().from, Version(900));
    assert!(again(to.path(), "d") == file);
    assert_eq!(wrong_with(&to.path().join("data")), [""; 0]);
}

#[tokio::test]
async fn a_document_of_another_history_is_not_overwritten_and_another_id_can_be_given() {
    let (_, file, mut scribe) = exported(20).await;
    let to = tempfile::tempdir().unwrap();
    take(to.path(), &file, None).await.unwrap();
    let store = open(&to.path().join("data"));
    store.append(Incarnation(1), Version(20), scribe.edits(1)).await.unwrap();
    store.create(Scribe::new("e", 8).identity().clone(), None).await.unwrap();
    store.close().await;
    drop(store);
    for name in [None, Some("e")] {
        let refused = take(to.path(), &file, name).await.unwrap_err();
        assert!(matches!(refused, ImportError::Exists(_)), "{refused}");
    }
    let imported = take(to.path(), &file, Some("copy")).await.unwrap();
    assert_eq!((imported.id, imported.version), (id("copy"), Version(20)));
    assert_eq!(again(to.path(), "copy"), file.replacen("\"id\":\"d\"", "\"id\":\"copy\"", 1));
    assert_eq!(wrong_with(&to.path().join("data")), [""; 0]);
}

#[tokio::test]
async fn a_file_that_is_inconsistent_is_refused_with_its_line_and_leaves_nothing() {
    let (_, file, _) = exported(20).await;
    let lines: Vec<&str> = file.lines().collect();
    let with = |number: usize, change: &dyn Fn(&mut Value)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let mut line = serde_json::from_str(&lines[number - 1]).unwrap();
        change(&mut line);
        lines[number - 1] = line.to_string();
        lines.join("\n")
    };
    let without = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(place, _)| place + 1 != gone);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let cases = [
        (String::new(), 1, "the file ends"),
        (lines[1..].join("\n"), 1, "the first line is no document"),
        (lines[..24].join("\n")[..lines[0].len() - 5].to_owned(), 1, "it is not what it should be"),
        (with(1, &|line| line["format"] = json!(3)), 1, "has format 3, this program reads formats 1 to 2"),
        (with(1, &|line| line["kind"] = json!("board")), 1, "not served here"),
        (with(1, &|line| line["key"] = json!("AAAAAAAAAAAAAAAAAAAAAA")), 2, "its chain is"),
        (with(1, &|line| line["epoch"] = json!("AAAAAAAAAAAAAAAAAAAAAA")), 2, "its chain is"),
        (with(1, &|line| line["version"] = json!(19)), 24, "the revisions end at version 20"),
        (with(6, &|line| line["op"] = json!([1, "x"])), 6, "its chain is"),
        (with(6, &|line| line["op"] = json!([1, 1])), 6, "it is not what it should be"),
        (with(6, &|line| line["time"] = json!(5)), 6, "its time is 5, before"),
        (with(6, &|line| line["user"]["name"] = json!("Eve")), 6, "its chain is"),
        (with(6, &|line| line["more"] = json!(1)), 6, "unknown field"),
        (with(6, &|line| line["type"] = json!("thing")), 6, "there is no line of type \"thing\""),
        (without(6), 6, "version 6 does not follow version 4"),
        (with(22, &|line| line["version"] = json!(21)), 22, "the label names version 21"),
        (with(23, &|line| line["name"] = json!("first draft")), 23, "there is a label"),
        (without(24), 24, "the file ends before its last line"),
        (without(22), 23, "it says that 23 lines came before it, there are 22"),
        (format!("{file}{}\n", lines[5]), 25, "behind the last one"),
        (
            [&lines[..21], &lines[21..22], &lines[20..21], &lines[22..]].concat().join("\n"),
            23,
            "there is a revision behind labels",
        ),
    ];
    for (file, number, reason) in cases {
        let to = tempfile::tempdir().unwrap();
        match take(to.path(), &file, None).await {
            Err(ImportError::Line { line, reason: said }) => {
                assert!(line == number && said.contains(reason), "line {line}: {said}; not line {number}: {reason}");
            }
            other => panic!("{reason}: {other:?}"),
        }
        let store = open(&to.path().join("data"));
        assert_eq!(store.list("", "", 9).await, Ok(vec![]), "{reason}");
    }
    let missing = View::open(exported(3).await.0.path()).map(|mut view| export(&mut view, &id("e"), &mut Vec::new()));
    assert!(missing.unwrap().unwrap_err().to_string().contains("there is no document \"e\""));
}

#[tokio::test]
async fn a_pruned_document_is_carried_over_with_all_that_is_left_of_it() {
    let (from, _, scribe) = exported(3000).await;
    let store = open(from.path());
    let kept = store.prune(Incarnation(2), Version(2600), false).await.unwrap().kept;
    assert_eq!(kept, [Version(3), Version(2560)]);
    let mut view = View::open(from.path()).unwrap();
    let mut file = Vec::new();
    assert_eq!(export(&mut view, &id("d"), &mut file).unwrap(), Version(3000));
    let file = String::from_utf8(file).unwrap();
    // Also one that was cut off right behind what is left of pruned revisions.
    for cut in [false, true] {
        let to = tempfile::tempdir().unwrap();
        if cut {
            let store = open(&to.path().join("data"));
            store.create(scribe.identity().clone(), None).await.unwrap();
            let pages = [0, 1].map(|page| view.ledger_page(Incarnation(2), page, Version(2560)).unwrap());
            let taken = view.taken_to(Incarnation(2), Version(2560)).unwrap();
            let past = PrunedPast { steps: view.steps(Incarnation(2)).unwrap(), ledger: pages.into(), taken };
            store.adopt(Incarnation(1), past.clone()).await.unwrap();
            assert_eq!(store.head(Incarnation(1)).await.unwrap().version, Version(2560));
            // Only what has no revision yet takes one in.
            let again = store.adopt(Incarnation(1), past).await;
            assert_eq!(again, Err(AppendError::Conflict { head: Version(2560) }));
            store.close().await;
        }
        let imported = take(to.path(), &file, None).await.unwrap();
        assert_eq!(imported.from, Version(if cut { 2560 } else { 0 }));
        assert_eq!(wrong_with(&to.path().join("data")), [""; 0]);
        assert!(again(to.path(), "d") == file);
        let after = open(&to.path().join("data"));
        assert_eq!(after.kept(Incarnation(1)).await, store.kept(Incarnation(2)).await);
        let pages = || vec![0, 1];
        assert_eq!(after.ledger(Incarnation(1), pages()).await, store.ledger(Incarnation(2), pages()).await);
        let trail =
            async |store: &SqliteStore, number| store.trail(Incarnation(number), Version(3), Version(3000)).await;
        assert_eq!(trail(&after, 1).await, trail(&store, 2).await);
        for client in scribe.clients() {
            assert_eq!(after.taken(Incarnation(1), client).await, store.taken(Incarnation(2), client).await);
        }
    }
    // Nothing may be missing of what is left.
    for (sort, says) in [("step", "where 0 is due"), ("ledger", "is due"), ("end", "its last line")] {
        let to = tempfile::tempdir().unwrap();
        let first = file.lines().position(|line| line.contains(&format!("\"type\":\"{sort}\""))).unwrap();
        let less: String =
            file.lines().enumerate().filter(|(at, _)| *at != first).map(|(_, line)| format!("{line}\n")).collect();
        let refused = take(to.path(), &less, None).await.unwrap_err().to_string();
        assert!(refused.contains(says), "without its first {sort}: {refused}");
        assert!(open(&to.path().join("data")).find(&id("d")).await.unwrap().is_none());
    }
}
