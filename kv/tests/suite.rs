//! All tests of the store's front door, in one program.

mod model;
mod store;
mod support;
