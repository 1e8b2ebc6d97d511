//! What openraft sends to other members, on the connections of `connection`.

use std::time::Duration;

use openraft::RaftNetworkFactory;
use openraft::errors::{NetworkError, RPCError, Unreachable};
use openraft::network::{Backoff, NetBackoff, NetTransferLeader, NetVote, RPCOption};
use openraft::raft::{TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse};

use super::connection::{Class, Connection, Dialer, Failed};
use super::wire::{Ballot, Transfer, Transferred};
use crate::Member;
use crate::type_config::TypeConfig;

/// How long a member that cannot be reached is left alone.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Makes the ways to other members.
pub(crate) struct Network {
    pub(crate) dialer: Dialer,
}

/// A way to one member, for one kind of traffic.
pub(crate) struct Link {
    pub(super) connection: Connection,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, member: &Member) -> Link {
        self.link(target, member, Class::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, member: &Member) -> Link {
        self.link(target, member, Class::Urgent)
    }

    async fn new_snapshot_client(&mut self, target: u64, member: &Member) -> Link {
        self.link(target, member, Class::Bulk)
    }
}

impl Network {
    fn link(&self, target: u64, member: &Member, class: Class) -> Link {
        Link {
            connection: self.dialer.connection(target, member, class),
        }
    }
}

impl Link {
    async fn ballot(
        &self,
        path: &str,
        request: VoteRequest<TypeConfig>,
        option: &RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let ballot = Ballot::from(request);
        let answer: Ballot = self
            .connection
            .call(path, &ballot, option.hard_ttl())
            .await
            .map_err(unreachable)?;
        Ok(answer.into())
    }
}

impl NetVote<TypeConfig> for Link {
    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ballot("/peer/v1/vote", request, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ballot("/peer/v1/pre-vote", request, &option).await
    }
}

impl NetTransferLeader<TypeConfig> for Link {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let answer: Transferred = self
            .connection
            .call(
                "/peer/v1/transfer",
                &Transfer::from(request),
                option.hard_ttl(),
            )
            .await
            .map_err(unreachable)?;
        Ok(answer.into())
    }
}

impl NetBackoff<TypeConfig> for Link {
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY_INTERVAL)))
    }
}

/// A member that does not answer is left alone for a moment.
pub(super) fn unreachable(failed: Failed) -> RPCError<TypeConfig> {
    let why = std::io::Error::other(failed.to_string());
    match failed {
        Failed::Unsent(_) | Failed::Refused(_) => RPCError::Unreachable(Unreachable::new(&why)),
        Failed::Unknown(_) => RPCError::Network(NetworkError::new(&why)),
    }
}
