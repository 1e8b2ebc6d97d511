//! What only the leader does: it writes entries, confirms that it leads, changes the membership.
//! Local callers and calls of other members come together here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::{ChangeMembers, Instant, Raft, ReadPolicy};
use tokio::time::timeout;

use super::Counters;
use super::life::QUORUM_LIMIT;
use crate::peers::{Change, Proposed, Refused};
use crate::state_machine::Driver;
use crate::type_config::{Frame, StoredMembership, TypeConfig};
use crate::{Member, StateMachine, failpoint};

/// How long an entry may wait for its quorum before its outcome is called unknown.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a new member may take to catch up before its call is answered; it asks again.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(20);

/// A handle on the leader's part; clones share it.
pub(crate) struct Lead<S: StateMachine> {
    pub(super) raft: Raft<TypeConfig, Driver<S>>,
    pub(super) counters: Arc<Counters>,
    pub(super) me: u64,
    pub(super) member: Member,
    /// Held while the membership changes: changes never overlap.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
    pub(super) gate: Arc<super::gate::Gate>,
}

impl<S: StateMachine> Clone for Lead<S> {
    fn clone(&self) -> Self {
        Self {
            raft: self.raft.clone(),
            counters: self.counters.clone(),
            me: self.me,
            member: self.member.clone(),
            changing: self.changing.clone(),
            gate: self.gate.clone(),
        }
    }
}

/// Where an entry lies, and what the machine answered.
pub(crate) type Outcome = Result<(u64, Vec<Bytes>), Refused>;

impl From<Outcome> for Proposed {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok((index, replies)) => Self {
                index,
                replies,
                refused: None,
            },
            Err(refused) => Self {
                refused: Some(refused),
                ..Self::default()
            },
        }
    }
}

impl<S: StateMachine> Lead<S> {
    pub(super) fn membership(&self) -> Arc<StoredMembership> {
        self.raft
            .server_metrics()
            .borrow_watched()
            .membership_config
            .clone()
    }

    /// Whether this member leads, a majority behind it, and knows that another is no longer part of the cluster.
    pub(crate) fn has_removed(&self, member: u64) -> bool {
        self.hears_majority() && self.misses(member)
    }

    /// Whether a majority has acknowledged this leader lately. One that was cut off may have missed how another came in.
    pub(super) fn hears_majority(&self) -> bool {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let alone = now.membership_config.membership().voter_ids().eq([self.me]);
        let heard = now.last_quorum_acked;
        alone || heard.is_some_and(|at| at.elapsed() < QUORUM_LIMIT)
    }

    fn misses(&self, member: u64) -> bool {
        let metrics = self.raft.server_metrics();
        let now = metrics.borrow_watched();
        let knows = |stored: &StoredMembership| stored.membership().get_node(&member).is_some();
        now.current_leader == Some(self.me)
            && !knows(&now.membership_config)
            && !knows(&now.committed_membership_config)
    }
}

impl<S: StateMachine> Lead<S> {
    /// Writes one entry; answered when it is committed and applied here.
    pub(crate) async fn write(&self, frame: Frame) -> Outcome {
        match timeout(WRITE_LIMIT, self.raft.client_write(frame)).await {
            Ok(Ok(done)) => Ok((done.log_id.index, done.data.0)),
            Ok(Err(e)) => Err(write_refused(e)),
            Err(_) => Err(unknown("no quorum took the entry in time")),
        }
    }

    /// Confirms that this member leads; the index that a reader has to have applied.
    pub(crate) async fn read_index(&self) -> Outcome {
        let confirmed = self.raft.get_read_log_id(ReadPolicy::ReadIndex);
        match timeout(WRITE_LIMIT, confirmed).await {
            Ok(Ok((read, _))) => Ok((read.index(), Vec::new())),
            // Neither says anything about the read: it is asked again until its time is over.
            Ok(Err(RaftError::APIError(
                LinearizableReadError::ForwardToLeader(_)
                | LinearizableReadError::QuorumNotEnough(_),
            ))) => Err(not_leader()),
            Ok(Err(e)) => Err(unknown(&e.to_string())),
            Err(_) => Err(unknown("no quorum confirmed the leader in time")),
        }
    }

    /// Changes who takes part. Asking for what is the case already changes nothing.
    pub(crate) async fn change(&self, change: Change) -> Outcome {
        if !self.raft.is_leader() {
            return Err(not_leader());
        }
        let _alone = self.changing.lock().await;
        // From here on others may hold part of the quorum, so a local read needs their word.
        self.counters.several.store(true, Ordering::Release);
        self.counters.alone.store(false, Ordering::Release);
        if let Some(record) = change.add {
            return self.add(record.id, record.member()).await;
        }
        if !change.remove.is_empty() {
            return self.remove(&change.remove).await;
        }
        self.transfer(&change.transfer).await
    }

