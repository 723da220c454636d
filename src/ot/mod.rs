//! What an op is: the laws every document kind keeps, and one module per kind. Pure: no clock, no randomness, no IO.

mod text;

pub(crate) use text::split_at;
pub use text::{Conflict, Content, ConversionError, OpError, Part, Span, TextOp, TextOpBuilder};

/// The largest length an op may speak of: JSON numbers on the wire stay below 2^53.
pub const LENGTH_MAX: u64 = (1 << 53) - 1;

/// A change to a document of one kind, and the algebra that lets concurrent changes meet.
///
/// Names used in the laws: `a` and `b` are consecutive (b's base is a's result), `x` and `y` are consecutive, and `x` is
/// concurrent with `a` (both have the same base). `x` is always the *incoming* side, `a` the *history* side.
///
/// ```text
///            x                     T(x, a)  = transform_incoming(x, a)
///        S ─────▶ Sx               T'(a, x) = transform_history(a, x)
///        │        │
///      a │        │ T'(a, x)
///        ▼        ▼
///        Sa ────▶ S'
///           T(x, a)
/// ```
///
/// # The laws
///
/// Each is a property test of the same name in `proptests/tests/algebra/laws.rs`.
///
/// - **commute**: `a` then `T(x, a)` gives the same content as `x` then `T'(a, x)`.
/// - **exact_composition**: `T(x, a∘b) = T(T(x, a), b)`, the same op, not only the same content.
/// - **associativity**: `(a∘b)∘c = a∘(b∘c)`, the same op.
/// - **composition_applies**: applying `a∘b` gives what applying `a` and then `b` gives.
/// - **exact_typing**: for consecutive `x` and `y` that are unsent, composed with [`Op::compose_typing`] to `x∘ₜy`, and `a`
///   concurrent with both: `T'(a, x∘ₜy) = T'(T'(a, x), y)`, the same op; `∘ₜ` is associative too.
/// - **typing_batches**: for unsent `x` then `y`, composed with [`Op::compose_typing`], moving the batch past `a` gives
///   the content that moving them one by one gives. Not always the same op: with `x = [-1,1]`, `y = [1,"c"]` and
///   `a = [1,-1]`, what `a` deleted had kept the batch's delete and insert apart. Likewise `T'(a∘b, x)` and
///   `T'(a, x)∘T'(b, T(x, a))` agree in content only.
/// - **typing_composition_applies**: applying the typing composition gives what applying its two parts in turn gives.
/// - **halves_agree**: [`Op::transform`] gives what [`Op::transform_incoming`] and [`Op::transform_history`] give alone.
/// - **inversion_undoes**: `a` then `invert(a)` gives back the content `a` began with.
/// - **inversion_is_its_own_inverse**: inverting the inversion gives `a` back, the same op.
/// - **identity_is_neutral**: the identity changes nothing, and composing or transforming with it changes no op.
/// - **lengths_are_checked**: ops whose lengths disagree are answered with both lengths and nothing is changed.
/// - **results_are_canonical**: every result has merged neighbours and no empty part, so equal changes written in the
///   same order are equal ops.
///
/// Exact composition is what lets any stretch of history be handed over as one op. It holds because a composed op keeps
/// the order of inserts and deletes: where `a` deleted and `b` inserts at the same place, the delete comes first. Usual
/// implementations move inserts first, and then `x = [1,"b"]`, `a = [-1]`, `b = ["c"]` on "z" breaks it.
pub trait Op: Clone + Eq + std::fmt::Debug + Sized {
    /// What ops of this kind change.
    type Content: Clone;

    /// The op that changes nothing in a document of this length.
    fn identity(len: u64) -> Self;

    /// The length of the content that this op expects.
    fn base_len(&self) -> u64;

    /// The length of the content that this op leaves.
    fn target_len(&self) -> u64;

    /// Changes `content`, or leaves it untouched and says which lengths disagree.
    fn apply(&self, content: &mut Self::Content) -> Result<(), LengthMismatch>;

    /// Moves both sides past each other at once: `(T(incoming, history), T'(history, incoming))`. The incoming side goes
    /// left at a tie, which keeps each writer's run of typing whole.
    fn transform(incoming: &Self, history: &Self) -> Result<(Self, Self), LengthMismatch>;

    /// `T(self, history)`: this incoming op, moved past `history`.
    fn transform_incoming(&self, history: &Self) -> Result<Self, LengthMismatch>;

    /// `T'(self, incoming)`: this op of the history, moved past `incoming`.
    fn transform_history(&self, incoming: &Self) -> Result<Self, LengthMismatch>;

    /// `self∘next`: one op that does what `self` and then `next` do; delete first where both meet.
    fn compose(&self, next: &Self) -> Result<Self, LengthMismatch>;

    /// Composition for a client's *unsent* edits: insert first where both meet, so that batching does not change where
    /// the text lands. Never used on history.
    fn compose_typing(&self, next: &Self) -> Result<Self, LengthMismatch>;

    /// The op that takes this one back. `base` is the content before this op.
    fn invert(&self, base: &Self::Content) -> Result<Self, LengthMismatch>;
}

/// Two ops, or an op and a document, that do not fit each other. Lengths are in the kind's unit (scalar values for text).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the op covers a length of {op}, what it meets has {found}")]
pub struct LengthMismatch {
    /// The length that the op covers.
    pub op: u64,
    /// The length that was there.
    pub found: u64,
}

/// Which side of an insertion a position ends on when the insertion happens exactly there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The position stays where it is, before the inserted text: what a cursor does at another writer's insertion, because
    /// its owner's next keystroke would go left at the tie.
    Before,
    /// The position moves behind the inserted text: what a cursor does at its owner's own insertion.
    After,
}

/// Composes consecutive ops pairwise, as a balanced tree: folding from the left would copy the growing result each time.
/// `None` if there are none.
pub fn compose_all<O: Op>(ops: Vec<O>) -> Result<Option<O>, LengthMismatch> {
    let mut row = ops;
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [a, b] => a.compose(b),
                rest => Ok(rest[0].clone()),
            })
            .collect::<Result<_, _>>()?;
    }
    Ok(row.pop())
}
