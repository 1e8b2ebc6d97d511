//! An open store that serves: the node and the state that it drives.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use triad_raft::{Identity, LogOptions, Member, Node, NodeOptions};

use crate::apply::Machine;
use crate::command::{Command, Reply};
use crate::hashes::Hashes;
use crate::state::{Slot, State};
use crate::watch::Hub;
use crate::{Error, Revision, StoreOptions};

use super::questions::Questions;

/// The state is flushed after this many bytes of log, which bounds the replay at a start,
const FLUSH_BYTES: u64 = 32 << 20;
/// and after this long.
const FLUSH_INTERVAL: Duration = Duration::from_secs(120);

pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) slot: Arc<Slot>,
    pub(crate) identity: Identity,
    pub(crate) hashes: Arc<Hashes>,
}

impl Running {
    /// Opens the files and starts the node. The hub is kept when a fenced store opens again, so
    /// that watches go on where they stand.
    pub(super) async fn start(
        options: &StoreOptions,
        hub: Option<Arc<Hub>>,
    ) -> Result<(Self, Arc<Hub>), Error> {
        let identity = identify(options)?;
        let slot = Arc::new(Slot::open(&options.dir, &options.limits)?);
        let state = slot.state();
        let hub = match hub {
            Some(hub) => hub,
            None => {
                let stand = state.view()?.stand;
                let ring = options.limits.ring_bytes;
                Arc::new(Hub::new(
                    ring,
                    Revision(stand.revision),
                    Revision(stand.compacted),
                ))
            }
        };
        drop(state);
        let hashes = Arc::<Hashes>::default();
        let machine = Machine::new(slot.clone(), hub.clone(), hashes.clone())?;
        let node = node_options(options, identity.clone(), hashes.clone());
        let node = Node::start(node, machine).await?;
        let running = Self {
            node,
            slot,
            identity,
            hashes,
        };
        Ok((running, hub))
    }

    /// The current state; another member's may take its place at any time.
    pub(crate) fn state(&self) -> Arc<State> {
        self.slot.state()
    }

    pub(crate) fn leads(&self) -> bool {
        self.node.status().borrow().leading
    }

    /// Sends a command through the log and reads the reply to it.
    pub(crate) async fn propose(&self, command: &Command, weight: usize) -> Result<Reply, Error> {
        let reply = self.node.propose(command.pack(), weight).await?;
        Reply::decode(reply).map_err(|e| Error::Unavailable {
            why: format!("a reply does not decode: {e}"),
        })
    }
}

/// A new member of an existing cluster takes its name, a new cluster makes one up.
fn identify(options: &StoreOptions) -> Result<Identity, Error> {
    let joining = options.peers.as_ref().and_then(|peers| peers.joining);
    match joining {
        Some((cluster, epoch)) if !options.dir.join("identity").exists() => {
            Ok(Identity::join(&options.dir, cluster, epoch)?)
        }
        _ => Ok(Identity::load_or_create(&options.dir)?),
    }
}

fn node_options(options: &StoreOptions, identity: Identity, hashes: Arc<Hashes>) -> NodeOptions {
    let peers = options.peers.as_ref();
    NodeOptions {
        identity,
        member: Member {
            name: options.node_name.clone(),
            address: peers.map_or_else(String::new, |peers| peers.advertise.clone()),
        },
        peers: peers.map(|peers| triad_raft::PeerOptions {
            listen: peers.listen,
            tls: peers.tls.clone(),
            answer: Arc::new(Questions::new(hashes, peers.answer.clone())),
        }),
        election: options.election,
        log: LogOptions {
            dir: options.dir.clone(),
            sync: options.sync,
            // Nobody reads what is in it but a restart.
            write_buffer_bytes: options.limits.write_buffer_bytes / 2,
        },
        frame_weight: options.limits.changes,
        frame_bytes: options.limits.frame_bytes,
        flush_bytes: FLUSH_BYTES,
        flush_interval: FLUSH_INTERVAL,
        hold_bytes: options.held_log_bytes,
    }
}
