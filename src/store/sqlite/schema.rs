//! The tables, the format's number, and how every connection is set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::directory::{Directory, OpenError};

/// "Vari" in ASCII: which program the database belongs to, as `file` and SQLite's tools show it.
const APPLICATION_ID: i64 = 0x5661_7269;
/// The format of tables and rows. Raised by a change that older servers cannot read.
const FORMAT: i64 = 6;
/// How long a connection waits for another: only an operator's own tool ever holds a lock for long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Every body is sealed: it carries a checksum that covers the row's key.
const TABLES: &str = "
    -- Each commit is one row: all documents' new revisions. Rows leave once folded, but never the newest.
    CREATE TABLE journal(id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    -- AUTOINCREMENT: a number is never given twice, even when its document is gone.
    CREATE TABLE documents(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
    -- Up to 256 consecutive revisions of one document; `time` is that of the first.
    CREATE TABLE pages(document INTEGER, first INTEGER, last INTEGER NOT NULL, time INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY(document, first)) WITHOUT ROWID;
    -- Derived from pages: 64 revisions (level 0), 512 (level 1), ... composed into one op.
    CREATE TABLE blocks(document INTEGER, level INTEGER, place INTEGER, body BLOB NOT NULL,
        PRIMARY KEY(document, level, place)) WITHOUT ROWID;
    -- Derived from pages: the last edit taken from each client.
    CREATE TABLE clients(document INTEGER, client BLOB, body BLOB NOT NULL,
        PRIMARY KEY(document, client)) WITHOUT ROWID;
    -- Derived from pages: content at some versions, in parts; part 0 is written last.
    CREATE TABLE snapshots(document INTEGER, version INTEGER, part INTEGER, body BLOB NOT NULL,
        PRIMARY KEY(document, version, part)) WITHOUT ROWID;
";

/// What each format added to the one before, from the second on. A new database gets all of it.
const ADDED: &[&str] = &[
    "
    -- Names of versions.
    CREATE TABLE labels(document INTEGER, name TEXT, body BLOB NOT NULL, PRIMARY KEY(document, name)) WITHOUT ROWID;
",
    "
    -- Documents that were deleted, for ever: a number that is neither here nor in `documents` was lost. `swept` is 1 once
    -- nothing of the document is left in the other tables.
    CREATE TABLE removed(number INTEGER PRIMARY KEY, swept INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE INDEX unswept ON removed(number) WHERE swept = 0;
",
    "
    -- Which documents begin at a version of another: an index, each document's own row says where.
    CREATE TABLE branches(document INTEGER PRIMARY KEY, parent INTEGER NOT NULL);
    CREATE INDEX branches_of ON branches(parent);
",
    "
    -- Derived from pages: which revision did what, for each block; and who made each of 2,048 revisions, when.
    CREATE TABLE marks(document INTEGER, level INTEGER, place INTEGER, body BLOB NOT NULL,
        PRIMARY KEY(document, level, place)) WITHOUT ROWID;
    CREATE TABLE ledger(document INTEGER, page INTEGER, body BLOB NOT NULL, PRIMARY KEY(document, page)) WITHOUT ROWID;
",
    "
    -- What is left of revisions that were pruned: first to last as one op, with the time and chain of the last. From the last
    -- of all steps on there are pages; at or before it, rows of `ledger` and `clients` can no longer be made again.
    CREATE TABLE steps(document INTEGER, first INTEGER, last INTEGER NOT NULL, time INTEGER NOT NULL, chain INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY(document, first)) WITHOUT ROWID;
",
];

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that writes.
    Writer,
    /// One that reads, and checkpoints if it is the fold's.
    Reader,
}

/// Opens a connection to an existing database.
pub fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&conn, role)?;
    Ok(conn)
}

/// Opens the writing connection, makes the tables in a new database and refuses what is not ours. An older
/// format is brought to today's; a database without tables is filled only if `may_create`.
pub fn open(directory: &Directory, may_create: Result<(), OpenError>) -> Result<Connection, OpenError> {
    if !directory.has_database() {
        may_create?;
        return open_existing(directory, Ok(()));
    }
    open_existing(directory, may_create)
}

