//! What an operator relies on: that damage is found and named, that a copy is whole, and that a document can be carried over.

mod archive;
mod backup;
mod verify;

use std::path::Path;

use tempfile::TempDir;
use variorum::store::{SqliteOptions, SqliteStore};

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, SqliteOptions::default()).unwrap()
}

/// A copy of a store that nothing writes to.
fn copied(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(directory).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// Everything that is wrong with a store, a line each.
fn wrong_with(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let verified = variorum::store::verify(directory, &mut |problem| found.push(problem.to_string())).unwrap();
    assert_eq!(verified.problems, found.len() as u64);
    found
}
