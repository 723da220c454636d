//! Writing with versions: labels, restores, branches and merges, pruning. Each held against what every single character
//! went through, and through a real server with several people writing meanwhile.

mod characters;
mod commands;
mod labels;
mod merge;
mod pruning;
mod restore;
mod writers;
