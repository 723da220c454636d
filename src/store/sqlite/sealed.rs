//! Bytes kept in a row of the database, with a checksum that binds them to the row's key and compressed if that pays.
//!
//! ```text
//! sealed = crc, sort, content
//! crc    = CRC-32 of the table's tag, the key and everything after the crc, 4 bytes LE
//! sort   = 0: content as it is        sort = 1: varint length of the content, then the content compressed with zstd
//! ```

use std::borrow::Cow;

use crate::store::codec::{Reader, put_number};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Below this, compression saves less than its frame costs.
const COMPRESS_FROM: usize = 96;
/// No content is longer; a length that says so is not believed.
const LENGTH_MAX: u64 = 1 << 30;
/// zstd's fastest level: on records, whose chains and checksums nothing compresses, the next ones gain below 2 %.
const LEVEL: i32 = 1;

/// Which table a row is of, so that no row is taken for one of another table.
#[derive(Debug, Clone, Copy)]
pub enum Tag {
    Document = 1,
    Page = 2,
    Block = 3,
    Client = 4,
    Snapshot = 5,
    Label = 6,
    Removed = 7,
    Marks = 8,
    Ledger = 9,
    Step = 10,
}

/// Compresses and decompresses; reused, because setting one up costs more than a small row.
pub struct Press {
    compressor: zstd::bulk::Compressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Default for Press {
    fn default() -> Self {
        Press {
            compressor: zstd::bulk::Compressor::new(LEVEL).expect("only a lack of memory fails here"),
            decompressor: zstd::bulk::Decompressor::new().expect("only a lack of memory fails here"),
        }
    }
}

impl Press {
    /// Seals content under its key.
    pub fn seal(&mut self, tag: Tag, key: &[u64], content: &[u8]) -> Vec<u8> {
        if content.len() >= COMPRESS_FROM {
            let compressed = self.compressor.compress(content).expect("the buffer is as large as zstd asks for");
            if compressed.len() < content.len() {
                let mut sealed = Vec::with_capacity(compressed.len() + 10);
                sealed.extend_from_slice(&[0, 0, 0, 0, ZSTD]);
                put_number(&mut sealed, content.len() as u64);
                sealed.extend_from_slice(&compressed);
                return signed(tag, key, sealed);
            }
        }
        seal_plain(tag, key, content)
    }

    /// The content that was sealed under this key, or what is wrong with it.
    pub fn open<'a>(&mut self, tag: Tag, key: &[u64], sealed: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        verify(tag, key, sealed)?;
        if sealed[4] == PLAIN {
            return Ok(Cow::Borrowed(&sealed[5..]));
        }
        let mut rest = Reader(&sealed[5..]);
        let len = rest.number().map_err(|error| error.to_string())?;
        if sealed[4] != ZSTD || len > LENGTH_MAX {
            return Err(format!("it has sort {} and length {len}, which no server writes", sealed[4]));
        }
        let content = self.decompressor.decompress(rest.0, len as usize).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(content))
    }
}

/// Seals content without compressing it.
pub fn seal_plain(tag: Tag, key: &[u64], content: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(content.len() + 5);
    sealed.extend_from_slice(&[0, 0, 0, 0, PLAIN]);
    sealed.extend_from_slice(content);
    signed(tag, key, sealed)
}

/// The content that was sealed plain.
pub fn open_plain<'a>(tag: Tag, key: &[u64], sealed: &'a [u8]) -> Result<&'a [u8], String> {
    verify(tag, key, sealed)?;
    if sealed[4] != PLAIN {
        return Err(format!("it has sort {}, which no server writes", sealed[4]));
    }
    Ok(&sealed[5..])
}

/// Whether sealed bytes are as they were written, under this key.
pub fn verify(tag: Tag, key: &[u64], sealed: &[u8]) -> Result<(), String> {
    let (found, rest) = match sealed.split_first_chunk::<4>() {
        Some((found, rest)) if !rest.is_empty() => (u32::from_le_bytes(*found), rest),
        _ => return Err(format!("it has {} bytes, fewer than any", sealed.len())),
    };
    let computed = checksum(tag, key, rest);
    if found != computed {
        return Err(format!("its checksum is {found:08x}, its content gives {computed:08x}"));
    }
    Ok(())
}

fn signed(tag: Tag, key: &[u64], mut sealed: Vec<u8>) -> Vec<u8> {
    let sum = checksum(tag, key, &sealed[4..]);
    sealed[..4].copy_from_slice(&sum.to_le_bytes());
    sealed
}

fn checksum(tag: Tag, key: &[u64], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[tag as u8]);
    key.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
    hasher.update(rest);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_under_its_own_key_only() {
        let mut press = Press::default();
        for content in [&b""[..], b"short", &[b'x'; 5000], &(0..=255).cycle().take(999).collect::<Vec<u8>>()] {
            let mut sealed = press.seal(Tag::Page, &[1, 2], content);
            assert_eq!(press.open(Tag::Page, &[1, 2], &sealed).as_deref(), Ok(content));
            assert!(press.open(Tag::Page, &[1, 3], &sealed).is_err());
            assert!(press.open(Tag::Block, &[1, 2], &sealed).is_err());
            for bit in 0..sealed.len() * 8 {
                sealed[bit / 8] ^= 1 << (bit % 8);
                assert!(press.open(Tag::Page, &[1, 2], &sealed).is_err(), "bit {bit}");
                sealed[bit / 8] ^= 1 << (bit % 8);
            }
        }
        assert!(press.open(Tag::Page, &[], &[1, 2, 3, 4]).is_err());
    }
}
