//! How many files the process may have open: each connection is one, so they bound how many there can be.

use crate::limits::Limits;

/// Files that are no connections: the database and its readers, logs, the listener, and room for what a library opens.
const BESIDE: u64 = 64;

/// Raises how many files this process may have open as far as the system lets it, and answers how many that are; none where
/// the system does not say.
pub fn raise_open_files_max() -> Option<u64> {
    rlimit::increase_nofile_limit(u64::MAX).ok()
}

/// Lowers the limit on connections to what the limit on open files leaves room for. Beyond that, accepting would fail, and
/// whoever comes would wait without being told anything. Answers a sentence about it, if it was lowered.
pub fn fit(limits: &mut Limits, files: Option<u64>) -> Option<String> {
    let files = files?;
    let room = usize::try_from(files.saturating_sub(BESIDE)).ok()?.max(1);
    if limits.connections <= room {
        return None;
    }
    let wanted = std::mem::replace(&mut limits.connections, room);
    Some(format!(
        "this process may have {files} files open: at most {room} connections are taken, not {wanted}; raise it with `ulimit -n` or \
         LimitNOFILE"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_no_more_than_files() {
        let with = |connections| Limits { connections, ..Limits::default() };
        for (files, wanted, left) in [(Some(1024), 50_000, 960), (Some(1024), 960, 960), (Some(3), 10, 1), (None, 7, 7)]
        {
            let mut limits = with(wanted);
            let said = fit(&mut limits, files);
            assert_eq!((limits.connections, said.is_some()), (left, left != wanted));
        }
        assert!(raise_open_files_max().is_none_or(|files| files > 2), "the system says how many");
    }
}
