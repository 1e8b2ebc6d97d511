//! A client of one member: it writes, swaps and reads registers through whoever leads, and notes what it was told and when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::ReadPolicy;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::rt::WatchReceiver;
use prost::Message;
use triad_fault::Dice;
use triad_fault::linear::{Call, Operation, Outcome};

use super::clock::{Instant, sleep, timeout};
use super::member::Alive;
use super::network::SimRaft;
use super::types::Frame;
use super::world::World;
use crate::command::{Command, Reply};
use crate::{Change, Compare, Condition, Entry, Revision, Txn, TxnOutcome};

pub(super) const REGISTERS: usize = 3;
/// How long a client waits for somebody to lead.
const LEADER_LIMIT: Duration = Duration::from_secs(3);
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(10);
/// How long a client waits after a call that nobody knows the end of: each doubles what has to be judged.
const DOUBT: Duration = Duration::from_millis(700);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    Unsent,
    Unknown,
}

/// Refused before anything was done, or of unknown end.
enum Refused {
    Again,
    Unknown,
}

pub(super) fn key(register: usize) -> Bytes {
    Bytes::from(format!("/r/{register}"))
}

fn number(entry: Option<&Entry>) -> u64 {
    entry.map_or(0, |e| {
        std::str::from_utf8(&e.value).unwrap().parse().unwrap()
    })
}

pub(super) fn put(key: Bytes, value: u64, ttl_seconds: Option<u32>) -> Change {
    Change::Put {
        key,
        value: value.to_string().into(),
        ttl_seconds,
    }
}

/// Carries a command through the log from one member; its reply, once that member has applied it in the life that is returned.
pub(super) async fn propose(
    world: &World,
    own: u64,
    command: &Command,
) -> Result<(Reply, Arc<Alive>), Lost> {
    let deadline = Instant::now() + LEADER_LIMIT;
    let frame = Frame(vec![command.pack()]);
    loop {
        let Some(alive) = world.member(own).alive() else {
            return Err(Lost::Unsent);
        };
        let written = match alive.leader() {
            Some(leader) if leader == own => write(alive.raft.clone(), frame.clone()).await,
            Some(leader) => {
                let ask = |raft| write(raft, frame.clone());
                let answered = world.net.call((own, leader), ANSWER_LIMIT, ask).await;
                answered.unwrap_or(Err(Refused::Unknown))
            }
            None => Err(Refused::Again),
        };
        match written {
            Ok((index, reply)) => {
                let mut applied = alive.applied.clone();
                let reached = timeout(ANSWER_LIMIT, applied.wait_until(|at| *at >= index)).await;
                return match reached {
                    Ok(Ok(_)) => Ok((Reply::decode(reply).unwrap(), alive)),
                    _ => Err(Lost::Unknown),
                };
            }
            Err(Refused::Unknown) => return Err(Lost::Unknown),
            Err(Refused::Again) if Instant::now() >= deadline => return Err(Lost::Unsent),
            Err(Refused::Again) => sleep(PAUSE).await,
        }
    }
}

async fn write(raft: SimRaft, frame: Frame) -> Result<(u64, Bytes), Refused> {
    match timeout(ANSWER_LIMIT, raft.client_write(frame)).await {
        Ok(Ok(done)) => Ok((done.log_id.index, done.data.0.into_iter().next().unwrap())),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Err(Refused::Again),
        _ => Err(Refused::Unknown),
    }
}

/// A read barrier: after it the member has applied all that was acknowledged before, in the life that is returned. In another,
/// which may begin at once, it has not.
pub(super) async fn barrier(world: &World, own: u64) -> Result<Arc<Alive>, Lost> {
    let deadline = Instant::now() + LEADER_LIMIT;
    while Instant::now() < deadline {
        let Some(alive) = world.member(own).alive() else {
            return Err(Lost::Unsent);
        };
        let confirmed = match alive.leader() {
            Some(leader) if leader == own => confirm(alive.raft.clone()).await,
            Some(leader) => {
                let asked = world.net.call((own, leader), ANSWER_LIMIT, confirm).await;
                asked.flatten()
            }
            None => None,
        };
        if let Some(index) = confirmed {
            let mut applied = alive.applied.clone();
            let reached = timeout(ANSWER_LIMIT, applied.wait_until(|at| *at >= index)).await;
            return match reached {
                Ok(Ok(_)) => Ok(alive),
                _ => Err(Lost::Unknown),
            };
        }
        sleep(PAUSE).await;
    }
    Err(Lost::Unsent)
}

