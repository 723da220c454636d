//! The WebSocket part of the protocol, rule by rule, against a real server.

use std::time::{Duration, Instant};

use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{Raw, Server, patient, secret};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use variorum::client::{Backoff, Client, Create, Event, Identity, Options};
use variorum::limits::Limits;
use variorum::store::MemoryStore;

/// `from` as an `open` names it: the place that an `opened`, `ack` or `revision` led to.
fn place(epoch: &Value, at: &Value) -> Value {
    json!({"epoch": epoch, "version": at["version"], "chain": at["chain"]})
}

#[tokio::test]
async fn an_edit_reaches_its_author_as_ack_and_others_as_revision() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    let opened = ana.open("d", "Hello").await;
    assert_eq!(
        (&opened["version"], &opened["content"], &opened["access"]),
        (&json!(1), &json!("Hello"), &json!("write"))
    );
    bo.open("d", "").await;
    let ack = ana.edited("d", 1, 1, json!([5, "!"])).await;
    assert_eq!((&ack["seq"], &ack["version"]), (&json!(1), &json!(2)));
    let revision = bo.hears("revision").await;
    assert_eq!(revision["op"], json!([5, "!"]));
    assert_eq!(revision["chain"], ack["chain"]);
    assert_eq!(revision["session"], json!(ana.session));
    assert_eq!(revision["user"]["name"], "ana");
    assert!(revision.get("from").is_none(), "{revision}");
    server.stop().await;
}

#[tokio::test]
async fn concurrent_edits_are_moved_and_the_incoming_one_goes_left() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "ac").await;
    bo.open("d", "").await;
    ana.edited("d", 1, 1, json!([1, "X", 1])).await;
    let ack = bo.edited_past("d", 1, 1, json!([1, "Y", 1])).await;
    assert_eq!(ack["version"], 3);
    assert_eq!(ana.hears("revision").await["op"], json!([1, "Y", 2]));
    assert_eq!(server.http("GET", "/v1/docs/d/content", &[], "").await.body, "aYXc");
    server.stop().await;
}

/// Hearing an ack past revisions of others.
trait Past {
    async fn edited_past(&mut self, doc: &str, version: u64, seq: u64, op: Value) -> Value;
}

