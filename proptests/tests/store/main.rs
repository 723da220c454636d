//! The engines: the contract that each of them keeps, damage to their files, and what an operator does with them.

mod damage;
mod suite;
mod upkeep;
