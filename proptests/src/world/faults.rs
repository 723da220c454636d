//! What goes wrong in a world and when: a timeline that a seed gives, and how each entry of it is done.

use std::cell::Cell;
use std::time::Duration;

use turmoil::Sim;

use super::disk::{Disk, Mood};
use super::net::SERVER;
use super::stage::Stage;
use crate::scribe::Dice;

/// Something that is done to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing goes through between this host and the server, and what is under way is lost.
    Part(String),
    /// Nothing goes through from the first to the second.
    PartOneWay(String, String),
    /// What is sent between this host and the server waits.
    Hold(String),
    /// All is well again between this host and the server.
    Mend(String),
    /// What goes between this host and the server takes up to this many milliseconds.
    Delay(String, u64),
    /// This host's clients read nothing for this many milliseconds.
    Deafen(String, u64),
    /// The server is gone without warning; its host tells nobody if it loses its power.
    Kill { power: bool },
    /// The server is asked to end.
    Stop,
    /// The server starts; from a backup, if it is to.
    Start { backup: bool },
    /// A copy of the log is kept.
    BackUp,
    /// The disk behaves otherwise.
    Disk(Mood),
    /// The server's clock jumps.
    Jump(i64),
}

impl PartialEq for Mood {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for Mood {}

/// Everything that goes wrong until `end_ms`, in order. `pace_ms` is the average time between two faults of a sort.
pub fn timeline(dice: &mut Dice, hosts: &[String], pace_ms: u64, end_ms: u64) -> Vec<(u64, Act)> {
    let mut acts = Vec::new();
    for host in hosts {
        let mut at = dice.below(2 * pace_ms);
        while at < end_ms {
            let most = dice.pick(&[30, 800, 3_000, 15_000]);
            let lasts = 1 + dice.below(most);
            let (host, server) = (host.clone(), SERVER.to_owned());
            let act = match dice.below(7) {
                0 => Act::Part(host.clone()),
                1 => Act::PartOneWay(host.clone(), server),
                2 => Act::PartOneWay(server, host.clone()),
                3 | 4 => Act::Hold(host.clone()),
                5 => Act::Delay(host.clone(), 1 + dice.pick(&[300, 1_500, 6_000])),
                _ => Act::Deafen(host.clone(), lasts),
            };
            acts.push((at, act));
            acts.push((at + lasts, Act::Mend(host)));
            at += lasts + 1 + dice.below(2 * pace_ms);
        }
    }
    let backups = dice.below(3) == 0;
    let mut at = 3_000 + dice.below(4 * pace_ms);
    while at < end_ms {
        let most = dice.pick(&[200, 2_000, 9_000]);
        let down = 1 + dice.below(most);
        let kill = dice.below(4) > 0;
        if backups {
            // A backup is mostly not much older than what is lost with it.
            let most = dice.pick(&[1_000, 5_000, 30_000]);
            acts.push((at.saturating_sub(dice.below(most)), Act::BackUp));
        }
        acts.push((at, if kill { Act::Kill { power: dice.below(2) == 0 } } else { Act::Stop }));
        // A server that is asked to end takes up to two seconds.
        let start = at + down + if kill { 0 } else { 2_500 };
        acts.push((start, Act::Start { backup: backups && dice.below(3) == 0 }));
        at = start + 1 + dice.below(6 * pace_ms);
    }
    let mut at = dice.below(2 * pace_ms);
    while at < end_ms {
        let lasts = 1 + dice.below(6_000);
        let mut chance = |most: u64| if dice.below(2) == 0 { dice.below(most) } else { 0 };
        let mood =
            Mood { write_fails: chance(60), sync_fails: chance(40), read_fails: chance(40), slow_ms: chance(900) };
        acts.push((at, Act::Disk(mood)));
        acts.push((at + lasts, Act::Disk(Mood::default())));
        at += lasts + 1 + dice.below(4 * pace_ms);
    }
    let mut at = dice.below(4 * pace_ms);
    while at < end_ms {
        let by = dice.below(100_000_000) as i64;
        acts.push((at, Act::Jump(if dice.below(2) == 0 { by } else { -by })));
        at += 1 + dice.below(8 * pace_ms);
    }
    acts.retain(|(at, act)| *at < end_ms || matches!(act, Act::Start { .. }));
    acts.sort_by_key(|(at, _)| *at);
    acts
}

/// A server's host, as the timeline moves it.
pub struct Power<'a> {
    /// The world's clock and trace.
    pub stage: &'a Stage,
    /// What survives it.
    pub disk: &'a Disk,
    /// Every other host.
    pub hosts: &'a [String],
    /// Asks the server to end.
    pub stop: &'a tokio::sync::Notify,
    /// Whether it was asked to since it was started.
    pub stopping: Cell<bool>,
}

