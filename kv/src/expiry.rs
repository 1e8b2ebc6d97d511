//! Deletes the keys whose time has come. Only the leader looks at its clock; what it finds goes
//! through the log with the time in it, so that all members delete the same keys at the same
//! place in history.

use std::time::Duration;

use crate::Error;
use crate::clock::unix_seconds;
use crate::command::{Command, ExpireKey};
use crate::store::Running;

/// How late a key may be deleted, when the store is idle.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Proposes everything that is due, a bounded batch at a time.
pub(crate) async fn run_once(running: &Running, batch: usize) -> Result<(), Error> {
    if !running.leads() {
        return Ok(());
    }
    loop {
        let now = unix_seconds();
        let due = running.state().view()?.expired(now, batch)?;
        let found = due.len();
        if found == 0 {
            return Ok(());
        }
        let keys = due
            .into_iter()
            .map(|(key, mod_revision)| ExpireKey { key, mod_revision });
        running
            .propose(&Command::expire(keys.collect(), now), found)
            .await?;
        if found < batch {
            return Ok(());
        }
    }
}
