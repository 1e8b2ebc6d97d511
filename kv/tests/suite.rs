//! All tests of the store's front door, in one program.

mod archive;
mod cluster;
mod copies;
mod damage;
mod examine;
mod history;
mod model;
mod recover;
mod store;
mod support;
#[path = "../../raft/tests/tls.rs"]
mod tls;
