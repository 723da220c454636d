//! The content of a text document: a rope, so that a keystroke in a megabyte costs microseconds and a clone costs nothing.

use ropey::Rope;

/// Text, addressed in Unicode scalar values. A clone shares its memory with the original until one of them changes.
#[derive(Clone, Default)]
pub struct Content(Rope);

impl Content {
    /// Length in Unicode scalar values.
    pub fn len(&self) -> u64 {
        self.0.len_chars() as u64
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.len_bytes() == 0
    }

    /// Length in bytes of UTF-8.
    pub fn bytes_len(&self) -> usize {
        self.0.len_bytes()
    }

    /// The text in pieces, in order, without copying it.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.0.chunks()
    }

    /// CRC-32 (zlib's) of the text's UTF-8: the sum that a client's `check` is held against.
    pub fn crc32(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        self.0.chunks().for_each(|chunk| hasher.update(chunk.as_bytes()));
        hasher.finalize()
    }

    /// The text of a range, cut to the content.
    pub fn text(&self, range: std::ops::Range<u64>) -> String {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        self.slice(start, end - start).collect()
    }

    /// The text of `len` scalar values from `at`, in pieces. The range lies within the text.
    pub fn slice(&self, at: u64, len: u64) -> impl Iterator<Item = &str> {
        self.0.slice(at as usize..(at + len) as usize).chunks()
    }

    pub(super) fn insert(&mut self, at: u64, text: &str) {
        self.0.insert(at as usize, text);
    }

    pub(super) fn remove(&mut self, at: u64, len: u64) {
        self.0.remove(at as usize..(at + len) as usize);
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content(Rope::from_str(text))
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Content {}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0.to_string(), f)
    }
}
