//! Backups, the server's side: a checkpoint is made, listed with checksums, read piece by piece, and given up. Whoever may use
//! these paths may read everything, the secrets of the PKI too: RBAC grants them to nobody but admins.

use super::hex;
use crate::api::Api;
use crate::query::Query;
use crate::reply::{self, Reply};
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Checkpoints lie here until they are given up; those of an earlier run are removed at the start.
const PLACE: &str = "backups";
/// Checkpoints at a time: each keeps the space of the tables that it links.
const AT_ONCE: usize = 4;
/// Bytes of one answer.
const PIECE: usize = 4 << 20;

/// Removes what an earlier run left behind.
pub(crate) fn clear(data: &Path) {
    match fs::remove_dir_all(data.join(PLACE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "backups of an earlier run were not removed");
        }
        _ => {}
    }
}

/// Makes a checkpoint; what it is of and its files.
pub(super) async fn begin(api: &Api) -> Result<Value> {
    let place = api.config.data_dir.join(PLACE);
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let under_way = fs::read_dir(&place).map(Iterator::count).unwrap_or(0);
    if under_way >= AT_ONCE {
        return Err(anyhow!(
            "{under_way} backups are under way already: try again later"
        ));
    }
    let id = hex(&rand::random::<[u8; 8]>());
    let dir = place.join(&id);
    let copied = api.store.checkpoint(&dir).await?;
    let pki = api.config.data_dir.join("pki");
    let listing = tokio::task::spawn_blocking(move || list(&dir, &pki));
    let files = listing.await.context("the backup's listing failed")??;
    tracing::info!(revision = copied.revision.0, id, "a backup begins");
    Ok(json!({
        "id": id,
        "cluster": format!("{:016x}", copied.cluster),
        "revision": copied.revision.0,
        "node": api.config.node_name,
        "files": files,
    }))
}

fn list(dir: &Path, pki: &Path) -> Result<Vec<Value>> {
    let mut files = Vec::new();
    for (prefix, from) in [("state/", dir), ("pki/", pki)] {
        let read = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
        for entry in read {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let (size, sum) = digest(&path)?;
            files.push(json!({"name": format!("{prefix}{name}"), "size": size, "sha256": sum}));
        }
    }
    Ok(files)
}

fn digest(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((size, hex(&hash.finalize())));
        }
        size += read as u64;
        hash.update(&buffer[..read]);
    }
}

/// A piece of one file, from `?offset=`.
pub(super) async fn piece(api: &Api, id: &str, name: &str, query: &Query) -> Reply {
    let data = &api.config.data_dir;
    let Some(path) = locate(data, id, name) else {
        return reply::page_not_found();
    };
    let offset = query.get("offset").and_then(|text| text.parse().ok());
    let read = tokio::task::spawn_blocking(move || read(&path, offset.unwrap_or(0))).await;
    match read {
        Ok(Ok(bytes)) => reply::bytes(200, "application/octet-stream", bytes),
        Ok(Err(error)) => reply::text(404, format!("{error:#}\n")),
        Err(error) => reply::text(500, format!("{error}\n")),
    }
}

/// Where a file of a backup lies; names come from outside and reach nothing else.
fn locate(data: &Path, id: &str, name: &str) -> Option<PathBuf> {
    let plain = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    let (room, file) = name.split_once('/')?;
    if !plain(id) || !plain(file) {
        return None;
    }
    let dir = data.join(PLACE).join(id);
    match room {
        "state" => Some(dir.join(file)),
        "pki" if dir.is_dir() => Some(data.join("pki").join(file)),
        _ => None,
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

/// Gives a checkpoint up; whether it was there.
pub(super) fn end(api: &Api, id: &str) -> bool {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    plain && fs::remove_dir_all(api.config.data_dir.join(PLACE).join(id)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_nothing_but_files_of_a_backup() {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join(PLACE).join("00ff");
        fs::create_dir_all(&dir).unwrap();
        assert!(locate(data.path(), "00ff", "state/000012.sst").is_some());
        assert!(locate(data.path(), "00ff", "pki/ca.crt").is_some());
        for (id, name) in [
            ("00ff", "state/../../pki/ca.key"),
            ("00ff", "state/.."),
            ("..", "state/x"),
            ("00ff", "store/identity"),
            ("00ff", "ca.key"),
            ("none", "pki/ca.key"),
            ("00ff", "pki/a/b"),
        ] {
            assert!(locate(data.path(), id, name).is_none(), "{id} {name}");
        }
    }
}
