//! Planted bugs: each patch of `proptests/mutants` breaks the code in one way, and the suites must notice.
//!
//! `cargo run --release -p proptests -- mutants` applies them one at a time to a copy of the tree that has a target
//! directory of its own, runs the suites from the cheapest on until one fails, prints who caught what, and sees that those
//! suites pass without a bug.

mod shell;
mod suites;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::shell::{Ended, copy_tree, run};
use self::suites::Suite;

/// How long what is no hunt may take: the first build of a new copy, and a suite without a bug.
const UNHUNTED: Duration = Duration::from_secs(3_600);

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

    /// Runs the suites until one fails: the one that noticed this bug the last time, then from the cheapest on.
    fn hunt(&self, tree: &Path, suites: &[Suite], noticed: Option<&String>, patience: Duration) -> Fate {
        let began = Instant::now();
        let mut suites: Vec<_> = suites.iter().filter(|suite| suite.is_of_client() == self.in_client).collect();
        suites.sort_by_key(|suite| Some(suite.name()) != noticed.map(String::as_str));
        for suite in suites {
            match try_suite(suite, tree, patience.saturating_sub(began.elapsed())) {
                Ok(Ended::Well) => {}
                Ok(Ended::Failed(said)) => {
                    let by = suites::failed_test(&said).unwrap_or_else(|| "(all of it)".into());
                    return Fate::Caught { suite: suite.name().to_owned(), by };
                }
                Ok(Ended::TooLate) => return Fate::Free,
                Err(said) => return Fate::DoesNotCompile(said),
            }
        }
        Fate::Free
    }
}

/// Builds and runs a suite. Fails with what the compiler said if it does not compile, which says nothing about the suite.
fn try_suite(suite: &Suite, tree: &Path, patience: Duration) -> Result<Ended, String> {
    let began = Instant::now();
    match suite.build(tree).map(|build| run(build, patience)) {
        Some(Ended::Failed(said)) => Err(said),
        Some(Ended::TooLate) => Ok(Ended::TooLate),
        None | Some(Ended::Well) => Ok(run(suite.test(tree), patience.saturating_sub(began.elapsed()))),
    }
}

/// What became of a planted bug.
enum Fate {
    /// This suite noticed, by this test.
    Caught { suite: String, by: String },
    /// Nobody noticed, or not in time.
    Free,
    /// The compiler noticed, which says nothing.
    DoesNotCompile(String),
}

/// Hunts the mutants whose names begin with one of `wanted`, or all, each for at most `patience`. Fails if one is not
/// caught.
pub fn hunt(wanted: &[String], patience: Duration) -> Result<String, String> {
    let tree = root().join("target/mutants/tree");
    copy_tree(&root(), &tree)?;
    let suites = suites::in_order(&tree);
    let mutants: Vec<_> = all()
        .into_iter()
        .filter(|mutant| wanted.is_empty() || wanted.iter().any(|wanted| mutant.name.starts_with(wanted.as_str())))
        .collect();
    // So that the first bug's time is not that of building every dependency.
    if let Some(build) = suites.first().and_then(|suite| suite.build(&tree))
        && let Ended::Failed(said) = run(build, UNHUNTED)
    {
        return Err(format!("the tree does not build unbroken:\n{said}"));
    }
    let mut noticed = Noticed::read(tree.join("../noticed"));
    println!("| planted bug | caught by | test | seconds | of processor time |\n|---|---|---|---|---|");
    let (mut free, mut caught_by) = (Vec::new(), BTreeSet::new());
    for mutant in &mutants {
        let (began, spent) = (Instant::now(), shell::spent_by_children());
        mutant.apply(&tree, false)?;
        let fate = mutant.hunt(&tree, &suites, noticed.by.get(&mutant.name), patience);
        mutant.apply(&tree, true)?;
        let took = format!("{} | {}", began.elapsed().as_secs(), (shell::spent_by_children() - spent).as_secs());
        let Mutant { name, title, .. } = mutant;
        match fate {
            Fate::Caught { suite, by } => {
                println!("| {name}: {title} | `{suite}` | {by} | {took} |");
                caught_by.insert(suite.clone());
                noticed.note(name, suite);
            }
            Fate::Free => {
                println!("| {name}: {title} | **nobody** | | {took} |");
                free.push(name.as_str());
            }
            Fate::DoesNotCompile(said) => {
                println!("| {name}: {title} | **does not compile** | | {took} |");
                eprintln!("{name} does not compile:\n{said}");
                free.push(name.as_str());
            }
        }
    }
    let blind = fail_unbroken(&tree, &suites, &caught_by);
    if !blind.is_empty() {
        Err(format!("these suites fail without a planted bug too, and say nothing: {}", blind.join(", ")))
    } else if free.is_empty() {
        Ok(format!("all {} planted bugs were caught, by suites that pass without them", mutants.len()))
    } else {
        Err(format!("{} of {} planted bugs were not caught: {}", free.len(), mutants.len(), free.join(", ")))
    }
}

/// Those of the suites named that fail on the tree as it is.
fn fail_unbroken<'s>(tree: &Path, suites: &'s [Suite], named: &BTreeSet<String>) -> Vec<&'s str> {
    let fails = |suite: &&Suite| !matches!(try_suite(suite, tree, UNHUNTED), Ok(Ended::Well));
    suites.iter().filter(|suite| named.contains(suite.name())).filter(fails).map(Suite::name).collect()
}

/// Which suite noticed each bug the last time, kept beside the copy of the tree.
struct Noticed {
    file: PathBuf,
    by: BTreeMap<String, String>,
}

impl Noticed {
    fn read(file: PathBuf) -> Self {
        let lines = std::fs::read_to_string(&file).unwrap_or_default();
        let by = lines.lines().filter_map(|line| line.split_once(' '));
        Noticed { by: by.map(|(bug, suite)| (bug.to_owned(), suite.to_owned())).collect(), file }
    }

    fn note(&mut self, bug: &str, suite: String) {
        self.by.insert(bug.to_owned(), suite);
        let lines: String = self.by.iter().map(|(bug, suite)| format!("{bug} {suite}\n")).collect();
        // Forgotten, it costs time and nothing else.
        let _ = std::fs::write(&self.file, lines);
    }
}
