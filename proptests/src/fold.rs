//! The naive way to know the past: every revision applied to a list of characters, each with who wrote it and who removed
//! it. What the server says of any version is held against it. Reads the ops as they stand on the wire, and shares no code
//! with the server.

use std::collections::BTreeMap;

use serde_json::Value;

/// A character that was ever written.
#[derive(Debug, Clone, Copy)]
struct Char {
    char: char,
    born: u64,
    died: Option<u64>,
}

/// Who made a revision, when, and how much it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    user: Value,
    time: u64,
    added: u64,
    removed: u64,
}

/// A document's whole history, up to some version.
#[derive(Default)]
pub struct Fold {
    chars: Vec<Char>,
    /// The characters that are there, in order: places in `chars`.
    there: Vec<u32>,
    /// Revision n is at n - 1.
    made: Vec<Made>,
    /// Versions that are kept as they were.
    kept: BTreeMap<u64, Vec<u32>>,
}

/// What is wrong, as a sentence.
pub type Verdict = Result<(), String>;

impl Fold {
    /// Goes over a revision, as the catch-up endpoint says it.
    pub fn step(&mut self, revision: &Value) {
        let version = self.version() + 1;
        assert_eq!(revision["version"], version, "revisions come in order");
        let mut at = 0;
        let (mut added, mut removed) = (0, 0);
        for part in revision["op"].as_array().expect("an op is a list") {
            if let Some(text) = part.as_str() {
                let first = self.chars.len() as u32;
                self.chars.extend(text.chars().map(|char| Char { char, born: version, died: None }));
                self.there.splice(at..at, first..self.chars.len() as u32);
                let len = self.chars.len() - first as usize;
                at += len;
                added += len as u64;
            } else {
                let number = part.as_i64().expect("a part is a text or a number");
                let len = number.unsigned_abs() as usize;
                if number < 0 {
                    for place in self.there.drain(at..at + len) {
                        self.chars[place as usize].died = Some(version);
                    }
                    removed += len as u64;
                } else {
                    at += len;
                }
            }
        }
        assert_eq!(at, self.there.len(), "the op covers its document");
        let time = revision["time"].as_u64().expect("a time is a number");
        self.made.push(Made { user: revision["user"].clone(), time, added, removed });
    }

    /// The version it has come to.
    pub fn version(&self) -> u64 {
        self.made.len() as u64
    }

    /// Keeps the version it is at, for [`Fold::diff`].
    pub fn keep(&mut self) {
        self.kept.insert(self.version(), self.there.clone());
    }

    /// The versions kept.
    pub fn kept(&self) -> Vec<u64> {
        self.kept.keys().copied().collect()
    }

    /// The text where it is.
    pub fn text(&self) -> String {
        self.spell(&self.there)
    }

    fn spell(&self, places: &[u32]) -> String {
        places.iter().map(|place| self.chars[*place as usize].char).collect()
    }

    /// Holds a blame of the version it is at against it.
    pub fn blame(&self, body: &Value) -> Verdict {
        same("version", &body["version"], &self.version().into())?;
        same("length", &body["length"], &self.there.len().into())?;
        let mut rest = &self.there[body["start"].as_u64().unwrap_or(0) as usize..];
        for run in list(&body["runs"])? {
            let places = cut(&mut rest, run)?;
            let born: Vec<u64> = places.iter().map(|place| self.chars[*place as usize].born).collect();
            self.credit(run, &born, &body["users"])?;
            same("text", &run["text"], &self.spell(places).into())?;
        }
        same("more", &body["more"], &(!rest.is_empty()).into())
    }

    /// Holds a diff between two kept versions against them.
    pub fn diff(&self, from: u64, to: u64, body: &Value) -> Verdict {
        same("from", &body["from"], &from.into())?;
        same("to", &body["to"], &to.into())?;
        let (earlier, later) = (&self.kept[&from.min(to)], &self.kept[&from.max(to)]);
        let (mut before, mut after) = (&earlier[..], &later[..]);
        let (added, removed) = if from <= to { ("added", "removed") } else { ("removed", "added") };
        let mut counts = BTreeMap::from([("added", 0), ("removed", 0)]);
        for run in list(&body["runs"])? {
            let sort = run["sort"].as_str().ok_or("a run has no sort")?;
            if sort == "kept" {
                same("kept", &cut(&mut before, run)?.into(), &cut(&mut after, run)?.into())?;
                continue;
            }
            let (places, by): (_, Vec<u64>) = if sort == added {
                let places = cut(&mut after, run)?;
                (places, places.iter().map(|place| self.chars[*place as usize].born).collect())
            } else if sort == removed {
                let places = cut(&mut before, run)?;
                (places, places.iter().filter_map(|place| self.chars[*place as usize].died).collect())
            } else {
                return Err(format!("a run is {sort}"));
            };
            let within = |version: &u64| (from.min(to) + 1..=from.max(to)).contains(version);
            if by.len() != places.len() || !by.iter().all(within) {
                return Err(format!("{run} is by {by:?}, which is not between the versions"));
            }
            self.credit(run, &by, &body["users"])?;
            same("text", &run["text"], &self.spell(places).into())?;
            *counts.get_mut(sort).ok_or("two sorts change")? += places.len() as u64;
        }
        if !(before.is_empty() && after.is_empty()) {
            return Err("the runs end too early".into());
        }
        same("added", &body["added"], &counts["added"].into())?;
        same("removed", &body["removed"], &counts["removed"].into())?;
        let (base, target) = (&self.kept[&from], &self.kept[&to]);
        same("op", &apply(&self.spell(base), &body["op"])?.into(), &self.spell(target).into())
    }

