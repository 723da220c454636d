//! The planted bugs of `proptests/mutants` fit the code as it is, so that hunting them is always possible.
//!
//! The hunt itself takes long and is a command: `cargo run --release -p proptests -- mutants`.

use proptests::mutants;

#[test]
fn every_planted_bug_fits_the_code_and_says_what_it_breaks() {
    let planted = mutants::all();
    assert!(planted.len() >= 15, "{} planted bugs", planted.len());
    for mutant in planted {
        assert!(!mutant.title.is_empty() && !mutant.title.starts_with("diff"), "{} says what it breaks", mutant.name);
        let misfit = mutant.misfit(&mutants::root());
        assert_eq!(misfit, None, "make {} anew: the code it breaks has changed", mutant.name);
    }
}
