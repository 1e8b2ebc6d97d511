//! Makes a cluster of one out of a member's directory when the majority is gone for good (`triadctl recover`).
//!
//! Everything in the member's log is kept, also what it cannot know to be committed: an entry may have been acknowledged by the
//! leader and this member alone, and what was acknowledged must not be lost. (etcd keeps only what it knew to be committed,
//! etcdserver/bootstrap.go, and can lose such a write.) The revision jumps, since the lost members may have given out revisions
//! that this one never saw, and no revision may ever name two contents.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use triad_raft::{Identity, Position, Seat, StateMachine, read_log, sealed};

use crate::apply::Machine;
use crate::examine::{Examined, examine_held, scratch};
use crate::founding::{self, JUMP};
use crate::layout::record::StandRecord;
use crate::lock::DirLock;
use crate::state::{Slot, State};
use crate::{Error, Limits};

/// There from the first change until the last: no store opens a directory that holds it.
pub(crate) const UNFINISHED: &str = "recovering";

/// What a recovery has decided, so that one that was interrupted goes on with the same.
#[derive(Clone, PartialEq, Eq, Message)]
struct Plan {
    #[prost(message, required, tag = "1")]
    identity: Identity,
    /// Where the revision jumps to; 0 until everything in the log is applied.
    #[prost(uint64, tag = "2")]
    revision: u64,
}

/// What a member's directory holds, as far as a recovery is concerned.
#[derive(Clone, Debug)]
pub struct Survey {
    pub identity: Identity,
    /// The member's name.
    pub name: String,
    /// All up to here is in the state, so it was committed.
    pub applied: Position,
    /// The end of the log.
    pub last: Position,
    pub revision: u64,
    /// Who takes part so far.
    pub seats: Vec<Seat>,
    /// An earlier recovery was interrupted.
    pub begun: bool,
}

/// What a recovery made.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub before: Survey,
    pub identity: Identity,
    pub revision: u64,
}

/// Looks, and changes nothing.
///
/// # Errors
/// `Locked` while a server has the directory; `Corrupt` when it is damaged; `Io`.
pub fn survey(dir: &Path) -> Result<Survey, Error> {
    let _lock = DirLock::hold(dir)?;
    look(dir)
}

/// Makes the directory's member the only one of a new cluster. After a crash it is run again.
///
/// # Errors
/// As `survey`.
pub fn recover(dir: &Path) -> Result<Recovery, Error> {
    recover_by(dir, |_| Ok(()))
}

