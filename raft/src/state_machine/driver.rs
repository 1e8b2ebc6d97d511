//! Leads openraft to a [`StateMachine`]: entries become calls, a flushed state becomes what
//! openraft calls a snapshot (which is what lets it purge the log).

use std::io;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use prost::Message;

use super::{Flusher, Stand, StateMachine};
use crate::log_store::LogStore;
use crate::member::MembershipRecord;
use crate::type_config::{LogId, Payload, Replies, StoredMembership, TypeConfig};
use crate::{Error, Position};

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, FlushedState>;
type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;

/// Stands for the flushed state of the local database; nothing of it is in memory.
#[derive(Clone, Debug)]
pub(crate) struct FlushedState;

pub(crate) struct Driver<S> {
    machine: S,
    log: LogStore,
}

impl<S: StateMachine> Driver<S> {
    pub(crate) fn new(machine: S, log: LogStore) -> Self {
        Self { machine, log }
    }

    fn take(&mut self, at: Position, payload: &Payload) -> Result<Replies, Error> {
        match payload {
            Payload::Normal(frame) => self.machine.apply(at, &frame.commands).map(Replies),
            Payload::Blank => self.machine.skip(at, None).map(|()| Replies::default()),
            Payload::Membership(m) => {
                let record = MembershipRecord::new(m, Some(at)).encode_to_vec();
                self.machine
                    .skip(at, Some(record))
                    .map(|()| Replies::default())
            }
        }
    }
}

impl<S: StateMachine> RaftStateMachine<TypeConfig> for Driver<S> {
    type SnapshotData = FlushedState;
    type SnapshotBuilder = FlushBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        decode(&self.machine.stand()).map_err(io::Error::other)
    }

    async fn apply<E>(&mut self, mut entries: E) -> io::Result<()>
    where
        E: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut end = 0;
        while let Some((entry, responder)) = entries.try_next().await? {
            let at = Position::of(entry.log_id);
            let replies = self
                .take(at, &entry.payload)
                .inspect_err(|e| self.log.fence(e.clone()));
            let replies = replies.map_err(io::Error::other)?;
            if let Some(responder) = responder {
                responder.send(replies);
            }
            end = at.index + 1;
        }
        self.log.applied_below(end);
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> FlushBuilder {
        FlushBuilder {
            flusher: self.machine.flusher(),
            log: self.log.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        _snapshot: FlushedState,
    ) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a one-voter log installs no state from others",
        ))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let flushed = self.machine.flusher().flushed();
        if flushed.applied.is_none() {
            return Ok(None);
        }
        snapshot(&flushed).map(Some).map_err(io::Error::other)
    }
}

pub(crate) struct FlushBuilder {
    flusher: Arc<dyn Flusher>,
    log: LogStore,
}

impl RaftSnapshotBuilder<TypeConfig> for FlushBuilder {
    type SnapshotData = FlushedState;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let flusher = self.flusher.clone();
        let flushed = tokio::task::spawn_blocking(move || flusher.flush())
            .await
            .map_err(io::Error::other)?;
        let flushed = flushed
            .inspect_err(|e| self.log.fence(e.clone()))
            .map_err(io::Error::other)?;
        snapshot(&flushed).map_err(io::Error::other)
    }
}

fn snapshot(flushed: &Stand) -> Result<Snapshot, Error> {
    let (last_log_id, last_membership) = decode(flushed)?;
    Ok(Snapshot {
        meta: SnapshotMeta {
            last_log_id,
            last_membership,
        },
        snapshot: FlushedState,
    })
}

fn decode(stand: &Stand) -> Result<(Option<LogId>, StoredMembership), Error> {
    let membership = match &stand.membership {
        None => StoredMembership::default(),
        Some(record) => MembershipRecord::decode(record.as_slice())
            .ok()
            .and_then(|r| r.stored())
            .ok_or_else(|| Error::corrupt("the membership record does not decode", "state"))?,
    };
    Ok((stand.applied.map(Position::log_id), membership))
}
