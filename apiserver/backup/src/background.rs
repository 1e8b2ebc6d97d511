//! A long copy stands back behind whoever serves requests on the same machine: it gets processor time last, and writes to the disk
//! in small portions, so that nobody's sync waits behind a heap of its pages.

use std::fs::File;
use std::io;

use crate::{Error, Result};

/// As far as a thread can step back and still move.
const NICE: i32 = 15;
/// Bytes that are written before they are brought to the disk.
const PORTION_BYTES: usize = 8 << 20;

/// Does something on a thread that steps back; waits for it.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let failed = |e| Error::io("copying in the background", e);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("triad-backup".into());
        let working = thread.spawn_scoped(scope, || {
            // Linux takes this for the calling thread alone. Where it is refused the copy is made all the same.
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::debug!(%error, "a copy keeps its priority");
            }
            work()
        });
        let ended = working.map_err(failed)?.join();
        ended.unwrap_or_else(|_| Err(failed(io::Error::other("its thread panicked"))))
    })
}

/// Counts what is written to a file, and brings it to the disk portion by portion.
#[derive(Default)]
pub(crate) struct Portions {
    since: usize,
}

impl Portions {
    pub(crate) fn wrote(&mut self, bytes: usize, file: &File) -> io::Result<()> {
        self.since += bytes;
        if self.since >= PORTION_BYTES {
            self.since = 0;
            file.sync_data()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn the_work_steps_back_and_its_caller_does_not() {
        let before = priority();
        let during = run(|| Ok(priority())).unwrap();
        assert_eq!(during, (before + NICE).min(19));
        assert_eq!(priority(), before);
    }

    #[test]
    fn what_fails_or_panics_is_told() {
        let failed: Result<()> = run(|| Err(Error::Refused("no".into())));
        assert!(matches!(failed, Err(Error::Refused(_))));
        let panicked: Result<()> = run(|| panic!("on purpose"));
        assert!(panicked.is_err());
    }
}
