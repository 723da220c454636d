//! The workloads in which people type, each on the server and on the floor in turn.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::floor::Sizes;
use super::host::{Host, Sort};
use super::player::{Manner, Player, Puppet, document};
use super::report::{Figures, Measured, Report, Window, median};
use super::stage::{Rate, Stage};
use super::team::Team;
use super::typing::{Place, Typing};
use super::{Bench, Failure};

/// Who types where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typists {
    pub(super) name: &'static str,
    pub(super) documents: usize,
    pub(super) writers: usize,
    pub(super) readers: usize,
    pub(super) rate: Rate,
    pub(super) place: Place,
    /// Characters that a document begins with.
    pub(super) length: usize,
    /// Most that the server may cost, against the floor.
    pub(super) bar: f64,
    /// Most µs of a processor an edit, as a guide.
    pub(super) guide: Option<f64>,
}

/// Record of an edit in the log beyond the edit's own frame: chain, time, author, and less of what JSON needs.
const RECORD_MORE: usize = 40;
/// Before sizes are known and caches warm, people type for this long.
const WARM_UP: Duration = Duration::from_secs(1);

impl Typists {
    /// Runs it.
    pub(super) async fn run(&self, bench: &Bench) -> Result<Report, Failure> {
        let mut server = Stage::new(bench.server()?);
        for (documents, players) in [(true, 1), (false, self.writers + self.readers)] {
            let range = if documents { 0..1 } else { 1..players };
            server.enter(self.clients(&server, range)).await?;
        }
        let warm_up = server.window(self.rate, WARM_UP.min(bench.window)).await?;
        let mut report = Report::new(self.name);
        let mut floor = match bench.floor {
            true => Some(self.floor(bench, &warm_up).await?),
            false => None,
        };
        for _ in 0..bench.rounds {
            report.server.push(Figures::of(&server.window(self.rate, bench.window).await?));
            if let Some(floor) = &mut floor {
                report.floor.push(Figures::of(&floor.window(self.rate, bench.window).await?));
            }
        }
        report.documents_compared = server.agrees().await?;
        self.conclude(&mut report);
        Ok(report)
    }

    fn conclude(&self, report: &mut Report) {
        let of = |side: &[Figures], value: fn(&Figures) -> f64| median(side.iter().map(value));
        let edit = of(&report.server, |figures| figures.cpu_us_per_edit);
        let delivery = of(&report.server, |figures| figures.cpu_us_per_delivery);
        report.figures.push(Measured::new("CPU an edit", edit, "µs", self.guide));
        report.figures.push(Measured::new("CPU a delivery", delivery, "µs", None));
        if !report.floor.is_empty() {
            let floor = of(&report.floor, |figures| figures.cpu_us_per_edit);
            report.figures.push(Measured::new("CPU an edit, floor", floor, "µs", None));
            let pairs = report.server.iter().zip(&report.floor);
            let ratio = median(pairs.map(|(server, floor)| server.cpu_us_per_edit / floor.cpu_us_per_edit));
            report.figures.push(Measured::new("CPU against the floor", ratio, "times", Some(self.bar)));
        }
    }

    fn manner(&self, document: usize, player: usize) -> Manner {
        let seed = (document * 1_000 + player + 1) as u64;
        let writes = player < self.writers;
        let typing = writes.then(|| Typing::new(seed, self.place, Some((self.length as u64).max(10_000))));
        Manner { typing, flat_out: self.rate == Rate::FlatOut }
    }

    /// The players of these places in each document.
    fn clients(&self, stage: &Stage, places: std::ops::Range<usize>) -> Vec<Player> {
        let text = "All work and no play makes Jack a dull boy. ".repeat(self.length / 44 + 1);
        let mut players = Vec::new();
        for document_number in 0..self.documents {
            let doc = document(self.name, document_number as u64);
            let there = stage.players().iter().find(|player| player.borrow().doc() == doc);
            let team = there.map_or_else(Rc::default, |player| player.borrow().team.clone());
            for place in places.clone() {
                // Whoever comes first makes the document.
                let content = if place == 0 { &text[..self.length] } else { "" };
                let manner = self.manner(document_number, place);
                players.push(Player::client(&stage.shared, &team, doc.clone(), manner, content));
            }
        }
        players
    }

    /// How many edits shared a sync on the server. People at a keyboard come when they come: nobody is waited for.
    fn group(&self, warm_up: &Window) -> Option<usize> {
        let syncs = warm_up.syncs.filter(|_| self.rate == Rate::FlatOut)?;
        Some((warm_up.tally.edits as f64 / syncs.max(1) as f64).round() as usize)
    }

    /// The same people, on the floor.
    async fn floor(&self, bench: &Bench, warm_up: &Window) -> Result<Stage, Failure> {
        let mut stage = Stage::new(Host::start(&bench.program, Sort::Floor, &bench.place)?);
        let tally = &warm_up.tally;
        let edit = tally.edit_bytes / tally.edits_sent.max(1);
        let sizes = Sizes {
            ack: (tally.ack_bytes / tally.edits.max(1)) as usize,
            revision_more: (tally.revision_bytes / tally.single_revisions.max(1)).saturating_sub(edit) as usize,
            record_more: RECORD_MORE,
            group: self.group(warm_up),
        };
        let mut players = Vec::new();
        for document in 0..self.documents {
            let team: Rc<RefCell<Team>> = Rc::default();
            for place in 0..self.writers + self.readers {
                let puppet = Puppet::new(players.len(), document as u64, sizes, self.length as u64);
                players.push(Player::puppet(&stage.shared, &team, self.manner(document, place), puppet));
            }
        }
        stage.enter(players).await?;
        stage.window(self.rate, WARM_UP.min(bench.window)).await?;
        Ok(stage)
    }
}
