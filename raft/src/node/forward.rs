//! Brings what only the leader does to whoever leads: here when it is this member, else over the
//! way between members. While nobody leads it waits for the next leader, within bounds.

use std::collections::HashMap;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::lead::{Lead, Outcome, WRITE_LIMIT};
use crate::peers::{Change, Class, Connection, Dialer, Failed, Proposed};
use crate::type_config::Frame;
use crate::{Error, Member, StateMachine};

/// How long a caller waits for somebody to lead.
const LEADER_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at who leads.
const PAUSE: Duration = Duration::from_millis(10);
/// How long the leader may take to answer a membership change.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Forward<S: StateMachine> {
    lead: Lead<S>,
    dialer: Dialer,
    applied: watch::Receiver<u64>,
    connections: Mutex<HashMap<(u64, Class), Connection>>,
}

impl<S: StateMachine> Forward<S> {
    pub(super) fn new(lead: Lead<S>, dialer: Dialer, applied: watch::Receiver<u64>) -> Self {
        Self {
            lead,
            dialer,
            applied,
            connections: Mutex::default(),
        }
    }

    /// Writes one entry; the machine here has applied it when this returns.
    pub(super) async fn write(&self, frame: Frame) -> Result<Vec<bytes::Bytes>, Error> {
        let deadline = Instant::now() + LEADER_LIMIT;
        loop {
            let outcome = match self.leader() {
                Some((id, _)) if id == self.lead.me => self.lead.write(frame.clone()).await,
                Some(leader) => {
                    let path = "/peer/v1/propose";
                    match self
                        .ask(leader, Class::Forward, path, &frame, WRITE_LIMIT)
                        .await
                    {
                        Ok(outcome) => outcome,
                        Err(Failed::Unsent(_) | Failed::Refused(_)) => {
                            self.again(deadline).await?;
                            continue;
                        }
                        Err(Failed::Unknown(why)) => return Err(Error::Unavailable(why)),
                    }
                }
                None => {
                    self.again(deadline).await?;
                    continue;
                }
            };
            match outcome {
                Ok((index, replies)) => {
                    self.reach(index, Instant::now() + WRITE_LIMIT).await?;
                    return Ok(replies);
                }
                Err(refused) if refused.not_leader => self.again(deadline).await?,
                Err(refused) => return Err(Error::Unavailable(refused.why)),
            }
        }
    }

    /// When it returns, the machine here has applied all that was acknowledged before the call.
    pub(super) async fn read_barrier(&self) -> Result<(), Error> {
        let deadline = Instant::now() + LEADER_LIMIT;
        loop {
            let outcome = match self.leader() {
                Some((id, _)) if id == self.lead.me => {
                    timeout_at(deadline, self.lead.read_index()).await.ok()
                }
                Some(leader) => {
                    let (path, nothing) = ("/peer/v1/barrier", Proposed::default());
                    let left = deadline.saturating_duration_since(Instant::now());
                    let asked = self.ask(leader, Class::Urgent, path, &nothing, left).await;
                    // Asking twice changes nothing, so any failure is tried again.
                    asked
                        .inspect_err(|why| tracing::debug!(%why, "the leader did not confirm"))
                        .ok()
                }
                None => None,
            };
            match outcome {
                Some(Ok((index, _))) => return self.reach(index, deadline).await,
                Some(Err(refused)) if !refused.not_leader => {
                    return Err(Error::Unavailable(refused.why));
                }
                _ => self.again(deadline).await?,
            }
        }
    }

    /// Has the leader change who takes part.
    pub(super) async fn change(&self, change: Change) -> Result<(), Error> {
        let deadline = Instant::now() + CHANGE_LIMIT;
        loop {
            let outcome = match self.leader() {
                Some((id, _)) if id == self.lead.me => Ok(self.lead.change(change.clone()).await),
                Some(leader) => {
                    let path = "/peer/v1/change";
                    self.ask(leader, Class::Forward, path, &change, CHANGE_LIMIT)
                        .await
                }
                None => Err(Failed::Unsent("nobody leads".into())),
            };
            match outcome {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(refused)) if !refused.not_leader => {
                    return Err(Error::Unavailable(refused.why));
                }
                Err(Failed::Unknown(why)) => return Err(Error::Unavailable(why)),
                _ => self.again(deadline).await?,
            }
        }
    }

    /// A question to one member, answered outside of the log.
    pub(super) async fn question(
        &self,
        id: u64,
        member: &Member,
        question: bytes::Bytes,
        limit: Duration,
    ) -> Result<bytes::Bytes, Error> {
        let connection = self.connection((id, member.clone()), Class::Forward);
        connection
            .ask(question, limit)
            .await
            .map_err(|failed| Error::Unavailable(failed.to_string()))
    }

    fn leader(&self) -> Option<(u64, Member)> {
        let metrics = self.lead.raft.server_metrics();
        let now = metrics.borrow_watched();
        let id = now.current_leader?;
        let member = now.membership_config.membership().get_node(&id)?;
        Some((id, member.clone()))
    }

    async fn ask(
        &self,
        leader: (u64, Member),
        class: Class,
        path: &str,
        question: &impl Message,
        limit: Duration,
    ) -> Result<Outcome, Failed> {
        let answer: Proposed = self
            .connection(leader, class)
            .call(path, question, limit)
            .await?;
        Ok(match answer.refused {
            Some(refused) => Err(refused),
            None => Ok((answer.index, answer.replies)),
        })
    }

    fn connection(&self, (id, member): (u64, Member), class: Class) -> Connection {
        let mut connections = self.connections.lock();
        let kept = connections
            .entry((id, class))
            .or_insert_with(|| self.dialer.connection(id, &member, class));
        if kept.member != member {
            *kept = self.dialer.connection(id, &member, class);
        }
        kept.clone()
    }

    /// Waits until the machine here has applied an index.
    async fn reach(&self, index: u64, deadline: Instant) -> Result<(), Error> {
        let mut applied = self.applied.clone();
        let reached = timeout_at(deadline, applied.wait_for(|at| *at >= index)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Unavailable(
                "this member lags behind the leader".into(),
            )),
        }
    }

    /// Waits a moment before the next attempt, unless there is no time left for one.
    async fn again(&self, deadline: Instant) -> Result<(), Error> {
        if Instant::now() + PAUSE >= deadline {
            return Err(match self.leader() {
                Some((id, member)) if id != self.lead.me => Error::NotLeader {
                    leader: Some(member.name),
                },
                _ => Error::Unavailable("no majority of the members is within reach".into()),
            });
        }
        sleep(PAUSE).await;
        Ok(())
    }
}
