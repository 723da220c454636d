//! The command `variorum prune`: squashing what of a document's history need not be kept.

use clap::Args;

use super::{Where, print, print_json, said};
use crate::document::Keeping;

/// What `variorum prune` is given.
#[derive(Debug, Clone, Args)]
pub struct PruneFlags {
    #[command(flatten)]
    place: Where,
    /// What stays beside labelled versions: the versions of so long, as in 30d or 12h; or `labels`, for nothing else
    #[arg(long, value_name = "WHAT")]
    keep: Keeping,
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
}

/// Squashes old history.
pub async fn prune(flags: PruneFlags) -> Result<(), String> {
    let pruned = flags.place.versions()?.prune(flags.keep, flags.preview).await.map_err(said)?;
    if flags.place.json {
        return print_json(&pruned);
    }
    let count = pruned.oldest.since(pruned.before);
    let done = if flags.preview { "would be squashed" } else { "were squashed" };
    let labelled = match pruned.labelled.len() {
        0 => String::new(),
        1 => ", and before it 1 that is labelled".to_owned(),
        many => format!(", and before it {many} that are labelled"),
    };
    print(&format!("{count} versions {done}; all are kept from version {} on{labelled}\n", pruned.oldest))
}
