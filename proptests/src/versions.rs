//! Holds what a server says of the past against a naive fold, and measures how long it takes to say it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use variorum::limits::Limits;
use variorum::replay::{Target, Trace, replay};
use variorum::store::{SqliteOptions, SqliteStore};

use crate::Source;
use crate::fold::Fold;
use crate::live::{Answer, Server, history};

/// A document of a server under test.
pub struct Past<'s> {
    server: &'s Server,
    doc: String,
    /// What a failure is reported with.
    about: String,
}

impl<'s> Past<'s> {
    /// Of a document; `about` says in a failure which case it was.
    pub fn new(server: &'s Server, doc: &str, about: impl ToString) -> Self {
        Past { server, doc: doc.to_owned(), about: about.to_string() }
    }

    /// What is said at a path of the document.
    pub async fn get(&self, path: &str) -> Answer {
        let answer = self.server.http("GET", &format!("/v1/docs/{}{path}", self.doc), &[], "").await;
        assert_eq!(answer.status, 200, "{}: {path}: {}", self.about, answer.body);
        answer
    }

    /// Holds content and blame of the version that a fold is at against it.
    pub async fn version(&self, fold: &Fold) {
        let version = fold.version();
        let content = self.get(&format!("/content?version={version}")).await.body;
        assert_eq!(content, fold.text(), "{}: version {version}", self.about);
        let blame = self.get(&format!("/blame?version={version}&limit=100000")).await.body;
        fold.blame(&blame).unwrap_or_else(|why| panic!("{}: blame of {version}: {why}\n{blame}", self.about));
    }

    /// Holds a diff between two versions that a fold has kept against them.
    pub async fn diff(&self, fold: &Fold, from: u64, to: u64) {
        let diff = self.get(&format!("/diff?from={from}&to={to}")).await.json();
        let verdict = fold.diff(from, to, &diff);
        verdict.unwrap_or_else(|why| panic!("{}: diff from {from} to {to}: {why}\n{diff}", self.about));
    }

    /// Every stretch, read in pages of `limit`.
    pub async fn stretches(&self, pause_ms: u64, limit: u64) -> Vec<Value> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/history?pause_ms={pause_ms}&limit={limit}{before}")).await.json();
            all.extend(page["stretches"].as_array().expect("stretches are a list").iter().cloned());
            if page["more"] == false {
                return all;
            }
            before = format!("&before={}", page["before"]);
        }
    }

    /// Every place where a text has stood, with the names of people in place of their numbers.
    pub async fn found(&self, wanted: &str) -> Vec<Value> {
        let encoded = variorum::client::encoded(wanted);
        let mut body = self.get(&format!("/search?text={encoded}&limit=500")).await.json();
        assert_eq!(body["more"], false, "{}: more than expected", self.about);
        let users = body["users"].take();
        let named = |mut place: Value| {
            for end in ["/user", "/gone/user"] {
                if let Some(user) = place.pointer_mut(end).filter(|user| !user.is_null()) {
                    *user = users[user.as_u64().expect("a user is a number") as usize].clone();
                }
            }
            place
        };
        let found = body["found"].as_array_mut().expect("places are a list");
        std::mem::take(found).into_iter().map(named).collect()
    }

    /// Holds every so many versions, so many random pairs and the whole history against a fold of these revisions.
    pub async fn holds(&self, revisions: &[Value], every: u64, pairs: u64) {
        let mut fold = Fold::default();
        let mut dice = Source::seeded(every);
        let between_kept = 1 + revisions.len() as u64 / 200;
        fold.keep();
        for revision in revisions {
            fold.step(revision);
            if fold.version() % every == 0 || fold.version() == revisions.len() as u64 {
                self.version(&fold).await;
            }
            if dice.once_in(between_kept) {
                fold.keep();
            }
        }
        let kept = fold.kept();
        for _ in 0..pairs {
            self.diff(&fold, *dice.pick(&kept), *dice.pick(&kept)).await;
        }
        for pause_ms in [0, 2, 1_000, 300_000] {
            let expected = fold.stretches(pause_ms);
            let limit = (expected.len() as u64 / 5).clamp(1, 500);
            assert_eq!(self.stretches(pause_ms, limit).await, expected, "{}: {pause_ms} ms", self.about);
        }
    }
}

