//! Confirms that local reads are current, once for all readers that wait (ReadIndex).

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::forward::Forward;
use crate::{Error, StateMachine};

/// Readers waiting for a round. When it is full, `read_barrier` waits.
pub(super) const QUEUE_READERS: usize = 4096;

pub(super) type Waiter = oneshot::Sender<Result<(), Error>>;

/// Runs until the node's handles are gone. A reader is served by a round that began after it
/// asked, never by one under way.
pub(super) async fn run<S: StateMachine>(
    forward: Arc<Forward<S>>,
    mut queue: mpsc::Receiver<Waiter>,
) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE_READERS).await > 0 {
        let outcome = forward.read_barrier().await;
        for reader in waiting.drain(..) {
            // A reader that went away needs no answer.
            let _ = reader.send(outcome.clone());
        }
    }
}
