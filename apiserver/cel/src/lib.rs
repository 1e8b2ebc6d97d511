//! CEL, the expression language of admission policies, custom resources and device selectors, as the reference compiles it:
//! `parser` (text to tree), `check` (types), `validate` (what is refused besides); and as it runs it: `eval`. `env` says what an
//! expression may refer to.
//! Pure: no I/O, no clock.

pub mod ast;
pub mod check;
pub mod compile;
pub mod cost;
pub mod decl;
pub mod env;
pub mod environments;
pub mod escapes;
pub mod eval;
pub mod functions;
mod issue;
mod parser;
mod pattern;
mod plan;
mod source;
pub mod time;
pub mod types;
mod unify;
mod validate;

pub use eval::regexes::regex;
