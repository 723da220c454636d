//! A server process under attack, with someone innocent on it: how it fares, held against what it promises.

use std::path::Path;
use std::time::Duration;

use super::{Attack, Innocent, attack, percentile};
use crate::live::http;
use crate::process::Process;

/// What a siege is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Chooses every frame.
    pub seed: u64,
    /// Frames and requests in all.
    pub frames: u64,
    /// Times that calm and attack take turns, so that what else the machine does falls on both.
    pub rounds: u64,
    /// Frames and requests a second; as fast as possible if none. At full speed the attackers, on the same machine, take
    /// more of it than the server does, and waiting says little about the server.
    pub per_second: Option<u64>,
    /// Edits of the innocent in each calm.
    pub calm: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Siege {
    /// What the attackers did.
    pub attack: Attack,
    /// How long the innocent's acks took in the calms, and under attack: half of them at most so long, and 99 of 100.
    pub calm: (Duration, Duration),
    /// The same under attack.
    pub attacked: (Duration, Duration),
    /// The innocent's edits under attack.
    pub edits: usize,
    /// The server's resident memory before and after, in bytes.
    pub resident: (u64, u64),
}

/// Most bytes that the server may grow by: what twenty documents of strangers and their history in memory take, with room
/// for the allocator.
const GROWTH_MAX: u64 = 256 << 20;

/// Besieges a server of its own in a directory. Panics if the server panics, closes on the innocent, grows past its bounds or
/// is not ready afterwards.
pub async fn besiege(program: &str, directory: &Path, plan: Plan) -> Siege {
    let log = directory.join("log");
    let mut server = Process::start_with_log(program, &directory.join("data"), &log).await;
    let address = server.address;
    let mut innocent = Innocent::arrive(address).await;
    let (mut calm, mut attacked, mut total) = (Vec::new(), Vec::new(), Attack::default());
    let before = resident(&server);
    for round in 0..plan.rounds {
        calm.extend(innocent.type_while(|typed| typed < plan.calm).await);
        let frames = plan.frames / plan.rounds;
        let attacking = tokio::spawn(attack(address, plan.seed + round, frames, plan.per_second));
        attacked.extend(innocent.type_while(|_| !attacking.is_finished()).await);
        total = total.and(attacking.await.expect("an attacker finds a server that serves"));
        assert!(server.is_running(), "the server still runs");
    }
    let after = resident(&server);
    assert!(after < before + GROWTH_MAX, "the server grew from {before} to {after} bytes");
    let ready = http(address, "GET", "/ready", &[], "").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let said = std::fs::read_to_string(&log).expect("the server's log");
    for evil in ["panicked", "the authority failed"] {
        assert!(!said.contains(evil), "seed {}: the server says:\n{said}", plan.seed);
    }
    server.kill().await;
    let edits = attacked.len();
    let of = |samples: &mut Vec<Duration>| (percentile(samples, 50), percentile(samples, 99));
    Siege { attack: total, calm: of(&mut calm), attacked: of(&mut attacked), edits, resident: (before, after) }
}

fn resident(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory is told");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kilobytes << 10
}
