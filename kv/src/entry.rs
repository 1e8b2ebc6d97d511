//! What a key holds at some revision, and a run of such entries.
//! Plain data: reading and writing them is the store's business.

use bytes::Bytes;

use crate::Revision;

/// One key as it stood at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Bytes,
    pub value: Bytes,
    /// The revision that created the key; kept across updates, new after a delete.
    pub create_revision: Revision,
    /// The revision of the last change to the key.
    pub mod_revision: Revision,
    /// Counts the changes since creation, from 1.
    pub version: u64,
    /// Unix seconds after which the key is deleted.
    pub expires_at: Option<u64>,
}

/// The entries of a key range at one revision, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub entries: Vec<Entry>,
    /// Whether the limit cut the range short; the next page starts behind the last key.
    pub more: bool,
    /// The revision that the range was read at.
    pub revision: Revision,
}

/// The exclusive end of the range of keys that start with `prefix`; empty when there is no end.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::prefix_end;

    #[test]
    fn a_prefix_ends_behind_its_last_key() {
        assert_eq!(prefix_end(b"/pods/"), b"/pods0");
        assert_eq!(prefix_end(b"a\xff"), b"b");
        assert_eq!(prefix_end(b"\xff\xff"), b"");
        assert_eq!(prefix_end(b""), b"");
    }
}
