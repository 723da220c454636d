//! The protocol page tells the truth: its examples are parsed, its ops computed, its table of codes compared.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use variorum::ot::{Content, Op, TextOp};
use variorum::protocol::{
    ClientMessage, Code, ContentBody, EditBody, EditGranted, ErrorBody, OnSocket, Retry, RevisionsPage, ServerMessage,
    SnapshotBody,
};

const PAGE: &str = include_str!("../../docs/protocol.md");

/// The fenced JSON examples of one sort, in order.
fn examples(sort: &str) -> Vec<&'static str> {
    let fence = format!("```json {sort}\n");
    let found: Vec<_> =
        PAGE.match_indices(&fence).map(|(at, _)| PAGE[at + fence.len()..].split("```").next().unwrap()).collect();
    assert!(!found.is_empty(), "the page has examples of {sort}");
    found
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))
}

/// Reads an example as a type and writes it back: nothing may be lost or added.
fn survives<T: DeserializeOwned + Serialize>(json: &str) {
    let read: T = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"));
    assert_eq!(serde_json::to_value(&read).unwrap(), value(json));
}

#[test]
fn every_message_of_a_client_has_an_example_that_is_one() {
    let mut kinds = Vec::new();
    for json in examples("client") {
        let message = ClientMessage::parse(json).unwrap_or_else(|malformed| panic!("{malformed:?} in {json}"));
        assert_eq!(serde_json::to_value(&message).unwrap(), value(json));
        kinds.push(match message {
            ClientMessage::Hello(_) => "hello",
            ClientMessage::Open(_) => "open",
            ClientMessage::Edit(_) => "edit",
            ClientMessage::Presence(_) => "presence",
            ClientMessage::Check(_) => "check",
            ClientMessage::Close { .. } => "close",
            ClientMessage::Ping => "ping",
        });
    }
    for kind in ["hello", "open", "edit", "presence", "check", "close", "ping"] {
        assert!(kinds.contains(&kind), "{kind} has no example");
    }
}

#[test]
fn every_message_of_the_server_has_an_example_that_is_one() {
    let mut kinds = Vec::new();
    for json in examples("server") {
        survives::<ServerMessage>(json);
        kinds.push(match serde_json::from_str(json).unwrap() {
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
        });
    }
    for kind in [
        "welcome", "opened", "revision", "ack", "refused", "presence", "checked", "diverged", "closed", "pong",
        "error", "draining",
    ] {
        assert!(kinds.contains(&kind), "{kind} has no example");
    }
}

#[test]
fn every_body_of_http_has_an_example_that_is_one() {
    examples("error").into_iter().for_each(survives::<ErrorBody>);
    examples("snapshot").into_iter().for_each(survives::<SnapshotBody>);
    examples("revisions").into_iter().for_each(survives::<RevisionsPage>);
    examples("granted").into_iter().for_each(survives::<EditGranted>);
    examples("create").into_iter().for_each(|json| assert!(ContentBody::parse(json.as_bytes()).is_ok()));
    examples("edit").into_iter().for_each(|json| assert!(EditBody::parse(json.as_bytes()).unwrap().op.is_ok()));
    examples("op").into_iter().for_each(|json| assert!(TextOp::from_json(json).is_ok()));
}

/// The rows of the table whose head begins so, as cells.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let at = PAGE.find(head).unwrap_or_else(|| panic!("the page has a table {head}"));
    let rows = PAGE[at..].lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

fn op(json: &str) -> TextOp {
    TextOp::from_json(json).unwrap_or_else(|error| panic!("{error} in {json}"))
}

#[test]
fn the_worked_ops_come_out_as_written() {
    let rows = table("| on | x | a |");
    assert!(rows.len() >= 3);
    for row in rows {
        let (incoming, history) = TextOp::transform(&op(row[1]), &op(row[2])).expect("they fit each other");
        assert_eq!((incoming, history), (op(row[3]), op(row[4])), "{row:?}");
        let mut text = Content::from(row[0].trim_matches('"'));
        op(row[2]).apply(&mut text).expect("it fits its text");
    }
    let rows = table("| a | b | `a∘b` |");
    assert!(rows.len() >= 3);
    for row in rows {
        let (a, b) = (op(row[0]), op(row[1]));
        assert_eq!(a.compose(&b).unwrap(), op(row[2]), "{row:?}");
        assert_eq!(a.compose_typing(&b).unwrap(), op(row[3]), "{row:?}");
    }
}

#[test]
fn the_table_of_codes_is_the_code() {
    let written = table("| code | HTTP | retry |");
    let listed = Code::ALL.iter().filter(|code| !matches!(code, Code::Closed | Code::Deleted | Code::Replaced));
    let expected: Vec<_> = listed
        .map(|code| {
            let retry = match code.retry() {
                Retry::No => "no",
                Retry::WithAnotherToken => "with another token",
                Retry::Later => "later",
            };
            let socket = match code.on_socket() {
                OnSocket::Stays => "stays".to_owned(),
                OnSocket::Ends(close) => format!("ends {close}"),
                OnSocket::ClosesDocument => "closes the document".to_owned(),
                OnSocket::Never => String::new(),
            };
            vec![code.as_str().to_owned(), code.status().to_string(), retry.to_owned(), socket]
        })
        .collect();
    assert_eq!(written, expected);
    assert!(["`closed`", "`deleted`", "`replaced`"].iter().all(|code| PAGE.contains(code)));
}
