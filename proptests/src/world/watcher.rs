//! Someone who reads over a raw WebSocket, with code of its own: every revision in order, who is here, and where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use variorum::ot::TextOp;

use super::net::{Line, Way, url};
use super::stage::{Stage, View};
use crate::live::secret;
use crate::plain;
use crate::scribe::Dice;

/// Silence after which a watcher takes the line for dead. The server's pings come more often.
const SILENCE: Duration = Duration::from_secs(7);

/// Someone who reads.
pub struct Watcher {
    stage: Arc<Stage>,
    name: String,
    dice: Dice,
    way: Way,
    pages: BTreeMap<String, Page>,
    /// Presence states said so far.
    said: u64,
}

/// A document as a reader has it.
#[derive(Default)]
struct Page {
    /// Epoch, version, chain; none before it was opened once.
    place: Option<(String, u64, String)>,
    text: String,
    /// The connections that are here, with the name of their user and their state.
    people: BTreeMap<String, (String, Option<String>)>,
    open: bool,
    /// Whether it was asked for and the answer has not come: then it is not asked for again, so that the answer is to be
    /// held against the place that is here.
    awaited: bool,
    /// The incarnations that were known to be gone when it was asked for.
    buried: BTreeSet<String>,
}

/// The line is no longer of use.
struct Broken(String);

type Socket = WebSocketStream<Line>;

impl Watcher {
    /// A reader of these documents.
    pub fn new(stage: Arc<Stage>, name: &str, seed: u64, way: Way, docs: &[String]) -> Self {
        let pages = docs.iter().map(|doc| (doc.clone(), Page::default())).collect();
        Watcher { stage, name: name.to_owned(), dice: Dice::new(seed), way, pages, said: 0 }
    }

    /// Reads for as long as the world lasts.
    pub async fn live(mut self) -> turmoil::Result {
        loop {
            let served = self.serve().await;
            self.pages.values_mut().for_each(|page| (page.open, page.awaited) = (false, false));
            if let Err(Broken(why)) = served {
                self.note(format_args!("is cut off: {why}"));
            }
            sleep(Duration::from_millis(self.dice.below(1_500))).await;
        }
    }

    /// One connection, until it breaks or the watcher has had enough.
    async fn serve(&mut self) -> Result<(), Broken> {
        let mut socket = timeout(SILENCE, self.connect()).await.map_err(|_| Broken("no connection".into()))??;
        let mut until = self.next_pause();
        let docs: Vec<_> = self.pages.keys().cloned().collect();
        for doc in &docs {
            self.open(&mut socket, doc).await?;
        }
        let mut heard = Instant::now();
        let mut final_state_said = false;
        loop {
            match timeout_at(until, socket.next()).await {
                Ok(None) => return Err(Broken("the server closed".into())),
                Ok(Some(Err(error))) => return Err(Broken(error.to_string())),
                Ok(Some(Ok(message))) => {
                    heard = Instant::now();
                    if let Message::Text(text) = message {
                        self.hear(&mut socket, &text).await?;
                    }
                }
                Err(_) => {
                    until = self.next_pause();
                    if heard + SILENCE < Instant::now() {
                        return Err(Broken("silence".into()));
                    }
                    let calm = self.stage.is_calm();
                    match self.dice.below(60) {
                        0 if !calm => return Err(Broken("it leaves, and comes back".into())),
                        1 if !calm => {
                            let doc = &docs[self.dice.below(docs.len() as u64) as usize];
                            if self.pages[doc].open {
                                self.open(&mut socket, doc).await?;
                            }
                        }
                        2..20 if !calm => self.say_where(&mut socket, &docs).await?,
                        _ => self.say(&mut socket, json!({"type": "ping"})).await?,
                    }
                    let everywhere = self.pages.values().all(|page| page.open);
                    if calm && everywhere && !final_state_said {
                        final_state_said = true;
                        for doc in &docs {
                            self.say_state(&mut socket, doc).await?;
                        }
                    }
                }
            }
            self.show();
        }
    }

    fn next_pause(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(100 + self.dice.below(1_500))
    }