/// The same; after each of its steps it asks whether it may go on.
fn recover_by(
    dir: &Path,
    mut done: impl FnMut(&'static str) -> Result<(), Error>,
) -> Result<Recovery, Error> {
    // Without this a mistyped name would get a lock, and look like a store.
    if Identity::read(dir)?.is_none() {
        return Err(no_member(dir));
    }
    let _lock = DirLock::take(dir, "triadctl recover")?;
    let before = look(dir)?;
    let path = dir.join(UNFINISHED);
    let mut plan = plan(&path)?.unwrap_or_else(|| Plan {
        identity: before.identity.anew(),
        revision: 0,
    });
    let keep = |plan: &Plan| sealed::write(&path, &plan.encode_to_vec());
    keep(&plan)?;
    done("planned")?;
    let stand = apply_all(dir)?;
    done("applied")?;
    if plan.revision == 0 {
        plan.revision = stand.revision + JUMP;
        keep(&plan)?;
    }
    begin_anew(dir, &plan, &before.name)?;
    done("begun anew")?;
    founding::begin_log(dir, plan.identity.node, stand.applied)?;
    done("log emptied")?;
    plan.identity.replace(dir)?;
    done("identity replaced")?;
    fs::remove_file(&path).map_err(|e| refused(dir, &e))?;
    sealed::sync_dir(dir)?;
    Ok(Recovery {
        before,
        identity: plan.identity,
        revision: plan.revision,
    })
}

/// Refuses a directory whose recovery was begun and not ended.
pub(crate) fn check_finished(dir: &Path) -> Result<(), Error> {
    if dir.join(UNFINISHED).exists() {
        return Err(Error::Io {
            what: format!("opening {}", dir.display()),
            why: "a recovery was begun there and not ended: run `triadctl recover` again".into(),
        });
    }
    Ok(())
}

fn look(dir: &Path) -> Result<Survey, Error> {
    let examined = examine_held(dir, &mut |_| None)?;
    if let Some(finding) = examined.findings.first() {
        return Err(Error::Corrupt {
            what: format!("{finding}; `triadctl verify` says all that is wrong"),
            file: dir.to_path_buf(),
        });
    }
    let begun = dir.join(UNFINISHED).exists();
    let Examined {
        identity: Some(identity),
        applied: Some(applied),
        log: Some(log),
        ..
    } = examined
    else {
        return Err(no_member(dir));
    };
    let own = examined.seats.iter().find(|seat| seat.id == identity.node);
    let own = own.ok_or_else(|| no_member(dir))?;
    Ok(Survey {
        name: own.member.name.clone(),
        identity,
        applied,
        last: log.last.map_or(applied, |last| last.max(applied)),
        revision: examined.contents.revision,
        seats: examined.seats,
        begun,
    })
}

fn no_member(dir: &Path) -> Error {
    Error::Io {
        what: format!("recovering {}", dir.display()),
        why: "it does not hold a member that was taken into a cluster".into(),
    }
}

fn refused(dir: &Path, why: &std::io::Error) -> Error {
    Error::Io {
        what: format!("recovering {}", dir.display()),
        why: why.to_string(),
    }
}

fn plan(path: &Path) -> Result<Option<Plan>, Error> {
    let Some(bytes) = sealed::read(path)? else {
        return Ok(None);
    };
    Plan::decode(bytes.as_slice())
        .map(Some)
        .map_err(|e| Error::Corrupt {
            what: e.to_string(),
            file: path.to_path_buf(),
        })
}

/// Applies all that the log holds and the state has not; the state after it is in files.
fn apply_all(dir: &Path) -> Result<StandRecord, Error> {
    let slot = Arc::new(Slot::open(dir, &Limits::default())?);
    let mut machine = Machine::unwatched(slot.clone())?;
    let applied = machine.stand().applied.map_or(0, |at| at.index + 1);
    let scratch = scratch()?;
    let mut outcome = Ok(());
    read_log(dir, scratch.path(), |at, item| {
        if at.index >= applied && outcome.is_ok() {
            outcome = machine.take(at, item);
        }
    })?;
    outcome?;
    slot.state().flush()?;
    Ok(machine.record())
}

/// Raises the revision, gives up all history before it, and makes the member the only one.
fn begin_anew(dir: &Path, plan: &Plan, name: &str) -> Result<(), Error> {
    let place = dir.join(crate::state::current(dir)?);
    let state = State::open(place, &Limits::default())?;
    let mut stand = state.view()?.stand;
    if stand.revision >= plan.revision {
        // An earlier attempt came this far.
        return Ok(());
    }
    stand.revision = plan.revision;
    founding::begin(&state, stand, plan.identity.node, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Store, StoreOptions, Txn};

    async fn write(store: &Store, key: &str) {
        let put = Change::Put {
            key: bytes::Bytes::copy_from_slice(key.as_bytes()),
            value: "v".into(),
            ttl_seconds: None,
        };
        let txn = Txn {
            compares: Vec::new(),
            changes: vec![put],
        };
        store.txn(txn).await.unwrap();
    }

    /// Recovers up to a step, as a crash would leave it.
    fn crash_after(dir: &Path, step: &str) {
        let crashed = recover_by(dir, |done| {
            if done == step {
                Err(Error::Closed)
            } else {
                Ok(())
            }
        });
        assert!(matches!(crashed, Err(Error::Closed)), "{step}: {crashed:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crash_after_any_step_is_refused_by_the_store_and_ended_by_the_next_run() {
        let steps = [
            "planned",
            "applied",
            "begun anew",
            "log emptied",
            "identity replaced",
        ];
        for (at, step) in steps.into_iter().enumerate() {
            let place = tempfile::tempdir().unwrap();
            let dir = place.path().join("store");
            let options = StoreOptions::new(&dir, "a");
            let store = Store::open(options.clone()).await.unwrap();
            for n in 0..20 {
                write(&store, &format!("/k{n}")).await;
            }
            let was = store.revision().0;
            store.shutdown().await;
            let crashed = dir.clone();
            let recovered = tokio::task::spawn_blocking(move || {
                // Twice at the same place, and once at each that follows.
                crash_after(&crashed, step);
                for step in &steps[at..] {
                    crash_after(&crashed, step);
                }
                let refused = check_finished(&crashed).unwrap_err();
                assert!(refused.to_string().contains("triadctl recover"));
                assert!(survey(&crashed).unwrap().begun);
                recover(&crashed).unwrap()
            });
            let recovered = recovered.await.unwrap();
            assert_eq!(recovered.revision, was + JUMP, "{step}: it jumps once");
            let store = Store::open(options).await.unwrap();
            assert_eq!(store.revision().0, was + JUMP);
            let identity = store.identity().unwrap();
            assert_eq!(
                (identity.epoch, identity),
                (1, recovered.identity),
                "{step}"
            );
            assert!(store.get(b"/k19", None).unwrap().is_some());
            write(&store, "/more").await;
            store.shutdown().await;
            let examined = crate::examine(&dir, &mut |_| None).unwrap();
            assert_eq!(examined.findings, [], "{step}");
        }
    }

    #[test]
    fn a_directory_without_a_member_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(survey(dir.path()), Err(Error::Corrupt { .. })));
        let error = recover(dir.path()).unwrap_err();
        assert!(
            error.to_string().contains("does not hold a member"),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
