//! A branch's history as pieces of several logs: what lies at or below its beginning is its parent's, never copied.

use super::{BranchPoint, Incarnation};
use crate::document::Version;

/// The logs that a document's history is made of.
///
/// ```text
///   root    1 ── 2 ── 3 ── 4 ── 5 ── 6        a document of no parent
///   branch            └─ 4 ── 5 ── 6          begins at version 3 of root: its versions 1 to 3 are root's
///   twig                      └─ 6 ── 7       begins at version 5 of branch: 1 to 3 root's, 4 and 5 branch's
/// ```
pub struct Lineage {
    /// Each log with the versions after which and up to which the history is that log's; oldest first, without a hole.
    pieces: Vec<Piece>,
}

/// `(from, to]` of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub document: Incarnation,
    pub from: Version,
    pub to: Version,
}

impl Lineage {
    /// The logs of a document, where `begins` tells where each begins.
    pub fn of<E>(
        document: Incarnation,
        mut begins: impl FnMut(Incarnation) -> Result<Option<BranchPoint>, E>,
    ) -> Result<Self, E> {
        let (mut pieces, mut document, mut to) = (Vec::new(), document, Version(u64::MAX));
        while let Some(point) = begins(document)? {
            // A twig may begin before its parent does: then nothing of the parent's own is in it.
            pieces.push(Piece { document, from: point.version.min(to), to });
            to = to.min(point.version);
            document = point.parent;
        }
        pieces.push(Piece { document, from: Version::ZERO, to });
        pieces.reverse();
        Ok(Lineage { pieces })
    }

    /// The document that has no parent.
    pub fn root(&self) -> Incarnation {
        self.pieces[0].document
    }

    /// Whether the document has a parent.
    pub fn is_branch(&self) -> bool {
        self.pieces.len() > 1
    }

    /// `(from, to]` by the logs that it lies in, oldest first; none that is empty.
    pub fn split(&self, from: Version, to: Version) -> Vec<Piece> {
        let cut = |piece: &Piece| Piece { document: piece.document, from: piece.from.max(from), to: piece.to.min(to) };
        self.pieces.iter().map(cut).filter(|piece| piece.from < piece.to).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(document: u64) -> Lineage {
        let begins = |document: Incarnation| {
            let at = |parent, version| Some(BranchPoint { parent: Incarnation(parent), version: Version(version) });
            Ok::<_, ()>(match document.0 {
                2 => at(1, 3),
                3 => at(2, 5),
                // Begins below where its parent does.
                4 => at(2, 2),
                _ => None,
            })
        };
        Lineage::of(Incarnation(document), begins).unwrap()
    }

    fn split(document: u64, from: u64, to: u64) -> Vec<(u64, u64, u64)> {
        let pieces = lineage(document).split(Version(from), Version(to));
        pieces.into_iter().map(|piece| (piece.document.0, piece.from.0, piece.to.0)).collect()
    }

    #[test]
    fn a_stretch_is_split_where_branches_begin() {
        assert_eq!(split(1, 0, 9), [(1, 0, 9)]);
        assert_eq!(split(3, 0, 7), [(1, 0, 3), (2, 3, 5), (3, 5, 7)]);
        assert_eq!(split(3, 3, 5), [(2, 3, 5)]);
        assert_eq!(split(3, 1, 2), [(1, 1, 2)]);
        assert_eq!(split(4, 0, 4), [(1, 0, 2), (4, 2, 4)]);
        assert_eq!(split(3, 4, 4), []);
        assert_eq!(lineage(4).root(), Incarnation(1));
        assert!(!lineage(1).is_branch());
    }
}
