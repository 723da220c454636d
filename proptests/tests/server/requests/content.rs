//! Content put as a whole: what it needs to be told, what it becomes, and that it overwrites nobody.

use std::time::{Duration, Instant};

use proptests::live::{Server, history};
use serde_json::{Value, json};

async fn put(server: &Server, headers: &[(&str, &str)], content: &str) -> (u16, Value) {
    let answer = server.http("PUT", "/v1/docs/d/content", headers, content).await;
    (answer.status, answer.json())
}

async fn content(server: &Server) -> String {
    server.http("GET", "/v1/docs/d/content", &[], "").await.body
}

/// The tag of a version, in the letter case that it was sent in.
async fn tag(server: &Server, version: u64) -> String {
    let read = server.http("GET", &format!("/v1/docs/d?version={version}"), &[], "").await.json();
    let text = |name: &str| read[name].as_str().expect("a string").to_owned();
    format!("\"{}/{version}/{}\"", text("epoch"), text("chain"))
}

#[tokio::test]
async fn the_content_becomes_a_small_op_that_keeps_what_others_did_since() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "The quick brown fox\n").await;
    let read = tag(&server, 1).await;
    ana.edited("d", 1, 1, json!([20, "jumps\n"])).await;
    ana.edited("d", 2, 2, json!(["Ah: ", 26])).await;
    let (status, answer) = put(&server, &[("If-Match", &read)], "The slow brown dog\n").await;
    assert_eq!((status, &answer["version"]), (200, &json!(4)));
    let revision = ana.hears("revision").await;
    assert_eq!(revision["op"], json!([8, "slow", -5, 7, "dog", -3, 7]));
    assert_eq!((&revision["session"], &revision["chain"]), (&json!(null), &answer["chain"]));
    assert_eq!(content(&server).await, "Ah: The slow brown dog\njumps\n");
    // The newest version, whatever it is.
    let (status, answer) = put(&server, &[("If-Match", "*")], "new").await;
    assert_eq!((status, &answer["version"]), (200, &json!(5)));
    assert_eq!(content(&server).await, "new");
    server.stop().await;
}

