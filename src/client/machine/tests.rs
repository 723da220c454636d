//! The machine's behaviour, told as a conversation. `alice` is a client; what she says to the server is written
//! `edit SEQ@BASE OP` and `open from VERSION pending SEQ`, and what the server says is given as it would come.

use serde_json::{Value, json};

use super::*;
use crate::document::Chain;
use crate::protocol::{Code, ServerMessage};

/// A client and all that it did since it was last asked.
struct Alice {
    machine: Machine,
    said: Vec<String>,
    events: Vec<Event>,
    retry_ms: Option<u64>,
}

const EPOCH: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const NEW_EPOCH: &str = "AQAAAAAAAAAAAAAAAAAAAA";

/// The chain that stands for a version in these stories.
fn chain(version: u64) -> String {
    Chain(version).to_string()
}

fn revision(version: u64, op: Value) -> Value {
    json!({"version": version, "op": op, "chain": chain(version), "time": 0})
}

/// A client that has a document open at version 0.
fn alice(content: &str) -> Alice {
    let machine = Machine::new("notes".parse().unwrap(), None);
    let mut alice = Alice { machine, said: Vec::new(), events: Vec::new(), retry_ms: None };
    alice.connects();
    alice.hears_opened(0, json!({"content": content}));
    alice.said.clear();
    alice.events.clear();
    alice
}

impl Alice {
    fn does(&mut self, step: impl FnOnce(&mut Machine) -> Step) {
        let step = step(&mut self.machine);
        self.said.extend(step.send.map(|message| short(&message)));
        self.events.extend(step.events);
        self.retry_ms = step.retry_ms.or(self.retry_ms);
    }

    fn types(&mut self, at: u64, text: &str) {
        self.replaces(at, 0, text);
    }

    fn replaces(&mut self, at: u64, len: u64, text: &str) {
        self.does(|machine| {
            let op = TextOp::splice(machine.text().len(), at, len, text).unwrap();
            machine.edit(&op).unwrap()
        });
    }

    fn connects(&mut self) {
        self.does(Machine::connected);
    }

    fn disconnects(&mut self) {
        self.does(Machine::disconnected);
    }

    fn hears(&mut self, mut message: Value) {
        message["doc"] = "notes".into();
        let message: ServerMessage = serde_json::from_value(message).unwrap();
        self.does(|machine| machine.receive(message));
    }

    /// `opened` at a version, with what else is given.
    fn hears_opened(&mut self, version: u64, rest: Value) {
        let mut message = json!({
            "type": "opened", "kind": "text", "epoch": EPOCH, "version": version, "chain": chain(version),
            "access": "write", "taken": null, "presence": {"count": 1, "joined": [], "left": [], "states": []},
        });
        message.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        self.hears(message);
    }

    fn hears_revision(&mut self, version: u64, op: Value) {
        let mut message = revision(version, op);
        message["type"] = "revision".into();
        self.hears(message);
    }

    fn hears_ack(&mut self, seq: u64, version: u64) {
        self.hears(json!({"type": "ack", "seq": seq, "version": version, "chain": chain(version), "time": 0}));
    }

    fn hears_error(&mut self, code: Code, rest: Value) {
        let mut message = json!({"type": "error", "code": code, "message": ""});
        message.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        self.hears(message);
    }

    /// What was said since this was last asked.
    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    fn screen(&self) -> String {
        self.machine.text().to_string()
    }

    /// What was handed back since this was last asked: the op, and the screen it was on.
    fn handed_back(&mut self) -> Vec<(String, String)> {
        let unsent = std::mem::take(&mut self.events).into_iter().filter_map(|event| match event {
            Event::Reset { unsent, .. } | Event::Closed { unsent, .. } => unsent,
            _ => None,
        });
        unsent.map(|unsent| (unsent.op.to_json(), unsent.screen.to_string())).collect()
    }

    fn acknowledged(&self) -> Vec<(u64, u64)> {
        let acks = self.events.iter().filter_map(|event| match event {
            Event::Acknowledged { seq, version, .. } => Some((seq.0, version.0)),
            _ => None,
        });
        acks.collect()
    }
}

fn short(message: &ClientMessage) -> String {
    match message {
        ClientMessage::Edit(edit) => {
            format!("edit {}@{} {}", edit.seq, edit.version, edit.op.as_ref().unwrap().to_json())
        }
        ClientMessage::Open(open) => {
            let from = open.from.as_ref().map_or("afresh".into(), |from| format!("from {}", from.version));
            let pending = open.pending.map_or(String::new(), |seq| format!(" pending {seq}"));
            format!("open {from}{pending}")
        }
        other => serde_json::to_string(other).unwrap(),
    }
}

