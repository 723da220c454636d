//! A page of `docs/` as its fenced blocks and tables, for tests that hold it to the code.

use std::path::Path;

use serde_json::Value;

/// A page.
pub struct Page {
    /// All of it.
    pub text: String,
    blocks: Vec<Block>,
}

/// A fenced block.
pub struct Block {
    /// What stands behind the fence: the language, and who says it.
    pub info: String,
    /// The lines between the fences.
    pub text: String,
    /// The line of the page that the block's text begins on.
    pub line: usize,
}

impl Page {
    /// Reads a page of `docs/`.
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), open.as_mut()) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    open = Some(Block { info: info.to_owned(), text: String::new(), line: number + 2 });
                }
                (None, Some(block)) => block.text += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "a block of {name} is not closed");
        Page { text, blocks }
    }

    /// The blocks with this info string; at least one.
    pub fn blocks(&self, info: &str) -> Vec<&Block> {
        let found: Vec<_> = self.blocks.iter().filter(|block| block.info == info).collect();
        assert!(!found.is_empty(), "the page has no block ```{info}");
        found
    }

    /// Every JSON value in the blocks with this info string.
    pub fn values(&self, info: &str) -> Vec<Value> {
        self.blocks(info).into_iter().flat_map(Block::values).collect()
    }

    /// Every info string.
    pub fn infos(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| block.info.as_str())
    }

    /// The rows of the table with this head, as trimmed cells.
    pub fn table(&self, head: &str) -> Vec<Vec<&str>> {
        let mut lines = self.text.lines().skip_while(|line| *line != head);
        assert!(lines.next().is_some(), "the page has no table {head}");
        let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }
}

impl Block {
    /// The JSON values in the block, one after another.
    pub fn values(&self) -> Vec<Value> {
        let values = serde_json::Deserializer::from_str(&self.text).into_iter::<Value>();
        values.map(|value| value.unwrap_or_else(|error| panic!("block at line {}: {error}", self.line))).collect()
    }
}
