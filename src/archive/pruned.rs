//! The lines of what is left of pruned revisions, and how they are held against one another.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::line::{Person, Sixteen, Sort};
use crate::document::{
    Author, Chain, ClientKey, LEDGER_PAGE, LedgerPage, Mark, Seq, Snapshot, Step, Stretch, Taken, Time, Trail, Version,
};
use crate::ot::TextOp;
use crate::store::{HORIZON_EVERY, PrunedPast};

/// Revisions as one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLine {
    #[serde(rename = "type")]
    sort: Sort,
    from: Version,
    version: Version,
    op: TextOp,
    /// Of the characters that the op inserts or deletes, in order: how many, of which version, and whether each is of one
    /// more.
    marks: Vec<(u64, Version, bool)>,
    chain: Chain,
    time: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<CompactString>,
    /// If one person made all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Person>,
}

/// Who made revisions, when, and how much each changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    #[serde(rename = "type")]
    sort: Sort,
    from: Version,
    users: Vec<Person>,
    /// Up to which place, and which of the users.
    hands: Vec<(u32, u32)>,
    times: Vec<Time>,
    /// Characters added and removed.
    changed: Vec<(u64, u64)>,
}

/// What was last taken from a client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientLine {
    #[serde(rename = "type")]
    sort: Sort,
    client: Sixteen,
    seq: Seq,
    version: Version,
}

impl StepLine {
    pub fn of(step: &Step) -> Self {
        let Stretch { from, to, op, author, time, chain } = step.stretch.clone();
        StepLine {
            sort: Sort::Step,
            from,
            version: to,
            op,
            marks: step.marks.iter().map(|mark| (mark.len, mark.first, mark.rising)).collect(),
            chain,
            time,
            session: author.as_ref().and_then(|author| author.session.clone()),
            user: author.as_ref().map(|author| Person::of(&author.user)),
        }
    }

    pub fn step(self) -> Result<Step, String> {
        let StepLine { from, version: to, op, marks, chain, time, session, user, .. } = self;
        for (len, first, rising) in &marks {
            let more = if *rising { *len } else { 1 };
            let last = first.0.checked_add(more).filter(|_| *len > 0);
            if *first <= from || last.is_none_or(|after| after - 1 > to.0) {
                return Err(format!("a mark names version {first}, which is not after {from} and up to {to}"));
            }
        }
        let marks = marks.into_iter().map(|(len, first, rising)| Mark { len, first, rising }).collect();
        let author = user.map(|user| Arc::new(Author { session, user: user.user() }));
        let Some(Trail { op, marks, .. }) = Trail::new(from, to, op, marks) else {
            return Err("its marks do not cover its op".into());
        };
        Ok(Step { stretch: Stretch { from, to, op, author, time, chain }, marks })
    }
}

impl LedgerLine {
    pub fn of(page: &LedgerPage) -> Self {
        LedgerLine {
            sort: Sort::Ledger,
            from: page.from,
            users: page.users.iter().map(Person::of).collect(),
            hands: page.hands.clone(),
            times: page.times.clone(),
            changed: page.changed.clone(),
        }
    }

    pub fn page(self) -> Result<LedgerPage, String> {
        let LedgerLine { from, users, hands, times, changed, .. } = self;
        let users: Vec<_> = users.into_iter().map(Person::user).collect();
        let count = times.len() as u64;
        let rising = hands.is_sorted_by(|one, next| one.0 < next.0) && hands.first().is_none_or(|hand| hand.0 > 0);
        let covered = hands.last().map(|hand| u64::from(hand.0)) == Some(count) && changed.len() as u64 == count;
        let known = hands.iter().all(|hand| (hand.1 as usize) < users.len());
        if !rising || !covered || !known || count > LEDGER_PAGE || !times.is_sorted() {
            return Err(format!("it does not say of each of the {count} revisions after {from} who made it and when"));
        }
        Ok(LedgerPage { from, users, hands, times, changed })
    }
}

impl ClientLine {
    pub fn of(client: ClientKey, taken: Taken) -> Self {
        ClientLine { sort: Sort::Client, client: Sixteen(client.0), seq: taken.seq, version: taken.version }
    }

    pub fn taken(self) -> (ClientKey, Taken) {
        (ClientKey(self.client.0), Taken { seq: self.seq, version: self.version })
    }
}

/// Adds a step to those before it, and goes on from where they led.
pub fn take_step(past: &mut PrunedPast, now: &mut Snapshot, step: Step) -> Result<(), String> {
    if step.from() != now.version || step.to() <= step.from() {
        return Err(format!("it leads from version {} to {}, where {} is due", step.from(), step.to(), now.version));
    }
    now.forward(&step.stretch).map_err(|mismatch| format!("its op does not fit: {mismatch}"))?;
    past.steps.push(step);
    Ok(())
}

/// That nothing is missing of what lies before the horizon.
pub fn check_whole(past: &PrunedPast) -> Result<(), String> {
    let horizon = past.horizon();
    if !horizon.0.is_multiple_of(HORIZON_EVERY) {
        return Err(format!("the steps end at version {horizon}, which is no multiple of {HORIZON_EVERY}"));
    }
    let mut at = Version::ZERO;
    for page in &past.ledger {
        if page.from != at || !at.0.is_multiple_of(LEDGER_PAGE) {
            return Err(format!("a line of type ledger begins at {}, where {at} is due", page.from));
        }
        at = page.to();
    }
    if at != horizon {
        return Err(format!("the lines of type ledger end at version {at}, the steps at {horizon}"));
    }
    match past.taken.iter().find(|(_, taken)| taken.version > horizon || taken.version == Version::ZERO) {
        Some((_, taken)) => Err(format!("a client's version is {}, the steps end at {horizon}", taken.version)),
        None => Ok(()),
    }
}
