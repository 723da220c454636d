//! Where generators take their choices from: a tape that proptest shrinks, or a seed that always gives the same cases.

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};

/// A sequence of choices. Smaller choices make simpler cases, so that a tape shrinks towards a simple case.
pub struct Source(From);

enum From {
    /// Choices in turn; when they have run out, the simplest one for ever.
    Tape(std::vec::IntoIter<u16>),
    /// The state of a SplitMix64 generator (Steele, Lea and Flood 2014).
    Seed(u64),
}

impl Source {
    /// The choices on a tape.
    pub fn tape(choices: Vec<u16>) -> Self {
        Source(From::Tape(choices.into_iter()))
    }

    /// The endless choices of a seed, the same on every machine.
    pub fn seeded(seed: u64) -> Self {
        Source(From::Seed(seed))
    }

    /// One of `0..n`; zero is the simplest.
    pub fn below(&mut self, n: u64) -> u64 {
        let choice = match &mut self.0 {
            From::Tape(choices) => choices.next().unwrap_or(0).into(),
            From::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
        };
        choice % n
    }

    /// True once in `n` times; never on a tape that has run out.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == n - 1
    }

    /// One of these; the first is the simplest.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// Checks a law on `cases` random sources. A failing case is shrunk, and its seed is kept in `proptests/regressions/`, to
/// be tried first from then on; commit it.
pub fn check_random(cases: u32, choices: usize, law: impl Fn(&mut Source) -> TestCaseResult) {
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("regressions/seeds.txt"))),
        source_file: Some(file!()),
        ..Config::default()
    };
    let tape = prop::collection::vec(any::<u16>(), 0..choices);
    match TestRunner::new(config).run(&tape, |choices| law(&mut Source::tape(choices))) {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("gave up: {reason}"),
    }
}

/// What a law answers about one case.
pub type TestCaseResult = Result<(), TestCaseError>;
