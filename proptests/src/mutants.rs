//! Planted bugs: each patch of `proptests/mutants` breaks the code in one way, and the suites must notice.
//!
//! `cargo run --release -p proptests -- mutants` applies them one at a time to a copy of the tree that has a target
//! directory of its own, runs the suites from the cheapest on until one fails, and prints who caught what.

mod shell;
mod suites;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::shell::{Ended, copy_tree, run};
use self::suites::Suite;

/// How long all suites together may take to notice one bug.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long the first build of a new copy may take.
const FIRST_BUILD: Duration = Duration::from_secs(3_600);

/// A planted bug.
pub struct Mutant {
    /// Its number and name: the patch's file name.
    pub name: String,
    /// What is broken, in the patch's first line.
    pub title: String,
    patch: PathBuf,
    /// Whether the TypeScript client is what is broken.
    in_client: bool,
}

/// Where the repository's root is.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

/// All planted bugs, in order of their numbers.
pub fn all() -> Vec<Mutant> {
    let files = std::fs::read_dir(root().join("proptests/mutants")).expect("the patches are beside the crate");
    let patches = files.map(|file| file.expect("a readable directory").path());
    let mut patches: Vec<_> = patches.filter(|path| path.extension().is_some_and(|kind| kind == "patch")).collect();
    patches.sort();
    patches.into_iter().map(Mutant::read).collect()
}

impl Mutant {
    fn read(patch: PathBuf) -> Self {
        let text = std::fs::read_to_string(&patch).expect("a patch is text");
        let name = patch.file_stem().expect("a patch has a name").to_string_lossy().into_owned();
        let title = text.lines().next().unwrap_or_default().to_owned();
        Mutant { name, title, in_client: text.contains("+++ b/client-ts/"), patch }
    }

    /// Why the patch does not fit the tree at `root`, if it does not.
    pub fn misfit(&self, root: &Path) -> Option<String> {
        let output = shell::git(root).args(["apply", "--check"]).arg(&self.patch).output().expect("git is there");
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Breaks the code in `tree`, or mends it again.
    fn apply(&self, tree: &Path, mend: bool) -> Result<(), String> {
        let direction = if mend { &["apply", "-R"][..] } else { &["apply"] };
        let output = shell::git(tree).args(direction).arg(&self.patch).output().map_err(|error| error.to_string())?;
        let said = || format!("{} does not apply: {}", self.name, String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(()) } else { Err(said()) }
    }

    /// Runs the suites from the cheapest on until one fails.
    fn hunt(&self, tree: &Path, suites: &[Suite]) -> Result<Option<Catch>, String> {
        let began = Instant::now();
        for suite in suites.iter().filter(|suite| suite.is_of_client() == self.in_client) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            // What does not compile says nothing about the suites.
            if let Some(build) = suite.build(tree)
                && let Ended::Failed(said) = run(build, left)
            {
                return Err(format!("{} does not compile:\n{said}", self.name));
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            let by = match run(suite.test(tree), left) {
                Ended::Well => continue,
                Ended::Failed(said) => suites::failed_test(&said).unwrap_or_else(|| "(all of it)".into()),
                Ended::TooLate => return Ok(None),
            };
            return Ok(Some(Catch { suite: suite.name().to_owned(), by, after: began.elapsed() }));
        }
        Ok(None)
    }
}

/// Which suite noticed, by which test, and after how long, builds included.
struct Catch {
    suite: String,
    by: String,
    after: Duration,
}

/// Hunts the mutants whose names begin with one of `wanted`, or all. Fails if one is not caught.
pub fn hunt(wanted: &[String]) -> Result<String, String> {
    let tree = root().join("target/mutants/tree");
    copy_tree(&root(), &tree)?;
    let suites = suites::in_order(&tree);
    let mutants: Vec<_> = all()
        .into_iter()
        .filter(|mutant| wanted.is_empty() || wanted.iter().any(|wanted| mutant.name.starts_with(wanted.as_str())))
        .collect();
    // So that the first bug's time is not that of building every dependency.
    if let Some(build) = suites.first().and_then(|suite| suite.build(&tree))
        && let Ended::Failed(said) = run(build, FIRST_BUILD)
    {
        return Err(format!("the tree does not build unbroken:\n{said}"));
    }
    println!("| planted bug | caught by | test | seconds |\n|---|---|---|---|");
    let mut free = Vec::new();
    for mutant in &mutants {
        mutant.apply(&tree, false)?;
        let caught = mutant.hunt(&tree, &suites);
        mutant.apply(&tree, true)?;
        match caught? {
            Some(Catch { suite, by, after }) => {
                println!("| {}: {} | `{suite}` | {by} | {} |", mutant.name, mutant.title, after.as_secs());
            }
            None => {
                println!("| {}: {} | **nobody** | | |", mutant.name, mutant.title);
                free.push(mutant.name.as_str());
            }
        }
    }
    if free.is_empty() {
        Ok(format!("all {} planted bugs were caught", mutants.len()))
    } else {
        Err(format!("{} of {} planted bugs were not caught: {}", free.len(), mutants.len(), free.join(", ")))
    }
}
