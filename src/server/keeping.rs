//! What of histories is kept, by the beginnings of documents' ids; and the round that squashes the rest.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::document::Keeping;
use crate::hub::{Hub, OpenError};

/// How often every document is looked at: what is kept is said in hours and days.
const EVERY: Duration = Duration::from_secs(3600);
/// The first round begins so long after the start, when clients have come back.
const FIRST: Duration = Duration::from_secs(60);
/// Documents listed at once.
const LISTED: usize = 500;

/// What of each document's history is kept: the longest beginning of its id decides, and without one everything is.
#[derive(Debug, Clone, Default)]
pub struct Policy(Vec<(String, Keeping)>);

impl Policy {
    /// These beginnings of ids, and what of the histories of documents whose ids begin so is kept.
    pub fn new(rules: Vec<(String, Keeping)>) -> Self {
        Policy(rules)
    }

    /// What is kept of a document.
    pub fn of(&self, id: &str) -> Keeping {
        let matching = self.0.iter().filter(|(prefix, _)| id.starts_with(prefix.as_str()));
        matching.max_by_key(|(prefix, _)| prefix.len()).map_or(Keeping::All, |(_, keeping)| *keeping)
    }

    /// Goes the rounds, for ever.
    pub(super) async fn keep(&self, hub: &Arc<Hub>) {
        if self.0.iter().all(|(_, keeping)| *keeping == Keeping::All) {
            return std::future::pending().await;
        }
        tokio::time::sleep(FIRST).await;
        loop {
            if let Err(error) = self.round(hub).await {
                warn!(%error, "histories could not all be looked at; the next round does");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Prunes every document of which enough has grown old.
    async fn round(&self, hub: &Hub) -> Result<(), OpenError> {
        // What begins with a longer prefix is met under a shorter one too: the shortest are enough.
        let prefixes = self.0.iter().map(|(prefix, _)| prefix.as_str());
        let outermost = prefixes
            .filter(|one| !self.0.iter().any(|(other, _)| other.len() < one.len() && one.starts_with(other.as_str())));
        for prefix in outermost {
            let mut after = String::new();
            loop {
                let listed = hub.store().list(prefix, &after, LISTED).await?;
                let Some(last) = listed.last() else { break };
                after = last.id.to_string();
                for document in listed {
                    match hub.prune_if_due(&document.id, self.of(document.id.as_str())).await {
                        Ok(Some(pruned)) if pruned.horizon > pruned.before => {
                            let (before, horizon) = (pruned.before.0, pruned.horizon.0);
                            info!(document = %document.id, before, horizon, "old history was squashed");
                        }
                        // Deleted since it was listed.
                        Ok(_) | Err(OpenError::Unknown(_)) => {}
                        Err(error) => warn!(document = %document.id, %error, "a history was not pruned"),
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_decides_and_without_one_everything_is_kept() {
        let rule = |prefix: &str, keeping: &str| (prefix.to_owned(), keeping.parse().unwrap());
        let policy = Policy::new(vec![rule("team.", "30d"), rule("team.law.", "all"), rule("tmp", "labels")]);
        assert_eq!(policy.of("team.a"), "30d".parse().unwrap());
        assert_eq!(policy.of("team.law.a"), Keeping::All);
        assert_eq!(policy.of("tmp"), Keeping::Labelled);
        assert_eq!(policy.of("tea"), Keeping::All);
        assert_eq!(Policy::new(vec![rule("", "1h")]).of("anything"), "1h".parse().unwrap());
    }
}
