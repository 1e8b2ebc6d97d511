//! What clients did and saw, with when each call began and ended: what the checker judges.

use std::sync::Mutex;
use std::time::Instant;

/// One register is one ConfigMap; each value is written at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write(u64),
    /// Writes the second where the first is found.
    Swap(u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value(u64),
    Done,
    /// The swap found another value.
    Conflict,
    /// Nobody knows; it may still happen.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) register: usize,
    pub(crate) call: Call,
    pub(crate) outcome: Outcome,
    pub(crate) began: u64,
    /// `u64::MAX` while nobody knows.
    pub(crate) ended: u64,
}

pub(crate) struct History {
    started: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            operations: Mutex::default(),
        }
    }

    /// Nanoseconds since the run began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap()
    }

    pub(crate) fn add(&self, operation: Operation) {
        self.operations.lock().unwrap().push(operation);
    }

    /// The operations of each register.
    pub(crate) fn by_register(&self, registers: usize) -> Vec<Vec<Operation>> {
        let all = self.operations.lock().unwrap();
        let of = |register| {
            all.iter()
                .filter(|o| o.register == register)
                .copied()
                .collect()
        };
        (0..registers).map(of).collect()
    }
}
