//! The types that openraft is instantiated with, and short names for them. Private to the crate.

use std::fmt;

use bytes::Bytes;

use crate::Member;

openraft::declare_raft_types!(
    /// Frames of opaque commands in, one reply for each command out.
    pub(crate) TypeConfig:
        D = Frame,
        R = Replies,
        NodeId = u64,
        Node = Member,
);

pub(crate) type CommittedLeader = openraft::alias::CommittedLeaderIdOf<TypeConfig>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type Payload = openraft::alias::EntryPayloadOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;

/// The commands that share one log entry, in order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Frame {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) commands: Vec<Bytes>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands", self.commands.len())
    }
}

/// One reply for each command of a frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replies(pub(crate) Vec<Bytes>);
