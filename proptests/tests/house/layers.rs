//! The arrows between folders point one way: what a folder may know is written here, and read from its `use` lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each part of `src/` and what it may name of the others. `main`, `cli` and what stands beside them may name everything.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("ot", &[]),
    ("document", &["ot"]),
    ("store", &["document", "ot", "metrics"]),
    ("hub", &["store", "document", "ot", "limits", "metrics"]),
    ("protocol", &["document", "ot"]),
    ("server", &["protocol", "hub", "store", "document", "ot", "limits", "metrics", "shutdown"]),
    ("client", &["protocol", "document", "ot"]),
    ("archive", &["store", "document", "ot"]),
    ("replay", &["client", "document", "ot"]),
    ("bench", &["client", "protocol", "document", "ot", "replay", "server", "limits", "cli"]),
    ("past", &["client", "protocol", "document"]),
    ("limits", &["document"]),
    ("metrics", &[]),
    ("shutdown", &[]),
    ("config", &["limits", "document"]),
    ("token", &["server"]),
];

/// What may stand nowhere in the pure folders: clocks, randomness, waiting, files, sockets, logs.
const IMPURE: &[&str] = &[
    "std::time",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::thread",
    "tokio",
    "tracing",
    "getrandom",
    "rusqlite",
    "async fn",
    ".await",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../src")
}

fn files_of(part: &str) -> Vec<PathBuf> {
    let folder = source().join(part);
    let file = source().join(format!("{part}.rs"));
    if file.exists() {
        return vec![file];
    }
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The parts that a file names by `crate::part`.
fn known_by(text: &str) -> BTreeSet<String> {
    let names = text.match_indices("crate::").map(|(at, found)| &text[at + found.len()..]);
    let names = names.map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(""));
    names
        .filter(|name| source().join(name).exists() || source().join(format!("{name}.rs")).exists())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn arrows_between_folders_point_one_way() {
    for (part, may_know) in MAY_KNOW {
        if !source().join(part).exists() && !source().join(format!("{part}.rs")).exists() {
            continue;
        }
        for file in files_of(part) {
            for known in known_by(&fs::read_to_string(&file).unwrap()) {
                let fine = known == *part || may_know.contains(&known.as_str());
                assert!(fine, "{} names crate::{known}, which `{part}` may not know", file.display());
            }
        }
    }
}

#[test]
fn the_pure_folders_take_nothing_from_the_world() {
    for part in ["ot", "document", "protocol"] {
        for file in files_of(part) {
            let text = fs::read_to_string(&file).unwrap();
            let code: String =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            for impure in IMPURE {
                assert!(!code.contains(impure), "{} uses {impure}", file.display());
            }
        }
    }
}

#[test]
fn the_reader_of_use_lines_finds_what_is_there() {
    let found = known_by("use crate::hub::{A};\nfn f() { crate::store::g() }");
    assert_eq!(found, BTreeSet::from(["hub".to_owned(), "store".to_owned()]));
}
