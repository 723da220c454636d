//! `docs/protocol.md` says what the code does: every example is parsed, every worked op computed, every table compared, and
//! its two sessions replayed against a real server.

mod replay;

use std::collections::{BTreeMap, BTreeSet};

use self::replay::Meaning;
use proptests::live::{Raw, Server};
use proptests::page::Page;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use variorum::document::{Refusal, Seq, Version};
use variorum::limits::{IDEMPOTENCY_KEY_LENGTH, Limits};
use variorum::ot::{Content, Op, Side, TextOp};
use variorum::protocol::{ClientMessage, Code, ErrorBody, OnSocket, Retry, ServerMessage, close};

fn page() -> Page {
    Page::read("protocol.md")
}

fn op(value: &Value) -> TextOp {
    TextOp::from_json(&value.to_string()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// The text that ops lead to, one after another.
fn applied(base: &Value, ops: &[&TextOp]) -> String {
    let mut content = Content::from(text(base).as_str());
    for op in ops {
        op.apply(&mut content).unwrap_or_else(|mismatch| panic!("{op:?} on {base}: {mismatch}"));
    }
    content.to_string()
}

/// A message as its JSON value, read and said again by the server's own types.
fn client_said_again(value: &Value) -> Value {
    let message = ClientMessage::parse(&value.to_string()).unwrap_or_else(|why| panic!("{value}: {}", why.message));
    serde_json::to_value(message).unwrap()
}

fn server_said_again(value: &Value) -> Value {
    let message: ServerMessage = serde_json::from_value(value.clone()).unwrap_or_else(|why| panic!("{value}: {why}"));
    serde_json::to_value(message).unwrap()
}

/// What is said in the whole session, by who: "says" or "hears".
fn in_session(page: &Page, verb: &str) -> Vec<Value> {
    let lines = page.blocks("session").into_iter().flat_map(|block| block.text.lines());
    let spoken = lines.filter_map(|line| line.split_once(verb).filter(|(who, _)| who.trim().len() <= 3));
    spoken.map(|(_, json)| serde_json::from_str(json).unwrap_or_else(|why| panic!("{json}: {why}"))).collect()
}

#[test]
fn every_block_is_one_that_a_test_reads() {
    const READ: &[&str] = &[
        "json client",
        "json server",
        "json op",
        "json bad-ops",
        "json apply",
        "json transform",
        "json compose",
        "json exact",
        "json typing",
        "json cursor",
        "json http-error",
        "http",
        "session",
    ];
    for info in page().infos() {
        assert!(READ.contains(&info) || info == "text", "nothing reads a block ```{info}");
    }
}

#[test]
fn every_message_has_an_example_that_is_read_and_said_again() {
    let page = page();
    let (mut client, mut server) = (page.values("json client"), page.values("json server"));
    let types = |values: &[Value]| values.iter().map(|value| text(&value["type"])).collect::<BTreeSet<_>>();
    // Before the sessions are added: each message has an example of its own.
    let (said, heard) = (types(&client), types(&server));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(said, names(FROM_CLIENT));
    assert_eq!(heard, names(FROM_SERVER));
    client.extend(in_session(&page, "says "));
    server.extend(in_session(&page, "hears "));
    for value in &client {
        assert_eq!(client_said_again(value), *value);
        assert!(FROM_CLIENT.contains(&client_name(&ClientMessage::parse(&value.to_string()).unwrap())));
    }
    for value in &server {
        assert_eq!(server_said_again(value), *value);
        assert!(FROM_SERVER.contains(&server_name(&serde_json::from_value(value.clone()).unwrap())));
    }
    // Every field of every example is explained, or at least named, on the page.
    for value in client.iter().chain(&server) {
        let mut fields = BTreeSet::new();
        gather_fields(value, &mut fields);
        for field in fields {
            let named = [format!("`{field}`"), format!("`{field}?`")].iter().any(|name| page.text.contains(name));
            assert!(named, "the page does not name the field `{field}` of {value}");
        }
    }
}

const FROM_CLIENT: &[&str] = &["hello", "open", "edit", "presence", "check", "close", "ping"];
const FROM_SERVER: &[&str] = &[
    "welcome", "opened", "revision", "ack", "refused", "presence", "checked", "diverged", "closed", "pong", "error",
    "draining",
];

/// A new message does not compile before it has a name here, and with the name it needs an example.
fn client_name(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Hello(_) => "hello",
        ClientMessage::Open(_) => "open",
        ClientMessage::Edit(_) => "edit",
        ClientMessage::Presence(_) => "presence",
        ClientMessage::Check(_) => "check",
        ClientMessage::Close { .. } => "close",
        ClientMessage::Ping => "ping",
    }
}

fn server_name(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Welcome { .. } => "welcome",
        ServerMessage::Opened { .. } => "opened",
        ServerMessage::Revision { .. } => "revision",
        ServerMessage::Ack { .. } => "ack",
        ServerMessage::Refused { .. } => "refused",
        ServerMessage::Presence { .. } => "presence",
        ServerMessage::Checked { .. } => "checked",
        ServerMessage::Diverged { .. } => "diverged",
        ServerMessage::Closed { .. } => "closed",
        ServerMessage::Pong => "pong",
        ServerMessage::Error { .. } => "error",
        ServerMessage::Draining { .. } => "draining",
    }
}

