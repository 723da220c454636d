//! The seeded world: the real server and real clients on a simulated network and disk, with everything going wrong.
//!
//! One seed is one world: who is there, what they do, what goes wrong and when. The same seed gives the same events in every
//! process. Faults end after a while; then everybody must come to the text that the log gives.

mod command;
mod disk;
mod engine;
mod faults;
mod ledger;
mod net;
mod stage;
pub mod sweep;
mod visitor;
mod watcher;
mod writer;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use turmoil::{Builder, Sim};
use variorum::limits::Limits;
use variorum::metrics::Metrics;
use variorum::server::{self, Entry, Origins, Parts, Proxies};

use crate::scribe::Dice;
pub use command::Command;
use disk::Disk;
use engine::Engine;
use faults::Power;
use ledger::{History, agrees};
use net::{Ear, Gate, SERVER, Way};
pub use stage::Tally;
use stage::{Stage, View};
use visitor::Visitor;
use watcher::Watcher;
use writer::{Habits, Writer};

/// How long everybody may take to come to the same text once the faults are over.
const CONVERGENCE_MS: u64 = 30_000;
/// How often it is looked whether they have.
const LOOK_EVERY_MS: u64 = 250;

/// What became of a world.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The hash of everything that happened.
    pub hash: u64,
    /// How many events that were.
    pub lines: u64,
    /// What happened how often.
    pub tally: Tally,
    /// What happened and must not, if anything did.
    pub problem: Option<String>,
}

/// Who is in a world, and how it is.
struct Plan {
    docs: Vec<String>,
    writers: Vec<String>,
    watchers: Vec<String>,
    visitors: Vec<String>,
    tick_ms: u64,
    snapshot_every: u64,
    /// Whether everybody types at the beginning of the text, where they meet.
    crowded: bool,
    pause_ms: u64,
    /// Whether documents are deleted, to be made anew under the same name.
    deletes: bool,
    /// When the faults end.
    calm_at_ms: u64,
    /// The average time between two faults of a sort; none if nothing goes wrong.
    pace_ms: Option<u64>,
    limits: Limits,
}

impl Plan {
    fn of(dice: &mut Dice) -> Self {
        let names = |kind: &str, count: u64| (1..=count).map(|n| format!("{kind}-{n}")).collect();
        let most = dice.pick(&[20, 60, 240]);
        let seconds = 10 + dice.below(most);
        Plan {
            docs: names("doc", 1 + dice.below(3)),
            writers: names("writer", 2 + dice.below(4)),
            watchers: names("watcher", 1 + dice.below(2)),
            visitors: names("visitor", dice.below(3)),
            snapshot_every: dice.pick(&[64, 64, 256, 8192]),
            crowded: dice.below(2) == 0,
            tick_ms: dice.pick(&[5, 10, 20]),
            pause_ms: dice.pick(&[60, 200, 800]),
            deletes: dice.below(3) == 0,
            calm_at_ms: seconds * 1_000,
            pace_ms: (dice.below(10) > 0).then(|| 1_500 + dice.below(20_000)),
            limits: Limits {
                write_ahead_bytes: dice.pick(&[300, 2 << 10, 16 << 10]),
                document_idle: Duration::from_millis(20 + dice.below(5_000)),
                edits_outstanding: 1 + dice.below(8) as usize,
                edits_per_second: dice.pick(&[20, 10_000]),
                ping_after: Duration::from_secs(4),
                idle: Duration::from_secs(10),
                write_time: Duration::from_secs(6),
                hello_time: Duration::from_secs(5),
                ..Limits::default()
            },
        }
    }

    fn hosts(&self) -> Vec<String> {
        [&self.writers[..], &self.watchers, &self.visitors].concat()
    }
}

/// Runs the world of a seed. Nothing else may run in this process before it: what tokio counts per process is part of the
/// world.
pub fn run(seed: u64, print: bool) -> Report {
    let mut dice = Dice::new(seed);
    // The first falls of neighbouring seeds are alike.
    for _ in 0..8 {
        dice.below(2);
    }
    let plan = Plan::of(&mut dice);
    let stage = Arc::new(Stage::new(seed, print));
    let disk = Disk::new(stage.clone(), seed);
    let stop = Arc::new(Notify::new());
    let mut sim = Builder::new()
        .epoch(SystemTime::UNIX_EPOCH)
        .simulation_duration(Duration::from_secs(1 << 20))
        .tick_duration(Duration::from_millis(plan.tick_ms))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(60))
        .tcp_capacity(32)
        .enable_random_order()
        .rng_seed(seed)
        .build();
    people(&mut sim, &stage, &disk, &stop, &plan, &mut dice);
    let end_ms = plan.calm_at_ms;
    let hosts = plan.hosts();
    let timeline = plan.pace_ms.map(|pace_ms| faults::timeline(&mut dice, &hosts, pace_ms, end_ms));
    let mut timeline = timeline.unwrap_or_default().into_iter().peekable();
    let power = Power { stage: &stage, disk: &disk, hosts: &hosts, stop: &stop, stopping: Cell::new(false) };
    let problem = loop {
        let now = sim.elapsed().as_millis() as u64;
        stage.set_now(now);
        if let Some(problem) = stage.problem() {
            break Some(problem);
        }
        if now < end_ms {
            while let Some((_, act)) = timeline.next_if(|(at, _)| *at <= now) {
                power.perform(&mut sim, act);
            }
        } else if !stage.is_calm() {
            stage.note("world", "the faults are over");
            stage.calm_down();
            power.heal(&mut sim);
        } else if now % LOOK_EVERY_MS < plan.tick_ms {
            let asking = plan.visitors.iter().find(|name| sim.is_host_running(name.as_str()));
            let converged = match asking {
                Some(name) => Err(format!("{name} does not know what became of an edit")),
                None => converged(&stage, &disk, &plan),
            };
            match converged {
                Ok(()) => break audit(&stage, &disk),
                Err(why) if now > end_ms + CONVERGENCE_MS => {
                    break Some(format!("not everybody came to the same in 30 s: {why}"));
                }
                Err(_) => {}
            }
        }
        if let Err(error) = sim.step() {
            break Some(format!("the world broke: {error}"));
        }
    };
    if let Some(problem) = &problem {
        stage.note("world", format_args!("fails: {problem}"));
    }
    let mut tally = stage.tally.lock().clone();
    tally.client_ms = stage.now_ms() * (plan.writers.len() + plan.watchers.len() + plan.visitors.len()) as u64;
    let (hash, lines) = stage.hash();
    Report { seed, hash, lines, tally, problem }
}

