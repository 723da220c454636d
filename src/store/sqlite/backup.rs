//! A copy of a store while a server goes on writing to it.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::directory::{Directory, OpenError};
use super::mark::{Mark, MarkFile};
use super::readers::Reader;
use super::recover::read_journal;
use super::schema::{self, Role};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// There is something where the copy should be.
    #[error("{} is not empty; a backup is made in a directory of its own", .0.display())]
    Occupied(PathBuf),
    /// What was acknowledged is not all there. A copy would hide that.
    #[error("the store is damaged, so it is not copied: {0}")]
    Lost(String),
    /// The copy cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        BackupError::Store(error.into())
    }
}

/// Copies the store in `from` into the directory `to`, which is made. The copy holds everything that was acknowledged when
/// it began, is on the disk when this returns, and opens like any store. A server may write meanwhile. Answers the bytes
/// written.
pub fn backup(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let source = Directory::at(from);
    if !source.has_database() {
        return Err(OpenError::Missing(source.database).into());
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    std::fs::create_dir_all(to).map_err(io(to))?;
    if std::fs::read_dir(to).map_err(io(to))?.next().is_some() {
        return Err(BackupError::Occupied(to.to_owned()));
    }
    // Before the copy, so that it names a commit that the copy holds.
    let mark = Mark::read(&source.mark).map_err(|error| source.mark_error(error))?;
    let conn = schema::connect(&source.database, Role::Writer)?;
    schema::check_format(&conn, &source)?;
    let copy = Directory::at(to);
    // Under its own name only once it is whole: a copy that was cut off is not taken for one.
    let partial = to.join("variorum.db.partial");
    let copied = match conn.execute("VACUUM INTO ?1", [partial.to_str().ok_or_else(|| not_text(&partial))?]) {
        Ok(_) => settle(&partial, mark, &copy),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = copied {
        // Whoever tries again finds the directory empty.
        for rest in [&partial, &copy.mark] {
            let _ = std::fs::remove_file(rest);
        }
        return Err(error);
    }
    std::fs::rename(&partial, &copy.database).map_err(io(&copy.database))?;
    copy.sync()?;
    std::fs::metadata(&copy.database).map(|file| file.len()).map_err(io(&copy.database))
}

/// Makes a copy the database of a store: written ahead, with a mark beside it, and on the disk.
fn settle(partial: &Path, mark: Option<Mark>, copy: &Directory) -> Result<(), BackupError> {
    let conn = Connection::open(partial)?;
    conn.execute_batch("PRAGMA journal_mode = WAL")?;
    let mut reader = Reader::alone(conn);
    let journal = read_journal(&mut reader, mark)?;
    if let Some(lost) = journal.lost {
        return Err(BackupError::Lost(lost));
    }
    let Reader { conn, .. } = reader;
    // The last connection takes its log into the database and removes it.
    conn.close().map_err(|(_, error)| error)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    if let Some(newest) = journal.newest {
        MarkFile::open(&copy.mark).and_then(|mut file| file.write(newest)).map_err(io(&copy.mark))?;
        File::open(&copy.mark).and_then(|file| file.sync_all()).map_err(io(&copy.mark))?;
    }
    File::open(partial).and_then(|file| file.sync_all()).map_err(io(partial))
}

fn not_text(path: &Path) -> BackupError {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its path is not text");
    BackupError::Io { path: path.to_owned(), source }
}
