//! The door: who is let in, what they are given, and how much of it.

#[path = "door/limits.rs"]
mod limits;
#[path = "door/matrix.rs"]
mod matrix;
#[path = "door/origins.rs"]
mod origins;
#[path = "door/people.rs"]
mod people;
#[path = "door/tokens.rs"]
mod tokens;
