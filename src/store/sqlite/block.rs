//! Composed blocks as bytes. All of it is derived: a block that cannot be read is composed again.
//!
//! ```text
//! block  = time, chain, author, op      (time a varint; chain 8 bytes LE; op as in a record)
//! author = 0, or 1 user id, user name, or 2 session, user id, user name
//! ```

use std::sync::Arc;

use super::sealed::{Press, Tag};
use crate::document::{Author, Chain, FAN_OUT, Stretch, Time, User, Version};
use crate::store::Incarnation;
use crate::store::codec::{BadRecord, Reader, encode_op, put_number, put_text};

/// The place of a block: `level` 0 covers 64 revisions from 64 times `place`, each level 8 times as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub level: u32,
    pub place: u64,
}

impl Place {
    /// How many revisions it covers.
    pub fn size(self) -> u64 {
        block_size(self.level)
    }

    /// The version before it.
    pub fn from(self) -> Version {
        Version(self.place * self.size())
    }

    /// The version after it.
    pub fn to(self) -> Version {
        Version((self.place + 1) * self.size())
    }

    /// The largest block that begins at `at` and ends at or before `to`.
    pub fn largest(at: Version, to: Version) -> Option<Place> {
        let fits = |level: &u32| at.0.is_multiple_of(block_size(*level)) && at.0 + block_size(*level) <= to.0;
        // 64 * 8^18 is near 2^60, more than any document has.
        let level = (0..18).take_while(fits).last()?;
        Some(Place { level, place: at.0 / block_size(level) })
    }

    /// The next version at which a block may begin.
    pub fn next_after(at: Version) -> Version {
        Version((at.0 / block_size(0) + 1) * block_size(0))
    }

    /// What its rows are sealed under.
    pub fn key(self, document: Incarnation) -> [u64; 3] {
        [document.0, u64::from(self.level), self.place]
    }
}

/// Blocks of 8 are not stored: composing a few singles costs less than keeping them for ever.
fn block_size(level: u32) -> u64 {
    FAN_OUT.pow(level + 2)
}

/// The sealed body of a block.
pub fn seal_block(press: &mut Press, document: Incarnation, place: Place, block: &Stretch) -> Vec<u8> {
    let mut content = Vec::with_capacity(64 + block.op.inserted_bytes() + 4 * block.op.parts_len());
    put_stretch(&mut content, block);
    press.seal(Tag::Block, &place.key(document), &content)
}

/// Everything of a stretch but where it lies.
pub fn put_stretch(content: &mut Vec<u8>, stretch: &Stretch) {
    put_number(content, stretch.time.0);
    content.extend_from_slice(&stretch.chain.0.to_le_bytes());
    match stretch.author.as_deref() {
        None => content.push(0),
        Some(Author { session: None, user }) => {
            content.push(1);
            put_user(content, user);
        }
        Some(Author { session: Some(session), user }) => {
            content.push(2);
            put_text(content, session);
            put_user(content, user);
        }
    }
    encode_op(&stretch.op, content);
}

/// The block, or what is wrong with it.
pub fn open_block(press: &mut Press, document: Incarnation, place: Place, body: &[u8]) -> Result<Stretch, String> {
    let content = press.open(Tag::Block, &place.key(document), body)?;
    read_stretch(place.from(), place.to(), &mut Reader(&content)).map_err(|error| error.to_string())
}

/// What [`put_stretch`] wrote of a stretch that lies there.
pub fn read_stretch(from: Version, to: Version, content: &mut Reader) -> Result<Stretch, BadRecord> {
    let (time, chain) = (Time(content.number()?), Chain(u64::from_le_bytes(content.array()?)));
    let author = match content.byte()? {
        0 => None,
        1 => Some(Author { session: None, user: user(content)? }),
        2 => Some(Author { session: Some(content.text("session")?.into()), user: user(content)? }),
        _ => return Err(BadRecord::Senseless("author")),
    };
    let op = content.op()?;
    Ok(Stretch { from, to, op, author: author.map(Arc::new), time, chain })
}

fn put_user(out: &mut Vec<u8>, user: &User) {
    put_text(out, &user.id);
    put_text(out, &user.name);
}

fn user(content: &mut Reader) -> Result<User, BadRecord> {
    Ok(User { id: content.text("user id")?.into(), name: content.text("user name")?.into() })
}
