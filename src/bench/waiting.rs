//! What those cost who do nothing: idle connections, and documents that nobody has open any more.

use std::time::Duration;

use super::player::{Manner, Player, document};
use super::report::{Measured, Report};
use super::scribe::{Scribe, Stopped};
use super::stage::Stage;
use super::typing::{Place, Typing};
use super::{Bench, Failure};

/// Documents that the idle connections share.
const DOCUMENTS: u64 = 50;
/// After this long nothing of what came before is under way: presence was announced, the store has folded.
const CALM: Duration = Duration::from_secs(4);
/// How long a document that nobody has open stays in memory, and some more.
const RETIREMENT: Duration = Duration::from_secs(34);

/// Connections that have a document open and say nothing.
pub(super) async fn idle(bench: &Bench) -> Result<Report, Failure> {
    let mut stage = Stage::new(bench.server()?);
    let connections = bench.many(5_000, 50);
    let teams: Vec<_> = (0..DOCUMENTS).map(|_| std::rc::Rc::default()).collect();
    let player = |stage: &Stage, place: usize| {
        let number = place as u64 % DOCUMENTS;
        let manner = Manner { typing: None, flat_out: false };
        Player::client(&stage.shared, &teams[number as usize], document("idle", number), manner, "Nobody types here.")
    };
    // The documents are there before, and what the server needs however many come.
    let first = DOCUMENTS as usize;
    stage.enter((0..first).map(|place| player(&stage, place)).collect()).await?;
    tokio::time::sleep(bench.calm(CALM)).await;
    let before = stage.host.resident();
    stage.enter((first..first + connections).map(|place| player(&stage, place)).collect()).await?;
    tokio::time::sleep(bench.calm(CALM)).await;
    let each = (stage.host.resident().saturating_sub(before)) as f64 / connections as f64 / 1024.0;
    let cpu = stage.host.cpu();
    tokio::time::sleep(bench.calm(CALM)).await;
    let used: u64 = super::host::cpu_between(&cpu, &stage.host.cpu()).values().sum();
    let mut report = Report::new("idle");
    report.figures.push(Measured::new("idle connections", connections as f64, "", None));
    report.figures.push(Measured::new("memory each", each, "KiB", Some(8.0)));
    let share = used as f64 / bench.calm(CALM).as_nanos() as f64 * 100.0;
    report.figures.push(Measured::new("processor while idle", share, "%", None));
    report.documents_compared = stage.agrees().await?;
    Ok(report)
}

/// Readers that have a document open and stop reading, while one person goes on typing.
pub(super) async fn stalled(bench: &Bench) -> Result<Report, Failure> {
    let host = bench.quick_server()?;
    let (readers, edits) = (bench.many(200, 5), bench.many(6_000, 200));
    let doc = document("stalled", 0);
    let mut scribe = Scribe::connect(host.address).await?;
    let mut kept = scribe.open(&doc, &"It goes on and on. ".repeat(250)).await?.kept;
    let mut typing = Typing::new(1, Place::Random, Some(5_000));
    // Typed four times: twice while caches fill, once for what the typing itself costs, and then with the readers. Looked at when
    // the journal has been folded and what that took was given back, before readers are cut off.
    let mut resident = [0.0; 4];
    let mut stopped = Vec::new();
    for (round, resident) in resident.iter_mut().enumerate() {
        if round == 3 {
            for _ in 0..readers {
                stopped.push(Stopped::open(host.address, &doc).await?);
            }
        }
        let typed = typing.edits(kept.text.len(), edits);
        kept = scribe.write(&doc, kept, typed, &[]).await?.1;
        tokio::time::sleep(bench.calm(CALM)).await;
        *resident = host.resident() as f64;
    }
    let [_, first, second, with_readers] = resident;
    let typing_alone = (second - first).max(0.0);
    let mut report = Report::new("stalled");
    let each = (with_readers - second - typing_alone) / readers as f64 / 1024.0;
    report.figures.push(Measured::new("readers that stopped", readers as f64, "", None));
    report.figures.push(Measured::new("memory each", each, "KiB", Some(64.0)));
    drop(stopped);
    let text = host.get(&format!("/v1/docs/{doc}/content"))?;
    if kept.text.to_string() != text {
        return Err(format!("the writer of {doc} holds another text than the server"));
    }
    report.documents_compared = 1;
    Ok(report)
}

/// Documents that were opened, written to and left.
pub(super) async fn retired(bench: &Bench) -> Result<Report, Failure> {
    let host = bench.server()?;
    let mut scribe = Scribe::connect(host.address).await?;
    let documents = bench.many(20_000, 20) as u64;
    // As many once before: what the server needs to serve so many at once is not what each leaves behind.
    let visit = async |scribe: &mut Scribe, range: std::ops::Range<u64>| {
        for number in range {
            let doc = document("retired", number);
            scribe.open(&doc, "A few words.").await?;
            scribe.close(&doc).await?;
        }
        tokio::time::sleep(bench.calm(RETIREMENT)).await;
        Ok::<_, Failure>(host.resident())
    };
    let before = visit(&mut scribe, 0..documents).await?;
    let after = visit(&mut scribe, documents..documents * 2).await?;
    let each = after.saturating_sub(before) as f64 / documents as f64 / 1024.0;
    let mut report = Report::new("retired");
    report.figures.push(Measured::new("documents opened and left", documents as f64, "", None));
    report.figures.push(Measured::new("memory each", each, "KiB", Some(0.5)));
    for number in [0, documents] {
        let doc = document("retired", number);
        let kept = scribe.open(&doc, "").await?.kept;
        if kept.text.to_string() != host.get(&format!("/v1/docs/{doc}/content"))? {
            return Err(format!("a client of {doc} holds another text than the server"));
        }
        report.documents_compared += 1;
    }
    Ok(report)
}
