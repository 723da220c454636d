//! A revision as bytes: one record holds the op, its author, its (client, seq), its time and its chain.
//!
//! ```text
//! record  = length, format, document, version, time, chain, flags, [client, seq], [session], user id, user name, op, crc
//! length  = varint: bytes after it                    format  = 1 byte, at present 1
//! chain   = 8 bytes, little endian                    flags   = 1 byte: 1 has an origin, 2 has a session
//! client  = 16 bytes                                  op      = varint: parts, then each part
//! part    = varint: length * 4 + sort (0 keep, 1 delete, 2 insert: the length counts bytes and the text follows)
//! text    = varint: bytes, then UTF-8                 crc     = CRC-32 of everything from `format` to here, 4 bytes LE
//! ```
//!
//! Varints are LEB128. A decoder never trusts a length: whatever the bytes are, the answer is a record or [`BadRecord`].

use std::sync::Arc;

use super::Incarnation;
use crate::document::{Author, Chain, ClientKey, Origin, Revision, Seq, Time, User, Version};
use crate::ot::{LENGTH_MAX, Part, TextOp, TextOpBuilder};

const FORMAT: u8 = 1;
const HAS_ORIGIN: u8 = 1;
const HAS_SESSION: u8 = 2;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// They end too early.
    #[error("the record ends before its content does")]
    Short,
    /// Their checksum is another.
    #[error("the record's checksum is {found:08x}, its content gives {computed:08x}")]
    Checksum {
        /// The one stored.
        found: u32,
        /// The one computed.
        computed: u32,
    },
    /// They were written by a newer server.
    #[error("the record has format {0}, this server knows format {FORMAT}")]
    Format(u8),
    /// The checksum holds but the content makes no sense: written by a fault, not damaged later.
    #[error("the record's {0} makes no sense")]
    Senseless(&'static str),
}

