//! Whether log and state fit together: as a start judges it, and stricter where a start has to be lenient.

use std::path::Path;

use triad_raft::LogReading;

use super::Examined;
use super::findings::Findings;

pub(super) fn check(dir: &Path, examined: &Examined, log: &LogReading, found: &mut Findings) {
    let Some(applied) = examined.applied else {
        return;
    };
    let reached = log.last.map_or(0, |at| at.index);
    if let Some(purged) = log.purged
        && applied.index < purged.index
    {
        let what = format!(
            "it holds all up to entry {}, but the log begins behind {}",
            applied.index, purged.index
        );
        found.add(dir.join("state"), what);
    }
    if applied.index > reached {
        // One of several applies what a majority holds, which it may not have written itself yet.
        found.note(format!(
            "the state holds all up to entry {}, the log ends at {reached}: the other members have what is between",
            applied.index
        ));
    } else if reached > applied.index {
        found.note(format!(
            "{} entries of the log are not in the state yet: the next start applies those that are committed",
            reached - applied.index
        ));
    }
    if applied.term > log.term {
        let what = format!(
            "the newest term voted in is {}, but the state has entries of term {}",
            log.term, applied.term
        );
        found.add(dir.join("log"), what);
    }
}
