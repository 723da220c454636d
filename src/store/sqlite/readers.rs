//! A few connections that read, each used by one blocking task at a time.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::remembered::Remembered;
use super::schema::{Role, connect};
use super::sealed::Press;

/// More reads at once would wait for the same disk and cores.
const READERS: usize = 4;

/// A connection, what its rows are opened with, and what was read before.
pub struct Reader {
    pub conn: Connection,
    pub press: Press,
    /// Shared by the pool.
    pub remembered: Arc<Remembered>,
}

impl Reader {
    /// One outside the pool, which shares nothing.
    pub fn alone(conn: Connection) -> Self {
        Reader { conn, press: Press::default(), remembered: Arc::default() }
    }
}

/// The pool.
pub struct Readers {
    database: PathBuf,
    remembered: Arc<Remembered>,
    /// How many may read at once.
    pub permits: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    readers: Vec<Reader>,
    /// Raised when all connections must go: one that was lent before is dropped when it comes back.
    generation: u64,
    /// Whether anyone may read: not before what there is to be read is certainly on the disk, nor after the end.
    open: bool,
}

impl Readers {
    /// An empty pool, not yet open.
    pub fn new(database: PathBuf) -> Self {
        let permits = Semaphore::new(READERS);
        Readers { database, remembered: Arc::default(), permits, idle: Mutex::default() }
    }

    /// Opens a connection that is not lent.
    pub fn connect(&self) -> rusqlite::Result<Reader> {
        let conn = connect(&self.database, Role::Reader)?;
        Ok(Reader { conn, press: Press::default(), remembered: self.remembered.clone() })
    }

    /// Lets readers in.
    pub fn open(&self) {
        self.idle.lock().open = true;
    }

    /// Lends a connection to `read`. `None` while the pool is not open.
    pub fn lend<T>(&self, read: impl FnOnce(&mut Reader) -> T) -> Option<rusqlite::Result<T>> {
        let (idle, generation) = {
            let mut idle = self.idle.lock();
            if !idle.open {
                return None;
            }
            (idle.readers.pop(), idle.generation)
        };
        let mut reader = match idle.map_or_else(|| self.connect(), Ok) {
            Ok(reader) => reader,
            Err(error) => return Some(Err(error)),
        };
        let answer = read(&mut reader);
        let mut idle = self.idle.lock();
        if idle.generation == generation {
            idle.readers.push(reader);
        }
        Some(Ok(answer))
    }

    /// Drops every connection: after a failed write the database is opened anew by everyone.
    pub fn drop_all(&self) {
        let mut idle = self.idle.lock();
        idle.generation += 1;
        idle.readers.clear();
    }

    /// Drops every connection and lends none any more.
    pub fn close(&self) {
        self.idle.lock().open = false;
        self.drop_all();
    }
}
