//! Someone who writes with the real Rust client, over many connections and reloads of their program.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use variorum::client::{Backoff, Client, Create, Doc, Event, Identity, Kept, Options, Why};
use variorum::document::ClientKey;
use variorum::ot::TextOp;
use variorum::protocol::Code;

use super::ledger::{Ack, inserted_by};
use super::net::{Gate, Way, url};
use super::stage::{Stage, View};
use crate::live::secret;
use crate::plain;
use crate::scribe::Dice;

/// How long someone waits for a document to open before they do something else.
const PATIENCE: Duration = Duration::from_secs(4);

/// How someone writes.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Milliseconds between two things they do, on the average.
    pub pause_ms: u64,
    /// Whether they type where all others do.
    pub crowded: bool,
    /// What else they do comes from this.
    pub seed: u64,
}

/// Someone who writes.
pub struct Writer {
    stage: Arc<Stage>,
    name: String,
    /// The secret id of their client: another after a reload that kept nothing.
    id: String,
    lives: u64,
    dice: Dice,
    /// What is done to all their lines from outside.
    gate: Arc<Gate>,
    way: Way,
    client: Client,
    /// The documents they have open, by id; none where one is still to be opened.
    sheets: BTreeMap<String, Option<Sheet>>,
    habits: Habits,
}

/// A document as its application shows it.
struct Sheet {
    doc: Doc,
    events: UnboundedReceiver<Event>,
    /// What the application shows: kept by applying every event.
    shown: String,
    caret: u64,
}

impl Writer {
    /// A writer of these documents. Called within their host's runtime.
    pub fn new(stage: Arc<Stage>, name: &str, habits: Habits, gate: Arc<Gate>, docs: &[String]) -> Self {
        let mut dice = Dice::new(habits.seed);
        let (id, way) = (secret(name), Way { stage: stage.clone(), gate: gate.clone() });
        let client = connect(&way, &id, name, dice.below(u64::MAX));
        let sheets = docs.iter().map(|doc| (doc.clone(), None)).collect();
        Writer { stage, name: name.to_owned(), id, lives: 0, dice, gate, way, client, sheets, habits }
    }

