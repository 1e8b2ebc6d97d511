//! Leads openraft to a [`StateMachine`]: entries become calls, a flushed state becomes what
//! openraft calls a snapshot (which is what lets it purge the log), and a state from another
//! member is installed.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use prost::Message;
use tokio::sync::watch;

use super::source::StateSource;
use super::{Stand, StateFiles, StateMachine};
use crate::log_store::LogStore;
use crate::member::MembershipRecord;
use crate::type_config::{LogId, Payload, Replies, StoredMembership, TypeConfig};
use crate::{Error, Position, failpoint};

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, StateSource>;
type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;

pub(crate) struct Driver<S> {
    machine: S,
    log: LogStore,
    /// The index of the last entry that the machine has taken in.
    applied: watch::Sender<u64>,
}

impl<S: StateMachine> Driver<S> {
    pub(crate) fn new(machine: S, log: LogStore) -> Self {
        let applied = machine.stand().applied.map_or(0, |at| at.index);
        Self {
            machine,
            log,
            applied: watch::Sender::new(applied),
        }
    }

    /// Follows how far the machine has come.
    pub(crate) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    fn source(&self) -> StateSource {
        StateSource::Local {
            files: self.machine.files(),
            dir: self.log.data_dir(),
        }
    }

    fn take(&mut self, at: Position, payload: &Payload) -> Result<Replies, Error> {
        match payload {
            Payload::Normal(frame) => self.machine.apply(at, &frame.commands).map(Replies),
            Payload::Blank => self.machine.skip(at, None).map(|()| Replies::default()),
            Payload::Membership(m) => {
                let record = MembershipRecord::new(m, Some(at)).encode_to_vec();
                failpoint!("membership.apply");
                self.machine
                    .skip(at, Some(record))
                    .map(|()| Replies::default())
            }
        }
    }
}

impl<S: StateMachine> RaftStateMachine<TypeConfig> for Driver<S> {
    type SnapshotData = StateSource;
    type SnapshotBuilder = FlushBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let stand = self.machine.stand();
        let membership = membership(&stand).map_err(io::Error::other)?;
        Ok((stand.applied.map(Position::log_id), membership))
    }

    async fn apply<E>(&mut self, mut entries: E) -> io::Result<()>
    where
        E: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut end = 0;
        while let Some((entry, responder)) = entries.try_next().await? {
            let at = Position::of(entry.log_id);
            failpoint!("apply.entry");
            let replies = self
                .take(at, &entry.payload)
                .inspect_err(|e| self.log.fence(e.clone()));
            let replies = replies.map_err(io::Error::other)?;
            failpoint!("apply.reply");
            if let Some(responder) = responder {
                responder.send(replies);
            }
            end = at.index + 1;
        }
        if end > 0 {
            self.log.applied_below(end);
            self.applied.send_replace(end - 1);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> FlushBuilder {
        FlushBuilder {
            source: self.source(),
            files: self.machine.files(),
            log: self.log.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: StateSource,
    ) -> io::Result<()> {
        let StateSource::Received(dir) = snapshot else {
            return Err(io::Error::other("the local state is not installed anew"));
        };
        failpoint!("install.begin");
        let installed = self
            .machine
            .install(&dir)
            .inspect_err(|e| self.log.fence(e.clone()));
        installed.map_err(io::Error::other)?;
        let index = meta.last_log_id.map_or(0, |id| id.index);
        self.log.applied_below(index + 1);
        self.applied.send_replace(index);
        failpoint!("install.end");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let flushed = self.machine.files().flushed();
        if flushed.applied.is_none() {
            return Ok(None);
        }
        snapshot(&flushed, self.source())
            .map(Some)
            .map_err(io::Error::other)
    }
}

/// Makes what openraft calls a snapshot: it flushes, and copies nothing.
pub(crate) struct FlushBuilder {
    source: StateSource,
    files: Arc<dyn StateFiles>,
    log: LogStore,
}

impl RaftSnapshotBuilder<TypeConfig> for FlushBuilder {
    type SnapshotData = StateSource;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let files = self.files.clone();
        let flushed = tokio::task::spawn_blocking(move || flush(&*files))
            .await
            .map_err(io::Error::other)?;
        let flushed = flushed
            .inspect_err(|e| self.log.fence(e.clone()))
            .map_err(io::Error::other)?;
        snapshot(&flushed, self.source.clone()).map_err(io::Error::other)
    }
}

fn flush(files: &dyn StateFiles) -> Result<Stand, Error> {
    failpoint!("flush.begin", Err);
    let flushed = files.flush()?;
    failpoint!("flush.end");
    Ok(flushed)
}

fn snapshot(flushed: &Stand, source: StateSource) -> Result<Snapshot, Error> {
    Ok(Snapshot {
        meta: SnapshotMeta {
            last_log_id: flushed.applied.map(Position::log_id),
            last_membership: membership(flushed)?,
        },
        snapshot: source,
    })
}

/// The membership that a state carries; an empty one before there is any.
pub(crate) fn membership(stand: &Stand) -> Result<StoredMembership, Error> {
    match &stand.membership {
        None => Ok(StoredMembership::default()),
        Some(record) => MembershipRecord::decode(record.as_slice())
            .ok()
            .and_then(|record| record.stored())
            .ok_or_else(|| Error::corrupt("the membership record does not decode", "state")),
    }
}
