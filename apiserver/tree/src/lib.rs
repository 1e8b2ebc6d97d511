//! Trees of JSON values, which objects of the API are in the handlers: `Value`, `Map` and `json!` as in serde_json, under whose name other
//! crates use this one, but made for what a write does with an object: read it, copy it, change little and compare (docs/adr/0011).
//!
//! A copy of a map shares what it holds until one of them is changed. Keys that are known when the program is built cost nothing. Text to
//! and from JSON without a schema is serde_json's, whose functions are handed on.

mod key;
mod macros;
mod map;
mod value;

pub use key::Key;
pub use map::Map;
pub use map::entry::{Entry, OccupiedEntry, VacantEntry};
pub use real_json::{
    Deserializer, Error, Number, Result, Serializer, from_reader, from_slice, from_str, ser,
    to_string, to_string_pretty, to_vec, to_vec_pretty, to_writer,
};
pub use value::Value;
pub use value::index::Index;
pub use value::serial::{from_value, to_value};

#[doc(hidden)]
pub mod private {
    //! What `json!` expands to.
    pub use crate::value::convert::{ByItself, BySerde, Expression};
}