/// A recording beside the repository, if it is there.
pub fn recording(name: &str) -> Option<Trace> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../shared/traces/{name}.json.gz"));
    file.exists().then(|| Trace::read(&file).expect("a recording is readable"))
}

/// Plays every recording that is there, and holds every so many versions of it against a fold.
pub async fn check_recordings(every: u64) -> Result<String, String> {
    let mut checked = Vec::new();
    for name in ["friendsforever", "sveltecomponent", "seph-blog1"] {
        let Some(trace) = recording(name) else { continue };
        let server = Server::start().await;
        let target = Target {
            url: server.url(),
            token: None,
            doc: "d".parse().expect("it is an id"),
            again: false,
            batch: false,
        };
        replay(Arc::new(trace), &target, || {}).await.map_err(|failure| failure.to_string())?;
        let revisions = history(server.address, "d").await;
        Past::new(&server, "d", name).holds(&revisions, every, 2_000).await;
        checked
            .push(format!("{name}: {} versions and 2,000 pairs are what a fold says", revisions.len() as u64 / every));
        println!("{}", checked[checked.len() - 1]);
        server.stop().await;
    }
    match checked.is_empty() {
        true => Err("there are no recordings in ../shared/traces".into()),
        false => Ok("all of it holds".into()),
    }
}

/// Measures a document in a store's directory: requests over loopback, each on a connection of its own, bodies included.
pub async fn measure(directory: PathBuf, doc: &str, times: u64) -> Result<String, String> {
    let open = || {
        let store = SqliteStore::open(&directory, SqliteOptions::default()).map_err(|error| error.to_string())?;
        Ok::<_, String>(Arc::new(store))
    };
    let server = Server::with(open()?, Limits::default()).await;
    let begun = Instant::now();
    let head = Past::new(&server, doc, "").get("").await.json()["version"].as_u64().unwrap_or(0);
    println!("{head} versions; first open after the start {:.2} ms", ms(begun.elapsed()));
    let random = |seed| {
        let mut dice = Source::seeded(seed);
        move || dice.below(head + 1)
    };
    type Ask<'a> = (&'a str, Box<dyn FnMut() -> String>);
    let (mut a, mut b, mut c, mut d, mut e, mut f) = (random(1), random(2), random(3), random(4), random(5), random(6));
    let asks: Vec<Ask> = vec![
        ("nothing (GET /health)", Box::new(String::new)),
        ("content", Box::new(move || format!("/content?version={}", a()))),
        ("snapshot", Box::new(move || format!("?version={}", b()))),
        ("blame", Box::new(move || format!("/blame?version={}", c()))),
        ("diff", Box::new(move || format!("/diff?from={}&to={}", d(), e()))),
        ("history, 50 stretches", Box::new(move || format!("/history?pause_ms=20&before={}", f()))),
    ];
    let past = Past::new(&server, doc, "measured");
    for (what, mut path) in asks {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..times {
            let path = path();
            let begun = Instant::now();
            let answer = match path.is_empty() {
                true => server.http("GET", "/health", &[], "").await,
                false => past.get(&path).await,
            };
            took.push(begun.elapsed());
            bytes += answer.body.len() as u64;
        }
        took.sort_unstable();
        let at = |share: f64| ms(took[((took.len() - 1) as f64 * share) as usize]);
        let kb = bytes / times / 1000;
        println!("{what}: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms, {kb} kB", at(0.5), at(0.99), at(1.0));
    }
    let begun = Instant::now();
    let found = past.get("/search?text=Automerge%20is&limit=500").await.json();
    let places = found["found"].as_array().map_or(0, Vec::len);
    println!("search of the whole history: {:.0} ms, {places} places", ms(begun.elapsed()));
    server.stop().await;
    let store = open()?;
    store.fold_now().await;
    variorum::store::Store::close(&*store).await;
    let bytes = std::fs::metadata(directory.join("variorum.db")).map_err(|error| error.to_string())?.len();
    Ok(format!("{bytes} bytes in the database, {:.1} for each revision", bytes as f64 / head as f64))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
