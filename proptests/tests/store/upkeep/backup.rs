//! `backup`: a copy that is made while people write is whole, and clients notice where a restored one is behind them.

use std::sync::Arc;

use proptests::live::{Server, history, http};
use proptests::process::Process;
use proptests::writers::Writers;
use serde_json::{Value, json};
use variorum::limits::Limits;
use variorum::store::{BackupError, SqliteStore, backup};

use super::{open, wrong_with};

async fn serve(directory: &std::path::Path) -> Server {
    let store: SqliteStore = open(directory);
    Server::with(Arc::new(store), Limits::default()).await
}

const DOCUMENTS: [&str; 3] = ["document-0", "document-1", "document-2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_made_under_load_hold_everything_acknowledged_before_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(env!("CARGO_BIN_EXE_proptests"), directory.path()).await;
    let writers = Writers::begin(process.address).await;
    let head = async |address, document: &str| {
        http(address, "GET", &format!("/v1/docs/{document}"), &[], "").await.json()["version"].as_u64().unwrap()
    };
    let mut copies = Vec::new();
    for _ in 0..4 {
        writers.move_on().await;
        let mut least = Vec::new();
        for document in DOCUMENTS {
            least.push(head(process.address, document).await);
        }
        let copy = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().to_owned(), copy.path().join("copy"));
        tokio::task::spawn_blocking(move || backup(&from, &to).unwrap()).await.unwrap();
        copies.push((copy, least));
    }
    let stopped = writers.stop().await;
    assert!(stopped.check().await > 0);
    let last = tempfile::tempdir().unwrap();
    backup(directory.path(), last.path()).unwrap();
    let mut whole = Vec::new();
    for document in DOCUMENTS {
        whole.push(history(process.address, document).await);
    }
    process.kill().await;

    // The last one holds every edit that anyone was told of; those before it, what was known when they were begun.
    let lengths = whole.iter().map(|history| history.len() as u64).collect();
    copies.push((last, lengths));
    for (copy, least) in copies {
        let path = copy.path().join("copy");
        let path = if path.exists() { path } else { copy.path().to_owned() };
        assert_eq!(wrong_with(&path), [""; 0]);
        let server = serve(&path).await;
        for ((document, whole), least) in DOCUMENTS.iter().zip(&whole).zip(least) {
            let copied: Vec<Value> = history(server.address, document).await;
            assert!(copied.len() as u64 >= least, "{document}: {} of {least}", copied.len());
            assert_eq!(copied, whole[..copied.len()], "{document}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn clients_notice_a_restored_backup_that_is_behind_them() {
    let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = serve(directory.path()).await;
    let mut ana = server.client("ana").await;
    let opened = ana.open("d", "Hello").await;
    backup(directory.path(), copy.path()).unwrap();
    let mut acks = Vec::new();
    for n in 1..4u64 {
        acks.push(ana.edited("d", n, n, json!([4 + n, "!"])).await);
    }
    server.stop().await;

    let server = serve(copy.path()).await;
    let mut ana = server.client("ana").await;
    let place = |ack: &Value| json!({"epoch": opened["epoch"], "version": ack["version"], "chain": ack["chain"]});
    ana.say(json!({"type": "open", "doc": "d", "from": place(&acks[2]), "pending": 3})).await;
    let behind = ana.hears("opened").await;
    assert_eq!(
        (&behind["reset"], &behind["content"], &behind["taken"]),
        (&json!("ahead"), &json!("Hello"), &json!(null))
    );
    // Once others have written past that version, its chain tells.
    for n in 1..5u64 {
        ana.edited("d", n, n, json!([4 + n, "?"])).await;
    }
    ana.say(json!({"type": "open", "doc": "d", "from": place(&acks[2])})).await;
    let other = ana.hears("opened").await;
    assert_eq!((&other["reset"], &other["content"]), (&json!("chain"), &json!("Hello????")));
    // What both histories have can be gone on with.
    ana.say(
        json!({"type": "open", "doc": "d", "from": {"epoch": opened["epoch"], "version": 1, "chain": opened["chain"]}}),
    )
    .await;
    assert_eq!(ana.hears("opened").await["revisions"].as_array().map(Vec::len), Some(4));
    server.stop().await;
}

#[tokio::test]
async fn a_copy_is_refused_where_something_is_or_something_was_lost() {
    let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let none = backup(directory.path(), copy.path()).unwrap_err();
    assert!(none.to_string().contains("there is no store"), "{none}");
    let server = serve(directory.path()).await;
    let mut ana = server.client("ana").await;
    ana.open("d", "Hello").await;
    ana.edited("d", 1, 1, json!([5, "!"])).await;
    server.stop().await;
    let onto_itself = backup(directory.path(), directory.path()).unwrap_err();
    assert!(matches!(onto_itself, BackupError::Occupied(_)), "{onto_itself}");
    let sql = rusqlite::Connection::open(directory.path().join("variorum.db")).unwrap();
    sql.execute("DELETE FROM journal", []).unwrap();
    drop(sql);
    let lost = backup(directory.path(), copy.path()).unwrap_err();
    assert!(matches!(lost, BackupError::Lost(_)), "{lost}");
    assert!(!copy.path().join("variorum.db").exists());
}
