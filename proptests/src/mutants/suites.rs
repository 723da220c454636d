//! The suites that planted bugs are hunted with, from the cheapest to the dearest.

use std::path::Path;
use std::process::Command;

/// Suites of `proptests/tests` that come first, in this order; all others follow by name.
const FIRST: [&str; 13] = [
    "document",
    "hub",
    "exactly_once",
    "socket",
    "requests",
    "versions_written",
    "door",
    "store_suite",
    "unknown_outcome",
    "golden",
    "laws",
    "model",
    "store_damage",
];
/// Worlds of the sweep that comes after those.
const WORLDS: u64 = 40;
/// Suites that come last, because they take longest.
const LAST: [&str; 7] = ["world", "slow_reader", "traces", "bench", "hostile", "faults", "crash"];
/// They hold the tree together and say nothing about behaviour.
const NOT: [&str; 3] = ["layers", "docs", "mutants"];

/// A suite.
pub enum Suite {
    /// A test of `proptests/tests`.
    Proof(String),
    /// The unit tests inside the server's library.
    Library,
    /// A few simulated worlds: a part of the suite `world` that costs little.
    FewWorlds,
    /// The TypeScript client's tests.
    Client,
    /// The seeded world of TypeScript clients.
    ClientWorld,
    /// The TypeScript client against the server.
    ClientAndServer,
}

/// Every suite of the tree, the cheapest first.
pub fn in_order(tree: &Path) -> Vec<Suite> {
    let files = std::fs::read_dir(tree.join("proptests/tests")).expect("the proofs are there");
    let names = files.filter_map(|file| {
        let path = file.ok()?.path();
        let is_suite = path.extension().is_some_and(|kind| kind == "rs");
        is_suite.then(|| path.file_stem().map(|name| name.to_string_lossy().into_owned()))?
    });
    let mut names: Vec<String> = names.filter(|name| !NOT.contains(&name.as_str())).collect();
    let place = |name: &str| match FIRST.iter().position(|first| *first == name) {
        Some(place) => place,
        None => FIRST.len() + LAST.iter().position(|last| *last == name).map_or(0, |place| place + 1),
    };
    names.sort_by_key(|name| (place(name), name.clone()));
    let proofs = names.into_iter().map(Suite::Proof);
    let mut suites: Vec<Suite> = proofs.collect();
    let after_first = FIRST.len().min(suites.len());
    suites.splice(after_first..after_first, [Suite::Library, Suite::FewWorlds]);
    suites.extend([Suite::Client, Suite::ClientWorld, Suite::ClientAndServer]);
    suites
}

impl Suite {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Suite::Proof(name) => name,
            Suite::Library => "src",
            Suite::FewWorlds => "world-of-few-seeds",
            Suite::Client => "client-ts",
            Suite::ClientWorld => "client-ts/e2e/world",
            Suite::ClientAndServer => "client-ts/e2e",
        }
    }

    /// Whether it is about the TypeScript client.
    pub fn is_of_client(&self) -> bool {
        matches!(self, Suite::Client | Suite::ClientWorld | Suite::ClientAndServer)
    }

    /// What must succeed before the suite can say anything.
    pub fn build(&self, tree: &Path) -> Option<Command> {
        match self {
            Suite::Proof(_) | Suite::Library => {
                let mut cargo = self.cargo(tree);
                cargo.arg("--no-run");
                Some(cargo)
            }
            Suite::Client => {
                let mut npm = client(tree, "npm");
                npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
                Some(npm)
            }
            Suite::FewWorlds | Suite::ClientWorld | Suite::ClientAndServer => {
                let mut cargo = cargo(tree);
                let program = if matches!(self, Suite::FewWorlds) { "proptests" } else { "variorum" };
                cargo.args(["build", "--release", "--workspace", "--bin", program]);
                Some(cargo)
            }
        }
    }

    /// The suite.
    pub fn test(&self, tree: &Path) -> Command {
        match self {
            Suite::Proof(_) | Suite::Library => self.cargo(tree),
            Suite::FewWorlds => {
                let mut worlds = Command::new(tree.join("../target/release/proptests"));
                worlds.args(["world", "--seeds", &format!("0..{WORLDS}")]);
                worlds
            }
            Suite::Client => {
                let mut npm = client(tree, "npm");
                npm.args(["test"]);
                npm
            }
            Suite::ClientWorld => {
                let mut node = client(tree, "sh");
                node.args(["-c", "npx tsc -p tsconfig.test.json && node --test .test/e2e/world.test.js"])
                    .env("VARIORUM", tree.join("../target/release/variorum"));
                node
            }
            Suite::ClientAndServer => {
                let mut npm = client(tree, "npm");
                npm.args(["run", "e2e"]).env("VARIORUM", tree.join("../target/release/variorum"));
                npm
            }
        }
    }

    fn cargo(&self, tree: &Path) -> Command {
        let mut cargo = cargo(tree);
        cargo.args(["test", "--release", "--workspace"]);
        match self {
            Suite::Proof(name) => cargo.args(["--test", name]),
            _ => cargo.arg("--lib"),
        };
        cargo
    }
}

/// Cargo in the copy, with a target directory that outlives it. What is broken is compiled quickly rather than well.
fn cargo(tree: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", tree.join("../target"));
    cargo.args(["--config", "profile.release.package.variorum.opt-level=1"]);
    cargo.args(["--config", "profile.release.package.proptests.opt-level=1"]);
    cargo
}

fn client(tree: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(tree.join("client-ts"));
    command
}

/// The first test that a suite's output says has failed.
pub fn failed_test(said: &str) -> Option<String> {
    said.lines().find_map(|line| {
        let world = line.strip_prefix("seed ").and_then(|rest| rest.split_once(':')).map(|(seed, _)| seed);
        if let Some(seed) = world {
            return Some(format!("seed {seed}"));
        }
        let rust = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
        let node =
            line.trim_start().strip_prefix("✖ ").map(|rest| rest.rsplit_once(" (").map_or(rest, |(name, _)| name));
        rust.or(node).map(|name| format!("`{name}`"))
    })
}
