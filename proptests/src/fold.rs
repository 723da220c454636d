//! The naive way to know the past: every revision applied to a list of characters, each with who wrote it and who removed
//! it. What the server says of any version is held against it. Reads the ops as they stand on the wire, and shares no code
//! with the server.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
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
    /// A place in the fold's list of people.
    user: usize,
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
    /// Everyone who made a revision, as the catch-up endpoint names them.
    people: Vec<Value>,
    /// Versions that are kept as they were.
    kept: BTreeMap<u64, Vec<u32>>,
}

/// What is wrong, as a sentence.
pub type Verdict = Result<(), String>;

/// A blame as it stands on the wire. Every version's is held against the fold: so it is read without a tree of values.
#[derive(Deserialize)]
struct Blame<'b> {
    version: u64,
    length: usize,
    #[serde(default)]
    start: usize,
    users: Vec<Value>,
    #[serde(borrow)]
    runs: Vec<Run<'b>>,
    more: bool,
}

/// A run that names who did it.
#[derive(Debug, Deserialize)]
struct Run<'b> {
    length: usize,
    #[serde(borrow)]
    text: Cow<'b, str>,
    /// A place in the answer's list of users.
    user: usize,
    #[serde(default, deserialize_with = "there")]
    from: Option<u64>,
    version: u64,
    time: u64,
}

/// A number that is there, if its name is.
fn there<'de, D: Deserializer<'de>>(number: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(number).map(Some)
}

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
        let user = self.people.iter().position(|known| *known == revision["user"]).unwrap_or(self.people.len());
        if user == self.people.len() {
            self.people.push(revision["user"].clone());
        }
        self.made.push(Made { user, time, added, removed });
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
        self.letters(places).collect()
    }

    fn letters<'f>(&'f self, places: &'f [u32]) -> impl Iterator<Item = char> + 'f {
        places.iter().map(|place| self.chars[*place as usize].char)
    }

    /// Holds a blame of the version it is at against it.
    pub fn blame(&self, body: &str) -> Verdict {
        let blame: Blame = serde_json::from_str(body).map_err(|error| error.to_string())?;
        same("version", &blame.version, &self.version())?;
        same("length", &blame.length, &self.there.len())?;
        let users = self.known(&blame.users);
        let mut rest = self.there.get(blame.start..).ok_or("it begins behind the end")?;
        for run in &blame.runs {
            let places = cut(&mut rest, run.length)?;
            self.credit(run, places.iter().map(|place| self.chars[*place as usize].born), &users)?;
            if !run.text.chars().eq(self.letters(places)) {
                return Err(format!("{run:?} is the text {:?}", self.spell(places)));
            }
        }
        same("more", &blame.more, &!rest.is_empty())
    }

    /// Which of the people that the fold knows these are.
    fn known(&self, users: &[Value]) -> Vec<Option<usize>> {
        users.iter().map(|user| self.people.iter().position(|known| known == user)).collect()
    }

    /// Holds a diff between two kept versions against them.
    pub fn diff(&self, from: u64, to: u64, body: &Value) -> Verdict {
        same("from", &body["from"], &from.into())?;
        same("to", &body["to"], &to.into())?;
        let (earlier, later) = (&self.kept[&from.min(to)], &self.kept[&from.max(to)]);
        let (mut before, mut after) = (&earlier[..], &later[..]);
        let (added, removed) = if from <= to { ("added", "removed") } else { ("removed", "added") };
        let users = self.known(list(&body["users"])?);
        let mut counts = BTreeMap::from([("added", 0), ("removed", 0)]);
        for run in list(&body["runs"])? {
            let sort = run["sort"].as_str().ok_or("a run has no sort")?;
            if sort == "kept" {
                let len = run["length"].as_u64().ok_or("a run has no length")? as usize;
                same("kept", cut(&mut before, len)?, cut(&mut after, len)?)?;
                continue;
            }
            let run = &Run::deserialize(run).map_err(|error| format!("{run}: {error}"))?;
            let (places, by): (_, Vec<u64>) = if sort == added {
                let places = cut(&mut after, run.length)?;
                (places, places.iter().map(|place| self.chars[*place as usize].born).collect())
            } else if sort == removed {
                let places = cut(&mut before, run.length)?;
                (places, places.iter().filter_map(|place| self.chars[*place as usize].died).collect())
            } else {
                return Err(format!("a run is {sort}"));
            };
            let within = |version: &u64| (from.min(to) + 1..=from.max(to)).contains(version);
            if by.len() != places.len() || !by.iter().all(within) {
                return Err(format!("{run:?} is by {by:?}, which is not between the versions"));
            }
            self.credit(run, by.into_iter(), &users)?;
            same("text", &*run.text, &*self.spell(places))?;
            *counts.get_mut(sort).ok_or("two sorts change")? += places.len() as u64;
        }
        if !(before.is_empty() && after.is_empty()) {
            return Err("the runs end too early".into());
        }
        same("added", &body["added"], &counts["added"].into())?;
        same("removed", &body["removed"], &counts["removed"].into())?;
        let (base, target) = (&self.kept[&from], &self.kept[&to]);
        same("op", &apply(&self.spell(base), &body["op"])?, &self.spell(target))
    }

    /// Whether a run names the revisions of its characters, their author, and the time of the last.
    fn credit(&self, run: &Run, by: impl Iterator<Item = u64> + Clone, users: &[Option<usize>]) -> Verdict {
        let last = run.version;
        let from = run.from.unwrap_or(last - 1);
        let one_each = by.clone().eq(from + 1..=last);
        let all_of_one = from + 1 == last && by.clone().all(|version| version == last);
        if !one_each && !all_of_one {
            return Err(format!("{run:?} is by the revisions {:?}", by.collect::<Vec<_>>()));
        }
        let user = users.get(run.user).copied().flatten().ok_or_else(|| format!("{run:?} is by nobody known"))?;
        if let Some(other) = by.map(|version| self.made[version as usize - 1].user).find(|other| *other != user) {
            return Err(format!("{run:?} is by {}", self.people[other]));
        }
        same("time", &run.time, &self.made[last as usize - 1].time)
    }

    /// The whole history in stretches, newest first, from the version it is at.
    pub fn stretches(&self, pause_ms: u64) -> Vec<Value> {
        let mut stretches: Vec<Value> = Vec::new();
        for version in (1..=self.version()).rev() {
            let made = &self.made[version as usize - 1];
            if let Some(open) = stretches.last_mut() {
                let soon = open["began"].as_u64().is_some_and(|began| began - made.time <= pause_ms);
                if open["user"]["id"] == self.people[made.user]["id"] && soon && !version.is_multiple_of(1 << 18) {
                    open["from"] = (version - 1).into();
                    open["began"] = made.time.into();
                    open["added"] = (open["added"].as_u64().unwrap_or(0) + made.added).into();
                    open["removed"] = (open["removed"].as_u64().unwrap_or(0) + made.removed).into();
                    continue;
                }
            }
            stretches.push(serde_json::json!({
                "from": version - 1, "version": version, "user": self.people[made.user], "began": made.time, "time": made.time,
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
        serde_json::json!({"version": version, "user": fold.people[made.user], "time": made.time})
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
fn cut<'a>(rest: &mut &'a [u32], len: usize) -> Result<&'a [u32], String> {
    let (head, tail) =
        rest.split_at_checked(len).ok_or_else(|| format!("a run of {len} is longer than what is left"))?;
    *rest = tail;
    Ok(head)
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, said: &T, expected: &T) -> Verdict {
    if said == expected { Ok(()) } else { Err(format!("`{what}` is {said:?}, not {expected:?}")) }
}
