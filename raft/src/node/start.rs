//! Starts openraft on a recovered log and state: as the founder of a cluster, as one of its
//! members, or as one that waits to be taken in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, Raft, SnapshotPolicy};
use tokio::sync::watch;

use super::NodeOptions;
use super::lead::Lead;
use super::life::TriadRaft;
use crate::log_store::LogStore;
use crate::peers::{Dialer, Network, Service, listen};
use crate::state_machine::{Driver, clear, membership};
use crate::{Error, Stand, StateMachine, failpoint};

/// How long the replay of the log may take before the start is given up.
const RECOVERY_LIMIT: Duration = Duration::from_secs(600);
/// How often a leader is heard from within the shortest wait for it.
const HEARTBEATS_PER_TIMEOUT: u64 = 4;

/// A sole voter is returned once everything that the log held is applied.
pub(super) async fn begin<S: StateMachine>(
    options: &NodeOptions,
    machine: S,
    log: &LogStore,
    dialer: Dialer,
) -> Result<(TriadRaft<S>, watch::Receiver<u64>), Error> {
    clear(&options.log.dir);
    agree(options, &machine.files().flushed(), log)?;
    failpoint!("start.opened", Err);
    let id = options.identity.node;
    let driver = Driver::new(machine, log.clone());
    let applied = driver.applied();
    let failed = |e: &dyn std::fmt::Display| Error::Unavailable(format!("starting raft: {e}"));
    let network = Network { dialer };
    let raft = Raft::new(id, Arc::new(config(options)?), network, log.clone(), driver)
        .await
        .map_err(|e| failed(&e))?;
    let founding = !raft.is_initialized().await.map_err(|e| failed(&e))?;
    if founding {
        if options.identity.joined {
            return Ok((raft, applied));
        }
        failpoint!("start.found");
        // The founder gets an address when a second member comes.
        let founder = crate::Member {
            address: String::new(),
            ..options.member.clone()
        };
        let members = BTreeMap::from([(id, founder)]);
        raft.initialize(members).await.map_err(|e| failed(&e))?;
    } else if !raft.voter_ids().eq([id]) {
        return Ok((raft, applied));
    } else if !raft.is_leader() {
        // Nobody else can lead: there is no reason to wait for a timeout.
        raft.trigger().elect(false).await.map_err(|e| failed(&e))?;
    }
    raft.wait_for_recovery(Some(RECOVERY_LIMIT))
        .await
        .map_err(|e| failed(&e))?;
    Ok((raft, applied))
}

/// The log must reach to where the state stands, and the state to where the log begins.
fn agree(options: &NodeOptions, stand: &Stand, log: &LogStore) -> Result<(), Error> {
    let applied_end = stand.applied.map_or(0, |p| p.index + 1);
    let (reached, purged) = (
        log.last().map_or(0, |l| l.index + 1),
        log.purged().map_or(0, |l| l.index + 1),
    );
    // One of several may have applied what it had not yet written, or been given a state: the
    // others have those entries. A sole voter applies only what is in its log.
    let sole = membership(stand)?
        .membership()
        .voter_ids()
        .eq([options.identity.node]);
    if applied_end > reached && sole {
        let what =
            format!("it ends before entry {reached}, but the state holds all before {applied_end}");
        return Err(Error::corrupt(what, options.log.dir.join("log")));
    }
    if applied_end < purged {
        let what =
            format!("it holds all before entry {applied_end}, but the log begins at {purged}");
        return Err(Error::corrupt(what, options.log.dir.join("state")));
    }
    Ok(())
}

pub(super) fn dialer(options: &NodeOptions) -> Dialer {
    Dialer {
        identity: options.identity.clone(),
        tls: options.peers.as_ref().map(|peers| peers.tls.clone()),
        removed: Arc::default(),
    }
}

/// Makes the members' port ready, and opens it when there are others or will be.
pub(super) async fn open_gate<S: StateMachine>(
    options: &NodeOptions,
    lead: &Lead<S>,
) -> Result<(), Error> {
    let Some(peers) = &options.peers else {
        return Ok(());
    };
    let service = Arc::new(Service {
        raft: lead.raft.clone(),
        identity: options.identity.clone(),
        dir: options.log.dir.clone(),
        lead: lead.clone(),
        options: peers.clone(),
    });
    let gate = lead.gate.clone();
    gate.leads_to(move || listen(service.clone()));
    let others = lead.membership().membership().nodes().count() > 1;
    if options.identity.joined || others {
        gate.open().await?;
    }
    Ok(())
}

fn config(options: &NodeOptions) -> Result<Config, Error> {
    let election = options.election;
    let config = Config {
        cluster_name: "triad".into(),
        heartbeat_interval: election.timeout_min_ms / HEARTBEATS_PER_TIMEOUT,
        // A follower waits for the leader's lease, which is the longer of these, and then for a
        // time between both: together no longer than the longest election timeout.
        election_timeout_min: election.timeout_min_ms / 2,
        election_timeout_max: election.timeout_max_ms / 2,
        enable_pre_vote: Some(true),
        // A leader that comes back does not know what of its log was committed, and would confirm
        // reads of what it last flushed: it is elected anew, and its first entry says so.
        enable_leader_restore: Some(false),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        api_channel_size: Some(1024),
        notification_channel_size: Some(1024),
        ..Config::default()
    };
    config
        .validate()
        .map_err(|e| Error::io("raft's settings", e))
}