#[tokio::test]
async fn equal_content_makes_no_revision() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    let opened = ana.open("d", "Hello").await;
    for condition in ["*".to_owned(), tag(&server, 1).await] {
        let (status, answer) = put(&server, &[("If-Match", &condition)], "Hello").await;
        assert_eq!(status, 200);
        assert_eq!(answer, json!({"epoch": opened["epoch"], "version": 1, "chain": opened["chain"]}));
    }
    ana.edited("d", 1, 1, json!([5, "!"])).await;
    // As it was where the writer had read it: nothing is taken back.
    let (_, answer) = put(&server, &[("If-Match", &tag(&server, 1).await)], "Hello").await;
    assert_eq!(answer["version"], 1);
    assert_eq!(content(&server).await, "Hello!");
    assert_eq!(history(server.address, "d").await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_put_says_what_it_was_made_from_or_is_refused() {
    let server = Server::start().await;
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Hello"}"#).await;
    let good = tag(&server, 1).await;
    let other_epoch = format!("\"AAAAAAAAAAAAAAAAAAAAAA/{}", &good[24..]);
    let other_chain = format!("{}0000000000000000\"", &good[..good.len() - 17]);
    let ahead = good.replace("/1/", "/2/");
    // Of another server, which writes them otherwise.
    let foreign_epoch = format!("\"7{}", &good[23..]);
    let foreign_chain = format!("{}AB\"", &good[..good.len() - 17]);
    let twice_written = good.replace("/1/", "/01/");
    for (condition, status, code) in [
        (None, 428, "precondition_required"),
        (Some(other_epoch.as_str()), 412, "epoch_changed"),
        (Some(&other_chain), 412, "chain_differs"),
        (Some(&foreign_epoch), 412, "epoch_changed"),
        (Some(&foreign_chain), 412, "chain_differs"),
        (Some(&ahead), 409, "version_ahead"),
        (Some(&twice_written), 400, "bad_message"),
        (Some(&good[1..good.len() - 1]), 400, "bad_message"),
        (Some("\"x\""), 400, "bad_message"),
        (Some(""), 400, "bad_message"),
        (Some("*, *"), 400, "bad_message"),
    ] {
        let headers: Vec<_> = condition.map(|condition| ("If-Match", condition)).into_iter().collect();
        let answer = server.http("PUT", "/v1/docs/d/content", &headers, "other").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{condition:?}: {}", answer.body);
    }
    let answer = server.http("PUT", "/v1/docs/nobody/content", &[("If-Match", "*")], "x").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_document"));
    assert_eq!(content(&server).await, "Hello");
    server.stop().await;
}

#[tokio::test]
async fn a_keyed_put_is_taken_once_for_each_key() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "one").await;
    let read = tag(&server, 1).await;
    let keyed = |key| [("If-Match", read.as_str()), ("Idempotency-Key", key)];
    let first = put(&server, &keyed("k1"), "one two").await;
    assert_eq!(first.1["version"], 2);
    ana.hears("revision").await;
    ana.edited("d", 2, 1, json!([7, " three"])).await;
    // Sent again: the same answer, whatever came since, and whatever comes with it.
    assert_eq!(put(&server, &keyed("k1"), "one two").await, first);
    assert_eq!(put(&server, &[("If-Match", "*"), ("Idempotency-Key", "k1")], "else").await, first);
    // The key is the same edit's, over whichever endpoint; another key is another edit.
    let edit = json!({"version": 3, "op": [13, "!"]}).to_string();
    let edited = server.http("POST", "/v1/docs/d/edits", &[("Idempotency-Key", "k1")], &edit).await.json();
    assert_eq!(edited["version"], 2);
    let (_, other) = put(&server, &keyed("k2"), "one and").await;
    assert_eq!(other["version"], 4);
    assert_eq!(content(&server).await, "one and two three");
    let (long, longest) = ("k".repeat(256), "k".repeat(255));
    for key in ["", &long, "\u{e9}"] {
        let answer = server.http("PUT", "/v1/docs/d/content", &keyed(key), "x").await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_message"), "{key:?}");
        let answer = server.http("POST", "/v1/docs/d/edits", &[("Idempotency-Key", key)], &edit).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_message"), "{key:?}");
    }
    assert_eq!(put(&server, &keyed(&longest), "one!").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn content_that_is_no_text_or_too_long_is_refused() {
    let limits = variorum::limits::Limits { document_length: 100, ..Default::default() };
    let server = Server::with(std::sync::Arc::new(variorum::store::MemoryStore::new()), limits).await;
    server.http("PUT", "/v1/docs/d", &[], r#"{"kind":"text","content":"Hello"}"#).await;
    let long = server.http("PUT", "/v1/docs/d/content", &[("If-Match", "*")], &"x".repeat(101)).await;
    assert_eq!((long.status, long.code().as_str()), (413, "too_large"));
    let torn = server.http_bytes("PUT", "/v1/docs/d/content", &[("If-Match", "*")], b"abc\xff").await;
    assert_eq!((torn.status, torn.code().as_str()), (400, "bad_message"));
    // NUL and every other character is text.
    let (status, _) = put(&server, &[("If-Match", "*")], "a\0\u{10ffff}\r\n").await;
    assert_eq!((status, content(&server).await.as_str()), (200, "a\0\u{10ffff}\r\n"));
    server.stop().await;
}

#[tokio::test]
async fn texts_that_share_nothing_cost_little_and_others_feel_nothing() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    let words = |from: u64| (from..from + 100_000).map(|n| format!("{n:09} ")).collect::<String>();
    let body = json!({"kind": "text", "content": words(0)}).to_string();
    server.http("PUT", "/v1/docs/d", &[], &body).await;
    ana.open("other", "").await;
    let begun = Instant::now();
    let replaced = async {
        for from in 1..4 {
            let (status, _) = put(&server, &[("If-Match", "*")], &words(from * 100_000)).await;
            assert_eq!(status, 200);
        }
    };
    tokio::join!(replaced, ana.edited("other", 0, 1, json!(["x"])));
    // Without a bound, comparing 100,000 words takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(content(&server).await == words(300_000));
    server.stop().await;
}

#[tokio::test]
async fn puts_beside_live_edits_lose_nothing() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "top\n\nbottom\n").await;
    let typing = async {
        let (mut version, mut length) = (1, 12);
        for seq in 1..=60u64 {
            ana.edit("d", version, seq, json!([length, format!("a{seq} ")])).await;
            // Others' revisions, until the own one is acknowledged.
            loop {
                let message = ana.hear().await;
                match message["type"].as_str() {
                    Some("ack") => {
                        version = message["version"].as_u64().expect("a version");
                        length += format!("a{seq} ").len() as u64;
                        break;
                    }
                    Some("revision") => length += grown(&message["op"]),
                    _ => {}
                }
            }
        }
    };
    let putting = async {
        for n in 0..30 {
            let read = server.http("GET", "/v1/docs/d", &[], "").await.json();
            let text = |name: &str| read[name].as_str().expect("a string").to_owned();
            let tag = format!("\"{}/{}/{}\"", text("epoch"), read["version"], text("chain"));
            let written = text("content").replacen("top\n", &format!("top\np{n} "), 1);
            let (status, _) = put(&server, &[("If-Match", &tag)], &written).await;
            assert_eq!(status, 200);
        }
    };
    tokio::join!(typing, putting);
    let content = content(&server).await;
    let typed: Vec<_> = content.split_whitespace().filter(|word| word.starts_with('a')).map(str::to_owned).collect();
    assert_eq!(typed, (1..=60).map(|seq| format!("a{seq}")).collect::<Vec<_>>(), "{content}");
    for n in 0..30 {
        assert_eq!(content.matches(&format!("p{n} ")).count(), 1, "p{n} in {content}");
    }
    assert_eq!(history(server.address, "d").await.len(), 91);
    server.stop().await;
}

