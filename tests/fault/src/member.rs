//! One member of a small cluster on this machine, in this process or in one of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use triad_kv::{PeerOptions, StoreOptions};

use crate::Keys;

/// How a member is opened: where it lies and listens, the keys of all members, and whom it is to join, if not itself.
#[must_use]
pub fn options(
    dir: &Path,
    name: &str,
    listen: SocketAddr,
    keys: &Path,
    joining: Option<(u64, u64)>,
) -> StoreOptions {
    let mut options = StoreOptions::new(dir, name);
    // Small, so that files are made and removed within a short life.
    options.limits.write_buffer_bytes = 128 << 10;
    options.peers = Some(PeerOptions {
        listen,
        advertise: listen.to_string(),
        joining,
        tls: Arc::new(Keys::read(keys)),
        answer: Arc::new(()),
    });
    options
}
