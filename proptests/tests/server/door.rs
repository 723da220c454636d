//! The door: who is let in, what they are given, and how much of it.

mod limits;
mod matrix;
mod origins;
mod tokens;