async fn confirm(raft: SimRaft) -> Option<u64> {
    match timeout(ANSWER_LIMIT, raft.get_read_log_id(ReadPolicy::ReadIndex)).await {
        Ok(Ok((read, _))) => Some(read.index()),
        Ok(Err(RaftError::APIError(
            LinearizableReadError::ForwardToLeader(_) | LinearizableReadError::QuorumNotEnough(_),
        )))
        | Ok(Err(_))
        | Err(_) => None,
    }
}

pub(super) struct Client {
    pub(super) world: Arc<World>,
    pub(super) own: u64,
    pub(super) dice: Dice,
}

impl Client {
    pub(super) async fn run(mut self) {
        let mut seen: Vec<Option<Entry>> = vec![None; REGISTERS];
        while !self.world.is_over() {
            let pick = self.dice.below(REGISTERS as u64);
            let register = usize::try_from(pick).unwrap();
            let new = self.world.next_value();
            let call = match (self.dice.below(3), seen[register].take()) {
                (0, _) => (Call::Write(new), None),
                (1, Some(entry)) => (
                    Call::Swap(number(Some(&entry)), new),
                    Some(entry.mod_revision),
                ),
                _ => (Call::Read, None),
            };
            seen[register] = self.carry_out(register, call).await;
            sleep(Duration::from_millis(self.dice.below(60))).await;
        }
    }

    /// Makes the call and notes it; what it found or left.
    async fn carry_out(
        &mut self,
        register: usize,
        (call, at): (Call, Option<Revision>),
    ) -> Option<Entry> {
        let began = self.world.now();
        let outcome = match call {
            Call::Read => self.read(register).await,
            Call::Write(new) | Call::Swap(_, new) => self.write(register, new, at).await,
        };
        let (outcome, found) = match outcome {
            Ok(known) => known,
            Err(Lost::Unsent) => return None,
            Err(Lost::Unknown) => (Outcome::Unknown, None),
        };
        let unknown = outcome == Outcome::Unknown;
        self.world.note(Operation {
            register,
            call,
            outcome,
            began,
            ended: if unknown { u64::MAX } else { self.world.now() },
        });
        if unknown {
            sleep(DOUBT).await;
        }
        found
    }

    async fn read(&self, register: usize) -> Result<(Outcome, Option<Entry>), Lost> {
        let alive = barrier(&self.world, self.own).await?;
        let entry = alive.slot.state().latest(&key(register)).unwrap();
        Ok((Outcome::Value(number(entry.as_ref())), entry))
    }

    async fn write(
        &mut self,
        register: usize,
        new: u64,
        at: Option<Revision>,
    ) -> Result<(Outcome, Option<Entry>), Lost> {
        let key = key(register);
        let compares = at.map(|revision| Compare {
            key: key.clone(),
            condition: Condition::ModRevision(revision),
        });
        let mut changes = vec![put(key.clone(), new, None)];
        if self.dice.one_in(4) {
            // Several keys at once, one of which lives for a while only.
            let ttl = 1 + u32::try_from(self.dice.below(3)).unwrap();
            changes.push(put(format!("/t/{}", new % 7).into(), new, Some(ttl)));
        }
        let txn = Txn {
            compares: compares.into_iter().collect(),
            changes,
        };
        let command = Command::txn(txn, self.world.clock(self.own));
        let (reply, alive) = propose(&self.world, self.own, &command).await?;
        match TxnOutcome::from(reply) {
            TxnOutcome::Conflict { .. } => Ok((Outcome::Conflict, None)),
            TxnOutcome::Committed { revision } => {
                self.world.acknowledged(revision, register, new);
                self.reads_its_write(&alive, &key, revision);
                Ok((Outcome::Done, None))
            }
        }
    }

    /// The member that was written through knows of it.
    fn reads_its_write(&self, alive: &Alive, key: &Bytes, revision: Revision) {
        let entry = alive.slot.state().latest(key).unwrap();
        if entry.is_none_or(|e| e.mod_revision < revision) {
            let told = format!("{} was told {revision}, and does not have it", self.own);
            self.world.observer.fail(told);
        }
    }
}
