//! Backups, the server's side: those that triadctl asks for, piece by piece, those that the leader makes on a schedule, and the
//! archive of the log.
//! Whoever may use these paths may read everything, the secrets of the PKI too: RBAC grants them to nobody but admins.

mod archive;
mod checkpoint;
mod record;
mod schedule;

pub(crate) use archive::{archive, held_log_bytes};
pub(crate) use checkpoint::clear;
pub(crate) use record::render;
pub(crate) use schedule::on_schedule;

use crate::api::Api;
use crate::options::Backups;
use crate::query::Query;
use crate::reply::{self, Reply};
use anyhow::{Context, Result};
use checkpoint::{Checkpoint, Digests};
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use triad_backup::Keys;
use triad_kv::Error;

/// Bytes of one answer.
const PIECE: usize = 4 << 20;

/// What backups need between one and the next.
pub(crate) struct Backer {
    keys: Keys,
    digests: Arc<Digests>,
}

impl Backer {
    pub(crate) fn new(options: &Backups) -> Result<Self> {
        let file = options.passphrase_file.as_deref();
        let keys = Keys::load(&options.recipients, &[], file);
        Ok(Self {
            keys: keys.context("--backup-recipient and --backup-passphrase-file")?,
            digests: Arc::default(),
        })
    }
}

/// Makes a checkpoint for a client, which gives it up when it has all of it.
pub(super) async fn begin(api: &Api) -> Result<Value> {
    let mut made = Checkpoint::make(api).await?;
    made.keep();
    tracing::info!(
        revision = made.about.revision,
        id = made.id,
        "a backup begins"
    );
    Ok(json!({"id": made.id, "about": made.about, "files": made.files}))
}

/// A piece of one file, from `?offset=`.
pub(super) async fn piece(api: &Api, id: &str, name: &str, query: &Query) -> Reply {
    let Some(path) = checkpoint::locate(&api.config.data_dir, id, name) else {
        return reply::page_not_found();
    };
    let offset = match query.get("offset").map_or(Ok(0), str::parse) {
        Ok(offset) => offset,
        Err(_) => return reply::text(400, "offset is no number\n".to_owned()),
    };
    let read = tokio::task::spawn_blocking(move || read(&path, offset)).await;
    match read {
        Ok(Ok(bytes)) => reply::bytes(200, "application/octet-stream", bytes),
        Ok(Err(error)) => reply::text(404, format!("{error:#}\n")),
        Err(error) => reply::text(500, format!("{error}\n")),
    }
}

fn read(path: &Path, offset: u64) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut bytes = vec![0; PIECE];
    let mut filled = 0;
    while filled < PIECE {
        let read = file.read_at(&mut bytes[filled..], offset + filled as u64)?;
        if read == 0 {
            break;
        }
        filled += read;
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Gives a client's checkpoint up; whether it was there.
pub(super) fn end(api: &Api, id: &str) -> bool {
    checkpoint::remove(&api.config.data_dir, id)
}

/// What is planned, and what became of it.
pub(super) fn status(api: &Api) -> Result<Value, Error> {
    let Some(plan) = &api.config.backups.schedule else {
        return Ok(Value::Null);
    };
    let record = record::read(&api.store)?;
    Ok(json!({
        "schedule": plan.cron.as_str(),
        "dest": plan.dest,
        "keep": plan.keep,
        "next": schedule::next(&plan.cron).map(|at| at.to_rfc3339()),
        "lastSuccess": record["success"],
        "lastFailure": record["failure"],
    }))
}