/// Puts the server and everyone else into the world.
fn people(sim: &mut Sim<'_>, stage: &Arc<Stage>, disk: &Arc<Disk>, stop: &Arc<Notify>, plan: &Plan, dice: &mut Dice) {
    {
        let (stage, disk, stop, limits) = (stage.clone(), disk.clone(), stop.clone(), plan.limits.clone());
        let snapshot_every = plan.snapshot_every;
        sim.host(SERVER, move || {
            let (world, disk, stop, limits) = (stage.clone(), disk.clone(), stop.clone(), limits.clone());
            async move {
                let listener = Ear::bind(world.clone()).await?;
                let parts = Parts {
                    store: Engine::open(disk, snapshot_every),
                    world,
                    limits,
                    metrics: Metrics::new(),
                    entry: Entry::Open,
                    origins: Origins::default(),
                    keeping: Default::default(),
                    proxies: Proxies::default(),
                };
                server::run(parts, listener, async move { stop.notified().await }).await;
                Ok(())
            }
        });
    }
    let (docs, pause_ms) = (plan.docs.clone(), plan.pause_ms);
    let way = |name: &str| {
        let gate = Arc::new(Gate::default());
        stage.gates.lock().insert(name.to_owned(), gate.clone());
        Way { stage: stage.clone(), gate }
    };
    for name in &plan.writers {
        let habits = Habits { pause_ms, crowded: plan.crowded, seed: dice.below(u64::MAX) };
        let (stage, name, docs, gate) = (stage.clone(), name.clone(), docs.clone(), way(name).gate);
        sim.client(name.clone(), async move { Writer::new(stage, &name, habits, gate, &docs).live().await });
    }
    for name in &plan.watchers {
        let watcher = Watcher::new(stage.clone(), name, dice.below(u64::MAX), way(name), &docs);
        sim.client(name.clone(), watcher.live());
    }
    for name in &plan.visitors {
        let habits = visitor::Habits { pause_ms: 3 * pause_ms, deletes: plan.deletes, seed: dice.below(u64::MAX) };
        let visitor = Visitor::new(stage.clone(), name, habits, way(name), &docs);
        sim.client(name.clone(), visitor.live());
    }
}

/// Whether everybody has what the log gives, and sees everybody else; why not.
fn converged(stage: &Stage, disk: &Disk, plan: &Plan) -> Result<(), String> {
    let histories = disk.histories();
    let logs: BTreeMap<&str, &History> = histories
        .iter()
        .filter(|history| !history.removed)
        .map(|history| (history.identity.id.as_str(), history))
        .collect();
    let texts: BTreeMap<&str, String> = logs.iter().map(|(doc, history)| (*doc, history.text())).collect();
    let views = stage.views.lock();
    let mut here: Vec<&String> = plan.writers.iter().chain(&plan.watchers).collect();
    here.sort();
    for doc in &plan.docs {
        let log = logs.get(doc.as_str()).ok_or_else(|| format!("there is no {doc}"))?;
        let text = &texts[doc.as_str()];
        for who in &here {
            let view = views.get(&((*who).clone(), doc.clone())).ok_or_else(|| format!("{who} has no {doc}"))?;
            agrees(view, log, text).map_err(|why| format!("{who} has {doc} {why}"))?;
            sees_everybody(view, &here).map_err(|why| format!("{who} in {doc} {why}"))?;
        }
    }
    // Where each watcher last said it is, every watcher sees it.
    for doc in &plan.docs {
        let mut seen = plan.watchers.iter().filter_map(|who| views.get(&(who.clone(), doc.clone())));
        let first = seen.next().and_then(|view| view.people.as_ref());
        if seen.any(|view| view.people.as_ref() != first) {
            return Err(format!("the watchers of {doc} see other states of the same people"));
        }
    }
    Ok(())
}

fn sees_everybody(view: &View, here: &[&String]) -> Result<(), String> {
    let Some(people) = &view.people else { return Ok(()) };
    let names: Vec<_> = people.iter().map(|(name, _)| name).collect();
    if names == here { Ok(()) } else { Err(format!("sees {names:?}, there are {here:?}")) }
}

fn audit(stage: &Stage, disk: &Disk) -> Option<String> {
    stage.note("world", "everybody has the same");
    stage.ledger.lock().audit(&disk.histories(), &disk.lost()).err()
}
