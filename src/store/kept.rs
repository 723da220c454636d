//! What is kept of a document whose old history was pruned.
//!
//! ```text
//! 0 ════════ 40 ══════ 256 ─ 257 ─ 258 ─ ... ─ head      ═══ a step: several revisions as one, single ones are gone
//!            │          └ the horizon: from here on every version is kept
//!            └ a label
//! ```

use super::{Found, Head, Incarnation, StoreError};
use crate::document::{Chain, ClientKey, LedgerPage, Step, Taken, Time, Version};

/// A horizon is a multiple of this: pages of the log and composed blocks end there too, so that nothing is cut in two.
pub const HORIZON_EVERY: u64 = 256;

/// Which versions of a document are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Where steps end, rising; the last is the horizon. None if everything is kept.
    places: Vec<Head>,
}

/// What pruning did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// From where on every version was kept before.
    pub before: Version,
    /// From where on every version is kept now.
    pub horizon: Version,
    /// The versions at or before the horizon that can still be read, beside 0.
    pub kept: Vec<Version>,
}

/// All that is left of what lies before a horizon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedPast {
    /// From version 0 to the horizon, without a hole.
    pub steps: Vec<Step>,
    /// Who made what, likewise: pages in order, the last up to the horizon.
    pub ledger: Vec<LedgerPage>,
    /// What was last taken from each client that sent nothing since.
    pub taken: Vec<(ClientKey, Taken)>,
}

impl PrunedPast {
    /// Where the steps lead.
    pub fn horizon(&self) -> Version {
        self.steps.last().map_or(Version::ZERO, Step::to)
    }
}

impl Kept {
    /// Of a document whose steps end at these places.
    pub fn new(places: Vec<Head>) -> Self {
        Kept { places }
    }

    /// The version from which on every version is kept; 0 if nothing was pruned.
    pub fn horizon(&self) -> Version {
        self.places.last().map_or(Version::ZERO, |place| place.version)
    }

    /// Whether a version can still be read.
    pub fn holds(&self, version: Version) -> bool {
        version >= self.horizon() || version == Version::ZERO || self.place(version).is_some()
    }

    /// The place of a version at or before the horizon, if it is kept and not 0.
    pub fn place(&self, version: Version) -> Option<&Head> {
        let found = self.places.binary_search_by_key(&version, |place| place.version).ok()?;
        self.places.get(found)
    }

    /// Whether one step leads from the one version to the other.
    pub fn is_step(&self, from: Version, to: Version) -> bool {
        let before = |end: usize| end.checked_sub(1).map_or(Version::ZERO, |place| self.places[place].version);
        let end = self.places.binary_search_by_key(&to, |place| place.version);
        end.is_ok_and(|end| before(end) == from)
    }

    /// Its chain, likewise.
    pub fn chain(&self, version: Version) -> Option<Chain> {
        self.place(version).map(|place| place.chain)
    }

    /// Where steps end.
    pub fn places(&self) -> &[Head] {
        &self.places
    }

    /// The time of the horizon; none if nothing was pruned.
    pub fn horizon_time(&self) -> Option<Time> {
        self.places.last().map(|place| place.time)
    }

    /// That a version can still be read.
    pub fn check(&self, document: Incarnation, version: Version) -> Result<(), StoreError> {
        if self.holds(version) { Ok(()) } else { Err(self.pruned(document, version)) }
    }

    /// That every version from this one on is kept.
    pub fn check_whole(&self, document: Incarnation, from: Version) -> Result<(), StoreError> {
        if from >= self.horizon() { Ok(()) } else { Err(self.pruned(document, from)) }
    }

    fn pruned(&self, document: Incarnation, version: Version) -> StoreError {
        StoreError::Pruned { document, version, oldest: self.horizon() }
    }
}

/// What others need of a document's history.
pub struct Needed {
    /// Labelled versions, of the document and of those that descend from it.
    pub labelled: Vec<Version>,
    /// The first version at which one of those begins.
    pub branches: Option<Version>,
}

/// What labels and branches need of a document's history: `labels` are the versions that are labelled of a document, `branches`
/// those that begin at a version of it.
pub fn needed(
    document: Incarnation,
    labels: impl Fn(Incarnation) -> Result<Vec<Version>, StoreError>,
    branches: impl Fn(Incarnation) -> Result<Vec<Found>, StoreError>,
) -> Result<Needed, StoreError> {
    let mut needed = Needed { labelled: Vec::new(), branches: None };
    let mut family = vec![document];
    while let Some(number) = family.pop() {
        needed.labelled.extend(labels(number)?);
        for branch in branches(number)? {
            family.push(branch.incarnation);
            if let Some(begins) = branch.begins {
                needed.branches = Some(needed.branches.map_or(begins.version, |first| first.min(begins.version)));
            }
        }
    }
    Ok(needed)
}

/// How far a document that ends at `head` can be pruned, if that is wished up to `to`: not past where a branch begins, whose
/// merging reads single revisions from there, and never all of it.
pub fn horizon(to: Version, head: Version, branches: Option<Version>) -> Version {
    let most = to.min(Version(head.0.saturating_sub(1))).min(branches.unwrap_or(head));
    Version(most.0 / HORIZON_EVERY * HORIZON_EVERY)
}

/// Where a horizon may be, at or after a version.
pub fn horizon_after(version: Version) -> Version {
    Version(version.0.div_ceil(HORIZON_EVERY) * HORIZON_EVERY)
}

/// Where steps end if a document is pruned up to `horizon`, of whose versions these are labelled; rising, the horizon last.
pub fn bounds(horizon: Version, labelled: impl IntoIterator<Item = Version>) -> Vec<Version> {
    let within = labelled.into_iter().filter(|version| Version::ZERO < *version && *version < horizon);
    let mut bounds: Vec<Version> = within.chain((horizon > Version::ZERO).then_some(horizon)).collect();
    bounds.sort_unstable();
    bounds.dedup();
    bounds
}
