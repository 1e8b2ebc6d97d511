//! When a learner may vote: once it holds what the log held when it was asked for. openraft calls one caught up that is within
//! 5,000 entries, which is all that a young cluster has: a newcomer would vote, and be counted on, before it holds anything.

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;

use super::lead::Lead;
use crate::type_config::TypeConfig;
use crate::{Member, StateMachine};

type Added =
    Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

impl<S: StateMachine> Lead<S> {
    /// Returns when the learner has caught up, or this member no longer leads: what comes next then says so.
    pub(super) async fn catch_up(&self, id: u64, member: Member) -> Added {
        let mut metrics = self.raft.metrics();
        let last = metrics.borrow_watched().last_log_index;
        let added = self.raft.add_learner(id, member, true).await?;
        loop {
            let reached = {
                let now = metrics.borrow_and_update();
                let learner = now.replication.as_ref().and_then(|all| all.get(&id));
                learner.is_none_or(|at| at.map(|at| at.index) >= last)
            };
            // An error is that raft has stopped.
            if reached || metrics.changed().await.is_err() {
                return Ok(added);
            }
        }
    }
}
