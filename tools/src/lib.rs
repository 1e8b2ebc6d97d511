//! What `triadctl` does, command by command. `main.rs` only parses and reports.

pub mod api;
pub mod backup;
pub mod bench;
pub mod cluster;
pub mod convert;
pub mod exit;
pub mod history;
pub mod import;
pub mod objects;
mod progress;
pub mod recover;
pub mod stored;
pub mod table;
pub mod verify;