/// Appends the record of a revision to `out`.
pub fn encode_record(document: Incarnation, revision: &Revision, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(128 + revision.op.inserted_bytes());
    body.push(FORMAT);
    put_number(&mut body, document.0);
    put_number(&mut body, revision.version.0);
    put_number(&mut body, revision.time.0);
    body.extend_from_slice(&revision.chain.0.to_le_bytes());
    let session = revision.author.session.as_deref();
    let flags =
        if revision.origin.is_some() { HAS_ORIGIN } else { 0 } | if session.is_some() { HAS_SESSION } else { 0 };
    body.push(flags);
    if let Some(origin) = &revision.origin {
        body.extend_from_slice(&origin.client.0);
        put_number(&mut body, origin.seq.0);
    }
    if let Some(session) = session {
        put_text(&mut body, session);
    }
    put_text(&mut body, &revision.author.user.id);
    put_text(&mut body, &revision.author.user.name);
    encode_op(&revision.op, &mut body);
    let sum = crc32fast::hash(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    put_number(out, body.len() as u64);
    out.extend_from_slice(&body);
}

/// Reads the record at the beginning of `bytes`: whose it is, the revision, and how many bytes it took.
pub fn decode_record(bytes: &[u8]) -> Result<(Incarnation, Revision, usize), BadRecord> {
    let mut outer = Reader(bytes);
    let len = outer.number()?;
    let record = outer.take(len)?;
    let taken = bytes.len() - outer.0.len();
    let (body, sum) = record.split_last_chunk::<4>().ok_or(BadRecord::Short)?;
    let (found, computed) = (u32::from_le_bytes(*sum), crc32fast::hash(body));
    if found != computed {
        return Err(BadRecord::Checksum { found, computed });
    }
    let mut body = Reader(body);
    let Front { document, version, time, chain, flags, origin } = body.front()?;
    let session = match flags & HAS_SESSION {
        0 => None,
        _ => Some(body.text("session")?.into()),
    };
    let user = User { id: body.text("user id")?.into(), name: body.text("user name")?.into() };
    let op = body.op()?;
    if !body.0.is_empty() {
        return Err(BadRecord::Senseless("length"));
    }
    let author = Arc::new(Author { session, user });
    Ok((document, Revision { version, op, author, origin, time, chain }, taken))
}

/// What a record says of itself before its author and op.
pub(super) struct Glance {
    pub version: Version,
    pub time: Time,
    pub origin: Option<Origin>,
    /// Bytes that the whole record takes.
    pub len: usize,
}

/// Looks at the record at the beginning of `bytes` without computing its checksum: for bytes that were verified since they
/// came from the disk.
pub(super) fn glance_record(bytes: &[u8]) -> Result<Glance, BadRecord> {
    let mut outer = Reader(bytes);
    let len = outer.number()?;
    let record = outer.take(len)?;
    let Front { version, time, origin, .. } = Reader(record).front()?;
    Ok(Glance { version, time, origin, len: bytes.len() - outer.0.len() })
}

/// Appends an op's parts to `out`.
pub(super) fn encode_op(op: &TextOp, out: &mut Vec<u8>) {
    put_number(out, op.parts_len() as u64);
    for part in op.parts() {
        match part {
            Part::Keep(len) => put_number(out, len << 2),
            Part::Delete(len) => put_number(out, len << 2 | 1),
            Part::Insert(text) => {
                put_number(out, (text.len() as u64) << 2 | 2);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The fields of a record before its session.
struct Front {
    document: Incarnation,
    version: Version,
    time: Time,
    chain: Chain,
    flags: u8,
    origin: Option<Origin>,
}

/// What is left of the bytes being read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn front(&mut self) -> Result<Front, BadRecord> {
        let format = self.byte()?;
        if format != FORMAT {
            return Err(BadRecord::Format(format));
        }
        let document = Incarnation(self.number()?);
        let version = Version(self.number()?);
        let time = Time(self.number()?);
        let chain = Chain(u64::from_le_bytes(self.array()?));
        let flags = self.byte()?;
        let origin = match flags & HAS_ORIGIN {
            0 => None,
            _ => Some(Origin { client: ClientKey(self.array()?), seq: Seq(self.number()?) }),
        };
        Ok(Front { document, version, time, chain, flags, origin })
    }

    pub(super) fn byte(&mut self) -> Result<u8, BadRecord> {
        let (first, rest) = self.0.split_first().ok_or(BadRecord::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(BadRecord::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], BadRecord> {
        let len = usize::try_from(len).map_err(|_| BadRecord::Short)?;
        let (head, rest) = self.0.split_at_checked(len).ok_or(BadRecord::Short)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn number(&mut self) -> Result<u64, BadRecord> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BadRecord::Senseless("number"))
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, BadRecord> {
        let len = self.number()?;
        std::str::from_utf8(self.take(len)?).map_err(|_| BadRecord::Senseless(what))
    }

    pub(super) fn op(&mut self) -> Result<TextOp, BadRecord> {
        let senseless = BadRecord::Senseless("op");
        let mut op = TextOpBuilder::default();
        let mut total: u64 = 0;
        for _ in 0..self.number()? {
            let word = self.number()?;
            let len = word >> 2;
            total = total.saturating_add(len);
            if total > LENGTH_MAX {
                return Err(senseless);
            }
            match word & 3 {
                0 => op.keep(len),
                1 => op.delete(len),
                2 => op.insert(std::str::from_utf8(self.take(len)?).map_err(|_| senseless.clone())?),
                _ => return Err(senseless),
            }
        }
        Ok(op.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::Op;

    fn revision() -> Revision {
        let mut op = TextOpBuilder::default();
        op.keep(300);
        op.delete(1);
        op.insert("né𝄞");
        op.keep(5);
        Revision {
            version: Version(70_000),
            op: op.finish(),
            author: Arc::new(Author { session: Some("s".into()), user: User { id: "u".into(), name: "Ana".into() } }),
            origin: Some(Origin { client: ClientKey([7; 16]), seq: Seq(12) }),
            time: Time(1_700_000_000_000),
            chain: Chain(u64::MAX),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let with = revision();
        let mut without = revision();
        without.origin = None;
        without.author = Arc::new(Author { session: None, user: with.author.user.clone() });
        without.op = TextOp::identity(0);
        let mut bytes = Vec::new();
        encode_record(Incarnation(1 << 40), &with, &mut bytes);
        let first = bytes.len();
        encode_record(Incarnation(0), &without, &mut bytes);
        assert_eq!(decode_record(&bytes), Ok((Incarnation(1 << 40), with, first)));
        assert_eq!(decode_record(&bytes[first..]), Ok((Incarnation(0), without, bytes.len() - first)));
    }

    #[test]
    fn a_record_with_any_bit_flipped_is_no_record() {
        let mut bytes = Vec::new();
        encode_record(Incarnation(3), &revision(), &mut bytes);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_record(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            assert!(decode_record(&bytes[..len]).is_err(), "cut to {len}");
        }
    }
}
