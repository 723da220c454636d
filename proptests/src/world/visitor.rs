//! Someone who reads and edits over HTTP, and asks again until they know what became of an edit.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use variorum::document::ClientKey;
use variorum::ot::TextOp;

use super::ledger::Ack;
use super::net::Way;
use super::stage::Stage;
use super::writer::typed;
use crate::live::{Answer, exchange, secret};
use crate::plain;
use crate::scribe::Dice;

/// How long an answer is waited for before the request is made again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Someone who comes by HTTP.
pub struct Visitor {
    stage: Arc<Stage>,
    name: String,
    dice: Dice,
    way: Way,
    docs: Vec<String>,
    /// Their count of edits, over all documents.
    seq: u64,
    /// The newest edits that were granted, as they were asked for and answered.
    granted: Vec<Granted>,
    habits: Habits,
}

/// How someone comes.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Milliseconds between two requests, on the average.
    pub pause_ms: u64,
    /// Whether they delete documents.
    pub deletes: bool,
    /// What else they do comes from this.
    pub seed: u64,
}

/// An edit that was granted.
#[derive(Clone)]
struct Granted {
    doc: String,
    body: String,
    answer: String,
}

impl Visitor {
    /// A visitor of these documents.
    pub fn new(stage: Arc<Stage>, name: &str, habits: Habits, way: Way, docs: &[String]) -> Self {
        let (name, docs, dice) = (name.to_owned(), docs.to_vec(), Dice::new(habits.seed));
        Visitor { stage, name, dice, way, docs, seq: 0, granted: Vec::new(), habits }
    }

