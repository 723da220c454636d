//! Writing with versions: labels, restores, branches and merges, pruning. Each held against what every single character
//! went through, and through a real server with several people writing meanwhile.

#[path = "versions_written/characters.rs"]
mod characters;
#[path = "versions_written/commands.rs"]
mod commands;
#[path = "versions_written/labels.rs"]
mod labels;
#[path = "versions_written/merge.rs"]
mod merge;
#[path = "versions_written/pruning.rs"]
mod pruning;
#[path = "versions_written/restore.rs"]
mod restore;
#[path = "versions_written/writers.rs"]
mod writers;
