//! Commands that may hang, and a copy of the tree for them to work in.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a command ended.
pub enum Ended {
    /// It succeeded.
    Well,
    /// It failed, and said this.
    Failed(String),
    /// It was still running when its time was over, and was ended.
    TooLate,
}

/// How often to look whether a command has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a command to its end, or ends it and all that it started.
pub fn run(mut command: Command, patience: Duration) -> Ended {
    // Into a file: a pipe that nobody reads would stop the command.
    let log = tempfile_in_target();
    let file = fs::File::create(&log).expect("a log can be made");
    let same = file.try_clone().expect("a log can be shared");
    command.stdin(Stdio::null()).stdout(file).stderr(same).process_group(0);
    let mut child = command.spawn().expect("the command is there");
    let deadline = Instant::now() + patience;
    let ended = loop {
        match child.try_wait().expect("a child can be asked for") {
            Some(status) if status.success() => break Ended::Well,
            Some(_) => {
                let said = fs::read(&log).unwrap_or_default();
                break Ended::Failed(String::from_utf8_lossy(&said).into_owned());
            }
            None if Instant::now() > deadline => {
                let group = format!("-{}", child.id());
                let _ = Command::new("kill").args(["-9", "--", &group]).status();
                let _ = child.wait();
                break Ended::TooLate;
            }
            None => std::thread::sleep(LOOK),
        }
    };
    let _ = fs::remove_file(log);
    ended
}

/// Processor time of all commands that have ended so far and of what they started.
pub fn spent_by_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which ends with the last bracket: the 14th and 15th field, in ticks of which there are 100 a second.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(13).take(2);
    Duration::from_millis(fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

fn tempfile_in_target() -> PathBuf {
    std::env::temp_dir().join(format!("variorum-mutants-{}.log", std::process::id()))
}

/// Git, in this directory alone: a repository around it is not looked at.
pub fn git(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(directory).env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap_or(directory));
    git
}

/// Cargo's settings: the copy lies within the tree, whose settings hold in it too. There twice, its flags would be others,
/// and no dependency would be taken over from a build of the tree.
const SETTINGS: &str = ".cargo/config.toml";

/// Makes `tree` a copy of what git knows or would know of `root`. Only what differs is written, so that a build in the
/// copy begins where the last one ended.
pub fn copy_tree(root: &Path, tree: &Path) -> Result<(), String> {
    let said = |error: std::io::Error| format!("the tree cannot be copied: {error}");
    let listed = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(said)?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let files: BTreeSet<&str> =
        listed.split('\0').filter(|file| *file != SETTINGS && root.join(file).is_file()).collect();
    let before = fs::read_to_string(tree.join(".copied")).unwrap_or_default();
    for gone in before.lines().filter(|file| !files.contains(file)) {
        let _ = fs::remove_file(tree.join(gone));
    }
    for file in &files {
        let (from, to) = (root.join(file), tree.join(file));
        let content = fs::read(&from).map_err(said)?;
        if fs::read(&to).is_ok_and(|there| there == content) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(tree)).map_err(said)?;
        // Written anew, so that its time is new and cargo builds it again.
        fs::write(&to, content).map_err(said)?;
        fs::set_permissions(&to, fs::metadata(&from).map_err(said)?.permissions()).map_err(said)?;
    }
    fs::write(tree.join(".copied"), files.into_iter().collect::<Vec<_>>().join("\n")).map_err(said)
}
