//! What strict decoding reports: unknown and repeated fields, each once, with the path of the value that holds them.

use std::collections::HashSet;
use std::fmt::Write;

use crate::codec::go_quote::quote;

/// Upstream stops collecting here.
const MAX_ERRORS: usize = 100;

/// Findings of a strict decode, and the path of the value being decoded.
#[derive(Default)]
pub(super) struct Strict {
    pub(super) errors: Vec<String>,
    path: String,
    seen: HashSet<String>,
}

impl Strict {
    pub(super) fn unknown(&mut self, name: &str) {
        self.report("unknown", name);
    }

    pub(super) fn duplicate(&mut self, name: &str) {
        self.report("duplicate", name);
    }

    /// Goes down to a field or a key; gives what `leave` wants.
    pub(super) fn enter_key(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    /// Goes down to an element of a list; gives what `leave` wants.
    pub(super) fn enter_index(&mut self, index: usize) -> usize {
        let length = self.path.len();
        // Writing to a string cannot fail.
        let _ = write!(self.path, "[{index}]");
        length
    }

    pub(super) fn leave(&mut self, length: usize) {
        self.path.truncate(length);
    }

    fn report(&mut self, what: &str, name: &str) {
        let length = self.enter_key(name);
        let message = format!("{what} field {}", quote(&self.path));
        self.leave(length);
        if self.errors.len() < MAX_ERRORS && self.seen.insert(message.clone()) {
            self.errors.push(message);
        }
    }
}
