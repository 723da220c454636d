//! The store's directory: its files, its lock, and the errors of opening it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Why a directory cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another store of this one) holds it.
    #[error("the directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A file in it cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer server wrote it.
    #[error("the store has format {found}, this server knows format {known}; use a newer server")]
    Newer {
        /// The format found.
        found: i64,
        /// The newest format known.
        known: i64,
    },
    /// An older server wrote it, and whoever looks at it changes nothing.
    #[error("the store has format {found}, this program reads format {known}; start the server on it once")]
    Older {
        /// The format found.
        found: i64,
        /// The format that is read.
        known: i64,
    },
    /// There is no store.
    #[error("there is no store: {} is missing or empty", .0.display())]
    Missing(PathBuf),
    /// The database is someone else's.
    #[error("{} is a database of another program (application id {found:#x})", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
        /// Its application id.
        found: i64,
    },
    /// There is a mark but no database beside it.
    #[error(
        "the mark says that journal row {row} was written, but {} is empty or missing; put it back, or accept the loss",
        path.display()
    )]
    Vanished {
        /// Where the database should be.
        path: PathBuf,
        /// The row that the mark names.
        row: u64,
    },
    /// SQLite cannot open or read it.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// The paths of a store.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The database; SQLite puts its log beside it.
    pub database: PathBuf,
    /// The high-water mark.
    pub mark: PathBuf,
    path: PathBuf,
}

impl Directory {
    /// The paths of the store in a directory.
    pub fn at(path: &Path) -> Self {
        Directory { database: path.join("variorum.db"), mark: path.join("variorum.mark"), path: path.to_owned() }
    }

    /// Makes the directory if needed and locks it. Whoever holds the file has the directory to itself.
    pub fn lock(path: &Path) -> Result<(Self, File), OpenError> {
        let io = |at: &Path| {
            let path = at.to_owned();
            move |source| OpenError::Io { path, source }
        };
        std::fs::create_dir_all(path).map_err(io(path))?;
        let lock = path.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(io(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path: lock, source }),
        }
        Ok((Directory::at(path), file))
    }

    /// Whether there is a database with anything in it.
    pub fn has_database(&self) -> bool {
        std::fs::metadata(&self.database).is_ok_and(|file| file.len() > 0)
    }

    /// Makes the names of new files durable.
    pub fn sync(&self) -> Result<(), OpenError> {
        let io = |source| OpenError::Io { path: self.path.clone(), source };
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(io)
    }

    /// An error of one of the files.
    pub fn mark_error(&self, source: io::Error) -> OpenError {
        OpenError::Io { path: self.mark.clone(), source }
    }
}
