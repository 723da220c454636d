//! The tree itself: which folder may know which, whether the pages are true, and whether the planted bugs still fit.

mod docs;
mod layers;
mod mutants;
