//! What `triadctl` does, command by command. `main.rs` only parses and reports.

pub mod api;
pub mod backup;
pub mod cluster;
pub mod convert;
pub mod exit;
mod progress;
pub mod table;
