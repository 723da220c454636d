//! The suites that planted bugs are hunted with, from the cheapest to the dearest.

use std::path::Path;
use std::process::Command;

/// Suites of `proptests/tests` that come first, in this order; all others follow by name.
const FIRST: [&str; 13] = [
    "algebra::document",
    "server::hub",
    "server::exactly_once",
    "server::socket",
    "server::requests",
    "server::versions_written",
    "server::door",
    "store::suite",
    "server::unknown_outcome",
    "algebra::golden",
    "algebra::laws",
    "algebra::model",
    "store::damage",
];
/// Worlds of the sweep that comes after all but the last: each takes ten seconds or more, built as it is.
const WORLDS: u64 = 12;
/// Suites that come last, because they take longest.
const LAST: [&str; 7] =
    ["world", "slow_reader", "traces", "process::bench", "hostile", "process::faults", "process::crash"];
/// What holds the tree together and says nothing about behaviour, and what is no suite.
const NOT: [&str; 4] = ["house::docs", "house::layers", "house::mutants", "server::people"];

/// A suite.
pub enum Suite {
    /// A file of `proptests/tests`: a binary, or `binary::module`.
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
    let mut names = proofs(&tree.join("proptests/tests"), "");
    names.retain(|name| !NOT.contains(&name.as_str()));
    let place = |name: &str| match FIRST.iter().position(|first| *first == name) {
        Some(place) => place,
        None => FIRST.len() + LAST.iter().position(|last| *last == name).map_or(0, |place| place + 1),
    };
    names.sort_by_key(|name| (place(name), name.clone()));
    let proofs = names.into_iter().map(Suite::Proof);
    let mut suites: Vec<Suite> = proofs.collect();
    suites.insert(suites.len() - LAST.len(), Suite::FewWorlds);
    suites.insert(FIRST.len(), Suite::Library);
    suites.extend([Suite::Client, Suite::ClientWorld, Suite::ClientAndServer]);
    suites
}

/// The files of a folder of proofs, by their paths as modules; a folder's `main` only joins what is beside it.
fn proofs(folder: &Path, within: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the proofs are there");
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        let name = format!("{within}{}", path.file_stem().unwrap_or_default().to_string_lossy());
        if path.join("main.rs").exists() {
            found.extend(proofs(&path, &format!("{name}::")));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("main.rs") {
            found.push(name);
        }
    }
    found
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
            Suite::Proof(_) | Suite::Library => {
                let mut cargo = self.cargo(tree);
                if let Some((_, module)) = self.name().split_once("::") {
                    cargo.args(["--", &format!("{module}::")]);
                }
                cargo
            }
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
            Suite::Proof(name) => cargo.args(["--test", name.split("::").next().unwrap_or(name)]),
            _ => cargo.arg("--lib"),
        };
        cargo
    }
}

/// Cargo in the copy, with a target directory that outlives it. What is broken is compiled quickly rather than well.
fn cargo(tree: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", tree.join("../target"));
    for ours in ["variorum", "proptests"] {
        for setting in ["opt-level=0", "debug=false"] {
            cargo.args(["--config", &format!("profile.release.package.{ours}.{setting}")]);
        }
    }
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
        // Node says "not ok 7 - name" where nobody reads along, and "✖ name (12 ms)" in a terminal.
        let line = line.trim_start();
        let plain = line.strip_prefix("not ok ").and_then(|rest| rest.split_once(" - ")).map(|(_, name)| name);
        let marked = line.strip_prefix("✖ ").map(|rest| rest.rsplit_once(" (").map_or(rest, |(name, _)| name));
        rust.or(plain).or(marked).map(|name| format!("`{name}`"))
    })
}
