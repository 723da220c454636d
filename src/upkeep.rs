//! What an operator does with a store's directory: verify it, copy it, take documents out and in.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use crate::archive;
use crate::config::DATA;
use crate::document::DocumentId;
use crate::store::{SqliteOptions, SqliteStore, Store, View, backup, verify};

/// Which store.
#[derive(Debug, Clone, Args)]
pub struct Data {
    /// Directory that holds the documents
    #[arg(long, env = "VARIORUM_DATA", value_name = "DIR", default_value = DATA)]
    data: PathBuf,
}

/// `variorum backup`
#[derive(Debug, Clone, Args)]
pub struct BackupFlags {
    #[command(flatten)]
    data: Data,
    /// Directory for the copy; made, or empty
    to: PathBuf,
}

/// `variorum export`
#[derive(Debug, Clone, Args)]
pub struct ExportFlags {
    #[command(flatten)]
    data: Data,
    /// The document's id
    document: DocumentId,
    /// File to write instead of standard output; it holds the key of the document's chain
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `variorum import`
#[derive(Debug, Clone, Args)]
pub struct ImportFlags {
    #[command(flatten)]
    data: Data,
    /// A file that `export` wrote
    file: PathBuf,
    /// Another id for the document
    #[arg(long = "as", value_name = "ID")]
    id: Option<DocumentId>,
}

/// Says what is wrong with a store; fails if anything is.
pub fn run_verify(flags: &Data) -> Result<(), String> {
    let mut tell = |problem| println!("{problem}");
    let verified = verify(&flags.data, &mut tell).map_err(|error| error.to_string())?;
    let read = format!(
        "{} documents, {} revisions, {} blocks and {} snapshots",
        verified.documents, verified.revisions, verified.blocks, verified.snapshots
    );
    match verified.problems {
        0 => {
            println!("read {read}: all is as it was written");
            Ok(())
        }
        problems => Err(format!("read {read}: {problems} problems")),
    }
}

/// Copies a store, also while a server writes to it.
pub fn run_backup(flags: &BackupFlags) -> Result<(), String> {
    let bytes = backup(&flags.data.data, &flags.to).map_err(|error| error.to_string())?;
    println!("copied {} to {}: {bytes} bytes", flags.data.data.display(), flags.to.display());
    Ok(())
}

/// Writes a document with all its history.
pub fn run_export(flags: &ExportFlags) -> Result<(), String> {
    let mut view = View::open(&flags.data.data).map_err(|error| error.to_string())?;
    let written = match &flags.output {
        None => archive::export(&mut view, &flags.document, &mut BufWriter::new(std::io::stdout().lock())),
        Some(path) => {
            let file = File::create_new(path).map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
            let mut file = BufWriter::new(file);
            let written = archive::export(&mut view, &flags.document, &mut file);
            let synced = file.flush().and_then(|()| file.get_ref().sync_all());
            written.and_then(|version| Ok(synced.map(|()| version)?))
        }
    };
    let version = written.map_err(|error| error.to_string())?;
    eprintln!("wrote document {} with {version} revisions", flags.document);
    Ok(())
}

/// Takes in a document with all its history.
pub async fn run_import(flags: ImportFlags) -> Result<(), String> {
    let store = SqliteStore::open(&flags.data.data, SqliteOptions::default()).map_err(|error| error.to_string())?;
    let imported = archive::import(&store, &flags.file, flags.id).await;
    store.close().await;
    let imported = imported.map_err(|error| error.to_string())?;
    println!("took in document {} with {} revisions", imported.id, imported.version);
    Ok(())
}
