//! The state machine: the only writer of keys. It is deterministic: the same commands make the
//! same state on every member; time comes inside them. One log entry is one batch, and events
//! are published only when their batch has been written.

pub(crate) mod replay;
mod step;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use rocksdb::WriteBatch;
use triad_raft::{LogItem, Position, Stand, StateFiles, StateMachine, failpoint};

use crate::command::{Command, ExpireRecord, Reply, TxnRecord, What};
use crate::hashes::Hashes;
use crate::layout::record::{self, Sample, StandRecord};
use crate::layout::{self, MEMBERSHIP_KEY, META, STAND_KEY};
use crate::state::{Slot, State};
use crate::watch::Hub;
use crate::{Error, Revision};

use step::Step;

/// A sample of time is kept when this many seconds or bytes have passed since the last.
pub(crate) const SAMPLE_SECONDS: u64 = 5;
const SAMPLE_BYTES: u64 = 16 << 20;

pub(crate) struct Machine {
    slot: Arc<Slot>,
    state: Arc<State>,
    hub: Arc<Hub>,
    hashes: Arc<Hashes>,
    stand: StandRecord,
    membership: Option<Vec<u8>>,
    applied: bool,
}

impl Machine {
    pub(crate) fn new(slot: Arc<Slot>, hub: Arc<Hub>, hashes: Arc<Hashes>) -> Result<Self, Error> {
        let state = slot.state();
        let stand = state.view()?.stand;
        let recovered = state.current();
        Ok(Self {
            slot,
            state,
            hub,
            hashes,
            stand,
            membership: recovered.membership,
            applied: recovered.applied.is_some(),
        })
    }

    /// One that nobody watches.
    pub(crate) fn unwatched(slot: Arc<Slot>) -> Result<Self, Error> {
        let hub = Arc::new(Hub::new(0, Revision(0), Revision(0)));
        Self::new(slot, hub, Arc::default())
    }

    /// Applies an entry that was read from a log.
    pub(crate) fn take(
        &mut self,
        at: Position,
        item: LogItem<'_>,
    ) -> Result<(), triad_raft::Error> {
        match item {
            LogItem::Blank => self.skip(at, None),
            LogItem::Commands(commands) => self.apply(at, commands).map(drop),
            LogItem::Membership(record) => self.skip(at, Some(record.to_vec())),
        }
    }

    /// All that the state says about itself.
    pub(crate) fn record(&self) -> StandRecord {
        self.stand
    }

    /// What lies behind a hole in the log is not applied: the state would differ from all others.
    fn follow(&self, at: Position) -> Result<(), triad_raft::Error> {
        let stand = self.stand.applied;
        if !self.applied || at.index == stand.index + 1 {
            return Ok(());
        }
        let what = format!(
            "entry {at} does not follow {stand}, where the state stands; let this member join anew with an empty disk"
        );
        Err(triad_raft::Error::corrupt(what, "log"))
    }

    fn run(&mut self, at: Position, commands: &[Bytes]) -> Result<Vec<Bytes>, Error> {
        let mut step = Step::new(&self.state, self.stand);
        let replies: Result<Vec<Bytes>, Error> = commands
            .iter()
            .map(|command| answer(&mut step, command).map(|r| r.encode_to_vec().into()))
            .collect();
        let replies = replies?;
        let (mut batch, stand, transactions) = step.finish();
        self.stand = StandRecord {
            applied: at,
            ..stand
        };
        self.commit(&mut batch)?;
        failpoint!("apply.written");
        self.hub.publish(
            Revision(self.stand.revision),
            Revision(self.stand.compacted),
            transactions,
        );
        Ok(replies)
    }

    fn commit(&mut self, batch: &mut WriteBatch) -> Result<(), Error> {
        put_stand(&self.state, &mut self.stand, batch);
        failpoint!("apply.write", |e| Err(Error::from(e)));
        self.state.write(std::mem::take(batch))?;
        self.applied = true;
        self.state.advance(self.stand());
        self.hashes.add(self.stand.applied.index, self.stand.hash);
        Ok(())
    }

    /// Goes on from another member's state. Watches go on too: what happened in between is in
    /// its history, unless that has been given up.
    fn replace(&mut self, dir: &Path) -> Result<(), Error> {
        let state = self.slot.install(dir)?;
        let stand = state.view()?.stand;
        let recovered = state.current();
        (self.stand, self.membership) = (stand, recovered.membership);
        self.applied = recovered.applied.is_some();
        self.state = state;
        self.hashes.add(stand.applied.index, stand.hash);
        self.hub
            .jump(Revision(stand.revision), Revision(stand.compacted));
        Ok(())
    }
}

