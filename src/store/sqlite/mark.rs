//! The high-water mark: the newest journal row that was certainly on the disk, kept in a file of its own.
//!
//! It is overwritten after each commit and never synced, so it is at or behind the journal on any disk that keeps what
//! it synced. A journal that ends before it has therefore lost what was acknowledged, and SQLite cannot notice: it
//! takes a damaged end of its write-ahead log for a commit that was never finished.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: [u8; 8] = *b"varmark1";

/// The newest journal row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its id.
    pub row: u64,
    /// Its checksum.
    pub sum: u32,
}

impl Mark {
    /// The mark in a file; none if there is no file or it holds no mark.
    pub fn read(path: &Path) -> io::Result<Option<Mark>> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mark = Mark::from_bytes(&bytes);
        if mark.is_none() {
            tracing::warn!(
                ?path,
                "the high-water mark cannot be read; damage to the newest commits would go unnoticed"
            );
        }
        Ok(mark)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Mark> {
        let bytes: &[u8; 24] = bytes.try_into().ok()?;
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        let (magic, numbers) = content.split_first_chunk::<8>()?;
        let (row, sum) = numbers.split_first_chunk::<8>()?;
        let good = *magic == MAGIC && crc32fast::hash(content).to_le_bytes() == *crc;
        let sum = u32::from_le_bytes(sum.try_into().ok()?);
        good.then_some(Mark { row: u64::from_le_bytes(*row), sum })
    }

    fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.row.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.sum.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// The file that the mark is written to.
pub struct MarkFile(File);

impl MarkFile {
    /// Opens the file, making it if needed.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::options().create(true).truncate(false).write(true).open(path).map(MarkFile)
    }

    /// Overwrites the mark. One small write, so that a crash leaves the old or the new one.
    pub fn write(&mut self, mark: Mark) -> io::Result<()> {
        self.0.write_all_at(&mark.to_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_written_and_not_at_all_if_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mark");
        assert_eq!(Mark::read(&path).unwrap(), None);
        let mut file = MarkFile::open(&path).unwrap();
        for row in [1, u64::MAX] {
            let mark = Mark { row, sum: 7 };
            file.write(mark).unwrap();
            assert_eq!(Mark::read(&path).unwrap(), Some(mark));
        }
        let mut bytes = std::fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::from_bytes(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(Mark::from_bytes(&bytes[..23]), None);
    }
}
