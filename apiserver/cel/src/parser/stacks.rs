//! Stacks of return states as graphs, shared and merged: ANTLR's prediction contexts. Equal graphs have equal numbers.

use std::collections::HashMap;

use super::net::StateId;

pub(crate) type Stacks = u32;

/// The stack of which nothing is known, or that is empty: `$` in ANTLR's papers.
pub(crate) const NONE: Stacks = 0;
/// Sorts behind all states, as the empty path does in the reference.
pub(crate) const BOTTOM: StateId = StateId::MAX;

/// All graphs in use, each once. An entry is a return state and what lies under it.
pub(crate) struct Arena {
    graphs: Vec<Box<[(StateId, Stacks)]>>,
    known: HashMap<Box<[(StateId, Stacks)]>, Stacks>,
}

impl Default for Arena {
    fn default() -> Self {
        let mut arena = Self {
            graphs: Vec::new(),
            known: HashMap::new(),
        };
        let none = arena.intern(vec![(BOTTOM, NONE)]);
        assert_eq!(none, NONE, "the first graph is the empty stack");
        arena
    }
}

impl Arena {
    fn intern(&mut self, entries: Vec<(StateId, Stacks)>) -> Stacks {
        let entries = entries.into_boxed_slice();
        if let Some(id) = self.known.get(&entries) {
            return *id;
        }
        let id = Stacks::try_from(self.graphs.len()).expect("prediction is bounded");
        self.graphs.push(entries.clone());
        self.known.insert(entries, id);
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.graphs.len()
    }

    pub(crate) fn push(&mut self, under: Stacks, state: StateId) -> Stacks {
        self.intern(vec![(state, under)])
    }

    pub(crate) fn entries(&self, id: Stacks) -> &[(StateId, Stacks)] {
        &self.graphs[usize::try_from(id).expect("an index")]
    }

    pub(crate) fn has_bottom(&self, id: Stacks) -> bool {
        self.entries(id)
            .last()
            .is_some_and(|(state, _)| *state == BOTTOM)
    }

    /// Both stacks' paths. `wildcard`: the empty stack stands for any (prediction without context).
    pub(crate) fn merge(&mut self, a: Stacks, b: Stacks, wildcard: bool) -> Stacks {
        if a == b {
            return a;
        }
        if wildcard && (a == NONE || b == NONE) {
            return NONE;
        }
        let mut all: Vec<(StateId, Stacks)> = Vec::new();
        let mut merged = [self.entries(a), self.entries(b)].concat();
        merged.sort_unstable();
        for (state, under) in merged {
            match all.last_mut() {
                Some(last) if last.0 == state => last.1 = self.merge(last.1, under, wildcard),
                _ => all.push((state, under)),
            }
        }
        self.intern(all)
    }
}
