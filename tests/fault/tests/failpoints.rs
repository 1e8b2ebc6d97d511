//! A member of a cluster dies, or one step of it fails, at every point where that has been made possible (see `failpoint` in
//! triad-raft), at some passage of it. It comes back, often after a loss of power too; then nothing that was acknowledged is
//! lost, all members hold the same, and their files are sound.
//!
//! TRIAD_FAILPOINT_RUNS says how often each point is gone through (1), TRIAD_FAILPOINT_SEED from which seed,
//! TRIAD_FAILPOINT_ONLY which points, by the beginning of their name.

#![allow(
    clippy::print_stderr,
    reason = "what a long run has proved is worth a line"
)]

mod company;
#[allow(dead_code, reason = "the suite uses more of it")]
mod ledger;
mod scenes;
#[allow(dead_code, reason = "the suite uses more of it")]
mod victim;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use scenes::Scene::{self, Closes, Follows, Founds, Invites, IsElected, Joins, Leads, WasAhead};
use triad_fault::Dice;

/// Cases at a time: most of one is waiting.
const SIDE_BY_SIDE: usize = 6;

/// A point and what leads a member to it.
pub(crate) struct Case {
    pub(crate) point: &'static str,
    pub(crate) scene: Scene,
    /// Some passage up to this one is the one.
    pub(crate) passages: u64,
    /// The step fails, and the member goes on; otherwise it dies.
    pub(crate) fails: bool,
}

const fn dies(point: &'static str, scene: Scene, passages: u64) -> Case {
    Case {
        point,
        scene,
        passages,
        fails: false,
    }
}

const fn fails(point: &'static str, scene: Scene, passages: u64) -> Case {
    Case {
        fails: true,
        ..dies(point, scene, passages)
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Append.
    dies("append.queue", Leads, 150), dies("append.queue", Follows, 150), fails("append.queue", Follows, 100),
    dies("log.write", Leads, 150), dies("log.write", Follows, 150), fails("log.write", Leads, 100), fails("log.write", Follows, 100),
    dies("log.written", Leads, 150), dies("log.written", Follows, 150),
    dies("log.answered", Leads, 150), dies("log.answered", Follows, 150),
    dies("floor.set", Follows, 3), dies("floor.is-set", Leads, 3),
    dies("truncate.begin", WasAhead, 1), dies("truncate.end", WasAhead, 1), fails("truncate.begin", WasAhead, 1),
    // Vote.
    dies("vote.save", IsElected, 4), dies("vote.saved", IsElected, 4), fails("vote.save", IsElected, 4),
    // Apply.
    dies("apply.entry", Leads, 150), dies("apply.entry", Follows, 150),
    dies("apply.write", Leads, 150), dies("apply.write", Follows, 150), fails("apply.write", Leads, 100), fails("apply.write", Follows, 100),
    dies("apply.written", Leads, 150), dies("apply.written", Follows, 150),
    dies("apply.reply", Leads, 150), dies("membership.apply", Joins, 1),
    // Snapshot: flushed, purged up to, sent, received, installed, pointed to.
    dies("flush.begin", Follows, 8), dies("flush.end", Leads, 8), fails("flush.begin", Follows, 8),
    dies("purge.begin", Leads, 2), dies("purge.end", Follows, 2), fails("purge.begin", Leads, 2),
    dies("send.copy", Invites, 1), dies("send.copied", Invites, 1), dies("send.offered", Invites, 1),
    dies("send.chunk", Invites, 5), dies("send.installed", Invites, 1),
    dies("receive.offer", Joins, 1), dies("receive.chunk", Joins, 5), dies("receive.seal", Joins, 1), dies("receive.sealed", Joins, 1),
    fails("receive.offer", Joins, 1), fails("receive.chunk", Joins, 5), fails("receive.seal", Joins, 1), fails("receive.sealed", Joins, 1),
    dies("install.begin", Joins, 1), dies("install.rename", Joins, 1), dies("install.point", Joins, 1),
    dies("install.pointed", Joins, 1), dies("install.end", Joins, 1),
    fails("install.rename", Joins, 1), fails("install.point", Joins, 1),
    // Join: who it is, a learner, a voter.
    dies("join.identity", Joins, 1), dies("join.identified", Joins, 1),
    dies("join.learner", Invites, 1), dies("join.caught-up", Invites, 1), dies("join.voter", Invites, 1),
    // Start and close.
    dies("start.opened", Follows, 1), dies("start.found", Founds, 1),
    dies("close.begin", Closes, 1), dies("close.flush", Closes, 1), dies("close.flushed", Closes, 1),
];

#[test]
fn a_member_that_dies_anywhere_comes_back_whole() {
    let runs = setting("TRIAD_FAILPOINT_RUNS", 1);
    let first = setting("TRIAD_FAILPOINT_SEED", 1);
    let wanted = std::env::var("TRIAD_FAILPOINT_ONLY").unwrap_or_default();
    let cases = CASES.iter().filter(|case| case.point.starts_with(&wanted));
    let work: Vec<(u64, &Case)> = cases
        .flat_map(|case| (first..first + runs).map(move |seed| (seed, case)))
        .collect();
    let (left, failed) = (Mutex::new(work.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some((seed, case)) = left.lock().unwrap().next() else {
                        return;
                    };
                    let played = std::panic::catch_unwind(|| scenes::play(case, *seed));
                    let what = played.unwrap_or_else(|_| Err("it panicked".into()));
                    if let Err(what) = what {
                        let Case { point, scene, .. } = case;
                        let how = if case.fails { "failing" } else { "dying" };
                        let line = format!("{how} at {point} ({scene:?}), seed {seed}: {what}");
                        eprintln!("{line}");
                        failed.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    eprintln!("{} deaths and failures, from seed {first}", work.len());
}

/// A point that is in the code and in no case proves nothing.
#[test]
fn every_point_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut points = BTreeSet::new();
    for room in ["raft/src", "kv/src"] {
        collect(&root.join(room), &mut points);
    }
    let cases: BTreeSet<String> = CASES.iter().map(|case| case.point.to_owned()).collect();
    assert_eq!(points, cases);
}

fn collect(dir: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), into);
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("a source");
        let names = text.split("failpoint!(\"").skip(1);
        into.extend(names.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
    }
}

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Some passage of the point.
pub(crate) fn passage(case: &Case, dice: &mut Dice) -> u64 {
    1 + dice.below(case.passages)
}
