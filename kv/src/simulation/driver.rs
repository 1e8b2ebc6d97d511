//! Leads openraft to the real machine, as triad-raft's driver does: what openraft calls a snapshot is that the state is flushed, and
//! another member is sent a copy that may be newer than that.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use openraft::rt::WatchSender;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use triad_raft::{Stand, StateFiles, StateMachine};

use super::disk::LogStore;
use super::observer::Observer;
use super::types::{
    LogId, Payload, Replies, Sim, StoredMembership, log_id, membership_record, position,
    stored_membership,
};
use super::watch::Sender;
use crate::apply::Machine;

pub(super) type Snapshot = openraft::alias::SnapshotOf<Sim, Source>;
type SnapshotMeta = openraft::alias::SnapshotMetaOf<Sim>;

#[derive(Clone)]
pub(super) enum Source {
    Local(Arc<dyn StateFiles>),
    Received(PathBuf),
}

pub(super) struct Driver {
    pub(super) member: u64,
    pub(super) machine: Machine,
    pub(super) log: LogStore,
    pub(super) applied: Sender<u64>,
    pub(super) observer: Arc<Observer>,
}

pub(super) fn snapshot(stand: &Stand, source: Source) -> Snapshot {
    Snapshot {
        meta: SnapshotMeta {
            last_log_id: stand.applied.map(log_id),
            last_membership: stored_membership(stand.membership.as_deref()),
        },
        snapshot: source,
    }
}

impl Driver {
    fn note(&self, index: u64) {
        let record = self.machine.record();
        self.observer
            .reached(self.member, index, record.hash, record.revision);
        // It never fails: whoever listens may be gone.
        let _ = self.applied.send(index);
    }
}

impl RaftStateMachine<Sim> for Driver {
    type SnapshotData = Source;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let stand = self.machine.stand();
        let membership = stored_membership(stand.membership.as_deref());
        Ok((stand.applied.map(log_id), membership))
    }

    async fn apply<E>(&mut self, mut entries: E) -> io::Result<()>
    where
        E: Stream<Item = io::Result<EntryResponder<Sim>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let at = position(entry.log_id);
            self.observer.applies(self.member, self.log.vote(), &entry);
            let replies = match &entry.payload {
                Payload::Normal(frame) => self.machine.apply(at, &frame.0).map(Replies),
                Payload::Blank => self.machine.skip(at, None).map(|()| Replies::default()),
                Payload::Membership(membership) => self
                    .machine
                    .skip(at, Some(membership_record(membership, at)))
                    .map(|()| Replies::default()),
            };
            let replies = replies.map_err(io::Error::other)?;
            self.note(at.index);
            if let Some(responder) = responder {
                responder.send(replies);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(self.machine.files())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, source: Source) -> io::Result<()> {
        let Source::Received(dir) = source else {
            return Err(io::Error::other("the local state is not installed anew"));
        };
        self.machine.install(&dir).map_err(io::Error::other)?;
        self.observer.installed();
        self.note(meta.last_log_id.map_or(0, |id| id.index));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let files = self.machine.files();
        let flushed = files.flushed();
        Ok(flushed
            .applied
            .is_some()
            .then(|| snapshot(&flushed, Source::Local(files))))
    }
}

pub(super) struct Builder(Arc<dyn StateFiles>);

impl RaftSnapshotBuilder<Sim> for Builder {
    type SnapshotData = Source;

    /// In one go: time that does not pass cannot be waited for.
    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let flushed = self.0.flush().map_err(io::Error::other)?;
        Ok(snapshot(&flushed, Source::Local(self.0.clone())))
    }
}
