//! Where things lie in the state database: its column families and their keys.
//! The byte tables are in `docs/design/on-disk.md`.

pub(crate) mod record;

use memchr::memchr;

/// key -> record of its newest version.
pub(crate) const LATEST: &str = "latest";
/// key, revision (newest first) -> record of that version, or a tombstone.
pub(crate) const VERSIONS: &str = "versions";
/// revision, ordinal -> which key changed and its revision before.
pub(crate) const CHANGES: &str = "changes";
/// time, key -> the revision that set the time.
pub(crate) const EXPIRY: &str = "expiry";
/// The stand, the membership, how far compaction has come, samples of time.
pub(crate) const META: &str = "meta";

pub(crate) const FAMILIES: [&str; 5] = [LATEST, VERSIONS, CHANGES, EXPIRY, META];

pub(crate) const STAND_KEY: &[u8] = b"stand";
pub(crate) const MEMBERSHIP_KEY: &[u8] = b"membership";
pub(crate) const SWEPT_KEY: &[u8] = b"swept";
/// Samples of time are `t` and the revision.
pub(crate) const SAMPLE_TAG: u8 = b't';

/// A key with its zero bytes escaped and an end mark, so that what follows cannot mix with it
/// and the order of keys is kept. Keys without zero bytes stay readable.
pub(crate) fn escape(key: &[u8], out: &mut Vec<u8>) {
    escape_open(key, out);
    out.extend_from_slice(&[0, 0]);
}

/// `escape` without the end mark: where all keys that start with `key` start.
pub(crate) fn escape_open(key: &[u8], out: &mut Vec<u8>) {
    let mut rest = key;
    while let Some(zero) = memchr(0, rest) {
        out.extend_from_slice(&rest[..zero]);
        out.extend_from_slice(&[0, 0xff]);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
}

/// The key and revision of a `versions` row.
pub(crate) fn split_version(row: &[u8]) -> Option<(Vec<u8>, u64)> {
    let (escaped, revision) = row.split_at_checked(row.len().checked_sub(8)?)?;
    let body = escaped.strip_suffix(&[0, 0])?;
    let mut key = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(zero) = memchr(0, rest) {
        key.extend_from_slice(&rest[..=zero]);
        rest = rest[zero + 1..].strip_prefix(&[0xff])?;
    }
    key.extend_from_slice(rest);
    Some((key, !u64::from_be_bytes(revision.try_into().ok()?)))
}

/// Versions of one key sort newest first.
pub(crate) fn version_key(key: &[u8], revision: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 10);
    escape(key, &mut out);
    out.extend_from_slice(&(!revision).to_be_bytes());
    out
}

pub(crate) fn change_key(revision: u64, ordinal: u32) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&revision.to_be_bytes());
    out[8..].copy_from_slice(&ordinal.to_be_bytes());
    out
}

pub(crate) fn split_change(row: &[u8]) -> Option<(u64, u32)> {
    let (revision, ordinal) = row.split_at_checked(8)?;
    Some((
        u64::from_be_bytes(revision.try_into().ok()?),
        u32::from_be_bytes(ordinal.try_into().ok()?),
    ))
}

pub(crate) fn expiry_key(expires_at: u64, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + key.len());
    out.extend_from_slice(&expires_at.to_be_bytes());
    out.extend_from_slice(key);
    out
}

pub(crate) fn split_expiry(row: &[u8]) -> Option<(u64, &[u8])> {
    let (expires_at, key) = row.split_at_checked(8)?;
    Some((u64::from_be_bytes(expires_at.try_into().ok()?), key))
}

pub(crate) fn sample_key(revision: u64) -> [u8; 9] {
    let mut out = [SAMPLE_TAG; 9];
    out[1..].copy_from_slice(&revision.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_keys_keep_the_order_of_keys_and_reverse_that_of_revisions() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\0a", b"a", b"a\0", b"ab"];
        let mut rows = Vec::new();
        for key in keys {
            for revision in [u64::MAX, 300, 2, 1, 0] {
                rows.push((version_key(key, revision), key, revision));
            }
        }
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (row, key, revision) in rows {
            assert_eq!(split_version(&row), Some((key.to_vec(), revision)));
        }
    }

    #[test]
    fn the_open_form_bounds_a_prefix() {
        let mut open = Vec::new();
        escape_open(b"a\0", &mut open);
        assert!(version_key(b"a\0", 5) >= open);
        assert!(version_key(b"a\0b", 5) >= open);
        assert!(version_key(b"a", 0) < open);
    }
}