    async fn connect(&mut self) -> Result<Socket, Broken> {
        let broken = |error: &dyn std::fmt::Display| Broken(error.to_string());
        let io = self.way.dial().await.map_err(|error| broken(&error))?;
        let mut request = url().into_client_request().map_err(|error| broken(&error))?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "variorum.v1".parse().expect("a header value"));
        let (mut socket, _) = client_async(request, io).await.map_err(|error| broken(&error))?;
        let (id, name) = (secret(&self.name), self.name.clone());
        self.say(&mut socket, json!({"type": "hello", "protocol": 1, "client": id, "name": name})).await?;
        Ok(socket)
    }

    async fn say(&mut self, socket: &mut Socket, message: Value) -> Result<(), Broken> {
        match timeout(SILENCE, socket.send(Message::text(message.to_string()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Broken(error.to_string())),
            Err(_) => Err(Broken("nothing can be said".into())),
        }
    }

    async fn open(&mut self, socket: &mut Socket, doc: &str) -> Result<(), Broken> {
        let page = self.pages.get_mut(doc).expect("one of its documents");
        if page.awaited {
            return Ok(());
        }
        (page.open, page.awaited) = (false, true);
        page.buried = self.stage.ledger.lock().buried(doc);
        let mut open = json!({"type": "open", "doc": doc, "create": {"kind": "text"}});
        if let Some((epoch, version, chain)) = &page.place {
            open["from"] = json!({"epoch": epoch, "version": version, "chain": chain});
        }
        self.say(socket, open).await
    }

    async fn say_where(&mut self, socket: &mut Socket, docs: &[String]) -> Result<(), Broken> {
        let doc = docs[self.dice.below(docs.len() as u64) as usize].clone();
        self.say_state(socket, &doc).await
    }

    async fn say_state(&mut self, socket: &mut Socket, doc: &str) -> Result<(), Broken> {
        let page = &self.pages[doc];
        let (true, Some((_, version, _))) = (page.open, &page.place) else { return Ok(()) };
        let (version, at) = (*version, self.dice.below(plain::len(&page.text) + 1));
        self.said += 1;
        let state = match self.dice.below(8) {
            0 => Value::Null,
            _ => json!({"cursors": [[at, at]], "n": self.said}),
        };
        self.say(socket, json!({"type": "presence", "doc": doc, "version": version, "state": state})).await
    }

    async fn hear(&mut self, socket: &mut Socket, text: &str) -> Result<(), Broken> {
        let message: Value = serde_json::from_str(text).map_err(|error| Broken(error.to_string()))?;
        self.note(format_args!("hears {text}"));
        let doc = message["doc"].as_str().unwrap_or_default().to_owned();
        match (message["type"].as_str().unwrap_or_default(), self.pages.contains_key(&doc)) {
            ("opened", true) => self.opened(&doc, &message),
            // What still comes of the stream before the last `open` is covered by the answer to it.
            ("revision", true) if self.pages[&doc].open => self.revision(&doc, &message),
            ("presence", true) if self.pages[&doc].open => self.presence(&doc, &message),
            ("closed", true) => {
                if message["code"] == "deleted" && !self.stage.ledger.lock().is_doomed(&doc) {
                    self.stage.fail(&self.name, format_args!("is told {text}, and nobody deleted it"));
                }
                let page = self.pages.get_mut(&doc).expect("one of its documents");
                page.open = false;
                // What closed may be the stream before the last `open`.
                if page.awaited {
                    return Ok(());
                }
                sleep(Duration::from_millis(300)).await;
                return self.open(socket, &doc).await;
            }
            ("error", true) if message["reply_to"] == "open" => {
                self.pages.get_mut(&doc).expect("one of its documents").awaited = false;
                sleep(Duration::from_millis(500)).await;
                return self.open(socket, &doc).await;
            }
            // What was said before it was heard that the document is closed.
            ("error", true) if message["code"] == "not_open" && !self.pages[&doc].open => {}
            ("draining", _) => return Err(Broken("the server drains".into())),
            ("error", _) => self.stage.fail(&self.name, format_args!("is told {text}")),
            _ => {}
        }
        Ok(())
    }

    fn opened(&mut self, doc: &str, opened: &Value) {
        let there = (text_of(&opened["epoch"]), opened["version"].as_u64().unwrap_or(0), text_of(&opened["chain"]));
        let page = self.pages.get_mut(doc).expect("one of its documents");
        if page.buried.contains(&there.0) && !self.stage.was_restored() {
            self.stage.fail(&self.name, format_args!("{doc} is there again, after its deletion: {there:?}"));
        }
        // Items of a continued stream lead from where it was.
        if let Some(items) = opened["revisions"].as_array() {
            for item in items {
                self.revision(doc, item);
            }
            let page = &self.pages[doc];
            if page.place.as_ref() != Some(&there) {
                self.stage.fail(&self.name, format_args!("{doc}: revisions lead to {:?}, told {there:?}", page.place));
            }
        } else {
            let reset = opened["reset"].as_str();
            let wrong = match (&page.place, reset) {
                (None, None) => false,
                (None, Some(_)) | (Some(_), None) => true,
                // What is checked first is said.
                (Some(here), Some("epoch")) => here.0 == there.0,
                // The head may have come this far between the check and the content.
                (Some(here), Some("ahead")) => here.0 != there.0,
                (Some(here), Some("chain")) => here.0 != there.0 || here.1 > there.1,
                (Some(_), Some(_)) => true,
            };
            let doomed = reset == Some("epoch") && self.stage.ledger.lock().is_doomed(doc);
            if wrong || (reset.is_some() && !doomed && !self.stage.was_restored()) {
                self.stage.fail(&self.name, format_args!("{doc} at {:?}: reset {reset:?} to {there:?}", page.place));
            }
            page.text = text_of(&opened["content"]);
            page.place = Some(there);
        }
        let page = self.pages.get_mut(doc).expect("one of its documents");
        (page.open, page.awaited) = (true, false);
        page.people.clear();
        self.presence(doc, &opened["presence"]);
        self.saw(doc);
    }

    fn revision(&mut self, doc: &str, item: &Value) {
        let page = self.pages.get_mut(doc).expect("one of its documents");
        let Some((_, version, chain)) = &mut page.place else { return };
        let to = item["version"].as_u64().unwrap_or(0);
        let from = item["from"].as_u64().unwrap_or(to.wrapping_sub(1));
        let op = TextOp::from_json(&item["op"].to_string());
        match op {
            Ok(op) if from == *version && from < to => {
                page.text = plain::apply(&op, &page.text);
                *version = to;
                *chain = text_of(&item["chain"]);
            }
            _ => self.stage.fail(&self.name, format_args!("{doc} is at {version}, and hears {item}")),
        }
        self.saw(doc);
    }

    fn saw(&mut self, doc: &str) {
        let page = &self.pages[doc];
        let Some(spot) = page.place.clone() else { return };
        if let Err(why) = self.stage.ledger.lock().sees(&self.name, doc, spot, &page.text) {
            self.stage.fail(&self.name, why);
        }
    }

    fn presence(&mut self, doc: &str, change: &Value) {
        let page = self.pages.get_mut(doc).expect("one of its documents");
        let list = |name: &str| change[name].as_array().cloned().unwrap_or_default();
        for left in list("left") {
            page.people.remove(&text_of(&left));
        }
        for joined in list("joined") {
            page.people.insert(text_of(&joined["session"]), (text_of(&joined["user"]["name"]), None));
        }
        for state in list("states") {
            let session = text_of(&state["session"]);
            match page.people.get_mut(&session) {
                Some(person) => person.1 = (!state["state"].is_null()).then(|| state["state"]["n"].to_string()),
                None => self.stage.fail(&self.name, format_args!("{doc}: a state of {session}, who is not here")),
            }
        }
        let count = change["count"].as_u64().unwrap_or(0);
        let names: BTreeSet<_> = page.people.values().map(|(name, _)| name).collect();
        if count < names.len() as u64 {
            self.stage.fail(&self.name, format_args!("{doc}: {count} people are here, named are {names:?}"));
        }
    }

    /// Puts what is on the screen where the end of the world is looked for.
    fn show(&self) {
        let mut views = self.stage.views.lock();
        for (doc, page) in &self.pages {
            let key = (self.name.clone(), doc.clone());
            match &page.place {
                Some((epoch, version, _)) if page.open => {
                    let mut people: Vec<_> = page.people.values().cloned().collect();
                    people.sort();
                    let (epoch, version, text) = (epoch.clone(), *version, page.text.clone());
                    views.insert(key, View { epoch, version, text, settled: true, people: Some(people) });
                }
                _ => drop(views.remove(&key)),
            }
        }
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.stage.note(&self.name, what);
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
