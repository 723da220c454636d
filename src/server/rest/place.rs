//! The document that a request is about, and whether the place that it names there is one.

use std::sync::Arc;

use crate::document::{DocumentId, Version};
use crate::hub::{Live, OpenError};
use crate::protocol::Code;
use crate::server::Server;
use crate::server::problem::Problem;

/// The document, read into memory if it is not there.
pub(super) async fn open(server: &Server, id: &DocumentId) -> Result<Arc<Live>, Problem> {
    let (live, _) = server.hub.open(id, None).await.map_err(|error| Problem::of(id, error))?;
    Ok(live)
}

/// The version, if it exists.
pub(super) fn not_ahead(head: Version, version: Version) -> Result<Version, Problem> {
    if version <= head {
        return Ok(version);
    }
    let message = format!("version {version} does not exist, the document is at {head}");
    Err(Problem::new(Code::VersionAhead, message))
}

/// Whether the epoch that a request names is the document's.
pub(super) fn check_epoch(given: Option<&String>, epoch: &str) -> Result<(), Problem> {
    match given {
        Some(given) if given != epoch => {
            let message = format!("the document is of epoch {epoch}, not {given}");
            Err(Problem::new(Code::EpochChanged, message))
        }
        _ => Ok(()),
    }
}

/// Whether the chain that a request names is that of the version.
pub(super) async fn check_chain(
    live: &Live,
    id: &DocumentId,
    version: Version,
    given: Option<&String>,
) -> Result<(), Problem> {
    let Some(given) = given else { return Ok(()) };
    let chain = live.chain_at(version).await.map_err(|error| Problem::of(id, OpenError::Store(error)))?;
    if *given == chain.to_string() {
        return Ok(());
    }
    let message = format!("the chain of version {version} is {chain}, not {given}: the histories differ");
    Err(Problem::new(Code::ChainDiffers, message))
}