    async fn add(&self, id: u64, member: Member) -> Outcome {
        self.gate
            .open()
            .await
            .map_err(|e| unknown(&e.to_string()))?;
        let own = self.membership().membership().get_node(&self.me).cloned();
        if own.is_some_and(|own| own.address != self.member.address) {
            // The founder had no need of an address until now.
            self.set_nodes(self.me, &self.member).await?;
        }
        let stored = self.membership();
        let known = stored.membership().get_node(&id).cloned();
        if known.as_ref().is_some_and(|known| *known != member) {
            self.set_nodes(id, &member).await?;
        }
        if let Some(replaced) = named(&stored, &member.name).filter(|other| *other != id) {
            tracing::info!(member = %member.name, "the member comes back with a new disk");
            self.expel(replaced).await?;
        }
        let stored = self.membership();
        if stored.membership().voter_ids().any(|voter| voter == id) {
            return Ok((0, Vec::new()));
        }
        if stored.membership().get_node(&id).is_none() {
            tracing::info!(member = %member.name, address = %member.address, "a learner joins");
            let added = self.raft.add_learner(id, member.clone(), false).await;
            added.map_err(write_refused)?;
            failpoint!("join.learner");
        }
        let caught_up = self.catch_up(id, member.clone());
        match timeout(CATCH_UP_LIMIT, caught_up).await {
            Ok(done) => done.map_err(write_refused)?,
            Err(_) => return Err(unknown("the new member is still catching up")),
        };
        failpoint!("join.caught-up");
        let voters = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        let done = self.membership_change(voters, true).await?;
        failpoint!("join.voter");
        let voters = self.membership().membership().voter_ids().count();
        tracing::info!(member = %member.name, voters, "the learner has caught up and votes now");
        if voters == 2 {
            tracing::warn!("two voters bear the loss of none: add a third, or remove one");
        }
        Ok(done)
    }

    async fn remove(&self, name: &str) -> Outcome {
        let stored = self.membership();
        let Some(id) = named(&stored, name) else {
            return Err(no_member(&stored, name));
        };
        if id != self.me {
            return self.expel(id).await;
        }
        // The next leader is asked to do it.
        let heir = self
            .heir()
            .ok_or_else(|| unknown("the last member stays"))?;
        self.hand_over(heir).await;
        Err(not_leader())
    }

    async fn expel(&self, id: u64) -> Outcome {
        let stored = self.membership();
        if stored.membership().voter_ids().any(|voter| voter == id) {
            let change = ChangeMembers::RemoveVoters(BTreeSet::from([id]));
            return self.membership_change(change, false).await;
        }
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
        self.membership_change(change, false).await
    }

    async fn transfer(&self, name: &str) -> Outcome {
        let stored = self.membership();
        match named(&stored, name) {
            Some(id) if id == self.me => Ok((0, Vec::new())),
            Some(id) if stored.membership().voter_ids().any(|voter| voter == id) => {
                self.hand_over(id).await;
                Ok((0, Vec::new()))
            }
            Some(_) => Err(unknown(&format!("{name} does not vote yet"))),
            None => Err(no_member(&stored, name)),
        }
    }

    async fn set_nodes(&self, id: u64, member: &Member) -> Outcome {
        let nodes = BTreeMap::from([(id, member.clone())]);
        self.membership_change(ChangeMembers::SetNodes(nodes), true)
            .await
    }

    async fn membership_change(&self, change: ChangeMembers<u64, Member>, retain: bool) -> Outcome {
        let changed = self.raft.change_membership(change, retain).await;
        let done = changed.map_err(write_refused)?;
        Ok((done.log_id.index, Vec::new()))
    }

    /// The other voter that has come furthest.
    pub(super) fn heir(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let reached = |id: &u64| {
            now.replication
                .as_ref()
                .and_then(|r| r.get(id).copied().flatten())
        };
        let voters = now.membership_config.membership().voter_ids();
        voters
            .filter(|id| *id != self.me)
            .max_by_key(|id| reached(id))
    }

    /// Gives the leadership to another voter; returns when it is gone, or was not taken.
    pub(super) async fn hand_over(&self, heir: u64) {
        // Fails only when raft has stopped, and then nobody leads here.
        let _ = self.raft.trigger().transfer_leader(heir).await;
        let mut server = self.raft.server_metrics();
        let gone = async { while self.raft.is_leader() && server.changed().await.is_ok() {} };
        if timeout(Duration::from_secs(1), gone).await.is_err() {
            tracing::warn!("the leadership was not taken over in time");
        }
    }
}

fn named(stored: &StoredMembership, name: &str) -> Option<u64> {
    let mut nodes = stored.membership().nodes();
    nodes.find(|(_, m)| m.name == name).map(|(id, _)| *id)
}

fn no_member(stored: &StoredMembership, name: &str) -> Refused {
    let names: Vec<&str> = stored
        .membership()
        .nodes()
        .map(|(_, m)| m.name.as_str())
        .collect();
    unknown(&format!(
        "there is no member {name:?}, only {}",
        names.join(", ")
    ))
}

fn not_leader() -> Refused {
    Refused {
        not_leader: true,
        why: "it does not lead".into(),
    }
}

fn unknown(why: &str) -> Refused {
    Refused {
        not_leader: false,
        why: why.into(),
    }
}

fn write_refused(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Refused {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => not_leader(),
        other => unknown(&other.to_string()),
    }
}
