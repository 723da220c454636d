//! The commands `variorum label`, `restore`, `branch` and `merge`: writing with versions, on a running server.

use clap::Args;
use compact_str::CompactString;

use super::{Where, date, name, print, print_json, said};
use crate::client::{Http, Versions};
use crate::document::{DocumentId, LabelName, Version};
use crate::protocol::{MergedView, Passage, RestoreWhat, Restored};

/// What `variorum label` is given.
#[derive(Debug, Clone, Args)]
pub struct LabelFlags {
    #[command(flatten)]
    place: Where,
    /// The label's name; without one, every label is listed
    #[arg(value_name = "NAME")]
    label: Option<LabelName>,
    /// The version to name [default: the newest]
    #[arg(long, value_name = "VERSION", requires = "label")]
    version: Option<u64>,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT", requires = "label")]
    note: String,
    /// Take the label away
    #[arg(long, requires = "label", conflicts_with_all = ["version", "note"])]
    delete: bool,
}

/// Names a version, takes a name away, or lists the names.
pub async fn label(flags: LabelFlags) -> Result<(), String> {
    let versions = flags.place.versions()?;
    let Some(label) = flags.label else {
        let labels = versions.labels().await.map_err(said)?;
        if flags.place.json {
            return print_json(&labels);
        }
        let line = |label: &crate::protocol::LabelView| {
            let (version, when, who) = (label.version, date(label.time), name(&label.author));
            format!("{version:>10}  {when}  {who}  {}  {}\n", label.name, label.note)
        };
        return print(&labels.iter().map(line).collect::<String>());
    };
    if flags.delete {
        return versions.delete_label(&label).await.map_err(said);
    }
    let given = versions.label(&label, flags.version.map(Version), &flags.note).await.map_err(said)?;
    match flags.place.json {
        true => print_json(&given),
        false => print(&format!("version {} of {} is {:?}\n", given.version, flags.place.doc, given.name)),
    }
}

/// What `variorum restore` is given.
#[derive(Debug, Clone, Args)]
pub struct RestoreFlags {
    #[command(flatten)]
    place: Where,
    /// The version to bring back
    #[arg(value_name = "VERSION", required_unless_present = "from", conflicts_with_all = ["from", "to", "user"])]
    version: Option<u64>,
    /// Take back only what came after this version ...
    #[arg(long, value_name = "VERSION", requires = "to")]
    from: Option<u64>,
    /// ... and up to this one
    #[arg(long, value_name = "VERSION", requires = "from")]
    to: Option<u64>,
    /// Of that, only what the person with this user id did
    #[arg(long, value_name = "ID", requires = "from")]
    user: Option<CompactString>,
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
}

/// Takes back what was.
pub async fn restore(flags: RestoreFlags) -> Result<(), String> {
    let what = match (flags.version, flags.from, flags.to) {
        (Some(version), ..) => RestoreWhat::Version(Version(version)),
        (None, Some(from), Some(to)) => RestoreWhat::Stretch { from: Version(from), to: Version(to), user: flags.user },
        _ => return Err("say which version to bring back, or --from and --to".into()),
    };
    let restored = flags.place.versions()?.restore(&what, flags.preview).await.map_err(said)?;
    match flags.place.json {
        true => print_json(&restored),
        false => print(&restored_text(&restored)),
    }
}

fn restored_text(restored: &Restored) -> String {
    let mut text = match restored.version {
        _ if restored.op.is_identity() => "nothing is to be taken back: that is what is there\n".to_owned(),
        Some(version) => format!("done, as version {version}\n"),
        None => format!("would be done by {}\n", serde_json::json!(restored.op)),
    };
    for unclean in &restored.unclean {
        text += &format!("at {}: {:?} was deleted by someone since, and is gone\n", unclean.at, unclean.text);
    }
    text
}

/// What `variorum branch` is given.
#[derive(Debug, Clone, Args)]
pub struct BranchFlags {
    #[command(flatten)]
    place: Where,
    /// The branch to make; without one, every branch is listed
    #[arg(value_name = "BRANCH")]
    branch: Option<DocumentId>,
    /// The version where it begins [default: the newest]
    #[arg(long, value_name = "VERSION", requires = "branch")]
    version: Option<u64>,
}

/// Makes a branch, or lists them.
pub async fn branch(flags: BranchFlags) -> Result<(), String> {
    let versions = flags.place.versions()?;
    let Some(branch) = flags.branch else {
        let branches = versions.branches().await.map_err(said)?;
        if flags.place.json {
            return print_json(&branches);
        }
        let line = |branch: &crate::protocol::BranchView| {
            format!("{}  at version {}, now at {}  {}\n", date(branch.created), branch.version, branch.head, branch.id)
        };
        return print(&branches.iter().map(line).collect::<String>());
    };
    let made = versions.branch(&branch, flags.version.map(Version)).await.map_err(said)?;
    match flags.place.json {
        true => print_json(&made),
        false => print(&format!("{} begins at version {} of {}\n", made.id, made.version, made.of)),
    }
}

/// What `variorum merge` is given.
#[derive(Debug, Clone, Args)]
pub struct MergeFlags {
    #[command(flatten)]
    place: Where,
    /// The branch whose edits are taken over
    #[arg(value_name = "BRANCH")]
    branch: DocumentId,
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
}

/// Takes over what was written on a branch.
pub async fn merge(flags: MergeFlags) -> Result<(), String> {
    let merged = flags.place.versions()?.merge(&flags.branch, flags.preview).await.map_err(said)?;
    match flags.place.json {
        true => print_json(&merged),
        false => print(&merged_text(&merged)),
    }
}

fn merged_text(merged: &MergedView) -> String {
    let MergedView { from, version, branch, .. } = merged;
    let what = format!("versions {} to {} of {}", branch.from.next(), branch.version, branch.id);
    let mut text = match (merged.repeated, &merged.op) {
        (true, _) if from == version => format!("nothing was written on {} yet\n", branch.id),
        (true, _) => format!("nothing new on {}; the last merge was {what}, as version {version}\n", branch.id),
        (false, Some(_)) => format!("{what} would be merged, as versions {} to {version}\n", from.next()),
        (false, None) => format!("{what} are merged, as versions {} to {version}\n", from.next()),
    };
    for conflict in &merged.conflicts {
        let said = |passage: &Passage| format!("{:?}", passage.text);
        let (base, parent) = (said(&conflict.base), said(&conflict.parent));
        let (side, now) = (said(&conflict.branch), said(&conflict.merged));
        text += &format!("at {}: {base} became {parent}, on the branch {side}; now {now}\n", conflict.merged.from);
    }
    text
}

impl Where {
    pub(super) fn versions(&self) -> Result<Versions, String> {
        Ok(Versions::new(Http::new(&self.url, self.token.clone()).map_err(said)?, self.doc.clone()))
    }
}
