//! Packs waiting commands into log entries: one entry carries every command that waited when
//! the one before it was sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::forward::Forward;
use super::{Counters, NodeOptions};
use crate::type_config::Frame;
use crate::{Error, StateMachine};

/// Commands waiting to be packed. When it is full, `propose` waits.
pub(super) const QUEUE_COMMANDS: usize = 4096;
/// Entries sent and not yet answered. More would only make smaller entries: what waits behind
/// a sync shares the next one anyway.
const ENTRIES_IN_FLIGHT: usize = 2;

pub(super) struct Proposal {
    pub(super) command: Bytes,
    pub(super) weight: usize,
    pub(super) reply: oneshot::Sender<Result<Bytes, Error>>,
}

/// Runs until the node's handles are gone.
pub(super) async fn run<S: StateMachine>(
    forward: Arc<Forward<S>>,
    mut queue: mpsc::Receiver<Proposal>,
    options: NodeOptions,
    counters: Arc<Counters>,
) {
    let in_flight = Arc::new(Semaphore::new(ENTRIES_IN_FLIGHT));
    let mut held = None;
    loop {
        // The semaphore is never closed.
        let Ok(permit) = in_flight.clone().acquire_owned().await else {
            return;
        };
        let first = match held.take() {
            Some(proposal) => proposal,
            None => match queue.recv().await {
                Some(proposal) => proposal,
                None => return,
            },
        };
        let (frame, replies) = pack(first, &mut queue, &mut held, &options);
        counters
            .queued
            .fetch_sub(replies.len() as u64, Ordering::Relaxed);
        counters.frames.fetch_add(1, Ordering::Relaxed);
        let forward = forward.clone();
        tokio::spawn(async move {
            send(&forward, frame, replies).await;
            drop(permit);
        });
    }
}

type Reply = oneshot::Sender<Result<Bytes, Error>>;

/// Takes what waits, up to the bounds of one entry; what does not fit is held for the next.
fn pack(
    first: Proposal,
    queue: &mut mpsc::Receiver<Proposal>,
    held: &mut Option<Proposal>,
    options: &NodeOptions,
) -> (Frame, Vec<Reply>) {
    let (mut weight, mut bytes) = (first.weight, first.command.len());
    let mut frame = Frame {
        commands: vec![first.command],
    };
    let mut replies = vec![first.reply];
    while let Ok(next) = queue.try_recv() {
        weight += next.weight;
        bytes += next.command.len();
        if weight > options.frame_weight || bytes > options.frame_bytes {
            *held = Some(next);
            break;
        }
        frame.commands.push(next.command);
        replies.push(next.reply);
    }
    (frame, replies)
}

async fn send<S: StateMachine>(forward: &Forward<S>, frame: Frame, replies: Vec<Reply>) {
    match forward.write(frame).await {
        Ok(answers) => {
            for (reply, answer) in replies.into_iter().zip(answers) {
                // A caller that went away needs no answer.
                let _ = reply.send(Ok(answer));
            }
        }
        Err(error) => {
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