    /// Writes until it is calm, and then waits until everything is where it should be.
    pub async fn live(mut self) -> turmoil::Result {
        while !self.stage.is_calm() {
            sleep(Duration::from_millis(1 + self.dice.below(2 * self.habits.pause_ms))).await;
            self.hear();
            self.act().await;
        }
        loop {
            self.hear();
            self.open_missing().await;
            self.show();
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn act(&mut self) {
        match self.dice.below(200) {
            0 => {
                self.stage.count("reconnect");
                self.note("connects anew");
                self.client.reconnect();
            }
            1 | 2 => self.reload().await,
            3 => sleep(Duration::from_millis(self.dice.below(4_000))).await,
            4 | 5 => self.leave_one(),
            6..12 => self.check(),
            12..40 => self.open_missing().await,
            40..44 => (0..self.dice.below(30)).for_each(|_| self.edit()),
            _ => self.edit(),
        }
    }

    fn pick(&mut self) -> Option<String> {
        let open: Vec<_> =
            self.sheets.iter().filter(|(_, sheet)| sheet.is_some()).map(|(doc, _)| doc.clone()).collect();
        if open.is_empty() { None } else { Some(open[self.dice.below(open.len() as u64) as usize].clone()) }
    }

    fn edit(&mut self) {
        let Some(doc) = self.pick() else { return };
        let Writer { stage, name, dice, sheets, habits, .. } = self;
        let Some(Some(sheet)) = sheets.get_mut(&doc) else { return };
        let len = plain::len(&sheet.shown);
        if habits.crowded {
            sheet.caret = dice.below(len.min(4) + 1);
        } else if dice.below(6) == 0 {
            sheet.caret = dice.below(len + 1);
        }
        let at = sheet.caret.min(len);
        let (deleted, text) = match dice.below(if habits.crowded { 5 } else { 10 }) {
            0 | 1 => ((len - at).min(1 + dice.below(5)), String::new()),
            2 => ((len - at).min(1 + dice.below(3)), typed(stage, dice)),
            _ => (0, typed(stage, dice)),
        };
        let Some(op) = TextOp::splice(len, at, deleted, &text).filter(|op| !op.is_identity()) else { return };
        if let Err(error) = sheet.doc.edit(|_| Some(op.clone())) {
            return stage.fail(name, format_args!("{doc} does not take {op:?} on {:?}: {error}", sheet.shown));
        }
        let gone: String = sheet.shown.chars().skip(at as usize).take(deleted as usize).collect();
        let mut ledger = stage.ledger.lock();
        ledger.types(name, &doc, &text);
        // What was deleted may have been typed a moment ago and not sent: then it never reaches the log.
        ledger.takes_back(name, &gone);
        drop(ledger);
        sheet.shown = plain::apply(&op, &sheet.shown);
        sheet.caret = at + plain::len(&text);
        stage.note(name, format_args!("edits {doc} {}", op.to_json()));
    }

    fn check(&mut self) {
        if let Some(doc) = self.pick()
            && let Some(Some(sheet)) = self.sheets.get(&doc)
        {
            sheet.doc.check();
        }
    }

    /// Closes a document that has nothing unsent; it is opened again later.
    fn leave_one(&mut self) {
        let Some(doc) = self.pick() else { return };
        let settled = |sheet: &Sheet| sheet.doc.look(|machine| machine.is_synchronized());
        if self.sheets[&doc].as_ref().is_some_and(settled) {
            self.note(format_args!("closes {doc}"));
            self.sheets.insert(doc, None);
        }
    }

    async fn open_missing(&mut self) {
        let missing: Vec<_> =
            self.sheets.iter().filter(|(_, sheet)| sheet.is_none()).map(|(doc, _)| doc.clone()).collect();
        for doc in missing {
            let content = if self.dice.below(2) == 0 { typed(&self.stage, &mut self.dice) } else { String::new() };
            // What a document begins with is there only if this client was the one that made it.
            self.stage.ledger.lock().excuse(&content);
            let id = doc.parse().expect("a document id");
            let opened = timeout(PATIENCE, self.client.open(id, Some(Create::text(content)))).await;
            match opened {
                Ok(Ok(opened)) => self.enter(doc, opened),
                Ok(Err(closed)) => {
                    self.note(format_args!("cannot open {doc}: {closed}"));
                    self.begin_anew(&closed.message);
                }
                Err(_) => self.note(format_args!("gives up opening {doc}")),
            }
        }
    }

    fn enter(&mut self, doc: String, opened: Doc) {
        let (content, events) = opened.events();
        self.note(format_args!("has {doc} at {}", opened.version()));
        let sheet = Sheet { doc: opened, events, shown: content.to_string(), caret: 0 };
        self.sheets.insert(doc, Some(sheet));
    }

    /// A client that was turned away for good is no longer of use; its user starts the program again.
    fn begin_anew(&mut self, why: &str) {
        if why.contains("turned away") {
            self.stage.fail(&self.name, why);
        }
    }

    /// Their program is closed, in an orderly way or not, and started again.
    async fn reload(&mut self) {
        let abrupt = self.dice.below(2) == 0;
        let forgets = self.dice.below(4) == 0;
        self.stage.count(if forgets { "reload that forgets" } else { "reload" });
        let mut kept: Vec<(String, String)> = Vec::new();
        for (doc, sheet) in &self.sheets {
            if let Some(keep) = sheet.as_ref().and_then(|sheet| sheet.doc.keep()) {
                kept.push((doc.clone(), serde_json::to_string(&keep).expect("what is kept is JSON")));
            }
        }
        self.note(format_args!(
            "reloads{}{}",
            if abrupt { ", cut off" } else { "" },
            if forgets { ", and forgets" } else { "" }
        ));
        if abrupt {
            self.gate.cut();
        }
        let docs: Vec<_> = self.sheets.keys().cloned().collect();
        self.sheets = docs.into_iter().map(|doc| (doc, None)).collect();
        self.lives += 1;
        if forgets {
            // One that kept nothing is another client: its count begins anew.
            self.id = secret(&format!("{}-{}", self.name, self.lives));
            self.stage.ledger.lock().forgets(&self.name);
        }
        self.gate = Arc::new(Gate::default());
        self.way = Way { stage: self.stage.clone(), gate: self.gate.clone() };
        self.stage.gates.lock().insert(self.name.clone(), self.gate.clone());
        self.client = connect(&self.way, &self.id, &self.name, self.dice.below(u64::MAX));
        sleep(Duration::from_millis(self.dice.below(600))).await;
        if forgets {
            return;
        }
        for (doc, json) in kept {
            let kept: Kept = serde_json::from_str(&json).expect("what was kept is read again");
            match self.client.resume(doc.parse().expect("a document id"), kept) {
                Ok(opened) => self.enter(doc, opened),
                Err(closed) => self.stage.fail(&self.name, format_args!("cannot go on with {doc}: {closed}")),
            }
        }
    }

    /// Takes in what happened to every document.
    fn hear(&mut self) {
        let docs: Vec<_> = self.sheets.keys().cloned().collect();
        for doc in docs {
            let Some(Some(sheet)) = self.sheets.get_mut(&doc) else { continue };
            let mut events = Vec::new();
            while let Ok(event) = sheet.events.try_recv() {
                events.push(event);
            }
            let mut ended = None;
            for event in events {
                if let Event::Closed { closed, .. } = &event {
                    ended = Some(closed.message.clone());
                }
                self.heard(&doc, event);
            }
            if let Some(why) = ended {
                self.sheets.insert(doc, None);
                self.begin_anew(&why);
                continue;
            }
            let Some(Some(sheet)) = self.sheets.get(&doc) else { continue };
            let text = sheet.doc.text().to_string();
            if text != sheet.shown {
                self.stage.fail(
                    &self.name,
                    format_args!("{doc}: the events gave {:?}, the client has {text:?}", sheet.shown),
                );
            }
            let place = sheet.doc.look(|machine| machine.place().filter(|_| machine.is_synchronized()));
            if let Some(place) = place {
                let spot = (place.epoch, place.version.0, place.chain);
                if let Err(why) = self.stage.ledger.lock().sees(&self.name, &doc, spot, &text) {
                    self.stage.fail(&self.name, why);
                }
            }
        }
    }

    fn heard(&mut self, doc: &str, event: Event) {
        let Writer { stage, name, id, sheets, .. } = self;
        let Some(Some(sheet)) = sheets.get_mut(doc) else { return };
        match event {
            Event::Opened { version } => stage.note(name, format_args!("{doc} is open at {version}")),
            Event::Disconnected => stage.note(name, format_args!("{doc} is cut off")),
            Event::Changed { op, version } => {
                stage.note(name, format_args!("{doc} {version}: {}", op.to_json()));
                sheet.shown = plain::apply(&op, &sheet.shown);
            }
            Event::Acknowledged { seq, version, op } => {
                stage.note(name, format_args!("{doc} {version}: own edit {seq}"));
                let client = ClientKey::of_client(id);
                let ack = Ack { who: name.clone(), doc: doc.to_owned(), client, seq: seq.0, version: version.0, op };
                stage.ledger.lock().acks.push(ack);
                stage.tally.lock().edits += 1;
            }
            Event::Reset { why, unsent, text } => {
                stage.note(name, format_args!("{doc} is taken anew: {why:?}, unsent {unsent:?}"));
                stage.count("reset");
                let doomed =
                    matches!(&why, Why::Place(reason) if reason == "epoch") && stage.ledger.lock().is_doomed(doc);
                if !doomed && (!matches!(&why, Why::Place(_)) || !stage.was_restored()) {
                    stage.fail(name, format_args!("{doc} was taken anew: {why:?}"));
                }
                if let Some(unsent) = unsent {
                    stage.ledger.lock().excuse(&inserted_by(&unsent.op));
                }
                sheet.shown = text.to_string();
            }
            Event::Closed { closed, unsent } => {
                stage.note(name, format_args!("{doc} is closed: {closed}, unsent {unsent:?}"));
                let gone = matches!(closed.code, Some(Code::Deleted | Code::UnknownDocument));
                let doomed = gone && stage.ledger.lock().is_doomed(doc);
                if !doomed && !stage.was_restored() {
                    stage.fail(name, format_args!("{doc} was closed: {closed}"));
                }
                if let Some(unsent) = unsent {
                    stage.ledger.lock().excuse(&inserted_by(&unsent.op));
                }
            }
        }
    }

    /// Puts what is on the screen where the end of the world is looked for.
    fn show(&self) {
        let mut views = self.stage.views.lock();
        for (doc, sheet) in &self.sheets {
            let key = (self.name.clone(), doc.clone());
            match sheet {
                None => drop(views.remove(&key)),
                Some(sheet) => {
                    let (place, settled) =
                        sheet.doc.look(|machine| (machine.place(), machine.is_open() && machine.is_synchronized()));
                    let (epoch, version) = place.map_or_else(Default::default, |place| (place.epoch, place.version.0));
                    views.insert(key, View { epoch, version, text: sheet.shown.clone(), settled, people: None });
                }
            }
        }
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.stage.note(&self.name, what);
    }
}

fn connect(way: &Way, id: &str, name: &str, seed: u64) -> Client {
    let dice = parking_lot::Mutex::new(Dice::new(seed));
    let options = Options {
        backoff: Backoff { first: Duration::from_millis(200), most: Duration::from_secs(3) },
        attempts: None,
        ping_after: Duration::from_secs(2),
        gone_after: Duration::from_secs(5),
        random: Arc::new(move || dice.lock().below(u64::MAX)),
    };
    let identity = Identity { name: Some(name.to_owned()), ..Identity::new(id) };
    Client::connect_through(way.clone(), &url(), identity, options).expect("the address is one")
}

/// A few characters that nobody typed before, with some among them that everybody types.
pub fn typed(stage: &Stage, dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..=dice.below(4) {
        text.push(stage.fresh_char());
        if dice.below(3) == 0 {
            text.push(dice.pick(&['a', 'é', '\n', '\0', '漢']));
        }
    }
    text
}
