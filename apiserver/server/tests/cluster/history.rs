//! What clients did and saw, with when each call began and ended: what the checker judges.

use std::sync::Mutex;
use std::time::Instant;

use triad_fault::linear::Operation;

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
