//! The controllers in a running server, one file each.

mod accounts;
mod aggregation;
mod garbage;
mod migration;
mod namespace;
mod quota;
