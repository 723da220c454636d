//! A server and everyone who is connected to it: they come, type for a while, are counted, and must agree at the end.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_local};

use super::host::{Host, cpu_between, load_average};
use super::line::{Line, PATH};
use super::player::{Player, Shared};
use super::report::Window;
use super::tally::Tally;
use super::typing::Dice;

/// Connections that are made at once.
const AT_ONCE: usize = 32;
/// How long everyone may take to come to rest.
const REST: Duration = Duration::from_secs(60);
/// How often to look whether they have.
const LOOK: Duration = Duration::from_millis(5);

/// How fast people type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rate {
    /// Each this many edits a second, at times of their own.
    PerSecond(f64),
    /// Each the next edit when the one before is acknowledged.
    FlatOut,
}

/// A server and its clients.
pub(super) struct Stage {
    pub(super) host: Host,
    pub(super) shared: Rc<Shared>,
    players: Vec<Rc<RefCell<Player>>>,
    listeners: Vec<JoinHandle<()>>,
    /// Set while connections are meant to end.
    over: Rc<Cell<bool>>,
}

impl Stage {
    pub(super) fn new(host: Host) -> Self {
        let shared = Rc::default();
        Stage { host, shared, players: Vec::new(), listeners: Vec::new(), over: Rc::default() }
    }

    pub(super) fn players(&self) -> &[Rc<RefCell<Player>>] {
        &self.players
    }

    /// Lets players come, and waits until each has its document open.
    pub(super) async fn enter(&mut self, players: Vec<Player>) -> Result<(), String> {
        let players: Vec<_> = players.into_iter().map(|player| Rc::new(RefCell::new(player))).collect();
        for some in players.chunks(AT_ONCE) {
            for player in some {
                let line = Line::connect(self.host.address, PATH).await;
                let line = line.map_err(|error| format!("cannot connect to {}: {error}", self.host.address))?;
                self.take_up(player.clone(), line);
            }
            self.at_rest(some).await?;
        }
        self.players.extend(players);
        Ok(())
    }

    /// Puts a player on a connection.
    pub(super) fn take_up(&mut self, player: Rc<RefCell<Player>>, line: Rc<Line>) {
        player.borrow_mut().begin(line.clone());
        let (shared, over) = (self.shared.clone(), self.over.clone());
        self.listeners.push(spawn_local(async move {
            let why = line.listen(|frame| player.borrow_mut().hear(frame)).await;
            if !over.get() {
                shared.fails(format!("a connection ended: {why}"));
            }
        }));
    }

    /// Everyone's connection ends.
    pub(super) fn cut(&mut self) {
        self.over.set(true);
        self.listeners.drain(..).for_each(|listener| listener.abort());
        self.players.iter().for_each(|player| player.borrow_mut().end());
        self.over = Rc::default();
    }

    /// Waits until everything typed is acknowledged.
    pub(super) async fn rests(&self) -> Result<(), String> {
        self.at_rest(&self.players).await
    }

    async fn at_rest(&self, players: &[Rc<RefCell<Player>>]) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if let Some(trouble) = self.shared.trouble.borrow().as_ref() {
                return Err(trouble.clone());
            }
            let waiting = players.iter().filter(|player| !player.borrow().is_quiet()).count();
            if waiting == 0 {
                return Ok(());
            }
            if begun.elapsed() > REST {
                return Err(format!("{waiting} of {} clients did not come to rest", players.len()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Lets people type for a while, and counts.
    pub(super) async fn window(&self, rate: Rate, length: Duration) -> Result<Window, String> {
        let shared = &self.shared;
        *shared.tally.borrow_mut() = Tally::default();
        self.players.iter().for_each(|player| player.borrow().team.borrow_mut().forget());
        let (in_before, out_before) = self.traffic();
        let (cpu, written, syncs) = (self.host.cpu(), self.host.written(), self.host.syncs());
        let begun = Instant::now();
        shared.typing.set(true);
        match rate {
            Rate::FlatOut => {
                self.players.iter().for_each(|player| player.borrow_mut().types());
                tokio::time::sleep(length).await;
            }
            Rate::PerSecond(rate) => self.pace(rate, begun + length).await,
        }
        shared.typing.set(false);
        let cpu = cpu_between(&cpu, &self.host.cpu());
        let seconds = begun.elapsed().as_secs_f64();
        let (received, sent) = self.traffic();
        let tally = shared.tally.replace(Tally::default());
        let window = Window {
            seconds,
            cpu,
            written: self.host.written() - written,
            syncs: syncs.zip(self.host.syncs()).map(|(before, after)| after - before),
            resident: self.host.resident(),
            received: received - in_before,
            sent: sent - out_before,
            load_average: load_average(),
            tally,
        };
        self.rests().await?;
        Ok(window)
    }

    /// Bytes that the clients have received and sent so far.
    fn traffic(&self) -> (u64, u64) {
        let lines = self.players.iter().filter_map(|player| player.borrow().line.clone());
        lines.fold((0, 0), |(received, sent), line| (received + line.received.get(), sent + line.sent.get()))
    }

    /// Each writer types at times of their own: half as long apart as on average, to half as long again.
    async fn pace(&self, rate: f64, end: Instant) {
        let mut dice = Dice::new(begin_seed(self.players.len()));
        let mut wait = |most: f64| Duration::from_secs_f64(dice.below(1 << 20) as f64 / (1u64 << 20) as f64 * most);
        let now = Instant::now();
        let writers = (0..self.players.len()).filter(|place| self.players[*place].borrow().is_writer());
        let mut due: BinaryHeap<_> = writers.map(|place| Reverse((now + wait(1.0 / rate), place))).collect();
        while let Some(Reverse((at, place))) = due.pop() {
            if at >= end {
                break;
            }
            tokio::time::sleep_until(at.into()).await;
            self.players[place].borrow_mut().types();
            due.push(Reverse((at + Duration::from_secs_f64(0.5 / rate) + wait(1.0 / rate), place)));
        }
        tokio::time::sleep_until(end.into()).await;
    }

    /// Everyone who has a document open must hold the same text, and the server too. Answers how many documents there are.
    pub(super) async fn agrees(&self) -> Result<usize, String> {
        self.rests().await?;
        let mut documents: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for player in &self.players {
            documents.entry(player.borrow().doc()).or_default().push(player.clone());
        }
        for (doc, players) in &documents {
            self.reach_one_version(doc.as_str(), players).await?;
            let text = self.host.get(&format!("/v1/docs/{doc}/content"))?;
            for player in players {
                let player = player.borrow();
                let machine = player.machine().ok_or("nobody on the floor holds a text")?;
                if machine.text().to_string() != text {
                    let version = machine.version();
                    return Err(format!("at version {version} of {doc} a client's text is not the server's"));
                }
            }
        }
        Ok(documents.len())
    }

    async fn reach_one_version(&self, doc: &str, players: &[Rc<RefCell<Player>>]) -> Result<(), String> {
        let versions =
            || players.iter().filter_map(|player| player.borrow().machine().map(|machine| machine.version()));
        let newest = versions().max();
        let begun = Instant::now();
        while versions().any(|version| Some(version) != newest) {
            if begun.elapsed() > REST {
                return Err(format!("the clients of {doc} do not come to one version"));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cut();
    }
}

/// The same people come at the same times on the server and on the floor.
fn begin_seed(players: usize) -> u64 {
    players as u64 + 1
}