fn gather_fields(value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            fields.insert(name.clone());
            gather_fields(value, fields);
        }),
        Value::Array(list) => list.iter().for_each(|value| gather_fields(value, fields)),
        _ => {}
    }
}

#[test]
fn the_worked_ops_are_what_the_algebra_computes() {
    let page = page();
    for value in page.values("json op") {
        assert_eq!(json!(op(&value)), value);
    }
    for case in page.values("json bad-ops") {
        let error = TextOp::from_json(&case["op"].to_string()).expect_err("it is a bad op");
        assert_eq!(json!(error.to_string()), case["message"]);
    }
    for case in page.values("json apply") {
        assert_eq!(json!(applied(&case["text"], &[&op(&case["op"])])), case["gives"], "{case}");
    }
    for case in page.values("json transform") {
        let (x, a) = (op(&case["x"]), op(&case["a"]));
        let (moved, history) = TextOp::transform(&x, &a).unwrap();
        assert_eq!((json!(moved), json!(history)), (case["T"].clone(), case["T'"].clone()), "{case}");
        assert_eq!(json!(applied(&case["text"], &[&a, &moved])), case["gives"], "{case}");
        assert_eq!(json!(applied(&case["text"], &[&x, &history])), case["gives"], "{case}");
    }
    for case in page.values("json compose") {
        let (a, b) = (op(&case["a"]), op(&case["b"]));
        let both = a.compose(&b).unwrap();
        assert_eq!(json!(both), case["gives"], "{case}");
        assert_eq!(applied(&case["text"], &[&both]), applied(&case["text"], &[&a, &b]), "{case}");
    }
    for case in page.values("json exact") {
        let (x, a, b) = (op(&case["x"]), op(&case["a"]), op(&case["b"]));
        let one_by_one = x.transform_incoming(&a).and_then(|x| x.transform_incoming(&b)).unwrap();
        let at_once = x.transform_incoming(&a.compose(&b).unwrap()).unwrap();
        assert_eq!((json!(one_by_one), json!(at_once)), (case["T"].clone(), case["T"].clone()), "{case}");
        // The claim that the other order breaks it.
        assert_ne!(x.transform_incoming(&a.compose_typing(&b).unwrap()).unwrap(), op(&case["T"]), "{case}");
    }
    for case in page.values("json typing") {
        let (x, y, a) = (op(&case["x"]), op(&case["y"]), op(&case["a"]));
        let batch = x.compose_typing(&y).unwrap();
        assert_eq!(json!(batch), case["gives"], "{case}");
        let (x, a_past_x) = TextOp::transform(&x, &a).unwrap();
        let y = y.transform_incoming(&a_past_x).unwrap();
        assert_eq!(json!(applied(&case["text"], &[&a, &x, &y])), case["lands"], "{case}");
        assert_eq!(
            json!(applied(&case["text"], &[&a, &batch.transform_incoming(&a).unwrap()])),
            case["lands"],
            "{case}"
        );
    }
    for case in page.values("json cursor") {
        let (op, from) = (op(&case["op"]), case["from"].as_u64().unwrap());
        assert_eq!(json!(op.move_position(from, Side::Before)), case["others"], "{case}");
        assert_eq!(json!(op.move_position(from, Side::After)), case["own"], "{case}");
    }
}

