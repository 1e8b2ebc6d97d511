//! Decides how much history is given up, by age and by size, and frees its space step by step.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::unix_seconds;
use crate::command::Command;
use crate::store::Running;
use crate::{Error, History, Revision};

/// How often given-up history is looked for, besides when it is given up here.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Changes swept at a time; between two steps others get the disk.
const SWEEP_CHANGES: usize = 512;
const SWEEP_PAUSE: Duration = Duration::from_millis(5);

/// How often the end of history is looked at: a sixtieth of its age.
pub(crate) fn interval(history: &History) -> Duration {
    (history.max_age / 60).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// Proposes a compaction when history has outgrown its bounds.
pub(crate) async fn retain(running: &Running, history: &History) -> Result<(), Error> {
    if !running.leads() {
        return Ok(());
    }
    let now = unix_seconds();
    let oldest = now.saturating_sub(history.max_age.as_secs());
    let end = running.state().history_end(oldest, history.max_bytes)?;
    if end > running.state().view()?.stand.compacted {
        running
            .propose(&Command::compact(Revision(end), now), 1)
            .await?;
    }
    Ok(())
}

/// Frees what has been given up; returns when nothing is left to free.
pub(crate) async fn sweep(running: &Arc<Running>) -> Result<(), Error> {
    loop {
        let state = running.state();
        let swept = tokio::task::spawn_blocking(move || state.sweep(SWEEP_CHANGES)).await;
        let more = swept.map_err(|e| Error::Unavailable { why: e.to_string() })??;
        if !more {
            return Ok(());
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}
