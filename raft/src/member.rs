//! Who takes part in the log: members, and how a membership is kept on disk.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::Position;
use crate::position::PositionRecord;
use crate::type_config::{Membership, StoredMembership};

/// One member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// Where the other members reach it; empty until it listens for peers.
    pub address: String,
}

/// The protobuf form: field numbers are never reused.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MembershipRecord {
    #[prost(message, repeated, tag = "1")]
    configs: Vec<ConfigRecord>,
    #[prost(message, repeated, tag = "2")]
    nodes: Vec<NodeRecord>,
    #[prost(message, optional, tag = "3")]
    at: Option<PositionRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct ConfigRecord {
    #[prost(uint64, repeated, tag = "1")]
    voters: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    address: String,
}

impl NodeRecord {
    pub(crate) fn new(id: u64, member: &Member) -> Self {
        Self {
            id,
            name: member.name.clone(),
            address: member.address.clone(),
        }
    }

    pub(crate) fn member(&self) -> Member {
        Member {
            name: self.name.clone(),
            address: self.address.clone(),
        }
    }
}

impl MembershipRecord {
    pub(crate) fn new(membership: &Membership, at: Option<Position>) -> Self {
        let configs = membership.get_joint_config().iter();
        Self {
            configs: configs
                .map(|c| ConfigRecord {
                    voters: c.iter().copied().collect(),
                })
                .collect(),
            nodes: membership
                .nodes()
                .map(|(id, member)| NodeRecord::new(*id, member))
                .collect(),
            at: at.map(PositionRecord::from),
        }
    }

    /// `None` when the record names no usable set of voters.
    pub(crate) fn membership(&self) -> Option<Membership> {
        let configs: Vec<BTreeSet<u64>> = self
            .configs
            .iter()
            .map(|c| c.voters.iter().copied().collect())
            .collect();
        let nodes: BTreeMap<u64, Member> = self
            .nodes
            .iter()
            .map(|node| (node.id, node.member()))
            .collect();
        Membership::new(configs, nodes).ok()
    }

    pub(crate) fn stored(&self) -> Option<StoredMembership> {
        let at = self.at.map(|at| Position::from(at).log_id());
        Some(StoredMembership::new(at, self.membership()?))
    }
}

/// The record of a membership whose only member is this one, as if an entry at `at` had made it:
/// what a state is given that begins a cluster anew.
#[must_use]
pub fn founding_membership(node: u64, member: &Member, at: Position) -> Vec<u8> {
    let record = MembershipRecord {
        configs: vec![ConfigRecord { voters: vec![node] }],
        nodes: vec![NodeRecord::new(node, member)],
        at: Some(at.into()),
    };
    record.encode_to_vec()
}

/// One place in a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub id: u64,
    pub member: Member,
    pub voter: bool,
}

/// Who takes part by a membership's record, by name; `None` when it does not decode.
#[must_use]
pub fn seats(record: &[u8]) -> Option<Vec<Seat>> {
    let membership = MembershipRecord::decode(record).ok()?.membership()?;
    let votes = |id: &u64| membership.voter_ids().any(|voter| voter == *id);
    let mut seats: Vec<Seat> = membership
        .nodes()
        .map(|(id, member)| Seat {
            id: *id,
            member: member.clone(),
            voter: votes(id),
        })
        .collect();
    seats.sort_by(|a, b| a.member.name.cmp(&b.member.name));
    Some(seats)
}
