//! Searching a stretch of history for a text, in bounded time.

use std::time::Duration;

use tokio::time::timeout;

use super::beside;
use crate::document::{Appearance, Search, Version};
use crate::hub::live::Live;
use crate::store::{READ_WEIGHT, StoreError};

/// Revisions read at a time: with what they may weigh, it bounds what they take in memory.
const READ_AT_ONCE: u64 = 4096;
/// Places of one text that are kept in mind.
const PLACES_MAX: usize = 10_000;
/// Steps of one search, each a place held against a revision: some seconds of one core.
const STEPS_MAX: u64 = 1 << 30;

/// Why a search was not finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others search, and the wait for them was too long.
    #[error("others search now; try again in a moment")]
    Busy,
    /// The text stands in too many places to follow them all.
    #[error(
        "the text was found in {places} places up to version {version}; search for a longer text, or between fewer versions"
    )]
    TooMany {
        /// How many were found.
        places: usize,
        /// Up to which version the search had come.
        version: Version,
    },
}

impl Live {
    /// Every place where a text has stood between two versions, the newest first.
    /// [`SearchError::Busy`] if it has to wait longer than `wait` for others.
    pub async fn search(
        &self,
        wanted: &str,
        (since, until): (Version, Version),
        wait: Duration,
    ) -> Result<Vec<Appearance>, SearchError> {
        // Each goes on for long: the others wait their turn.
        let _turn = timeout(wait, self.hub.searches.acquire()).await.map_err(|_| SearchError::Busy)?;
        let base = self.snapshot_at(since).await?;
        let wanted = wanted.to_owned();
        let mut search = beside(move || Search::new(&wanted, base.content)).await;
        let (mut at, mut steps) = (since, 0);
        while at < until {
            let to = until.min(Version(at.0 + READ_AT_ONCE));
            let revisions = self.some_revisions(at, to, READ_WEIGHT).await?;
            let to = revisions.last().map_or(to, |last| last.version);
            steps += search.standing() as u64 * to.since(at);
            if search.places() > PLACES_MAX || steps > STEPS_MAX {
                return Err(SearchError::TooMany { places: search.places(), version: at });
            }
            let document = self.incarnation;
            let gone_over = beside(move || {
                for revision in revisions {
                    let stepped = search.step(&revision);
                    stepped.map_err(|mismatch| StoreError::misfit(document, revision.version, mismatch))?;
                }
                Ok::<_, StoreError>(search)
            });
            search = gone_over.await?;
            at = to;
        }
        Ok(search.finish())
    }
}
