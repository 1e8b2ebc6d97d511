//! An open store that serves: the node and the state that it drives.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use triad_raft::{Identity, LogOptions, Member, Node, NodeOptions};

use crate::apply::Machine;
use crate::command::{Command, Reply};
use crate::state::State;
use crate::watch::Hub;
use crate::{Error, Revision, StoreOptions};

/// The state is flushed after this many bytes of log, which bounds the replay at a start,
const FLUSH_BYTES: u64 = 32 << 20;
/// and after this long.
const FLUSH_INTERVAL: Duration = Duration::from_secs(120);

pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) state: Arc<State>,
}

impl Running {
    /// Opens the files and starts the node. The hub is kept when a fenced store opens again, so
    /// that watches go on where they stand.
    pub(super) async fn start(
        options: &StoreOptions,
        hub: Option<Arc<Hub>>,
    ) -> Result<(Self, Arc<Hub>), Error> {
        let identity = Identity::load_or_create(&options.dir)?;
        let state = Arc::new(State::open(&options.dir, &options.limits)?);
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
        let machine = Machine::new(state.clone(), hub.clone())?;
        let node = Node::start(node_options(options, identity), machine).await?;
        Ok((Self { node, state }, hub))
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

fn node_options(options: &StoreOptions, identity: Identity) -> NodeOptions {
    NodeOptions {
        identity,
        member: Member {
            name: options.node_name.clone(),
            address: String::new(),
        },
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
    }
}