/// By how much an op makes a document longer, if it deletes nothing.
fn grown(op: &Value) -> u64 {
    let parts = op.as_array().expect("an op is a list").iter();
    parts.filter_map(Value::as_str).map(|text| text.chars().count() as u64).sum()
}

#[tokio::test]
async fn what_has_not_changed_is_not_read_again() {
    use proptests::faulty::{Call, Fate, Faulty};
    use std::sync::atomic::{AtomicUsize, Ordering};
    static SNAPSHOTS: AtomicUsize = AtomicUsize::new(0);
    let store = Faulty::new(|call| {
        if call == Call::Content {
            SNAPSHOTS.fetch_add(1, Ordering::Relaxed);
        }
        Fate::Done
    });
    let limits = variorum::limits::Limits { document_idle: Duration::from_millis(20), ..Default::default() };
    let server = Server::with(store, limits).await;
    let mut ana = server.client("ana").await;
    ana.open("d", "Hello").await;
    ana.edited("d", 1, 1, json!([5, "!"])).await;
    let (old, new) = (tag(&server, 1).await, tag(&server, 2).await);
    drop(ana);
    // The document leaves memory: from then on opening it reads.
    let reads = || SNAPSHOTS.load(Ordering::Relaxed);
    loop {
        let before = reads();
        server.http("GET", "/v1/docs/d/revisions", &[], "").await;
        if reads() > before {
            break;
        }
        tokio::task::yield_now().await;
    }
    loop {
        let before = reads();
        let unchanged = server.http("GET", "/v1/docs/d", &[("If-None-Match", &new)], "").await;
        assert_eq!((unchanged.status, unchanged.body.as_str(), reads()), (304, "", before));
        for (path, known) in [("/v1/docs/d/content", &new), ("/v1/docs/d?version=1", &old)] {
            let unchanged = server.http("GET", path, &[("If-None-Match", known)], "").await;
            assert_eq!((unchanged.status, reads()), (304, before), "{path}");
        }
        // Asked long enough, it was asked while the document was in the store only.
        let read = server.http("GET", "/v1/docs/d", &[("If-None-Match", &old)], "").await;
        assert_eq!((read.status, &read.json()["content"]), (200, &json!("Hello!")));
        if reads() > before {
            break;
        }
    }
    server.stop().await;
}
