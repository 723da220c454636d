//! Deleting documents: what those who have it open hear, what may follow, and that nothing of it comes back.

use std::sync::Arc;

use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{Server, secret};
use serde_json::{Value, json};
use variorum::limits::Limits;

async fn delete(server: &Server) -> (u16, String) {
    let answer = server.http("DELETE", "/v1/docs/d", &[], "").await;
    let code = if answer.body.is_empty() { String::new() } else { answer.code() };
    (answer.status, code)
}

#[tokio::test]
async fn a_deleted_document_is_closed_for_everyone_and_unknown_to_all() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    let first = ana.open("d", "Hello").await;
    bo.open("d", "").await;
    ana.edited("d", 1, 1, json!([5, "!"])).await;
    assert_eq!(delete(&server).await, (204, String::new()));
    bo.hears("revision").await;
    for reader in [&mut ana, &mut bo] {
        let closed = reader.hears("closed").await;
        assert_eq!((&closed["doc"], &closed["code"]), (&json!("d"), &json!("deleted")));
    }
    assert_eq!(delete(&server).await, (404, "unknown_document".into()));
    for path in ["/v1/docs/d", "/v1/docs/d/content", "/v1/docs/d/revisions"] {
        assert_eq!(server.http("GET", path, &[], "").await.code(), "unknown_document");
    }
    ana.edit("d", 2, 2, json!([6])).await;
    assert_eq!(ana.hears("error").await["code"], "not_open");
    ana.say(json!({"type": "open", "doc": "d", "from": {"epoch": first["epoch"], "version": 2, "chain": "0"}})).await;
    assert_eq!(ana.hears("error").await["code"], "unknown_document");

    // Made anew it is another document: what was known of the one before is void.
    let again = ana.open("d", "Anew").await;
    assert_eq!((&again["version"], &again["taken"], &again["content"]), (&json!(1), &json!(null), &json!("Anew")));
    assert_ne!(again["epoch"], first["epoch"]);
    let from = json!({"epoch": first["epoch"], "version": 1, "chain": first["chain"]});
    bo.say(json!({"type": "open", "doc": "d", "from": from})).await;
    let opened = bo.hears("opened").await;
    assert_eq!((&opened["reset"], &opened["content"]), (&json!("epoch"), &json!("Anew")));
    let ack = ana.edited("d", 1, 1, json!([4, "!"])).await;
    assert_eq!(ack["version"], 2);
    let epoch = first["epoch"].as_str().expect("an epoch");
    let late = json!({"version": 1, "op": [4], "epoch": epoch}).to_string();
    assert_eq!(server.http("POST", "/v1/docs/d/edits", &[], &late).await.code(), "epoch_changed");
    server.stop().await;
}

#[tokio::test]
async fn edits_beside_a_deletion_are_acknowledged_before_it_or_not_at_all() {
    for round in 0..20u64 {
        let server = Server::start().await;
        let mut ana = server.client("ana").await;
        ana.open("d", "").await;
        let typing = async {
            // All under way at once, so that the deletion falls among them.
            for seq in 1..=40u64 {
                ana.edit("d", 0, seq, json!([format!("{seq} ")])).await;
            }
            let mut acks = 0;
            loop {
                let message = ana.hear().await;
                match message["type"].as_str() {
                    Some("ack") => acks += 1,
                    Some("closed") => return (acks, message["code"].clone()),
                    Some("presence") => {}
                    _ => panic!("{message}"),
                }
            }
        };
        let deleting = async {
            for _ in 0..round * 3 {
                tokio::task::yield_now().await;
            }
            assert_eq!(delete(&server).await.0, 204);
        };
        let ((acks, code), ()) = tokio::join!(typing, deleting);
        assert_eq!(code, "deleted", "after {acks} acks");
        // Nothing but answers to what it sent since, and no ack.
        let opened = ana.open_and_skip_errors("d").await;
        assert_eq!((&opened["version"], &opened["content"]), (&json!(0), &json!("")), "round {round}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_deletion_of_unknown_outcome_is_settled_by_asking_again() {
    for (fate, again) in [(Fate::Failed, 204), (Fate::Lost, 404)] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let store = Faulty::new(move |call| match call {
            Call::Remove if first.swap(false, std::sync::atomic::Ordering::Relaxed) => fate,
            _ => Fate::Done,
        });
        let server = Server::with(store, Limits::default()).await;
        let mut ana = server.client("ana").await;
        ana.open("d", "Hello").await;
        assert_eq!(delete(&server).await, (503, "storage_unavailable".into()));
        if fate == Fate::Lost {
            // The next edit finds the document gone, and is not taken.
            ana.edit("d", 1, 1, json!([5, "!"])).await;
            assert_eq!(ana.hears("closed").await["code"], "deleted");
        } else {
            ana.edited("d", 1, 1, json!([5, "!"])).await;
        }
        assert_eq!(delete(&server).await.0, again);
        server.stop().await;
    }
}

#[tokio::test]
async fn creating_and_deleting_at_once_leaves_one_document_or_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = variorum::store::SqliteStore::open(directory.path(), Default::default()).expect("a store");
    let server = Server::with(Arc::new(store), Limits::default()).await;
    let create = async || server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"x"}"#).await.status;
    let edit = async |n: u64| {
        let body = json!({"version": 1, "op": [1, "y"], "client": secret(&format!("c{n}")), "seq": 1}).to_string();
        server.http("POST", "/v1/docs/d/edits", &[], &body).await.status
    };
    for n in 0..40 {
        // Whichever is polled first mostly comes first.
        let (created, deleted, edited) = if n % 2 == 0 {
            tokio::join!(create(), delete(&server), edit(n))
        } else {
            let (deleted, edited, created) = tokio::join!(delete(&server), edit(n), create());
            (created, deleted, edited)
        };
        assert!([200, 201].contains(&created), "{created}");
        assert!([204, 404].contains(&deleted.0), "{deleted:?}");
        assert!([200, 404, 409].contains(&edited), "{edited}");
        let left = server.http("GET", "/v1/docs/d", &[], "").await;
        if left.status == 200 {
            let left: Value = left.json();
            let content = left["content"].as_str().expect("content");
            assert!(content.starts_with('x') && content.len() as u64 == left["version"].as_u64().expect("a version"));
            assert_eq!(delete(&server).await.0, 204);
        } else {
            assert_eq!(left.code(), "unknown_document");
        }
    }
    server.stop().await;
}
