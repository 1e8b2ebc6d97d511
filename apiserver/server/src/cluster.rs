//! The server as one of several: its certificates among members, tokens and joining, what members say about themselves,
//! and the paths under /triad/v1/ that triadctl uses. Replication itself is the store's business.

pub(crate) mod admin;
pub(crate) mod backup;
pub(crate) mod certificates;
mod history;
pub(crate) mod join;
mod pinned;
pub(crate) mod removal;
pub(crate) mod status;
mod tokens;

use sha2::{Digest, Sha256};

/// What a joining member has to trust before it has anything: SHA-256 over the CA certificate (DER), in hexadecimal.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    hex(&Sha256::digest(der))
}

/// Unix seconds.
fn now() -> u64 {
    crate::clock::Clock.unix_seconds().unsigned_abs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
