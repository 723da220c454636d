//! Golden vectors: what the algebra answers, as JSON files from which a client in another language can be built and tested.
//! `golden/README.md` documents them.
//!
//! The same code always makes the same bytes; a test compares them with the files and runs every case read back from JSON.

mod make;
mod parse;
mod vectors;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use vectors::{Apply, Compose, Cursor, Invert, Mismatch, Parse, Transform, TransformLarge, Vector};

/// One file of vectors.
pub struct File {
    /// Its name in the folder.
    pub name: &'static str,
    /// How many cases it has.
    pub cases: usize,
    /// What it holds.
    pub text: String,
    /// Runs every case of such a file's text; the number of cases, or the first that does not hold.
    pub run: fn(&str) -> Result<usize, String>,
}

/// Every file, made anew.
pub fn files() -> Vec<File> {
    vec![
        file("apply.json", make::apply()),
        file("transform.json", make::transform()),
        file("transform_large.json", make::transform_large()),
        file("compose.json", make::compose()),
        file("invert.json", make::invert()),
        file("cursor.json", make::cursor()),
        file("mismatch.json", make::mismatch()),
        file("parse.json", parse::cases()),
    ]
}

/// Writes every file into the folder.
pub fn write() -> std::io::Result<String> {
    let files = files();
    for file in &files {
        std::fs::write(folder().join(file.name), &file.text)?;
    }
    let cases: usize = files.iter().map(|file| file.cases).sum();
    Ok(format!("wrote {cases} cases in {} files to {}", files.len(), folder().display()))
}

/// Where the files are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A list with one case a line, so that a changed case is a changed line.
fn file<V: Vector + Serialize + DeserializeOwned>(name: &'static str, cases: Vec<V>) -> File {
    let lines: Vec<_> =
        cases.iter().map(|case| ascii(&serde_json::to_string(case).expect("vectors are JSON"))).collect();
    File { name, cases: cases.len(), text: format!("[\n{}\n]\n", lines.join(",\n")), run: run::<V> }
}

/// The same JSON with all else escaped: the vectors hold marks of direction, joiners and lone combining marks, which no
/// editor shows as they are. Outside strings JSON is ASCII already.
fn ascii(json: &str) -> String {
    let mut units = [0; 2];
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            ' '..='~' => escaped.push(char),
            _ => char.encode_utf16(&mut units).iter().for_each(|unit| escaped += &format!("\\u{unit:04x}")),
        }
    }
    escaped
}

fn run<V: Vector + DeserializeOwned>(text: &str) -> Result<usize, String> {
    let cases: Vec<V> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (number, case) in cases.iter().enumerate() {
        case.run().map_err(|why| format!("case {number}: {why}"))?;
    }
    Ok(cases.len())
}