    /// Whether a run names the revisions of its characters, their author, and the time of the last.
    fn credit(&self, run: &Value, by: &[u64], users: &Value) -> Verdict {
        let last = run["version"].as_u64().ok_or("a run has no version")?;
        let from = run.get("from").map_or(Some(last - 1), Value::as_u64).ok_or("a run begins nowhere")?;
        let one_each = last - from == by.len() as u64 && by.iter().copied().eq(from + 1..=last);
        let all_of_one = from + 1 == last && by.iter().all(|version| *version == last);
        if !one_each && !all_of_one {
            return Err(format!("{run} is by the revisions {by:?}"));
        }
        let user = &users[run["user"].as_u64().ok_or("a run is by nobody")? as usize];
        for version in by {
            same("user", user, &self.made[*version as usize - 1].user)?;
        }
        same("time", &run["time"], &self.made[last as usize - 1].time.into())
    }

    /// The whole history in stretches, newest first, from the version it is at.
    pub fn stretches(&self, pause_ms: u64) -> Vec<Value> {
        let mut stretches: Vec<Value> = Vec::new();
        for version in (1..=self.version()).rev() {
            let made = &self.made[version as usize - 1];
            if let Some(open) = stretches.last_mut() {
                let soon = open["began"].as_u64().is_some_and(|began| began - made.time <= pause_ms);
                if open["user"]["id"] == made.user["id"] && soon && !version.is_multiple_of(1 << 18) {
                    open["from"] = (version - 1).into();
                    open["began"] = made.time.into();
                    open["added"] = (open["added"].as_u64().unwrap_or(0) + made.added).into();
                    open["removed"] = (open["removed"].as_u64().unwrap_or(0) + made.removed).into();
                    continue;
                }
            }
            stretches.push(serde_json::json!({
                "from": version - 1, "version": version, "user": made.user, "began": made.time, "time": made.time,
                "added": made.added, "removed": made.removed,
            }));
        }
        stretches
    }
}

/// Where a text stood: the version that completed it, the position then, and the version that broke it up with the position
/// before.
type Place = (u64, usize, Option<(u64, usize)>);

/// Every place where a text has stood in these revisions, newest first, as the search says it, found by looking at every
/// version as a whole.
pub fn places_of(wanted: &str, revisions: &[Value]) -> Vec<Value> {
    let wanted: Vec<char> = wanted.chars().collect();
    let mut fold = Fold::default();
    let mut standing: BTreeMap<Vec<u32>, (u64, usize, usize)> = BTreeMap::new();
    let mut found: Vec<Place> = Vec::new();
    for revision in revisions {
        fold.step(revision);
        let spells = |places: &[u32]| places.iter().map(|place| fold.chars[*place as usize].char).eq(wanted.clone());
        let now: BTreeMap<Vec<u32>, usize> = fold
            .there
            .windows(wanted.len())
            .enumerate()
            .filter(|(_, places)| spells(places))
            .map(|(at, places)| (places.to_vec(), at))
            .collect();
        standing.retain(|places, (began, first, last)| match now.get(places) {
            Some(at) => {
                *last = *at;
                true
            }
            None => {
                found.push((*began, *first, Some((fold.version(), *last))));
                false
            }
        });
        for (places, at) in now {
            standing.entry(places).or_insert((fold.version(), at, at));
        }
    }
    found.extend(standing.into_values().map(|(began, first, _)| (began, first, None)));
    found.sort_by_key(|(began, first, _)| (std::cmp::Reverse(*began), *first));
    let name = |version: u64| {
        let made = &fold.made[version as usize - 1];
        serde_json::json!({"version": version, "user": made.user, "time": made.time})
    };
    let view = |(began, first, gone): Place| {
        let mut view = name(began);
        view["position"] = first.into();
        view["gone"] = gone.map_or(Value::Null, |(version, position)| {
            let mut gone = name(version);
            gone["position"] = position.into();
            gone
        });
        view
    };
    found.into_iter().map(view).collect()
}

/// The text that an op makes of a text.
fn apply(text: &str, op: &Value) -> Result<String, String> {
    let mut rest = text.chars();
    let mut result = String::new();
    for part in list(op)? {
        match (part.as_str(), part.as_i64()) {
            (Some(inserted), _) => result += inserted,
            (None, Some(len)) if len < 0 => rest.by_ref().take(len.unsigned_abs() as usize).for_each(drop),
            (None, Some(len)) => result.extend(rest.by_ref().take(len as usize)),
            _ => return Err(format!("{part} is no part")),
        }
    }
    match rest.next() {
        None => Ok(result),
        Some(_) => Err("the op is shorter than its base".into()),
    }
}

/// The characters that a run covers, off the front of what is left.
fn cut<'a>(rest: &mut &'a [u32], run: &Value) -> Result<&'a [u32], String> {
    let len = run["length"].as_u64().ok_or("a run has no length")? as usize;
    let (head, tail) = rest.split_at_checked(len).ok_or_else(|| format!("{run} is longer than what is left"))?;
    *rest = tail;
    Ok(head)
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))
}

fn same(what: &str, said: &Value, expected: &Value) -> Verdict {
    if said == expected { Ok(()) } else { Err(format!("`{what}` is {said}, not {expected}")) }
}
