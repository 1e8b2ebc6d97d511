//! Backups on a schedule. Every member waits for each turn and the one that leads then makes the backup; one that failed is made
//! at the next turn.

use super::checkpoint::{Checkpoint, locate};
use super::{archive, record};
use crate::api::Api;
use crate::clock::Clock;
use crate::options::Schedule;
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use croner::Cron;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use triad_backup::{About, Error, File, Meter, Place, Saved};

/// How the names of scheduled backups begin; others are not pruned.
const PREFIX: &str = "scheduled-";

/// The next turn after now.
pub(super) fn next(cron: &Cron) -> Option<DateTime<Utc>> {
    let now = DateTime::from_timestamp(Clock.unix_seconds(), 0)?;
    cron.find_next_occurrence(&now, false).ok()
}

/// Runs as long as the server.
pub(crate) async fn on_schedule(api: Arc<Api>) {
    let Some(plan) = api.config.backups.schedule.clone() else {
        return;
    };
    while let Some(turn) = next(&plan.cron) {
        // The clock may be set while this waits: it is looked at again and again.
        loop {
            let left = turn.timestamp() - Clock.unix_seconds();
            if left <= 0 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(left.clamp(1, 30).unsigned_abs())).await;
        }
        if api.store.health().leader {
            take(&api, &plan).await;
        }
    }
    tracing::warn!(
        schedule = plan.cron.as_str(),
        "the schedule of backups has no further turn"
    );
}

/// One turn, with what became of it kept for those who ask.
async fn take(api: &Arc<Api>, plan: &Schedule) {
    let recorded = match make(api, plan).await {
        Ok(done) => {
            tracing::info!(name = %done["name"], revision = %done["revision"], "a scheduled backup is made");
            record::succeeded(&api.store, done).await
        }
        Err(error) => {
            let why = format!("{error:#}");
            tracing::warn!(
                why,
                dest = plan.dest,
                "a scheduled backup failed; the next turn tries again"
            );
            record::failed(&api.store, Clock.now(), Clock.unix_seconds(), &why).await
        }
    };
    if let Err(error) = recorded {
        tracing::warn!(%error, "what became of a scheduled backup was not recorded");
    }
}

async fn make(api: &Arc<Api>, plan: &Schedule) -> Result<Value> {
    let started = Instant::now();
    let made = Checkpoint::make(api).await?;
    let (data, keys) = (api.config.data_dir.clone(), api.backer.keys.clone());
    let (dest, keep) = (plan.dest.clone(), plan.keep);
    let copying = tokio::task::spawn_blocking(move || -> Result<Value> {
        let place = Place::make(&dest, keys)?;
        let (about, saved) = save(&place, PREFIX, &made, &data)?;
        let made_here = |name: &str| name.starts_with(PREFIX) || name.starts_with(archive::PREFIX);
        let pruned = place.prune(keep, false, &|m| {
            m.about.cluster == about.cluster && made_here(&m.name)
        });
        let pruned =
            pruned.with_context(|| format!("backup {} is made, but pruning failed", saved.name))?;
        Ok(json!({
            "name": saved.name,
            "revision": about.revision,
            "time": triad_machinery::duration::format_time(about.time.cast_signed()),
            "unixSeconds": about.time,
            "files": saved.files,
            "newFiles": saved.fetched,
            "newBytes": saved.fetched_bytes,
            "pruned": pruned.backups.len(),
        }))
    });
    let mut done = copying.await.context("the copying ended early")??;
    done["seconds"] = started.elapsed().as_secs_f64().into();
    Ok(done)
}

/// Copies a checkpoint to a place; blocks.
pub(super) fn save(
    place: &Place,
    prefix: &str,
    made: &Checkpoint,
    data: &Path,
) -> triad_backup::Result<(About, Saved)> {
    let about = made.about.clone();
    let name = format!("{prefix}{}-r{}", about.time, about.revision);
    let mut source = |file: &File| -> triad_backup::Result<Box<dyn Read + Send>> {
        let path = locate(data, &made.id, &file.name);
        let opened = path.and_then(|path| std::fs::File::open(path).ok());
        let missing = || Error::Missing(format!("{} is gone from the checkpoint", file.name));
        Ok(Box::new(opened.ok_or_else(missing)?))
    };
    let files = made.files.clone();
    let saved = place.save(&name, about.clone(), files, &mut source, &Meter::none())?;
    Ok((about, saved))
}
