//! What openraft is instantiated with here: as in triad-raft, but on a runtime whose tasks die with their member and whose
//! randomness comes from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use openraft::impls::BasicNode;
use triad_raft::Position;

use super::life::Mortal;

openraft::declare_raft_types!(
    pub(super) Sim:
        D = Frame,
        R = Replies,
        AsyncRuntime = Mortal,
);

pub(super) type CommittedLeader = openraft::alias::CommittedLeaderIdOf<Sim>;
pub(super) type LogId = openraft::alias::LogIdOf<Sim>;
pub(super) type Entry = openraft::alias::EntryOf<Sim>;
pub(super) type Payload = openraft::alias::EntryPayloadOf<Sim>;
pub(super) type Vote = openraft::alias::VoteOf<Sim>;
pub(super) type Membership = openraft::Membership<u64, BasicNode>;
pub(super) type StoredMembership = openraft::alias::StoredMembershipOf<Sim>;

/// The commands of one log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame(pub(super) Vec<Bytes>);

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands", self.0.len())
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Replies(pub(super) Vec<Bytes>);

pub(super) fn position(id: LogId) -> Position {
    Position {
        term: id.leader_id.term,
        node: id.leader_id.node_id,
        index: id.index,
    }
}

pub(super) fn log_id(at: Position) -> LogId {
    LogId {
        leader_id: CommittedLeader {
            term: at.term,
            node_id: at.node,
        },
        index: at.index,
    }
}

/// The record of a membership that the state keeps: where it was set, the sets of voters, everybody.
pub(super) fn membership_record(membership: &Membership, at: Position) -> Vec<u8> {
    let list = |ids: &mut dyn Iterator<Item = u64>| {
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        ids.join(",")
    };
    let configs = membership.get_joint_config().iter();
    let configs: Vec<String> = configs.map(|c| list(&mut c.iter().copied())).collect();
    let nodes = list(&mut membership.nodes().map(|(id, _)| *id));
    let at = list(&mut [at.term, at.node, at.index].into_iter());
    format!("{at}|{}|{nodes}", configs.join(";")).into_bytes()
}

pub(super) fn stored_membership(record: Option<&[u8]>) -> StoredMembership {
    let Some(record) = record else {
        return StoredMembership::default();
    };
    let text = std::str::from_utf8(record).unwrap();
    let parts: Vec<&str> = text.split('|').collect();
    let ids = |text: &str| -> Vec<u64> { text.split(',').map(|id| id.parse().unwrap()).collect() };
    let at = ids(parts[0]);
    let at = Position {
        term: at[0],
        node: at[1],
        index: at[2],
    };
    let configs: Vec<BTreeSet<u64>> = parts[1]
        .split(';')
        .map(|c| ids(c).into_iter().collect())
        .collect();
    let nodes: BTreeMap<u64, BasicNode> = ids(parts[2])
        .into_iter()
        .map(|id| (id, BasicNode::default()))
        .collect();
    let membership = Membership::new(configs, nodes).unwrap();
    StoredMembership::new(Some(log_id(at)), membership)
}
