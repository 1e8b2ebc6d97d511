//! Sends the state to a member that the log no longer reaches: a checkpoint, file by file. What
//! the other side has already is not sent again.

use std::future::Future;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError};
use openraft::network::{NetSnapshot, RPCOption};
use openraft::raft::SnapshotResponse;

use super::network::{Link, unreachable};
use super::wire::{Ballot, Chunk, FileRecord, Offer, Wanted};
use crate::failpoint;
use crate::state_machine::{StateSource, checksum};
use crate::type_config::{TypeConfig, Vote};

/// Bytes of one call; the next waits for its answer, so this bounds what is under way.
const CHUNK: usize = 1 << 20;
/// How long one chunk may take.
const CHUNK_LIMIT: Duration = Duration::from_secs(10);
/// How long the other side may take to check and open what it got.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);

impl NetSnapshot<TypeConfig> for Link {
    type SnapshotData = StateSource;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, StateSource>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_state(vote, snapshot.snapshot) => sent.map_err(|e| match e {
                RPCError::Unreachable(e) => StreamingError::Unreachable(e),
                RPCError::Network(e) => StreamingError::Network(e),
                RPCError::Timeout(e) => StreamingError::Timeout(e),
                // Its error has no values.
                RPCError::RemoteError(e) => match e.source {},
            }),
        }
    }
}

impl Link {
    async fn send_state(
        &self,
        vote: Vote,
        source: StateSource,
    ) -> Result<SnapshotResponse<TypeConfig>, RPCError<TypeConfig>> {
        let name = self.connection.member.name.clone();
        failpoint!("send.copy");
        let checkpoint = blocking(move || source.checkpoint()).await?;
        failpoint!("send.copied");
        let dir = checkpoint.dir().to_path_buf();
        let files = blocking(move || list(&dir)).await?;
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        tracing::info!(member = %name, bytes, files = files.len(), "sending the state");
        let offer = Offer {
            vote: (&vote).into(),
            files,
            applied: checkpoint.applied().into(),
            membership: checkpoint.membership().to_vec(),
        };
        let wanted: Wanted = self
            .connection
            .call("/peer/v1/state/offer", &offer, INSTALL_LIMIT)
            .await
            .map_err(unreachable)?;
        failpoint!("send.offered");
        for (file, present) in offer.files.iter().zip(wanted.present) {
            self.send_file(checkpoint.dir(), file, present).await?;
        }
        let answer: Ballot = self
            .connection
            .call("/peer/v1/state/install", &offer, INSTALL_LIMIT)
            .await
            .map_err(unreachable)?;
        tracing::info!(member = %name, "the state has been sent");
        failpoint!("send.installed");
        let answer = openraft::raft::VoteResponse::<TypeConfig>::from(answer);
        Ok(SnapshotResponse::new(answer.vote))
    }

    async fn send_file(
        &self,
        dir: &Path,
        file: &FileRecord,
        mut offset: u64,
    ) -> Result<(), RPCError<TypeConfig>> {
        while offset < file.size {
            let path = dir.join(&file.name);
            let bytes = blocking(move || read(&path, offset)).await?;
            let sent = bytes.len() as u64;
            let chunk = Chunk {
                name: file.name.clone(),
                offset,
                bytes,
            };
            let _: Wanted = self
                .connection
                .call("/peer/v1/state/chunk", &chunk, CHUNK_LIMIT)
                .await
                .map_err(unreachable)?;
            offset += sent;
            failpoint!("send.chunk");
        }
        Ok(())
    }
}

fn list(dir: &Path) -> Result<Vec<FileRecord>, crate::Error> {
    let failed = |e: std::io::Error| crate::Error::io(format!("reading {}", dir.display()), e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        let (size, checksum) = checksum(&path)?;
        files.push(FileRecord {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            size,
            checksum,
        });
    }
    Ok(files)
}

fn read(path: &Path, offset: u64) -> Result<Bytes, crate::Error> {
    let failed = |e: std::io::Error| crate::Error::io(format!("reading {}", path.display()), e);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::with_capacity(CHUNK);
    file.take(CHUNK as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.is_empty() {
        return Err(crate::Error::io(
            format!("reading {}", path.display()),
            "it has become shorter",
        ));
    }
    Ok(bytes.into())
}

/// Work on files, beside the raft thread. A failure is tried again as a broken connection is.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::Error> + Send + 'static,
) -> Result<T, RPCError<TypeConfig>> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(std::io::Error::other);
    done.and_then(|done| done.map_err(std::io::Error::other))
        .inspect_err(|error| tracing::warn!(%error, "the state cannot be sent"))
        .map_err(|e| RPCError::Network(NetworkError::new(&e)))
}
