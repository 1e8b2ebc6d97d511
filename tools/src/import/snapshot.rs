//! What an etcd snapshot holds: the newest version of every key, leases, the revision (etcd server/storage/mvcc: kvstore.go,
//! revision.go; server/lease; server/storage/schema). Older versions are not carried over.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use super::bolt::Bolt;

/// What `etcdctl snapshot save` appends. A database's size is a multiple of 512.
const HASH: usize = 32;
const SECTOR: usize = 512;
/// A revision as a key: two numbers and what is between them; a deletion has a mark behind.
const REVISION: usize = 17;
const TOMBSTONE: u8 = b't';

pub(super) struct Snapshot {
    /// etcd's revision.
    pub(super) revision: u64,
    /// Whether the file carried a hash, which then was right.
    pub(super) hashed: bool,
    pub(super) keys: BTreeMap<Bytes, Key>,
}

/// A key's newest version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) value: Bytes,
    pub(super) created: u64,
    pub(super) modified: u64,
    pub(super) version: u64,
    /// Seconds to live, when it has a lease.
    pub(super) ttl: Option<u32>,
}

/// mvccpb.KeyValue.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(int64, tag = "2")]
    pub(super) create_revision: i64,
    #[prost(int64, tag = "3")]
    pub(super) mod_revision: i64,
    #[prost(int64, tag = "4")]
    pub(super) version: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) value: Bytes,
    #[prost(int64, tag = "6")]
    pub(super) lease: i64,
}

/// leasepb.Lease.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseRecord {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
    #[prost(int64, tag = "2")]
    pub(super) ttl: i64,
    /// 0 where it was never written down: then the whole time is left.
    #[prost(int64, tag = "3")]
    pub(super) remaining: i64,
}

impl Snapshot {
    pub(super) fn read(file: Bytes) -> Result<Self> {
        let hashed = file.len() % SECTOR == HASH;
        let database = if hashed {
            let database = file.slice(..file.len() - HASH);
            let sum = Sha256::digest(&database);
            ensure!(
                sum[..] == file[file.len() - HASH..],
                "the hash at its end does not match: the snapshot is damaged"
            );
            database
        } else {
            file
        };
        let bolt = Bolt::open(database)?;
        let leases = leases(&bolt)?;
        let mut snapshot = Self {
            revision: compacted(&bolt)?,
            hashed,
            keys: BTreeMap::new(),
        };
        let rows = bolt.bucket(b"key")?;
        let rows = rows.context("it has no bucket of keys: it is no database of etcd 3")?;
        let mut last = (0, 0);
        for row in rows {
            let (at, deleted) = revision(&row.key)?;
            ensure!(at > last, "revision {}.{} is out of order", at.0, at.1);
            last = at;
            snapshot.take(at.0, deleted, row.value, &leases)?;
        }
        snapshot.revision = snapshot.revision.max(last.0);
        Ok(snapshot)
    }

    /// Takes the next version; later ones take the place of earlier ones.
    fn take(
        &mut self,
        at: u64,
        deleted: bool,
        value: Bytes,
        leases: &HashMap<i64, u32>,
    ) -> Result<()> {
        let named = || format!("revision {at}");
        let kv = KeyValue::decode(value).with_context(named)?;
        if deleted {
            self.keys.remove(&kv.key);
            return Ok(());
        }
        let number = |number: i64| u64::try_from(number).with_context(named);
        let modified = number(kv.mod_revision)?;
        ensure!(
            modified == at,
            "revision {at} holds a version of revision {modified}"
        );
        let ttl = match kv.lease {
            0 => None,
            // A lease that is gone takes its keys along as soon as etcd starts.
            id => Some(leases.get(&id).copied().unwrap_or(0)),
        };
        let key = Key {
            value: kv.value,
            created: number(kv.create_revision)?,
            modified,
            version: number(kv.version)?,
            ttl,
        };
        self.keys.insert(kv.key, key);
        Ok(())
    }
}

fn leases(bolt: &Bolt) -> Result<HashMap<i64, u32>> {
    let mut leases = HashMap::new();
    for row in bolt.bucket(b"lease")?.unwrap_or_default() {
        let lease = LeaseRecord::decode(row.value).context("a lease does not decode")?;
        let left = if lease.remaining > 0 {
            lease.remaining
        } else {
            lease.ttl
        };
        let left = u32::try_from(left.max(0)).unwrap_or(u32::MAX);
        leases.insert(lease.id, left);
    }
    Ok(leases)
}

/// The revision that history was last given up to: the newest may be of a key that is gone.
fn compacted(bolt: &Bolt) -> Result<u64> {
    let mut newest = 0;
    for row in bolt.bucket(b"meta")?.unwrap_or_default() {
        if row.key == "scheduledCompactRev" || row.key == "finishedCompactRev" {
            newest = newest.max(revision(&row.value)?.0.0);
        }
    }
    Ok(newest)
}

/// Main and sub revision, and whether it is a deletion's.
fn revision(key: &[u8]) -> Result<((u64, u64), bool)> {
    let deleted = match key.get(REVISION..) {
        Some([]) => false,
        Some([TOMBSTONE]) => true,
        _ => bail!("a row's key is no revision: {}", key.escape_ascii()),
    };
    ensure!(
        key[8] == b'_',
        "a row's key is no revision: {}",
        key.escape_ascii()
    );
    let main = u64::from_be_bytes(key[..8].try_into()?);
    let sub = u64::from_be_bytes(key[9..REVISION].try_into()?);
    Ok(((main, sub), deleted))
}