impl Past for Raw {
    async fn edited_past(&mut self, doc: &str, version: u64, seq: u64, op: Value) -> Value {
        self.edit(doc, version, seq, op).await;
        loop {
            let message = self.hear().await;
            match message["type"].as_str() {
                Some("ack") => return message,
                Some("revision" | "presence") => {}
                _ => panic!("expected an ack, got {message}"),
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_comes_back_continues_where_it_was() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    let opened = ana.open("d", "").await;
    bo.open("d", "").await;
    let mine = ana.edited("d", 0, 1, json!(["a"])).await;
    drop(ana);
    for n in 0..100 {
        bo.edited_past("d", 1 + n, 1 + n, json!([1 + n, "b"])).await;
    }
    let mut ana = server.client("ana").await;
    ana.say(json!({"type": "open", "doc": "d", "from": place(&opened["epoch"], &mine)})).await;
    let back = ana.hears("opened").await;
    assert_eq!(back["version"], 101);
    assert_eq!(back["taken"], json!({"seq": 1, "version": 1}));
    assert!(back.get("content").is_none() && back.get("reset").is_none(), "{back}");
    let items = back["revisions"].as_array().expect("revisions");
    assert_eq!(items.len(), 1);
    assert_eq!((&items[0]["from"], &items[0]["op"]), (&json!(1), &json!([1, "b".repeat(100)])));
    assert_eq!(items[0]["chain"], back["chain"]);
    assert_eq!(items[0]["user"]["name"], "bo");
    server.stop().await;
}

#[tokio::test]
async fn the_edit_of_unknown_fate_comes_apart_in_what_was_missed() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    let opened = ana.open("d", "").await;
    bo.open("d", "").await;
    for n in 0..40 {
        bo.edited("d", n, 1 + n, json!(if n == 0 { vec![json!("b")] } else { vec![json!(n), json!("b")] })).await;
    }
    // Ana's edit is taken, but she never hears of it.
    ana.edit("d", 0, 1, json!(["A"])).await;
    while bo.hears("revision").await["user"]["name"] != "ana" {}
    drop(ana);
    for n in 41..80 {
        bo.edited("d", n, n, json!([n, "b"])).await;
    }
    let mut ana = server.client("ana").await;
    ana.say(json!({"type": "open", "doc": "d", "from": place(&opened["epoch"], &opened), "pending": 1})).await;
    let back = ana.hears("opened").await;
    let spans: Vec<_> = back["revisions"]
        .as_array()
        .expect("revisions")
        .iter()
        .map(|item| (item["from"].as_u64(), item["version"].as_u64(), item["seq"].as_u64()))
        .collect();
    assert_eq!(spans, [(Some(0), Some(40), None), (None, Some(41), Some(1)), (Some(41), Some(80), None)]);
    assert_eq!(back["taken"], json!({"seq": 1, "version": 41}));
    // Sent again, as it was and as it would be now: the same ack each time.
    let again = ana.edited("d", 0, 1, json!(["A"])).await;
    assert_eq!(again["version"], 41);
    assert_eq!(ana.edited("d", 80, 1, json!(["A", 80])).await, again);
    server.stop().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_continued_is_answered_with_content_and_why() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    let opened = ana.open("d", "text").await;
    let right = place(&opened["epoch"], &opened);
    let with = |key: &str, value: Value| {
        let mut place = right.clone();
        place[key] = value;
        place
    };
    let both = json!({"epoch": "other", "version": 9, "chain": "?"});
    for (from, why) in [
        (both, "epoch"),
        (with("epoch", json!("AAAAAAAAAAAAAAAAAAAAAA")), "epoch"),
        (with("version", json!(2)), "ahead"),
        (with("chain", json!("0000000000000000")), "chain"),
        (with("chain", json!("not a chain")), "chain"),
        (with("version", json!(0)), "chain"),
    ] {
        ana.say(json!({"type": "open", "doc": "d", "from": from})).await;
        let answer = ana.hears("opened").await;
        assert_eq!((&answer["reset"], &answer["content"]), (&json!(why), &json!("text")), "{from}");
        assert!(answer.get("revisions").is_none());
    }
    ana.say(json!({"type": "open", "doc": "d", "from": right})).await;
    let answer = ana.hears("opened").await;
    assert_eq!(answer["revisions"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_edit_is_said_with_the_numbers() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "hello").await;
    ana.edited("d", 1, 5, json!([5, "!"])).await;
    // In the order of the checks: what comes first wins.
    for (version, seq, op, code, says) in [
        (2, 4, json!([0]), "seq_out_of_order", ["4", "5"]),
        (9, 6, json!([0]), "version_ahead", ["9", "2"]),
        (2, 6, json!([0]), "bad_op", ["part 0", "empty"]),
        (2, 6, json!([3, 3]), "bad_op", ["part", "1"]),
        (2, 6, json!([9, "x"]), "length_mismatch", ["9", "6"]),
        (1, 6, json!([6, "x"]), "length_mismatch", ["6", "5"]),
    ] {
        ana.edit("d", version, seq, op.clone()).await;
        let refused = ana.hears("refused").await;
        let message = refused["message"].as_str().expect("a sentence");
        assert_eq!((&refused["code"], &refused["seq"]), (&json!(code), &json!(seq)), "{op}: {message}");
        assert!(says.iter().all(|part| message.contains(part)), "{message}");
    }
    // A repeat is answered whatever comes with it.
    ana.edit("d", 99, 5, json!([0, 0, "nonsense"])).await;
    assert_eq!(ana.hears("ack").await["version"], 2);
    ana.edited("d", 2, 6, json!([6, "?"])).await;
    server.stop().await;
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_a_revision_too() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "x").await;
    bo.open("d", "").await;
    ana.edited("d", 1, 1, json!([-1])).await;
    let ack = bo.edited_past("d", 1, 1, json!([-1])).await;
    assert_eq!(ack["version"], 3);
    assert_eq!(ana.hears("revision").await["op"], json!([]));
    assert_eq!(ana.edited("d", 3, 2, json!([])).await["version"], 4);
    server.stop().await;
}

#[tokio::test]
async fn a_bad_message_costs_only_itself() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "x").await;
    for (message, code) in [
        (json!({"type": "dance"}), "bad_message"),
        (json!({"type": "hello", "protocol": 1, "client": secret("ana")}), "bad_message"),
        (json!({"type": "edit", "doc": "d", "version": 1, "seq": 1}), "bad_message"),
        (json!({"type": "edit", "doc": "d", "version": 1, "seq": 1, "op": {}}), "bad_message"),
        (json!({"type": "edit", "doc": "d", "version": -1, "seq": 1, "op": [1]}), "bad_message"),
        (json!({"type": "edit", "doc": "d", "version": 1.5, "seq": 1, "op": [1]}), "bad_message"),
        (json!({"type": "edit", "doc": "d", "version": 1, "seq": 0, "op": [1]}), "bad_message"),
        (json!({"type": "edit", "doc": "d", "version": 1u64 << 53, "seq": 1, "op": [1]}), "bad_message"),
        (json!({"type": "edit", "doc": "other", "version": 1, "seq": 1, "op": [1]}), "not_open"),
        (json!({"type": "open", "doc": "nobody-made-this"}), "unknown_document"),
        (json!({"type": "open", "doc": "not/an/id"}), "bad_document_id"),
        (json!({"type": "open", "doc": "b", "create": {"kind": "board"}}), "unsupported_kind"),
        (json!({"type": "open", "doc": "b", "create": "text"}), "bad_message"),
        (json!({"type": "close", "doc": "other"}), "not_open"),
        (json!({"type": "check", "doc": "other", "version": 1, "sum": "00000000"}), "not_open"),
        (json!({"type": "presence", "doc": "d", "version": 1}), "bad_message"),
        (json!({"type": "presence", "doc": "d", "version": 2, "state": {}}), "version_ahead"),
        (json!({"type": "presence", "doc": "d", "version": 1, "state": "x".repeat(3000)}), "too_large"),
    ] {
        let kind = message["type"].clone();
        ana.say(message.clone()).await;
        let error = ana.hears("error").await;
        assert_eq!((&error["code"], &error["reply_to"]), (&json!(code), &kind), "{message}: {error}");
    }
    // Half a surrogate pair is no character, wherever it stands.
    for frame in
        [r#"{"type":"edit","doc":"d","version":1,"seq":7,"op":[1,"\ud83d"]}"#, r#"{"type":"ping","x":"\udc00"}"#]
    {
        ana.frame(Message::text(frame)).await;
        assert_eq!(ana.hears("error").await["code"], "bad_message", "{frame}");
    }
    // Nothing of it did anything, and unknown fields never matter.
    ana.say(json!({"type": "ping", "op": 7, "doc": []})).await;
    ana.hears("pong").await;
    assert_eq!(ana.edited("d", 1, 1, json!([1, "y"])).await["version"], 2);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection() {
    let server = Server::start().await;
    let hello = json!({"type": "hello", "protocol": 1, "client": secret("c")});
    let with = |key: &str, value: Value| {
        let mut hello = hello.clone();
        hello[key] = value;
        Message::text(hello.to_string())
    };
    for (first, code) in [
        (Message::text("not json"), "bad_message"),
        (Message::text("[1]"), "bad_message"),
        (Message::text("{}"), "bad_message"),
        (Message::text(r#"{"type":7}"#), "bad_message"),
        (Message::text(r#"{"type":"ping"}"#), "bad_message"),
        (Message::text(r#"{"type":"open","doc":"d"}"#), "bad_message"),
        (Message::binary(hello.to_string().into_bytes()), "bad_message"),
        (with("protocol", json!(2)), "unsupported_protocol"),
        (with("protocol", json!("1")), "bad_message"),
        (with("client", json!("short")), "bad_message"),
        (with("client", json!(7)), "bad_message"),
        (with("name", json!("n".repeat(101))), "bad_message"),
    ] {
        let mut raw = Raw::connect(server.address).await;
        raw.frame(first.clone()).await;
        assert_eq!(raw.hears("error").await["code"], code, "{first:?}");
        assert_eq!(raw.close_code().await, Some(4400), "{first:?}");
    }
    for frame in [Message::text("not json"), Message::text("7"), Message::binary(vec![1])] {
        let mut raw = server.client("later").await;
        raw.frame(frame.clone()).await;
        assert_eq!(raw.hears("error").await["code"], "bad_message", "{frame:?}");
        assert_eq!(raw.close_code().await, Some(4400), "{frame:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_subprotocol_must_be_offered() {
    let server = Server::start().await;
    for offered in [None, Some("other")] {
        assert!(Raw::try_connect(server.address, offered).await.is_err());
    }
    assert!(Raw::try_connect(server.address, Some("other, variorum.v1")).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn one_client_id_has_one_connection() {
    let server = Server::start().await;
    let mut older = server.client("same").await;
    older.open("d", "").await;
    let mut newer = server.client("same").await;
    assert_eq!(older.close_code().await, Some(4409));
    newer.open("d", "").await;
    newer.edited("d", 0, 1, json!(["x"])).await;
    // Another person cannot come with it.
    let mut other = Raw::connect(server.address).await;
    other.say(json!({"type": "hello", "protocol": 1, "client": secret("same"), "person": "else"})).await;
    assert_eq!(other.hears("error").await["code"], "forbidden");
    assert_eq!(other.close_code().await, Some(4403));
    newer.edited("d", 1, 2, json!([1, "y"])).await;
    server.stop().await;
}

#[tokio::test]
async fn a_silent_newcomer_is_sent_away() {
    let limits = Limits { hello_time: Duration::from_millis(50), ..Limits::default() };
    let server = Server::with(Arc::new(MemoryStore::new()), limits).await;
    let mut silent = Raw::connect(server.address).await;
    assert_eq!(silent.close_code().await, Some(4408));
    server.stop().await;
}

#[tokio::test]
async fn silence_is_pinged_and_then_ends() {
    let limits =
        Limits { ping_after: Duration::from_millis(50), idle: Duration::from_millis(150), ..Limits::default() };
    let server = Server::with(Arc::new(MemoryStore::new()), limits).await;
    let mut lively = server.client("lively").await;
    // Reading answers pings with pongs, and that keeps a connection.
    let began = Instant::now();
    let mut pings = 0;
    while began.elapsed() < Duration::from_millis(600) {
        pings += usize::from(matches!(lively.next().await, Some(Message::Ping(_))));
    }
    assert!(pings >= 4, "{pings} pings in 600 ms");
    let mut silent = server.client("silent").await;
    // Not reading sends no pongs: the connection ends, found by reading again.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(silent.close_code().await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection() {
    let limits = Limits { frame_bytes: 1000, ..Limits::default() };
    let server = Server::with(Arc::new(MemoryStore::new()), limits).await;
    let mut ana = server.client("ana").await;
    ana.say(json!({"type": "ping", "x": "x".repeat(2000)})).await;
    assert_eq!(ana.hears("error").await["code"], "too_large");
    assert_eq!(ana.close_code().await, Some(4413));
    server.stop().await;
}

#[tokio::test]
async fn limits_on_ops_and_documents_refuse_and_harm_nothing() {
    let limits =
        Limits { op_bytes: 10, op_parts: 4, document_length: 20, documents_per_connection: 1, ..Limits::default() };
    let server = Server::with(Arc::new(MemoryStore::new()), limits).await;
    let mut ana = server.client("ana").await;
    let opened = ana.open("d", "0123456789").await;
    assert_eq!(opened["version"], 1);
    for op in [json!(["12345678901", 10]), json!([1, "a", 1, "b", 8])] {
        ana.edit("d", 1, 1, op).await;
        assert_eq!(ana.hears("refused").await["code"], "too_large");
    }
    ana.edited("d", 1, 1, json!(["1234567890", 10])).await;
    ana.edit("d", 2, 2, json!([20, "x"])).await;
    assert_eq!(ana.hears("refused").await["code"], "too_large");
    ana.edited("d", 2, 2, json!([-1, 19])).await;
    ana.say(json!({"type": "open", "doc": "e", "create": {"kind": "text"}})).await;
    assert_eq!(ana.hears("error").await["code"], "too_many_documents");
    server.stop().await;
}

#[tokio::test]
async fn close_is_the_last_word_and_edits_before_it_are_taken() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    ana.edit("d", 0, 1, json!(["x"])).await;
    ana.say(json!({"type": "close", "doc": "d"})).await;
    ana.edit("d", 1, 2, json!([1, "y"])).await;
    assert_eq!(ana.hears("ack").await["version"], 1);
    assert_eq!(ana.hears("closed").await["code"], "closed");
    assert_eq!(ana.hears("error").await["code"], "not_open");
    assert_eq!(ana.open("d", "").await["version"], 1);
    server.stop().await;
}

#[tokio::test]
async fn while_an_edit_is_under_way_nothing_makes_close_the_last_word() {
    let store = Faulty::new(|call| if call == Call::Append { Fate::Late(100) } else { Fate::Done });
    let server = Server::with(store, Limits::default()).await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "x").await;
    bo.open("d", "").await;
    ana.edit("d", 1, 1, json!([1, "y"])).await;
    ana.say(json!({"type": "close", "doc": "d"})).await;
    // Presence that comes meanwhile rings for her too.
    bo.say(json!({"type": "presence", "doc": "d", "version": 1, "state": {}})).await;
    assert_eq!(ana.hears("ack").await["version"], 2);
    assert_eq!(ana.hears("closed").await["code"], "closed");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_is_answered() {
    let server = Server::start().await;
    for greeted in [true, false] {
        let mut raw = if greeted { server.client("c").await } else { Raw::connect(server.address).await };
        let code = tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode::from(3000);
        raw.frame(Message::Close(Some(CloseFrame { code, reason: "bye".into() }))).await;
        assert_eq!(raw.close_code().await, Some(3000));
    }
    server.stop().await;
}

#[tokio::test]
async fn open_of_an_open_document_opens_it_anew() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "x").await;
    ana.edited("d", 1, 1, json!([1, "y"])).await;
    // What it would have been made of, if it were not there, does not matter.
    ana.say(json!({"type": "open", "doc": "d", "create": {"kind": "board"}})).await;
    assert_eq!(ana.hears("opened").await["kind"], "text");
    let anew = ana.open("d", "ignored").await;
    assert_eq!((&anew["content"], &anew["version"], &anew["taken"]["seq"]), (&json!("xy"), &json!(2), &json!(1)));
    assert_eq!(anew["presence"]["count"], 1);
    ana.edited("d", 2, 2, json!([2, "z"])).await;
    server.stop().await;
}

#[tokio::test]
async fn a_check_tells_right_content_from_wrong() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "hello").await;
    ana.say(json!({"type": "check", "doc": "d", "version": 1, "sum": "3610a686"})).await;
    assert_eq!(ana.hears("checked").await["version"], 1);
    ana.say(json!({"type": "check", "doc": "d", "version": 1, "sum": "00000000"})).await;
    assert_eq!(ana.hears("diverged").await["version"], 1);
    // What is no sum says nothing about the content, which a client would throw away.
    for wrong in ["3610A686", "3610a68", "3610a6866", "x", ""] {
        ana.say(json!({"type": "check", "doc": "d", "version": 1, "sum": wrong})).await;
        assert_eq!(ana.hears("error").await["code"], "bad_message", "{wrong:?}");
    }
    ana.say(json!({"type": "check", "doc": "d", "version": 2, "sum": "3610a686"})).await;
    assert_eq!(ana.hears("error").await["code"], "version_ahead");
    // Of a version that the document has left nothing is said.
    ana.edited("d", 1, 1, json!([5, "!"])).await;
    ana.say(json!({"type": "check", "doc": "d", "version": 1, "sum": "3610a686"})).await;
    ana.say(json!({"type": "check", "doc": "d", "version": 2, "sum": "00000000"})).await;
    assert_eq!(ana.hears("diverged").await["version"], 2);
    server.stop().await;
}

#[tokio::test]
async fn presence_tells_who_is_here_and_where() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "hello").await;
    let mut bo = server.client("bo").await;
    let opened = bo.open("d", "").await;
    assert_eq!(opened["presence"]["count"], 2);
    assert_eq!(opened["presence"]["joined"].as_array().map(Vec::len), Some(2));
    let came = ana.presence_with(|p| !p["joined"].as_array().unwrap().is_empty()).await;
    assert!(came["joined"].as_array().unwrap().iter().any(|who| who["user"]["name"] == "bo"), "{came}");
    assert_eq!(came["count"], 2);

    let state = json!({"cursors": [[2, 4]], "typing": true, "n": 1.50});
    bo.say(json!({"type": "presence", "doc": "d", "version": 1, "state": state})).await;
    let moved = ana.presence_with(|p| !p["states"].as_array().unwrap().is_empty()).await;
    assert_eq!(moved["states"], json!([{"session": bo.session, "version": 1, "state": state}]));

    // A newcomer finds the cursor where the text is now.
    ana.edited("d", 1, 1, json!([1, "xyz", 4])).await;
    let mut cy = server.client("cy").await;
    let opened = cy.open("d", "").await;
    let states = &opened["presence"]["states"];
    assert_eq!((&states[0]["version"], &states[0]["state"]["cursors"]), (&json!(2), &json!([[5, 7]])), "{states}");

    // A state cleared, and a person gone.
    bo.say(json!({"type": "presence", "doc": "d", "version": 2, "state": null})).await;
    let cleared = ana.presence_with(|p| !p["states"].as_array().unwrap().is_empty()).await;
    assert_eq!(cleared["states"][0]["state"], Value::Null);
    let gone = bo.session.clone();
    drop(bo);
    let left = ana.presence_with(|p| !p["left"].as_array().unwrap().is_empty()).await;
    assert_eq!((&left["left"], &left["count"]), (&json!([gone]), &json!(2)));

    // Two tabs of one person are one.
    let mut tab = Raw::connect(server.address).await;
    tab.say(json!({"type": "hello", "protocol": 1, "client": secret("tab-1"), "person": "p"})).await;
    tab.hears("welcome").await;
    tab.open("d", "").await;
    let mut other = Raw::connect(server.address).await;
    other.say(json!({"type": "hello", "protocol": 1, "client": secret("tab-2"), "person": "p"})).await;
    other.hears("welcome").await;
    assert_eq!(other.open("d", "").await["presence"]["count"], 3);
    server.stop().await;
}

/// Waiting for a certain change of presence.
trait Watches {
    async fn presence_with(&mut self, wanted: impl Fn(&Value) -> bool) -> Value;
}

impl Watches for Raw {
    async fn presence_with(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.hear().await;
            if message["type"] == "presence" && wanted(&message) {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn many_edits_without_waiting_are_answered_in_order() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "").await;
    bo.open("d", "").await;
    // All against version 0: each is moved past those before it and lands to their left.
    for n in 0..500u64 {
        ana.edit("d", 0, 1 + n, json!([format!("{n} ")])).await;
    }
    for n in 0..500u64 {
        let ack = ana.hears("ack").await;
        assert_eq!((&ack["seq"], &ack["version"]), (&json!(1 + n), &json!(1 + n)));
    }
    let mut reached = 0;
    while reached < 500 {
        let revision = bo.hears("revision").await;
        let from = revision["from"].as_u64().unwrap_or(revision["version"].as_u64().unwrap() - 1);
        assert_eq!(from, reached, "no revision is missed or comes twice");
        reached = revision["version"].as_u64().unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_says_so_refuses_new_work_and_closes_with_1012() {
    let mut server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.open("d", "").await;
    let began = Instant::now();
    server.ask_to_stop();
    let draining = ana.hears("draining").await;
    assert!(draining["retry_ms"].as_u64().is_some_and(|ms| ms > 0));
    // Edits are still taken until the close.
    assert_eq!(ana.edited("d", 0, 1, json!(["x"])).await["version"], 1);
    assert_eq!(ana.close_code().await, Some(1012));
    patient(server.stop()).await;
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn who_opens_a_document_anew_does_not_seem_to_have_left() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    ana.open("d", "text").await;
    bo.open("d", "").await;
    let state = json!({"cursors": [[1, 1]]});
    bo.say(json!({"type": "presence", "doc": "d", "version": 1, "state": state})).await;
    ana.presence_with(|presence| !presence["states"].as_array().is_none_or(Vec::is_empty)).await;
    bo.open("d", "").await;
    let presence = ana.presence_with(|presence| !presence["states"].as_array().is_none_or(Vec::is_empty)).await;
    assert_eq!(presence["left"], json!([]), "{presence}");
    assert_eq!(presence["states"][0]["session"], json!(bo.session));
    assert_eq!(presence["states"][0]["state"], json!(null), "what it showed before is gone: {presence}");
    assert_eq!(presence["count"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_client_comes_back_once_where_another_connection_took_its_place() {
    let server = Server::start().await;
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(1) };
    let options = Options { backoff, ..Options::default() };
    let client = Client::connect(&server.url(), Identity::new(secret("rival")), options).unwrap();
    let doc = client.open("notes".parse().unwrap(), Some(Create::text(""))).await.unwrap();
    let (_, mut events) = doc.events();
    // It may have been a connection of its own that it had given up: the client is back, and the other is ended.
    let mut other = server.client("rival").await;
    assert_eq!(other.close_code().await, Some(4409));
    doc.insert(0, "x").unwrap();
    doc.flushed().await.unwrap();
    // Twice within a minute is another program: it has the place.
    let mut other = server.client("rival").await;
    let closed = loop {
        if let Event::Closed { closed, .. } = patient(events.recv()).await.expect("the document ends with an event") {
            break closed;
        }
    };
    assert!(closed.message.contains("4409"), "{closed}");
    assert_eq!(other.open("notes", "").await["content"], "x");
    server.stop().await;
}

#[tokio::test]
async fn a_person_with_two_tabs_is_counted_once() {
    let server = Server::start().await;
    let mut bo = server.client("bo").await;
    bo.open("d", "").await;
    let mut tabs = Vec::new();
    for tab in ["one", "two"] {
        let mut ana = Raw::connect(server.address).await;
        let (client, person) = (secret(tab), secret("ana"));
        ana.say(json!({"type": "hello", "protocol": 1, "client": client, "person": person, "name": "Ana"})).await;
        ana.hears("welcome").await;
        assert_eq!(ana.open("d", "").await["presence"]["count"], 2);
        tabs.push(ana);
    }
    let mut joined = 0;
    while joined < 2 {
        let change = bo.hears("presence").await;
        joined += change["joined"].as_array().map_or(0, Vec::len);
        assert_eq!(change["count"], 2, "{change}");
    }
    server.stop().await;
}
