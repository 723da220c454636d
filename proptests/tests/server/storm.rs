//! Exactly once, in a storm: clients that drop their connections and send again, a store that fails, readers that stop.
//! Every edit that was acknowledged is in the log once, in its client's order, and everyone ends with the same text.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptests::faulty::{Call, Fate, Faulty};
use proptests::live::{Raw, Server, secret};
use proptests::scribe::Dice;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use variorum::document::{ClientKey, Version};
use variorum::limits::Limits;
use variorum::ot::{Content, Op, TextOp};
use variorum::store::Store;

const CLIENTS: u64 = 8;
const EDITS: u64 = 120;
const DOC: &str = "storm";

/// An edit whose fate its client does not know.
struct Flying {
    seq: u64,
    /// As first sent.
    first: (u64, TextOp),
    /// As it is now.
    moved: TextOp,
}

/// A client that edits at random, and keeps to the protocol.
struct Writer {
    name: String,
    dice: Dice,
    raw: Option<Raw>,
    epoch: Value,
    version: u64,
    chain: Value,
    /// The text at `version`: without the edit in flight.
    content: Content,
    known: bool,
    seq: u64,
    flying: Option<Flying>,
    /// What was acknowledged: seq and version.
    acked: Vec<(u64, u64)>,
    reconnects: u64,
    /// What it said and heard last, for whoever must find out what went wrong.
    trace: VecDeque<String>,
}

impl Writer {
    fn new(n: u64, seed: u64) -> Self {
        Writer {
            name: format!("writer-{n}"),
            dice: Dice::new(seed * 1_000 + n),
            raw: None,
            epoch: Value::Null,
            version: 0,
            chain: Value::Null,
            content: Content::default(),
            known: false,
            seq: 0,
            flying: None,
            acked: Vec::new(),
            reconnects: 0,
            trace: VecDeque::new(),
        }
    }

    /// Edits until it has done its share, through everything that goes wrong.
    async fn run(mut self, server: &Server) -> Self {
        while self.acked.len() < EDITS as usize {
            if self.raw.is_none() && !self.connect(server).await {
                continue;
            }
            match self.dice.below(40) {
                // The connection breaks, perhaps with an edit on its way.
                0 => self.raw = None,
                // The reader stops for a while.
                1 => tokio::time::sleep(Duration::from_millis(self.dice.below(60))).await,
                // The same edit again, though nobody asked.
                2 | 3 => self.send_again().await,
                4 => self.over_http(server).await,
                _ if self.flying.is_none() => self.edit().await,
                _ => self.hear(server).await,
            }
        }
        self
    }

    async fn connect(&mut self, server: &Server) -> bool {
        self.reconnects += 1;
        self.note("connects", &json!(self.reconnects));
        let narrow = self.dice.below(2) == 0;
        let mut raw =
            if narrow { Raw::connect_narrow(server.address).await } else { Raw::connect(server.address).await };
        raw.hello(&secret(&self.name), &self.name).await;
        self.raw = Some(raw);
        self.open(server).await
    }

    async fn open(&mut self, _: &Server) -> bool {
        let mut open = json!({"type": "open", "doc": DOC, "create": {"kind": "text"}});
        if self.known {
            open["from"] = json!({"epoch": self.epoch, "version": self.version, "chain": self.chain});
        }
        if let Some(flying) = &self.flying {
            open["pending"] = json!(flying.seq);
        }
        self.say(open).await;
        let early = self.dice.below(2) == 0;
        if early {
            self.send_again().await;
        }
        loop {
            let Some(message) = self.next().await else { return false };
            match message["type"].as_str() {
                Some("opened") => {
                    self.opened(message);
                    if !early {
                        self.send_again().await;
                    }
                    return true;
                }
                // What was sent early is answered before, where the document could not be opened.
                Some("error") if message["reply_to"] == "open" => {
                    self.raw = None;
                    return false;
                }
                Some("error" | "presence" | "closed") => {}
                _ => panic!("{}: {message}", self.name),
            }
        }
    }

    fn opened(&mut self, opened: Value) {
        assert!(opened.get("reset").is_none(), "{}: {opened}", self.name);
        if self.known {
            assert_eq!(opened["epoch"], self.epoch);
            let flying = self.flying.as_ref().map(|flying| flying.seq);
            for item in opened["revisions"].as_array().expect("revisions, as a place was named") {
                match item["seq"].as_u64() {
                    Some(seq) => {
                        assert_eq!(Some(seq), flying, "only the one named by `pending` has a seq: {opened}");
                        self.ack(item, seq);
                    }
                    None => self.revision(item),
                }
            }
            assert_eq!((json!(self.version), &self.chain), (opened["version"].clone(), &opened["chain"]));
            if let (Some(flying), Some(taken)) = (&self.flying, opened["taken"]["seq"].as_u64()) {
                assert!(taken < flying.seq, "an edit that was taken came with the revisions: {opened}");
            }
        } else {
            self.content = Content::from(opened["content"].as_str().expect("content, as no place was named"));
            self.version = opened["version"].as_u64().expect("a version");
            self.epoch = opened["epoch"].clone();
            self.chain = opened["chain"].clone();
            self.known = true;
        }
    }