/// Ends the batch of one entry.
fn put_stand(state: &State, stand: &mut StandRecord, batch: &mut WriteBatch) {
    stand.mix(stand.applied.index);
    stand.mix(stand.compacted);
    batch.put_cf(state.family(META), STAND_KEY, stand.encode(STAND_KEY));
}

impl StateMachine for Machine {
    fn stand(&self) -> Stand {
        Stand {
            applied: self.applied.then_some(self.stand.applied),
            membership: self.membership.clone(),
        }
    }

    fn apply(&mut self, at: Position, commands: &[Bytes]) -> Result<Vec<Bytes>, triad_raft::Error> {
        self.follow(at)?;
        self.run(at, commands).map_err(triad_raft::Error::from)
    }

    fn skip(&mut self, at: Position, membership: Option<Vec<u8>>) -> Result<(), triad_raft::Error> {
        self.follow(at)?;
        let mut batch = WriteBatch::default();
        if let Some(record) = membership {
            batch.put_cf(
                self.state.family(META),
                MEMBERSHIP_KEY,
                record::encode_opaque(MEMBERSHIP_KEY, &record),
            );
            self.membership = Some(record);
        }
        self.stand.applied = at;
        self.commit(&mut batch).map_err(triad_raft::Error::from)
    }

    fn install(&mut self, dir: &Path) -> Result<(), triad_raft::Error> {
        self.replace(dir).map_err(triad_raft::Error::from)
    }

    fn files(&self) -> Arc<dyn StateFiles> {
        self.slot.clone()
    }
}

/// Carries out one command in the step that its log entry makes.
fn answer(step: &mut Step<'_>, command: &Bytes) -> Result<Reply, Error> {
    let unknown = |what: &str| Error::Corrupt {
        what: what.to_owned(),
        file: "log".into(),
    };
    let command = Command::decode(command.clone())
        .map_err(|e| unknown(&format!("a command does not decode: {e}")))?;
    let reply = match command.what {
        Some(What::Txn(txn)) => {
            transact(step, txn).ok_or_else(|| unknown("a condition of an unknown kind"))??
        }
        Some(What::Expire(expire)) => expire_keys(step, expire, command.time)?,
        Some(What::Compact(compact)) => {
            step.raise_compacted(compact.revision);
            Reply::default()
        }
        None => {
            return Err(unknown(
                "a command of a kind that this version does not know",
            ));
        }
    };
    sample(step, command.time);
    Ok(Reply {
        revision: step.stand().revision,
        compacted: step.stand().compacted,
        ..reply
    })
}

/// `None` for a condition that this version does not know.
fn transact(step: &mut Step<'_>, txn: TxnRecord) -> Option<Result<Reply, Error>> {
    let mut failed = Vec::new();
    for (index, compare) in (0..).zip(&txn.compares) {
        let head = match step.head(&compare.key) {
            Ok(head) => head,
            Err(e) => return Some(Err(e)),
        };
        if !compare.holds(head.map(|head| head.mod_revision.0))? {
            let entry = match step.get(&compare.key) {
                Ok(entry) => entry,
                Err(e) => return Some(Err(e)),
            };
            failed.push(crate::command::FailedCompare {
                index,
                entry: entry.map(Into::into),
            });
        }
    }
    if !failed.is_empty() {
        return Some(Ok(Reply {
            failed,
            ..Reply::default()
        }));
    }
    Some(step.change(txn.changes).map(|()| Reply::default()))
}

/// Deletes the keys that still are what the proposer saw, and whose time has come.
fn expire_keys(step: &mut Step<'_>, expire: ExpireRecord, now: u64) -> Result<Reply, Error> {
    let mut deletes = Vec::new();
    for due in expire.keys {
        let current = step.head(&due.key)?;
        let expired = current.is_some_and(|head| {
            head.mod_revision.0 == due.mod_revision && head.expires_at.is_some_and(|at| at <= now)
        });
        if expired {
            deletes.push(crate::command::ChangeRecord {
                key: due.key,
                delete: true,
                ..Default::default()
            });
        }
    }
    step.change(deletes).map(|()| Reply::default())
}

/// Keeps now and then which revision was reached when, for history to be given up by age.
fn sample(step: &mut Step<'_>, time: u64) {
    let stand = *step.stand();
    let due = time >= stand.sample.time + SAMPLE_SECONDS
        || stand.written >= stand.sample.written + SAMPLE_BYTES;
    if stand.revision > stand.sample.revision && due {
        let sample = Sample {
            revision: stand.revision,
            time: time.max(stand.sample.time),
            written: stand.written,
        };
        let key = layout::sample_key(sample.revision);
        step.keep_sample(
            sample,
            &key,
            record::encode_numbers(&key, [sample.revision, sample.time, sample.written]),
        );
    }
}