#[test]
fn the_code_table_is_the_servers() {
    let page = page();
    let rows: Vec<_> = page.table("| code | HTTP | retry | on a socket |").iter().map(|row| row.join(" | ")).collect();
    let expected = Code::ALL.iter().map(|code| {
        let told_in_closed = matches!(code, Code::Closed | Code::Deleted | Code::Replaced);
        let status = if told_in_closed { String::new() } else { code.status().to_string() };
        let retry = match code.retry() {
            Retry::No => "no",
            Retry::WithAnotherToken => "with another token",
            Retry::Later => "later",
        };
        let socket = match code.on_socket() {
            _ if told_in_closed => "only in `closed`".to_owned(),
            OnSocket::Stays => "stays".to_owned(),
            OnSocket::Ends(close) => format!("ends {close}"),
            OnSocket::ClosesDocument => "closes the document".to_owned(),
            OnSocket::Never => "HTTP only".to_owned(),
        };
        format!("`{code}` | {status} | {retry} | {socket}")
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn every_close_code_is_in_the_table() {
    let page = page();
    let listed = page.table("| close code | means |").into_iter().flat_map(|row| row[0].split(", "));
    let listed: BTreeSet<u16> = listed.map(|code| code.parse().expect("a close code is a number")).collect();
    let mut ours = BTreeSet::from([
        close::NORMAL,
        close::RESTART,
        close::BAD_MESSAGE,
        close::HELLO_TIMEOUT,
        close::SUPERSEDED,
        close::TOO_LARGE,
        close::FORBIDDEN,
        close::UNAUTHORIZED,
        close::INTERNAL,
    ]);
    ours.extend(Code::ALL.iter().filter_map(|code| match code.on_socket() {
        OnSocket::Ends(close) => Some(close),
        _ => None,
    }));
    ours.extend([1001, 1002, 1003, 1007, 1009]);
    assert_eq!(listed, ours);
}

#[test]
fn the_limits_are_the_defaults() {
    let page = page();
    let limits = Limits::default();
    let rows = page.table("| limit | default | of |");
    let listed = rows.iter().map(|row| {
        let number: u64 = row[1].replace(',', "").parse().expect("a limit is a number");
        (row[0].trim_matches('`').to_owned(), json!(number))
    });
    let listed: BTreeMap<String, Value> = listed.collect();
    let expected = variorum::protocol::Limits {
        frame_bytes: limits.frame_bytes as u64,
        op_bytes: limits.op_bytes as u64,
        op_parts: limits.op_parts as u64,
        document_length: limits.document_length,
        documents: limits.documents_per_connection as u64,
        presence_bytes: limits.presence_bytes as u64,
        name_length: limits.name_length as u64,
        edits_per_second: limits.edits_per_second.into(),
        idle_ms: limits.idle.as_millis() as u64,
    };
    assert_eq!(json!(listed), json!(expected));

    let not_told = page.table("| limit | default | beyond it |").into_iter();
    let not_told: BTreeMap<_, _> =
        not_told.map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned())).collect();
    // Those told under another name than they are set by.
    let told = |name: &str| listed.contains_key(name) || ["documents_per_connection", "idle"].contains(&name);
    let rows = limits.rows().into_iter().filter(|row| !told(row.name));
    let expected: BTreeMap<_, _> = rows.map(|row| (row.name.to_owned(), row.value)).collect();
    assert_eq!(not_told, expected);
    assert!(page.text.contains(&format!("An `Idempotency-Key` has at most {IDEMPOTENCY_KEY_LENGTH} characters.")));
}

#[test]
fn refusals_are_said_in_the_sentences_shown() {
    let page = page();
    let shown: BTreeSet<String> =
        page.values("json server").iter().filter(|m| m["type"] == "refused").map(|m| text(&m["message"])).collect();
    let made = [
        Refusal::LengthMismatch { op: 9, found: 6, base: Version(7) },
        Refusal::VersionAhead { base: Version(12), head: Version(9) },
        Refusal::SeqOutOfOrder { seq: Seq(2), last: Seq(3) },
    ];
    assert_eq!(shown, made.iter().map(Refusal::to_string).collect());
    for error in page.values("json http-error") {
        let read: ErrorBody = serde_json::from_value(error.clone()).unwrap();
        assert_eq!(json!(read), error);
    }
}

#[tokio::test]
async fn the_whole_session_is_what_a_server_says() {
    let page = page();
    let server = Server::start().await;
    let mut meaning = Meaning::default();
    let mut clients: BTreeMap<String, Raw> = BTreeMap::new();
    let block = page.blocks("session")[0];
    for (number, line) in block.text.lines().enumerate() {
        let at = format!("line {}: {line}", block.line + number);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (who, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{at}"));
        if rest == "is cut off" {
            clients.remove(who).unwrap_or_else(|| panic!("{at}"));
            continue;
        }
        if !clients.contains_key(who) {
            clients.insert(who.to_owned(), Raw::connect(server.address).await);
        }
        let client = clients.get_mut(who).expect("it was just made");
        match rest.trim().split_once(' ') {
            Some(("says", json)) => client.frame(Message::text(meaning.translate(json.trim()))).await,
            Some(("hears", json)) => {
                let said: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{at}: {error}"));
                let heard = client.hear().await;
                meaning.check(&said, &heard).unwrap_or_else(|why| panic!("{at}\n{why}"));
            }
            _ => panic!("{at}"),
        }
    }
    drop(clients);
    server.stop().await;
}

#[tokio::test]
async fn the_http_examples_are_one_session_with_a_server() {
    let server = Server::start().await;
    http_session(&page(), &server).await;
    server.stop().await;
}

/// The versions page begins with what was typed; what it shows after that is what a server, and the command line, say of it.
#[tokio::test]
async fn the_versions_page_is_one_session_with_a_server() {
    let page = Page::read("versions.md");
    let server = Server::start().await;
    let mut writers = BTreeMap::new();
    for (name, client) in [("Ana", "kJ3vQm0xTq2yWn8sBf5hLA"), ("Bo", "Zp7cRd1uGe4oXa9iVt6wMg")] {
        let mut raw = Raw::connect(server.address).await;
        raw.hello(client, name).await;
        raw.open("poem", "").await;
        writers.insert(name, (raw, 0));
    }
    for edit in page.values("json edits") {
        let (raw, seq) = writers.get_mut(edit["by"].as_str().unwrap()).expect("Ana or Bo");
        *seq += 1;
        raw.edit("poem", edit["version"].as_u64().unwrap(), *seq, edit["op"].clone()).await;
        // What the other one wrote comes first.
        while raw.hear().await["type"] != "ack" {}
    }
    http_session(&page, &server).await;
    for block in page.blocks("console") {
        let (command, shown) = block.text.split_once('\n').expect("a command and what it prints");
        let words = command.strip_prefix("$ variorum ").expect("a command of ours").split(' ');
        let url = format!("http://{}", server.address);
        let printed = tokio::process::Command::new(env!("CARGO_BIN_EXE_proptests"))
            .arg("run")
            .args(words)
            .args(["--url", &url])
            .output();
        let printed = String::from_utf8(printed.await.unwrap().stdout).unwrap();
        assert_eq!(undated(printed.trim_end()), undated(shown.trim_end()), "{command}");
    }
    server.stop().await;
}

/// A text in which every date is the same.
fn undated(text: &str) -> String {
    const DATE: &str = "2026-01-01T00:00:00Z";
    let alike =
        |date: &str| date.bytes().zip(DATE.bytes()).all(|(a, b)| a == b || (a.is_ascii_digit() && b.is_ascii_digit()));
    let mut undated = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..DATE.len()).filter(|date| alike(date)) {
            Some(_) => {
                undated += DATE;
                rest = &rest[DATE.len()..];
            }
            None => {
                undated.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    undated
}

/// Asks a server what the page asks, in turn, and compares the answers.
async fn http_session(page: &Page, server: &Server) {
    let mut meaning = Meaning::default();
    for block in page.blocks("http") {
        let (request, answer) = block.text.split_once("\n\n").expect("a request, an empty line, an answer");
        let request = meaning.translate(request);
        let (line, mut rest) = request.split_once('\n').unwrap_or((&request, ""));
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let mut headers = Vec::new();
        while let Some((name, value)) = header_of(rest) {
            headers.push((name, value));
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let heard = server.http(method, path, &headers, rest).await;

        let (status, mut rest) = answer.split_once('\n').unwrap_or((answer, ""));
        let at = format!("{method} {path}: {heard:?}");
        assert_eq!(heard.status.to_string(), status, "{at}");
        let mut shown = Vec::new();
        while let Some(header) = header_of(rest) {
            shown.push(header);
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        if rest.starts_with('{') {
            let said = serde_json::from_str(rest).unwrap_or_else(|error| panic!("{at}: {error}"));
            meaning.check(&said, &heard.json()).unwrap_or_else(|why| panic!("{at}\n{why}"));
        } else {
            assert_eq!(heard.body.trim_end(), rest.trim_end(), "{at}");
        }
        for (name, value) in shown {
            // `Answer` keeps its head in lower case.
            let value = meaning.translate(value).to_lowercase();
            assert_eq!(heard.header(&name.to_lowercase()), Some(value), "{at}");
        }
    }
}

/// The header on the first line, if it is one.
fn header_of(text: &str) -> Option<(&str, &str)> {
    let line = text.lines().next().filter(|line| !line.starts_with('{'))?;
    line.split_once(": ")
}

#[tokio::test]
async fn up_to_sixteen_missed_revisions_come_one_by_one() {
    let server = Server::start().await;
    let (mut ana, mut bo) = (server.client("ana").await, server.client("bo").await);
    let opened = ana.open("d", "x").await;
    bo.open("d", "").await;
    let from = json!({"epoch": opened["epoch"], "version": 1, "chain": opened["chain"]});
    for n in 1..=17u64 {
        bo.edited("d", n, n, json!([n, "y"])).await;
        let mut anew = server.client("ana").await;
        anew.say(json!({"type": "open", "doc": "d", "from": from})).await;
        let revisions = anew.hears("opened").await["revisions"].as_array().map(Vec::len);
        assert_eq!(revisions, Some(if n <= 16 { n as usize } else { 1 }), "{n} missed");
    }
    assert!(page().text.contains("Up to 16 missed revisions come one by one"));
    server.stop().await;
}

#[tokio::test]
async fn of_two_fields_with_one_name_the_later_counts() {
    let server = Server::start().await;
    let mut ana = server.client("ana").await;
    ana.frame(Message::text(
        r#"{"type":"open","doc":"a","doc":"b","create":{"kind":"?","kind":"text"},"type":"open"}"#,
    ))
    .await;
    assert_eq!(ana.hears("opened").await["doc"], "b");
    ana.frame(Message::text(r#"{"type":"edit","doc":"b","version":9,"version":0,"seq":1,"op":7,"op":["x"]}"#)).await;
    assert_eq!(ana.hears("ack").await["version"], 1);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_utf8_or_no_frame_ends_by_the_librarys_own_codes() {
    let server = Server::start().await;
    let not_utf8 = Frame::message(vec![0xff], OpCode::Data(Data::Text), true);
    let reserved = Frame::message(vec![], OpCode::Data(Data::Reserved(3)), true);
    for (frame, code) in [(not_utf8, 1007), (reserved, 1002)] {
        let mut ana = server.client("ana").await;
        ana.frame(Message::Frame(frame)).await;
        assert_eq!(ana.close_code().await, Some(code));
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_without_a_body() {
    let server = Server::start().await;
    let long = "x".repeat(4 * Limits::default().header_bytes);
    let answer = server.http("GET", "/health", &[("X", &long)], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (431, ""));
    let answer = server.http("GET", "/he alth", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (400, ""));
    server.stop().await;
}