    /// Reads and edits until it is calm.
    pub async fn live(mut self) -> turmoil::Result {
        while !self.stage.is_calm() {
            sleep(Duration::from_millis(1 + self.dice.below(2 * self.habits.pause_ms))).await;
            let doc = self.docs[self.dice.below(self.docs.len() as u64) as usize].clone();
            match self.dice.below(if self.habits.deletes { 11 } else { 10 }) {
                10 => self.delete(&doc).await,
                9 => self.say_again().await,
                0..3 => self.read_history(&doc).await,
                3..6 => self.read_past(&doc).await,
                _ => self.edit(&doc).await,
            }
        }
        Ok(())
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Option<Answer> {
        self.stage.count("request");
        let asked = timeout(PATIENCE, async {
            let line = self.way.dial().await?;
            exchange(line, method, path, &[], body.as_bytes()).await
        });
        match asked.await {
            Ok(Ok(answer)) => {
                self.note(format_args!("{method} {path} {body}: {} {}", answer.status, answer.body));
                let expected = match answer.status {
                    200..=299 | 404 | 409 | 429 | 500 | 503 => true,
                    // Another incarnation.
                    412 => path.split(['/', '?']).nth(3).is_some_and(|doc| self.is_doomed(doc)),
                    _ => false,
                };
                if !expected && !self.stage.was_restored() {
                    self.stage.fail(&self.name, format_args!("{method} {path} {body}: {answer:?}"));
                }
                Some(answer)
            }
            Ok(Err(error)) => {
                self.note(format_args!("{method} {path}: {error}"));
                None
            }
            Err(_) => {
                self.note(format_args!("{method} {path}: no answer"));
                None
            }
        }
    }

    /// Asks for JSON; none if there was no answer, or another than 200.
    async fn get(&mut self, path: &str) -> Option<Value> {
        let answer = self.ask("GET", path, "").await?;
        if answer.status == 200 { serde_json::from_str(&answer.body).ok() } else { None }
    }

    fn is_doomed(&self, doc: &str) -> bool {
        self.stage.ledger.lock().is_doomed(doc)
    }

    /// Takes a document away, and asks again until it is gone.
    async fn delete(&mut self, doc: &str) {
        let Some((epoch, ..)) = self.read(doc, "").await else { return };
        self.stage.ledger.lock().dooms(doc);
        self.stage.count("deletion");
        while !self.stage.is_calm() {
            match self.ask("DELETE", &format!("/v1/docs/{doc}"), "").await {
                // Not found: it was gone before, by this visitor's earlier request or another's.
                Some(answer) if matches!(answer.status, 204 | 404) => {
                    // A document made anew may be what was taken away; the one read before is gone in any case.
                    return self.stage.ledger.lock().buries(doc, &epoch);
                }
                _ => sleep(Duration::from_millis(200 + self.dice.below(800))).await,
            }
        }
    }

    /// The document now: its spot and text.
    async fn read(&mut self, doc: &str, query: &str) -> Option<(String, u64, String)> {
        let buried = self.stage.ledger.lock().buried(doc);
        let now = self.get(&format!("/v1/docs/{doc}{query}")).await?;
        let of = |name: &str| now[name].as_str().unwrap_or_default().to_owned();
        let (epoch, version, chain, text) = (of("epoch"), now["version"].as_u64()?, of("chain"), of("content"));
        if let Err(why) = self.stage.ledger.lock().sees(&self.name, doc, (epoch.clone(), version, chain), &text) {
            self.stage.fail(&self.name, why);
        }
        if buried.contains(&epoch) && !self.stage.was_restored() {
            self.stage.fail(&self.name, format_args!("{doc} is there again, after its deletion: {now}"));
        }
        Some((epoch, version, text))
    }

    async fn read_past(&mut self, doc: &str) {
        if let Some((_, version, _)) = self.read(doc, "").await {
            let past = self.dice.below(version + 1);
            self.read(doc, &format!("?version={past}")).await;
        }
    }

    /// Reads some version and what leads from there to the head, composed or not: that must give the head.
    async fn read_history(&mut self, doc: &str) {
        let Some((_, head, _)) = self.read(doc, "").await else { return };
        let mut at = head - self.dice.below(head.min(40) + 1);
        let Some((epoch, version, mut text)) = self.read(doc, &format!("?version={at}")).await else { return };
        if version != at {
            return self.stage.fail(&self.name, format_args!("{doc}: asked for version {at}, got {version}"));
        }
        let composed = self.dice.below(2) == 0;
        let limit = 1 + self.dice.below(20);
        loop {
            let path = format!("/v1/docs/{doc}/revisions?since={at}&limit={limit}&composed={composed}&epoch={epoch}");
            let Some(page) = self.get(&path).await else { return };
            for item in page["revisions"].as_array().into_iter().flatten() {
                let (Some(to), Ok(op)) = (item["version"].as_u64(), TextOp::from_json(&item["op"].to_string())) else {
                    return self.stage.fail(&self.name, format_args!("{doc}: {item}"));
                };
                if item["from"].as_u64().unwrap_or(to - 1) != at {
                    return self.stage.fail(&self.name, format_args!("{doc} is at {at}, and reads {item}"));
                }
                text = plain::apply(&op, &text);
                at = to;
                let spot = (epoch.clone(), at, item["chain"].as_str().unwrap_or_default().to_owned());
                if let Err(why) = self.stage.ledger.lock().sees(&self.name, doc, spot, &text) {
                    return self.stage.fail(&self.name, why);
                }
            }
            if page["more"] != json!(true) || self.stage.is_calm() {
                return;
            }
        }
    }

    /// Edits from what was read, perhaps a while ago, and asks again until the edit's fate is known.
    async fn edit(&mut self, doc: &str) {
        let Some((epoch, version, text)) = self.read(doc, "").await else { return };
        sleep(Duration::from_millis(self.dice.below(800))).await;
        let len = plain::len(&text);
        let at = self.dice.below(len + 1);
        let deleted = if self.dice.below(4) == 0 { (len - at).min(self.dice.below(4)) } else { 0 };
        let inserted = typed(&self.stage, &mut self.dice);
        let op = TextOp::splice(len, at, deleted, &inserted).expect("the range lies within the text");
        self.seq += 1;
        let (client, seq) = (secret(&self.name), self.seq);
        let json: Value = serde_json::from_str(&op.to_json()).expect("an op is JSON");
        let body = json!({"version": version, "op": json, "epoch": epoch, "client": client, "seq": seq}).to_string();
        self.stage.ledger.lock().types(&self.name, doc, &inserted);
        loop {
            match self.ask("POST", &format!("/v1/docs/{doc}/edits"), &body).await {
                Some(answer) if answer.status == 200 => return self.granted(doc, body, &answer),
                Some(answer) if !matches!(answer.status, 429 | 500 | 503) => {
                    // Refused, finally: what a restored backup has made impossible.
                    return self.stage.ledger.lock().excuse(&inserted);
                }
                _ => sleep(Duration::from_millis(200 + self.dice.below(800))).await,
            }
        }
    }

    /// Says something again that was granted: the newest in its document is answered as before, an older one refused.
    async fn say_again(&mut self) {
        let Some(place) = (!self.granted.is_empty()).then(|| self.dice.below(self.granted.len() as u64) as usize)
        else {
            return;
        };
        let Granted { doc, body, answer } = self.granted[place].clone();
        let newest = self.granted[..place].iter().all(|later| later.doc != doc);
        let Some(again) = self.ask("POST", &format!("/v1/docs/{doc}/edits"), &body).await else { return };
        let as_it_should = match again.status {
            200 => newest && again.body == answer,
            // Gone since, or another in its place.
            404 | 412 => self.is_doomed(&doc),
            409 => !newest && again.code() == "seq_out_of_order",
            status => matches!(status, 429 | 500 | 503),
        };
        if !as_it_should && !self.stage.was_restored() {
            self.stage.fail(&self.name, format_args!("{body}, granted before as {answer}, is now {again:?}"));
        }
    }

    fn granted(&mut self, doc: &str, body: String, answer: &Answer) {
        self.granted.insert(0, Granted { doc: doc.to_owned(), body, answer: answer.body.clone() });
        self.granted.truncate(4);
        let granted = answer.json();
        let op = TextOp::from_json(&granted["op"].to_string()).ok();
        let version = granted["version"].as_u64().unwrap_or(0);
        let client = ClientKey::of_client(&secret(&self.name));
        let ack = Ack { who: self.name.clone(), doc: doc.to_owned(), client, seq: self.seq, version, op };
        self.stage.ledger.lock().acks.push(ack);
        self.stage.tally.lock().edits += 1;
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.stage.note(&self.name, what);
    }
}
