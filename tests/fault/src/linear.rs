//! Whether a register's history is linearizable: is there an order of its operations that agrees with their times and in
//! which each makes sense? A depth-first search over what may come next, which remembers where it has been (Wing and Gong,
//! with Lowe's memory).

use std::collections::HashSet;

/// What is asked of a register; each value is written at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write(u64),
    /// Writes the second where the first is found.
    Swap(u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Value(u64),
    Done,
    /// The swap found another value.
    Conflict,
    /// Nobody knows; it may still happen.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub register: usize,
    pub call: Call,
    pub outcome: Outcome,
    pub began: u64,
    /// `u64::MAX` while nobody knows.
    pub ended: u64,
}

/// Checks one register that held `initial` in the beginning.
///
/// # Errors
/// The operations near the first that no order explains.
pub fn check(operations: &[Operation], initial: u64) -> Result<(), String> {
    let mut operations = operations.to_vec();
    // Reads that nobody got tell nothing.
    operations.retain(|o| !(o.call == Call::Read && o.outcome == Outcome::Unknown));
    operations.sort_by_key(|o| o.began);
    let mut search = Search {
        done: Done(vec![0; operations.len().div_ceil(64)]),
        operations: &operations,
        first_open: 0,
        seen: HashSet::new(),
        deepest: 0,
    };
    if search.run(initial) {
        return Ok(());
    }
    let at = search.deepest.min(operations.len() - 1);
    let near = &operations[at.saturating_sub(6)..operations.len().min(at + 6)];
    Err(format!("no order explains the operations near {near:#?}"))
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn has(&self, n: usize) -> bool {
        self.0[n / 64] >> (n % 64) & 1 == 1
    }

    fn flip(&mut self, n: usize) {
        self.0[n / 64] ^= 1 << (n % 64);
    }
}

struct Search<'a> {
    operations: &'a [Operation],
    done: Done,
    /// Everything before it is done.
    first_open: usize,
    seen: HashSet<(Done, u64)>,
    deepest: usize,
}

/// The value that an operation found.
fn wants(operation: &Operation) -> Option<u64> {
    match (operation.call, operation.outcome) {
        (Call::Read, Outcome::Value(value)) | (Call::Swap(value, _), Outcome::Done) => Some(value),
        _ => None,
    }
}

/// The value that an operation may have left, when nobody knows whether it did.
fn writes(operation: &Operation) -> Option<u64> {
    match operation.call {
        Call::Write(value) | Call::Swap(_, value) if operation.outcome == Outcome::Unknown => {
            Some(value)
        }
        _ => None,
    }
}

impl Search<'_> {
    /// Iterative: histories are long, the stack is not.
    fn run(&mut self, initial: u64) -> bool {
        // Each level: the value before it, and the candidates that are still to be tried.
        let mut levels = vec![(initial, self.candidates(), None)];
        while let Some((value, candidates, taken)) = levels.last_mut() {
            if let Some(n) = taken.take() {
                self.undo(n);
            }
            if self.finished() {
                return true;
            }
            let Some(n) = candidates.pop() else {
                levels.pop();
                continue;
            };
            let value = *value;
            let Some(next) = step(&self.operations[n], value) else {
                continue;
            };
            self.take(n);
            if self.finished() {
                return true;
            }
            if self.seen.insert((self.done.clone(), next)) {
                *taken = Some(n);
                let candidates = self.candidates();
                levels.push((next, candidates, None));
            } else {
                self.undo(n);
            }
        }
        false
    }

    /// What may come next: whatever began before the first end of what is open.
    fn candidates(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut bound = u64::MAX;
        for n in self.first_open..self.operations.len() {
            let operation = &self.operations[n];
            if operation.began > bound {
                break;
            }
            if !self.done.has(n) {
                bound = bound.min(operation.ended);
                found.push(n);
            }
        }
        found.retain(|n| self.operations[*n].began <= bound);
        let wanted: Vec<u64> = found
            .iter()
            .filter_map(|n| wants(&self.operations[*n]))
            .collect();
        // Those that ended first are tried first; what may never have happened last, unless somebody saw that it did.
        found.sort_by_key(|n| {
            let operation = &self.operations[*n];
            let seen = writes(operation).is_some_and(|value| wanted.contains(&value));
            let ended = if seen { 0 } else { operation.ended };
            std::cmp::Reverse(ended)
        });
        found
    }

    /// All is explained once everything whose end is known is done.
    fn finished(&self) -> bool {
        (self.first_open..self.operations.len())
            .all(|n| self.done.has(n) || self.operations[n].outcome == Outcome::Unknown)
    }

    fn take(&mut self, n: usize) {
        self.done.flip(n);
        while self.first_open < self.operations.len() && self.done.has(self.first_open) {
            self.first_open += 1;
        }
        self.deepest = self.deepest.max(self.first_open);
    }

    fn undo(&mut self, n: usize) {
        self.done.flip(n);
        self.first_open = self.first_open.min(n);
    }
}

/// The value after an operation, if its outcome makes sense at this value.
fn step(operation: &Operation, value: u64) -> Option<u64> {
    match (operation.call, operation.outcome) {
        (Call::Read, Outcome::Value(read)) => (read == value).then_some(value),
        (Call::Write(new), Outcome::Done | Outcome::Unknown) => Some(new),
        (Call::Swap(old, new), Outcome::Done | Outcome::Unknown) => (old == value).then_some(new),
        (Call::Swap(old, _), Outcome::Conflict) => (old != value).then_some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(call: Call, outcome: Outcome, began: u64, ended: u64) -> Operation {
        Operation {
            register: 0,
            call,
            outcome,
            began,
            ended,
        }
    }

    #[test]
    fn a_stale_read_is_found() {
        let write = op(Call::Write(1), Outcome::Done, 0, 10);
        let fresh = op(Call::Read, Outcome::Value(1), 20, 30);
        let stale = op(Call::Read, Outcome::Value(0), 20, 30);
        assert!(check(&[write, fresh], 0).is_ok());
        assert!(check(&[write, stale], 0).is_err());
        // While the write is under way either is right.
        let during = op(Call::Read, Outcome::Value(0), 5, 8);
        assert!(check(&[write, during], 0).is_ok());
    }

    #[test]
    fn a_lost_write_is_found_and_an_unknown_one_may_be_lost() {
        let lost = op(Call::Write(1), Outcome::Done, 0, 10);
        let unknown = op(Call::Write(1), Outcome::Unknown, 0, u64::MAX);
        let second = op(Call::Swap(0, 2), Outcome::Done, 20, 30);
        assert!(check(&[lost, second], 0).is_err());
        assert!(check(&[unknown, second], 0).is_ok());
        // It may also happen late, but then it has happened.
        let late = op(Call::Read, Outcome::Value(1), 40, 50);
        let early = op(Call::Read, Outcome::Value(2), 60, 70);
        assert!(check(&[unknown, second, late], 0).is_ok());
        assert!(check(&[unknown, second, late, early], 0).is_err());
    }

    #[test]
    fn two_that_swap_the_same_value_cannot_both_win() {
        let one = op(Call::Swap(0, 1), Outcome::Done, 0, 10);
        let other = op(Call::Swap(0, 2), Outcome::Done, 0, 10);
        let refused = op(Call::Swap(0, 2), Outcome::Conflict, 0, 10);
        assert!(check(&[one, other], 0).is_err());
        assert!(check(&[one, refused], 0).is_ok());
        assert!(check(&[refused], 0).is_err());
    }
}