impl Power<'_> {
    /// Does what the timeline says.
    pub fn perform(&self, sim: &mut Sim<'_>, act: Act) {
        let stage = self.stage;
        match act {
            Act::Part(host) => {
                stage.fault("partition", &host);
                sim.partition(host, SERVER);
            }
            Act::PartOneWay(from, to) => {
                stage.fault("one way", format_args!("from {from} to {to}"));
                sim.partition_oneway(from, to);
            }
            Act::Hold(host) => {
                stage.fault("hold", &host);
                sim.hold(host, SERVER);
            }
            Act::Delay(host, ms) => {
                stage.fault("delay", format_args!("{host}, {ms} ms"));
                sim.set_link_max_message_latency(host, SERVER, Duration::from_millis(ms));
            }
            Act::Deafen(host, ms) => {
                stage.fault("slow reader", format_args!("{host}, {ms} ms"));
                if let Some(gate) = stage.gates.lock().get(&host) {
                    gate.deafen(stage.now_ms() + ms);
                }
            }
            Act::Mend(host) => self.mend(sim, host),
            Act::Kill { power } => {
                stage.fault(if power { "power cut" } else { "kill" }, "");
                self.kill(sim, power);
            }
            Act::Stop => {
                stage.fault("stop", "");
                self.stopping.set(true);
                self.stop.notify_one();
            }
            Act::Start { backup } => self.start(sim, backup),
            Act::BackUp => {
                stage.note("disk", "a backup is made");
                self.disk.back_up();
            }
            Act::Disk(mood) => {
                stage.note("disk", format_args!("{mood:?}"));
                self.disk.set_mood(mood);
            }
            Act::Jump(ms) => {
                stage.fault("clock jump", format_args!("by {ms} ms"));
                stage.jump(ms);
            }
        }
    }

    fn mend(&self, sim: &mut Sim<'_>, host: String) {
        self.stage.note("net", format_args!("{host} is well again"));
        sim.release(host.as_str(), SERVER);
        sim.repair(host.as_str(), SERVER);
        sim.set_link_max_message_latency(host.as_str(), SERVER, Duration::from_millis(60));
    }

    fn kill(&self, sim: &mut Sim<'_>, power: bool) {
        if !sim.is_host_running(SERVER) {
            return;
        }
        if power {
            // The connections are half open: their peers find out by silence.
            self.hosts.iter().for_each(|host| sim.partition(host.as_str(), SERVER));
        }
        sim.crash(SERVER);
        if power {
            self.hosts.iter().for_each(|host| sim.repair(host.as_str(), SERVER));
        }
        self.disk.crash();
    }

    fn start(&self, sim: &mut Sim<'_>, backup: bool) {
        // One that was asked to end and did not is killed.
        self.kill(sim, false);
        self.stopping.set(false);
        if backup && self.disk.restore() {
            self.stage.fault("old backup", "");
            self.stage.restored();
        }
        self.stage.note("server", "starts");
        sim.bounce(SERVER);
    }

    /// Ends all that is wrong.
    pub fn heal(&self, sim: &mut Sim<'_>) {
        self.hosts.iter().for_each(|host| self.mend(sim, host.clone()));
        self.stage.gates.lock().values().for_each(|gate| gate.deafen(0));
        self.disk.set_mood(Mood::default());
        if self.stopping.get() || !sim.is_host_running(SERVER) {
            self.start(sim, false);
        }
    }
}
