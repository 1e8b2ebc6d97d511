//! All tests of the store's front door, in one program.

mod damage;
mod model;
mod store;
mod support;
