//! How many requests may run at once (apiserver pkg/server/options/server_run_options.go, feature.go).

use super::{Exit, Flags, refuse};

#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// By priority and fairness, which has one limit for all.
    pub fairness: bool,
    /// Without it: 0 is no limit.
    pub reading: usize,
    pub mutating: usize,
}

impl InFlight {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        let limit = |name: &str| {
            usize::try_from(flags.integer(name))
                .map_err(|_| refuse(format!("--{name} can not be negative value")))
        };
        let limits = InFlight {
            fairness: flags.flag("enable-priority-and-fairness"),
            reading: limit("max-requests-inflight")?,
            mutating: limit("max-mutating-requests-inflight")?,
        };
        match limits.fairness && limits.total() == 0 {
            true => Err(refuse(
                "--max-requests-inflight and --max-mutating-requests-inflight must add up to something positive with --enable-priority-and-fairness"
                    .to_owned(),
            )),
            false => Ok(limits),
        }
    }

    /// The server's total concurrency limit.
    pub fn total(&self) -> usize {
        let all = self.reading.saturating_add(self.mutating);
        all.min(i32::MAX as usize)
    }
}
