//! What `triadctl` does, command by command. `main.rs` only parses and reports.

pub mod convert;