    async fn edit(&mut self) {
        let len = self.content.len();
        let at = self.dice.below(len + 1);
        let deleted = if self.dice.below(3) == 0 { self.dice.below((len - at).min(4) + 1) } else { 0 };
        let text = ["a", "é", "𝄞", "xyz", ""][self.dice.below(5) as usize];
        let op = TextOp::splice(len, at, deleted, text).expect("a range within the text");
        self.seq += 1 + self.dice.below(2);
        self.flying = Some(Flying { seq: self.seq, first: (self.version, op.clone()), moved: op });
        self.send_again().await;
    }

    /// Sends the edit in flight, as it was first or as it is now.
    async fn send_again(&mut self) {
        let Some(flying) = &self.flying else { return };
        let as_first = self.dice.below(2) == 0;
        let (version, op) = if as_first { flying.first.clone() } else { (self.version, flying.moved.clone()) };
        let op: Value = serde_json::from_str(&op.to_json()).expect("an op is JSON");
        self.say(json!({"type": "edit", "doc": DOC, "version": version, "seq": flying.seq, "op": op})).await;
    }

    /// Sends the edit in flight beside the socket too; the ack still comes over the socket.
    async fn over_http(&mut self, server: &Server) {
        let Some(flying) = &self.flying else { return };
        let op: Value = serde_json::from_str(&flying.first.1.to_json()).expect("an op is JSON");
        let flying_seq = flying.seq;
        let body = json!({"version": flying.first.0, "op": op, "client": secret(&self.name), "seq": flying.seq});
        let answer = server.http("POST", &format!("/v1/docs/{DOC}/edits"), &[], &body.to_string()).await;
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        self.note("over HTTP", &json!([flying_seq, answer.json()]));
    }

    async fn hear(&mut self, server: &Server) {
        let Some(message) = self.next().await else { return };
        match message["type"].as_str() {
            Some("revision") => self.revision(&message),
            Some("ack") => {
                let seq = message["seq"].as_u64().expect("a seq");
                // One that is not in flight answers a copy.
                if self.flying.as_ref().is_some_and(|flying| flying.seq == seq) {
                    self.ack(&message, seq);
                } else {
                    assert!(self.acked.iter().any(|acked| *acked == (seq, message["version"].as_u64().unwrap_or(0))));
                }
            }
            Some("presence") => {}
            Some("error") => {
                assert_eq!(message["code"], "storage_unavailable", "{message}");
                self.send_again().await;
            }
            Some("closed") => drop(self.open(server).await),
            // A copy that was overtaken by a later edit over HTTP; never the edit in flight.
            Some("refused")
                if message["code"] == "seq_out_of_order"
                    && self.flying.as_ref().is_none_or(|flying| message["seq"].as_u64() < Some(flying.seq)) => {}
            _ => panic!("{}: {message}, after {:#?}", self.name, self.trace),
        }
    }

    fn revision(&mut self, message: &Value) {
        let version = message["version"].as_u64().expect("a version");
        let from = message["from"].as_u64().unwrap_or(version - 1);
        assert_eq!(from, self.version, "{}: nothing is missed and nothing comes twice: {message}", self.name);
        let op = TextOp::from_json(&message["op"].to_string()).expect("an op");
        if let Some(flying) = &mut self.flying {
            flying.moved = flying.moved.transform_incoming(&op).expect("both cover the same text");
        }
        op.apply(&mut self.content).expect("a revision fits");
        self.version = version;
        self.chain = message["chain"].clone();
    }

    fn ack(&mut self, message: &Value, seq: u64) {
        let version = message["version"].as_u64().expect("a version");
        assert_eq!(version, self.version + 1, "{}: an ack is the next version: {message}", self.name);
        let flying = self.flying.take().expect("an edit is in flight");
        flying.moved.apply(&mut self.content).expect("it fits where it was moved to");
        if let Some(op) = message.get("op") {
            assert_eq!(TextOp::from_json(&op.to_string()), Ok(flying.moved), "as moved here, so as granted there");
        }
        self.version = version;
        self.chain = message["chain"].clone();
        self.acked.push((seq, version));
    }

    fn note(&mut self, what: &str, message: &Value) {
        self.trace.push_back(format!("{what} {message}"));
        if self.trace.len() > 24 {
            self.trace.pop_front();
        }
    }

