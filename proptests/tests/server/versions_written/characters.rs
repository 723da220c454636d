//! Documents in which every character that is ever typed is another one: so what became of each can be told from the text
//! alone, without any algebra.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptests::Source;
use variorum::document::{Author, Chain, Revision, Stretch, Time, User, Version};
use variorum::ot::{Content, Part, TextOp, TextOpBuilder};

/// Types characters that were never typed before.
pub struct Typist {
    next: u32,
}

impl Typist {
    /// None typed yet.
    pub fn new() -> Self {
        Typist { next: 0 }
    }

    /// An op on a text of this length: a few changes at random places.
    pub fn op(&mut self, source: &mut Source, len: u64) -> TextOp {
        let mut op = TextOpBuilder::default();
        let mut left = len;
        for _ in 0..1 + source.below(3) {
            let kept = source.below(left + 1);
            op.keep(kept);
            left -= kept;
            if source.below(3) > 0 {
                op.insert(&self.text(source));
            }
            let deleted = if source.below(2) == 0 { source.below(left.min(3) + 1) } else { 0 };
            op.delete(deleted);
            left -= deleted;
        }
        op.keep(left);
        op.finish()
    }

    fn text(&mut self, source: &mut Source) -> String {
        let count = 1 + source.below(3) as u32;
        // The supplementary private use planes: 131,068 characters, and no other test's.
        let text = (self.next..self.next + count).filter_map(|n| char::from_u32(0xf_0000 + n)).collect();
        self.next += count;
        text
    }
}

/// The characters of a text.
pub fn set(text: &str) -> BTreeSet<char> {
    text.chars().collect()
}

/// What an op types.
pub fn typed(op: &TextOp) -> BTreeSet<char> {
    let text = |part| if let Part::Insert(text) = part { Some(text.chars()) } else { None };
    op.parts().filter_map(text).flatten().collect()
}

/// What an op deletes of a text.
pub fn deleted(op: &TextOp, base: &str) -> BTreeSet<char> {
    &set(base) - &set(&proptests::plain::apply(op, base))
}

/// Whether those characters that both texts have are in the same order in both.
pub fn agree_in_order(a: &str, b: &str) -> bool {
    let (in_a, in_b) = (set(a), set(b));
    a.chars().filter(|c| in_b.contains(c)).eq(b.chars().filter(|c| in_a.contains(c)))
}

/// A log of several authors, and the text at every version of it.
pub struct Log {
    pub revisions: Vec<Arc<Revision>>,
    /// At each version, from 0 on.
    pub texts: Vec<String>,
}

impl Log {
    /// An empty one.
    pub fn new() -> Self {
        Log { revisions: Vec::new(), texts: vec![String::new()] }
    }

    /// The newest text.
    pub fn now(&self) -> &str {
        self.texts.last().expect("there is the empty beginning")
    }

    /// Adds a revision of an author.
    pub fn push(&mut self, op: TextOp, author: u64) {
        self.texts.push(proptests::plain::apply(&op, self.now()));
        let user = User { id: format!("user-{author}").into(), name: "".into() };
        self.revisions.push(Arc::new(Revision {
            version: Version(self.revisions.len() as u64 + 1),
            op,
            author: Arc::new(Author { session: None, user }),
            origin: None,
            time: Time(1),
            chain: Chain(0),
        }));
    }

    /// Adds so many revisions of several authors, in runs.
    pub fn write(&mut self, typist: &mut Typist, source: &mut Source, count: u64, authors: u64) {
        let mut author = 0;
        for _ in 0..count {
            if source.below(3) > 0 {
                author = source.below(authors);
            }
            let op = typist.op(source, self.now().chars().count() as u64);
            self.push(op, author);
        }
    }

    /// `(from, to]` one by one.
    pub fn pieces(&self, from: usize, to: usize) -> Vec<Stretch> {
        self.revisions[from..to].iter().map(|revision| Stretch::of(revision)).collect()
    }

    /// The text at a version as content.
    pub fn content(&self, version: usize) -> Content {
        Content::from(self.texts[version].as_str())
    }
}
