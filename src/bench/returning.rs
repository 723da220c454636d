//! What it costs to come back: from far behind, for the first time, or all at once after the server was killed.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::line::{Line, PATH};
use super::player::{Manner, Player, document};
use super::report::{Measured, Report, median};
use super::scribe::{Kept, Opened, Scribe};
use super::stage::{Rate, Stage};
use super::typing::{Place, Typing};
use super::{Bench, Failure};
use crate::document::DocumentId;
use crate::ot::TextOp;
use crate::replay::Trace;

/// How often each return is measured.
const TIMES: usize = 15;

/// Someone who missed 10,000 of 50,000 random edits of a document of 5 kB, and someone who never had it.
pub(super) async fn resume(bench: &Bench) -> Result<Report, Failure> {
    let host = bench.quick_server()?;
    let (edits, missed) = (bench.many(50_000, 500), bench.many(10_000, 100));
    let doc = document("resume", 0);
    let mut scribe = Scribe::connect(host.address).await?;
    let begun = scribe.open(&doc, &"Lorem ipsum dolor sit amet. ".repeat(179)).await?.kept;
    let mut typing = Typing::new(1, Place::Random, Some(5_000));
    let random = typing.edits(begun.text.len(), edits);
    let (places, now) = scribe.write(&doc, begun, random, &[(edits - missed) as u64]).await?;
    drop(scribe);
    let mut report = Report::new("resume");
    let behind = places.values().next();
    let resumed = returns(host.address, &doc, behind, &now).await?;
    report.figures.push(Measured::new("bytes to resume", resumed.kb, "kB", Some(16.0)));
    report.figures.push(Measured::new("time to resume", resumed.ms, "ms", Some(10.0)));
    report.figures.push(Measured::new("time to resume, least", resumed.ms_least, "ms", None));
    let joined = returns(host.address, &doc, None, &now).await?;
    report.figures.push(Measured::new("bytes to join", joined.kb, "kB", None));
    report.figures.push(Measured::new("time to join", joined.ms, "ms", None));
    report.documents_compared = 1;
    Ok(report)
}

/// Someone who missed transactions 127,000 to 137,000 of a recorded session.
pub(super) async fn resume_trace(bench: &Bench, file: &Path) -> Result<Report, Failure> {
    let trace = Trace::read(file).map_err(|error| error.to_string())?;
    let all: Vec<TextOp> = trace.ops().collect::<Result<_, _>>()?;
    let host = bench.quick_server()?;
    let to = bench.many(137_000, 1_000).min(all.len());
    let from = to - bench.many(10_000, 200).min(to);
    let doc = document("trace", 0);
    let mut scribe = Scribe::connect(host.address).await?;
    let begun = scribe.open(&doc, &trace.start).await?.kept;
    let (places, now) = scribe.write(&doc, begun, all.into_iter().take(to), &[from as u64]).await?;
    drop(scribe);
    let mut report = Report::new("resume-trace");
    let resumed = returns(host.address, &doc, places.values().next(), &now).await?;
    report.figures.push(Measured::new("bytes to resume", resumed.kb, "kB", Some(9.0)));
    report.figures.push(Measured::new("time to resume", resumed.ms, "ms", Some(10.0)));
    report.figures.push(Measured::new("time to resume, least", resumed.ms_least, "ms", None));
    report.documents_compared = 1;
    Ok(report)
}

/// Median bytes and milliseconds until a client has the document as it is now: from a place, or from nothing.
async fn returns(
    address: std::net::SocketAddr,
    doc: &DocumentId,
    from: Option<&Kept>,
    now: &Kept,
) -> Result<Returned, Failure> {
    let mut each = Vec::new();
    for _ in 0..TIMES {
        let mut client = Scribe::connect(address).await?;
        let Opened { kept, bytes, took } = match from {
            Some(behind) => client.resume(doc, behind).await?,
            None => client.open(doc, "").await?,
        };
        if kept.place != now.place || kept.text != now.text {
            return Err(format!("a client that came back to {doc} holds another text than its writer"));
        }
        each.push((bytes as f64, took.as_secs_f64() * 1_000.0));
    }
    let ms = || each.iter().map(|(_, ms)| *ms);
    let bytes = median(each.iter().map(|(bytes, _)| *bytes));
    Ok(Returned { kb: bytes / 1_000.0, ms: median(ms()), ms_least: ms().fold(f64::INFINITY, f64::min) })
}

/// What a return took.
struct Returned {
    kb: f64,
    ms: f64,
    /// The quickest of all: what it takes on a machine that does nothing else.
    ms_least: f64,
}

/// Where the recorded session lies, if it is there.
pub(super) fn find_trace(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| Some(PathBuf::from("../shared/traces/seph-blog1.json.gz")).filter(|path| path.exists()))
}

/// Documents of the storm, and how many in each type.
const DOCUMENTS: usize = 50;
const WRITERS: usize = 2;
/// Pause of a client that finds nobody listening.
const AGAIN: Duration = Duration::from_millis(20);

/// Thousands of clients that come back at once after `kill -9`, some with edits whose fate they do not know.
pub(super) async fn storm(bench: &Bench) -> Result<Report, Failure> {
    let mut stage = Stage::new(bench.server()?);
    let clients = bench.many(5_000, 100);
    let teams: Vec<_> = (0..DOCUMENTS).map(|_| Rc::default()).collect();
    let players = (0..clients).map(|place| {
        let number = place % DOCUMENTS;
        let typing = (place < DOCUMENTS * WRITERS).then(|| Typing::new(place as u64 + 1, Place::Runs, None));
        let manner = Manner { typing, flat_out: false };
        Player::client(&stage.shared, &teams[number], document("storm", number as u64), manner, "It was a dark night.")
    });
    let players = players.collect();
    stage.enter(players).await?;
    stage.window(Rate::PerSecond(2.0), bench.window.min(Duration::from_secs(3))).await?;
    let before = stage.host.resident();
    stage.players().iter().for_each(|player| player.borrow_mut().types());
    stage.host.kill()?;
    stage.cut();
    let begun = Instant::now();
    stage.host.start_again()?;
    let address = stage.host.address;
    let arrivals: Vec<_> = stage
        .players()
        .iter()
        .map(|player| {
            let player: Rc<RefCell<Player>> = player.clone();
            let arriving = tokio::task::spawn_local(async move {
                loop {
                    match Line::connect(address, PATH).await {
                        Ok(line) => break line,
                        Err(_) => tokio::time::sleep(AGAIN).await,
                    }
                }
            });
            (player, arriving)
        })
        .collect();
    for (player, arriving) in arrivals {
        let line = arriving.await.map_err(|error| format!("a client did not come back: {error}"))?;
        stage.take_up(player, line);
    }
    stage.rests().await?;
    let took = begun.elapsed().as_secs_f64();
    let mut report = Report::new("storm");
    report.figures.push(Measured::new("clients that came back", clients as f64, "", None));
    report.figures.push(Measured::new("all current after the start", took, "s", Some(10.0)));
    let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let cpu: u64 = stage.host.cpu().values().sum();
    let each = cpu as f64 / clients as f64 / 1_000.0;
    report.figures.push(Measured::new("CPU a client that came back", each, "µs", None));
    report.figures.push(Measured::new("memory before", mb(before), "MB", None));
    report.figures.push(Measured::new("memory at most", mb(stage.host.most_resident()), "MB", Some(200.0)));
    report.documents_compared = stage.agrees().await?;
    Ok(report)
}