    async fn say(&mut self, message: Value) {
        self.note("says", &message);
        let Some(raw) = &mut self.raw else { return };
        if !raw.try_frame(Message::text(message.to_string())).await {
            self.raw = None;
        }
    }

    /// The next message; none if the connection is gone.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.raw.as_mut()?.next().await {
                Some(Message::Text(text)) => {
                    let message = serde_json::from_str(&text).expect("the server says JSON");
                    self.note("hears", &message);
                    return Some(message);
                }
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                _ => {
                    self.raw = None;
                    return None;
                }
            }
        }
    }

    /// Reads on until it is at the server's version.
    async fn settle(&mut self, server: &Server, head: u64) {
        while self.version < head {
            match self.raw {
                None => drop(self.connect(server).await),
                Some(_) => self.hear(server).await,
            }
        }
    }
}

/// The fates that a seed deals: most calls succeed, some late, some fail, some fail though they were done.
fn dealt(seed: u64) -> impl Fn(Call) -> Fate + Send + Sync + 'static {
    let calls = AtomicU64::new(0);
    move |call| {
        let n = calls.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice::new(seed.wrapping_mul(7_919).wrapping_add(n));
        dice.below(8);
        match (call, dice.below(100)) {
            (Call::Append, 0..6) => Fate::Failed,
            (Call::Append, 6..12) => Fate::Lost,
            (Call::Append, 12..30) => Fate::Late(1 + n % 3),
            (Call::Create, 0..50) => Fate::Lost,
            (Call::Read | Call::Find, 0..3) => Fate::Failed,
            (Call::Read | Call::Find, 3..20) => Fate::Late(1 + n % 4),
            _ => Fate::Done,
        }
    }
}

async fn storm(seed: u64) {
    let store = Faulty::new(dealt(seed));
    let limits = Limits {
        // A reader that waits at all is far behind, and a document that nobody has open leaves at once.
        write_ahead_bytes: 512,
        document_idle: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = Arc::new(Server::with(store.clone(), limits).await);
    let writers = (0..CLIENTS).map(|n| {
        let server = server.clone();
        tokio::spawn(async move { Writer::new(n, seed).run(&server).await })
    });
    let mut done = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        done.push(writer.await.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    let found = store.sound.find(&DOC.parse().expect("an id")).await.expect("sound").expect("the document was made");
    let log = |head: Version| store.sound.revisions(found.incarnation, Version::ZERO, head);
    // An append that failed though it was done is known to nobody until the next one: this is the next one.
    let head = loop {
        // From the empty beginning, so that it fits also where the server is behind its log.
        let body = json!({"version": 0, "op": []}).to_string();
        let _ = server.http("POST", &format!("/v1/docs/{DOC}/edits"), &[], &body).await;
        let now = server.http("GET", &format!("/v1/docs/{DOC}/revisions"), &[], "").await;
        let there = store.sound.head(found.incarnation).await.expect("sound").version;
        if now.status == 200 && now.json()["head"] == json!(there) {
            break there;
        }
    };
    let log = log(head).await.expect("sound");
    let mut text = Content::default();
    let mut last: HashMap<ClientKey, u64> = HashMap::new();
    for (revision, version) in log.iter().zip(1..) {
        assert_eq!(revision.version.0, version, "seed {seed}: no gap");
        revision.op.apply(&mut text).expect("the log fits together");
        if let Some(origin) = revision.origin {
            let before = last.insert(origin.client, origin.seq.0);
            assert!(before < Some(origin.seq.0), "seed {seed}: {origin:?} after {before:?}, at {version}");
        }
    }
    for writer in &mut done {
        let client = ClientKey::of_client(&secret(&writer.name));
        let mut in_log = HashMap::new();
        for revision in &log {
            if let Some(origin) = revision.origin.filter(|origin| origin.client == client) {
                in_log.insert(origin.seq.0, revision.version.0);
            }
        }
        for (seq, version) in &writer.acked {
            assert_eq!(in_log.get(seq), Some(version), "seed {seed}: {} was told so", writer.name);
        }
        writer.settle(&server, head.0).await;
        assert_eq!((writer.version, &writer.content), (head.0, &text), "seed {seed}: {}", writer.name);
    }
    let reconnects: u64 = done.iter().map(|writer| writer.reconnects).sum();
    println!("seed {seed}: {} revisions, {reconnects} connections", log.len());
    drop(done);
    Arc::into_inner(server).expect("everyone else is done").stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_whatever_happens() {
    let seeds = match std::env::var("STORM_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => vec![1, 2, 3],
    };
    for seed in seeds {
        println!("seed {seed}");
        storm(seed).await;
    }
}