#[test]
fn an_edit_is_sent_at_once_and_what_is_typed_meanwhile_is_sent_on_its_ack() {
    let mut alice = alice("");
    alice.types(0, "h");
    assert_eq!(alice.said(), [r#"edit 1@0 ["h"]"#]);
    alice.types(1, "e");
    alice.types(2, "y");
    assert_eq!(alice.said(), [""; 0]);
    alice.hears_ack(1, 1);
    assert_eq!(alice.said(), [r#"edit 2@1 [1,"ey"]"#]);
    alice.hears_ack(2, 2);
    assert!(alice.machine.is_synchronized());
    assert_eq!(alice.screen(), "hey");
}

#[test]
fn an_edit_that_takes_itself_back_is_not_sent() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.types(1, "b");
    alice.replaces(1, 1, "");
    alice.hears_ack(1, 1);
    assert_eq!(alice.said(), [r#"edit 1@0 ["a"]"#]);
    assert!(alice.machine.is_synchronized());
}

#[test]
fn a_revision_moves_what_is_unsent_and_is_moved_onto_the_screen() {
    let mut alice = alice("abc");
    alice.types(3, "X");
    alice.types(4, "Y");
    alice.hears_revision(1, json!(["__", -1, 2]));
    assert_eq!(alice.screen(), "__bcXY");
    alice.hears_ack(1, 2);
    assert_eq!(alice.said(), [r#"edit 1@0 [3,"X"]"#, r#"edit 2@2 [5,"Y"]"#]);
    let shown = TextOp::from_json(r#"["__",-1,4]"#).unwrap();
    assert_eq!(alice.events[0], Event::Changed { op: shown, version: Version(1) });
    let granted = TextOp::from_json(r#"[4,"X"]"#).unwrap();
    assert_eq!(alice.events[1], Event::Acknowledged { seq: Seq(1), version: Version(2), op: Some(granted) });
}

#[test]
fn a_composed_revision_is_one_that_leads_further() {
    let mut alice = alice("ab");
    alice.types(2, "!");
    alice.hears(json!({
        "type": "revision", "from": 0, "version": 20, "op": [1, "....", 1], "chain": chain(20), "time": 0,
    }));
    alice.hears_ack(1, 21);
    assert_eq!(alice.screen(), "a....b!");
    assert_eq!(alice.machine.version(), Version(21));
}

#[test]
fn ours_goes_left_of_theirs_at_a_tie() {
    let mut alice = alice("");
    alice.types(0, "mine");
    alice.hears_revision(1, json!(["theirs"]));
    assert_eq!(alice.screen(), "minetheirs");
}

#[test]
fn what_is_typed_offline_waits_and_is_sent_as_one_edit() {
    let mut alice = alice("");
    alice.disconnects();
    alice.types(0, "a");
    alice.types(1, "b");
    alice.connects();
    assert_eq!(alice.said(), ["open from 0"]);
    alice.hears_opened(1, json!({"revisions": [revision(1, json!(["__"]))]}));
    assert_eq!(alice.said(), [r#"edit 1@1 ["ab",2]"#]);
    assert_eq!(alice.screen(), "ab__");
}

#[test]
fn an_edit_of_unknown_fate_that_was_not_taken_is_sent_again_as_moved() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.types(1, "b");
    alice.disconnects();
    alice.connects();
    alice.hears_opened(1, json!({"revisions": [revision(1, json!(["__"]))]}));
    assert_eq!(alice.said(), [r#"edit 1@0 ["a"]"#, "open from 0 pending 1", r#"edit 1@1 ["a",2]"#]);
    alice.hears_ack(1, 2);
    assert_eq!(alice.said(), [r#"edit 2@2 [1,"b",2]"#]);
}

#[test]
fn an_edit_of_unknown_fate_that_was_taken_is_found_among_what_was_missed() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.types(1, "b");
    alice.disconnects();
    alice.connects();
    let mut own = revision(2, json!(["a", 1]));
    own["seq"] = 1.into();
    let missed = json!([revision(1, json!(["x"])), own, revision(3, json!([1, "y", 1]))]);
    alice.hears_opened(3, json!({"revisions": missed, "taken": {"seq": 1, "version": 2}}));
    assert_eq!(alice.acknowledged(), [(1, 2)]);
    assert_eq!(alice.screen(), "abyx");
    assert_eq!(alice.said().last().unwrap(), r#"edit 2@3 [1,"b",2]"#);
}

#[test]
fn the_ack_of_a_resend_is_ignored_once_the_edit_is_settled() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.hears_ack(1, 1);
    alice.types(1, "b");
    alice.said();
    alice.hears_ack(1, 1);
    assert_eq!(alice.said(), [""; 0]);
    alice.hears_ack(2, 2);
    assert_eq!(alice.machine.version(), Version(2));
}

#[test]
fn an_ack_for_a_revision_that_is_not_known_here_brings_it_by_what_was_missed() {
    let mut alice = alice("");
    alice.hears_ack(7, 1);
    assert_eq!(alice.said(), ["open from 0"]);
    alice.hears_opened(1, json!({"revisions": [revision(1, json!(["late"]))]}));
    assert_eq!(alice.screen(), "late");
}

#[test]
fn a_gap_between_versions_takes_the_text_anew_and_hands_back_what_is_unsent() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.types(1, "b");
    alice.said();
    alice.hears_revision(2, json!(["x"]));
    assert_eq!(alice.said(), ["open afresh pending 1"]);
    alice.types(2, "c");
    assert_eq!(alice.said(), [""; 0]);
    alice.hears_revision(3, json!(["of the stream before"]));
    alice.hears_opened(3, json!({"content": "server", "taken": null}));
    assert_eq!(alice.screen(), "server");
    assert_eq!(alice.handed_back(), [(r#"["abc"]"#.into(), "abc".into())]);
    assert!(alice.machine.is_synchronized());
}

#[test]
fn what_was_missed_and_does_not_lead_where_it_should_is_not_believed() {
    let missed = json!([revision(1, json!(["x"]))]);
    for opened in [
        (2, json!({"revisions": missed})),
        (1, json!({"revisions": missed, "chain": chain(9)})),
        // Taken, and not among what was missed.
        (1, json!({"revisions": missed, "taken": {"seq": 1, "version": 1}})),
    ] {
        let mut alice = alice("");
        alice.types(0, "a");
        alice.disconnects();
        alice.connects();
        alice.said();
        let (version, rest) = opened.clone();
        alice.hears_opened(version, rest);
        assert_eq!(alice.said(), ["open afresh pending 1"], "{opened:?}");
    }
}

#[test]
fn an_edit_taken_before_a_reset_is_acknowledged_and_not_handed_back() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.types(1, "b");
    alice.disconnects();
    alice.connects();
    alice.hears_opened(9, json!({"content": "a?", "reset": "pruned", "taken": {"seq": 1, "version": 3}}));
    assert_eq!(alice.acknowledged(), [(1, 3)]);
    assert_eq!(alice.handed_back(), [(r#"[1,"b"]"#.into(), "ab".into())]);
}

#[test]
fn another_incarnation_hands_back_everything_unsent() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.disconnects();
    alice.connects();
    alice.hears_opened(0, json!({"content": "", "reset": "epoch", "epoch": NEW_EPOCH}));
    let reset = Event::Reset {
        text: Content::default(),
        why: Why::Place("epoch".into()),
        unsent: Some(Unsent { op: TextOp::from_json(r#"["a"]"#).unwrap(), screen: "a".into() }),
    };
    assert!(alice.events.contains(&reset), "{:?}", alice.events);
    alice.said();
    alice.types(0, "b");
    assert_eq!(alice.said(), [r#"edit 2@0 ["b"]"#]);
}

#[test]
fn what_another_incarnation_took_under_the_same_seq_is_another_edit() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.disconnects();
    alice.connects();
    let taken = json!({"seq": 7, "version": 3});
    alice.hears_opened(3, json!({"content": "old", "reset": "epoch", "epoch": NEW_EPOCH, "taken": taken}));
    assert_eq!(alice.acknowledged(), []);
    assert_eq!(alice.handed_back(), [(r#"["a"]"#.into(), "a".into())]);
    alice.said();
    alice.types(3, "b");
    assert_eq!(alice.said(), [r#"edit 8@3 [3,"b"]"#]);
}

#[test]
fn a_refused_edit_is_handed_back_with_what_was_typed_on_it_and_seqs_go_on_rising() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.types(1, "b");
    alice.said();
    alice.hears(json!({"type": "refused", "seq": 1, "code": "too_large", "message": "much"}));
    assert_eq!(alice.said(), ["open afresh"]);
    assert!(!alice.machine.is_settled(Seq(1)));
    alice.hears_opened(0, json!({"content": ""}));
    assert_eq!(alice.handed_back(), [(r#"["ab"]"#.into(), "ab".into())]);
    assert_eq!(alice.said(), [""; 0]);
    alice.types(0, "c");
    assert_eq!(alice.said(), [r#"edit 2@0 ["c"]"#]);
}

#[test]
fn a_text_that_differs_from_the_servers_is_taken_anew() {
    let mut alice = alice("abc");
    // Of a version that the text has left, it says nothing about the text.
    alice.hears(json!({"type": "diverged", "version": 7}));
    assert_eq!(alice.said(), [""; 0]);
    alice.does(|machine| machine.check());
    assert_eq!(alice.said(), [r#"{"type":"check","doc":"notes","version":0,"sum":"352441c2"}"#]);
    alice.hears(json!({"type": "diverged", "version": 0}));
    assert_eq!(alice.said(), ["open afresh"]);
    alice.hears_opened(0, json!({"content": "abd"}));
    assert_eq!(alice.screen(), "abd");
    assert_eq!(
        alice.events[0],
        Event::Reset { why: Why::Diverged(Version(0)), unsent: None, text: Content::from(alice.screen().as_str()) }
    );
}

#[test]
fn an_edit_whose_outcome_is_unknown_stays_in_flight_and_is_sent_again() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.hears_error(Code::StorageUnavailable, json!({"seq": 1, "retry_ms": 500}));
    assert_eq!(alice.retry_ms, Some(500));
    alice.said();
    alice.does(Machine::retry);
    assert_eq!(alice.said(), [r#"edit 1@0 ["a"]"#]);
    alice.hears_error(Code::StorageUnavailable, json!({"seq": 1, "retry_ms": 500}));
    assert_eq!(alice.retry_ms, Some(1_000), "failures in a row are tried again ever more slowly");
}

#[test]
fn a_document_that_the_server_closes_for_now_is_opened_again() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.said();
    alice.hears(json!({"type": "closed", "code": "storage_unavailable", "message": ""}));
    assert!(alice.retry_ms.is_some());
    alice.does(Machine::retry);
    assert_eq!(alice.said(), ["open from 0 pending 1"]);
}

#[test]
fn a_document_that_is_deleted_ends_and_hands_back_what_is_unsent() {
    let mut alice = alice("");
    alice.types(0, "a");
    alice.said();
    alice.hears(json!({"type": "closed", "code": "deleted", "message": "deleted"}));
    assert_eq!(alice.handed_back(), [(r#"["a"]"#.into(), "a".into())]);
    assert_eq!(alice.machine.ended().unwrap().code, Some(Code::Deleted));
    alice.connects();
    assert_eq!(alice.said(), [""; 0]);
}

#[test]
fn a_document_that_cannot_be_opened_ends_unless_it_may_be_later() {
    let mut alice = alice("");
    alice.disconnects();
    alice.connects();
    alice.hears_error(Code::TooManyDocuments, json!({"reply_to": "open"}));
    assert!(alice.retry_ms.is_some() && alice.machine.ended().is_none());
    alice.does(Machine::retry);
    alice.hears_error(Code::UnknownDocument, json!({"reply_to": "open"}));
    assert!(alice.machine.ended().is_some());
}

#[test]
fn a_client_that_forgot_its_count_goes_on_above_what_was_taken_from_it() {
    let mut alice = alice("");
    alice.disconnects();
    alice.connects();
    alice.hears_opened(0, json!({"revisions": [], "taken": {"seq": 41, "version": 0}}));
    alice.said();
    alice.types(0, "a");
    assert_eq!(alice.said(), [r#"edit 42@0 ["a"]"#]);
}

#[test]
fn a_reader_does_not_type() {
    let mut alice = alice("");
    alice.disconnects();
    alice.connects();
    alice.hears_opened(0, json!({"revisions": [], "access": "read"}));
    let op = TextOp::splice(0, 0, 0, "a").unwrap();
    assert_eq!(alice.machine.edit(&op).unwrap_err(), EditError::ReadOnly);
    assert_eq!(alice.screen(), "");
}

#[test]
fn what_was_kept_goes_on_after_a_restart_as_if_there_had_been_none() {
    let mut alice = alice("ab");
    alice.types(1, "x");
    alice.types(2, "y");
    let kept = alice.machine.keep().expect("the document was opened");
    let json = serde_json::to_string(&kept).unwrap();
    let kept = serde_json::from_str(&json).unwrap();
    alice.machine = Machine::resume("notes".parse().unwrap(), kept).unwrap();
    alice.said.clear();
    assert_eq!(alice.machine.text().to_string(), "axyb");
    alice.types(4, "z");
    alice.connects();
    assert_eq!(alice.said, ["open from 0 pending 1"]);
    // The edit sent before was taken; what was typed before and after the restart is sent as one, under the next seq.
    let taken = json!({"version": 1, "op": [1, "x", 1], "chain": chain(1), "time": 0, "seq": 1});
    alice.said.clear();
    alice.hears_opened(1, json!({"taken": {"seq": 1, "version": 1}, "revisions": [taken]}));
    assert_eq!(alice.said, [r#"edit 2@1 [2,"y",1,"z"]"#]);
}

#[test]
fn what_was_kept_and_does_not_fit_together_is_not_taken() {
    let mut alice = alice("ab");
    alice.types(1, "x");
    let json = serde_json::to_string(&alice.machine.keep().unwrap()).unwrap();
    let kept = serde_json::from_str(&json.replace("axb", "axxb")).unwrap();
    assert_eq!(Machine::resume("notes".parse().unwrap(), kept).err(), Some(LengthMismatch { op: 3, found: 4 }));
}
