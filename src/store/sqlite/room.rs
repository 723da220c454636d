//! Room for the write-ahead log to grow into: zeros written ahead of it, a stretch at a time.
//!
//! A sync of a file that has grown writes the file's new length too, and waits for it: twice the time and processor of one
//! that has not. SQLite's log grows by a page a commit until it first begins again at its beginning, so the length is made
//! ahead of it. SQLite takes zeros behind its last frame for what an older, longer log has left there.
//!
//! Called by the writer, between commits. Appending is safe at any time: the log's frames are written at their own places.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log shorter than this is one that nobody writes to for long.
const LEAST: u64 = 128 << 10;
/// Zeros written at once: the next sync has to wait for them.
const STRETCH: u64 = 512 << 10;
const PIECE: usize = 4 << 10;

/// The log's file, as something that has a length.
pub struct Room {
    path: PathBuf,
    file: Option<File>,
    /// How long the file was when last looked at.
    length: u64,
    /// As long as the log becomes before it begins again.
    most: u64,
}

impl Room {
    /// Room for the log of this database, up to `most` bytes.
    pub fn new(database: &Path, most: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Room { path: path.into(), file: None, length: 0, most }
    }

    /// Forgets the file: another log may lie there now.
    pub fn begin_again(&mut self) {
        self.file = None;
        self.length = 0;
    }

    /// Looks after a commit whether the log has grown past the room there was, and makes more if so. Room is not needed: if
    /// it cannot be made, a commit costs what it costs without.
    pub fn look(&mut self) {
        if self.length < self.most
            && let Err(error) = self.try_look()
        {
            tracing::debug!(%error, "no room is made for the write-ahead log");
            self.length = self.most;
        }
    }

    fn try_look(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::options().append(true).open(&self.path)?),
        };
        let length = file.metadata()?.len();
        let grown = length != self.length;
        self.length = length;
        if grown && length >= LEAST && length < self.most {
            // As much again as there is: a log that stays short leaves little unused.
            let more = length.min(STRETCH);
            // A page of memory at a time: one large write makes Linux keep the file in large pieces, and each sync of a few
            // bytes then looks through a whole one.
            for _ in 0..more / PIECE as u64 {
                file.write_all(&[0; PIECE])?;
            }
            self.length = file.metadata()?.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_only_where_the_log_has_used_up_what_there_was() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("d.db");
        let log = directory.path().join("d.db-wal");
        let length = || std::fs::metadata(&log).unwrap().len();
        let mut room = Room::new(&database, 1 << 20);
        room.look();
        std::fs::write(&log, vec![1; 4096]).unwrap();
        let mut room_for = |len: u64| {
            let file = File::options().write(true).open(&log).unwrap();
            file.set_len(len.max(length())).unwrap();
            room.begin_again();
            room.look();
            room.look();
            length()
        };
        assert_eq!(room_for(4096), 4096, "a short log is left alone");
        assert_eq!(room_for(LEAST), 2 * LEAST);
        assert_eq!(room_for(2 << 20), 2 << 20, "a log that begins again grows no more");
        assert!(std::fs::read(&log).unwrap()[4096..].iter().all(|byte| *byte == 0));
    }
}
