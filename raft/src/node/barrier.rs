//! Confirms that this member still leads, once for all readers that wait (ReadIndex).

use openraft::errors::{LinearizableReadError, RaftError};
use openraft::{Raft, ReadPolicy};
use tokio::sync::{mpsc, oneshot};

use crate::state_machine::Driver;
use crate::type_config::TypeConfig;
use crate::{Error, StateMachine};

/// Readers waiting for a round. When it is full, `read_barrier` waits.
pub(super) const QUEUE_READERS: usize = 4096;

pub(super) type Waiter = oneshot::Sender<Result<(), Error>>;

/// Runs until the node's handles are gone. A reader is served by a round that began after it
/// asked, never by one under way.
pub(super) async fn run<S: StateMachine>(
    raft: Raft<TypeConfig, Driver<S>>,
    mut queue: mpsc::Receiver<Waiter>,
) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE_READERS).await > 0 {
        let outcome = raft.ensure_linearizable(ReadPolicy::ReadIndex).await;
        let outcome = outcome.map(|_| ()).map_err(read_error);
        for reader in waiting.drain(..) {
            // A reader that went away needs no answer.
            let _ = reader.send(outcome.clone());
        }
    }
}

fn read_error(error: RaftError<TypeConfig, LinearizableReadError<TypeConfig>>) -> Error {
    match error {
        RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => Error::NotLeader {
            leader: to.leader_node.map(|member| member.name),
        },
        other => Error::Unavailable(other.to_string()),
    }
}
