//! All tests of the store's front door, in one program.

mod store;
mod support;