fn open_existing(directory: &Directory, may_create: Result<(), OpenError>) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(&directory.database, flags)?;
    prepare(&conn, Role::Writer)?;
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        may_create?;
        conn.execute_batch("PRAGMA journal_mode = WAL;")?;
        conn.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES}; {}; PRAGMA application_id = {APPLICATION_ID};
            PRAGMA user_version = {FORMAT}; COMMIT;",
            ADDED.join(";")
        ))?;
        checkpoint(&conn, Checkpoint::Truncate)?;
        directory.sync()?;
    }
    let owner = number("PRAGMA application_id")?;
    if owner != APPLICATION_ID {
        return Err(OpenError::Foreign { path: directory.database.clone(), found: owner });
    }
    let format = number("PRAGMA user_version")?;
    if format > FORMAT {
        return Err(OpenError::Newer { found: format, known: FORMAT });
    }
    if format < FORMAT {
        let steps = ADDED.get(format.max(1) as usize - 1..).unwrap_or_default().join(";");
        tracing::info!(from = format, to = FORMAT, "the store's format is raised");
        conn.execute_batch(&format!("BEGIN IMMEDIATE; {steps}; PRAGMA user_version = {FORMAT}; COMMIT;"))?;
    }
    Ok(conn)
}

/// Whether a database is one of ours, in today's format.
pub fn check_format(conn: &Connection, directory: &Directory) -> Result<(), OpenError> {
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let owner = number("PRAGMA application_id")?;
    if owner != APPLICATION_ID {
        return Err(OpenError::Foreign { path: directory.database.clone(), found: owner });
    }
    match number("PRAGMA user_version")? {
        FORMAT => Ok(()),
        found if found > FORMAT => Err(OpenError::Newer { found, known: FORMAT }),
        found => Err(OpenError::Older { found, known: FORMAT }),
    }
}

fn prepare(conn: &Connection, role: Role) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    // Checkpoints happen where they are asked for: never inside an edit's commit, and never in a directory that is
    // damaged.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Without this guarantee SQLite prepares a statement again whenever its parameters change, for a better plan: each
    // of ours has only one, and preparing took a third of the fold's time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")?;
    match role {
        Role::Writer => conn.execute_batch("PRAGMA cache_size = -8192;"),
        Role::Reader => conn.execute_batch("PRAGMA cache_size = -1024; PRAGMA query_only = ON;"),
    }?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// What a checkpoint left behind.
#[derive(Debug, Clone, Copy)]
pub struct Checkpointed {
    /// Another connection was in the way.
    pub busy: bool,
    /// Bytes of the write-ahead log in use.
    pub log_bytes: u64,
    /// How many of them are not yet in the database.
    pub pending_bytes: u64,
}

/// A page and its header in the write-ahead log.
const FRAME: u64 = 4096 + 24;

/// Which sort of checkpoint.
#[derive(Debug, Clone, Copy)]
pub enum Checkpoint {
    /// Only asks how long the log is.
    Look,
    /// Copies what it can without waiting for anyone.
    Passive,
    /// Copies everything and empties the log, waiting for readers.
    Truncate,
}

/// Copies the write-ahead log into the database.
pub fn checkpoint(conn: &Connection, sort: Checkpoint) -> rusqlite::Result<Checkpointed> {
    let sql = match sort {
        Checkpoint::Look => "PRAGMA wal_checkpoint(NOOP)",
        Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Checkpoint::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    conn.query_row(sql, [], |row| {
        let bytes = |column| row.get::<_, i64>(column).map(|frames| frames.max(0) as u64 * FRAME);
        let (log_bytes, copied) = (bytes(1)?, bytes(2)?);
        let pending_bytes = log_bytes.saturating_sub(copied);
        Ok(Checkpointed { busy: row.get::<_, i64>(0)? != 0, log_bytes, pending_bytes })
    })
}
