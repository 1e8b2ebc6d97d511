//! The values of the state database, each with a checksum over its key and its bytes, so that
//! damage is found and no record can stand in for another. Hand-packed: this is the hot path.

use bytes::{Buf, Bytes};
use triad_raft::Position;

use crate::{Entry, Revision};

const FORMAT: u8 = 1;
const HAS_EXPIRY: u8 = 1;
const TOMBSTONE: u8 = 2;
/// The value lies with the version.
const APART: u8 = 4;
/// Checksum, format, flags.
const HEAD: usize = 6;

/// What the state has taken in, replaced with every applied entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StandRecord {
    pub(crate) applied: Position,
    pub(crate) revision: u64,
    pub(crate) compacted: u64,
    /// Bytes of keys and values ever put: what the history's size is measured by.
    pub(crate) written: u64,
    /// The revision, time and bytes of the newest sample.
    pub(crate) sample: Sample,
    /// Over every record ever written, in order: equal on all members after the same entry.
    pub(crate) hash: u64,
}

/// When a revision was reached, by the clock in the commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) revision: u64,
    pub(crate) time: u64,
    pub(crate) written: u64,
}

/// One row of `changes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangeRow {
    pub(crate) key: Bytes,
    /// The key's revision before the change; 0 when it was absent.
    pub(crate) previous: u64,
    pub(crate) delete: bool,
}

/// What `latest` says of a key: which version is its newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) create_revision: Revision,
    pub(crate) mod_revision: Revision,
    pub(crate) version: u64,
    pub(crate) expires_at: Option<u64>,
}

impl Head {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            create_revision: entry.create_revision,
            mod_revision: entry.mod_revision,
            version: entry.version,
            expires_at: entry.expires_at,
        }
    }

    /// The version that it is the head of.
    pub(crate) fn with(self, key: Bytes, value: Bytes) -> Entry {
        Entry {
            key,
            value,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            expires_at: self.expires_at,
        }
    }
}

/// Packs a head.
pub(crate) fn encode_head(key: &[u8], head: &Head, out: &mut Vec<u8>) {
    begin(out, APART);
    let numbers = [head.create_revision.0, head.mod_revision.0, head.version];
    put_numbers(numbers, head.expires_at, out);
    seal(key, out);
}

/// A head, and the value of a record that still holds it: whole versions lay here once.
pub(crate) fn decode_head<'a>(
    key: &[u8],
    record: &'a [u8],
) -> Result<(Head, Option<&'a [u8]>), String> {
    let (flags, body) = open(key, record)?;
    if flags & TOMBSTONE != 0 {
        return Err("a tombstone lies among the newest versions".into());
    }
    let (head, value) = take_head(flags, body)?;
    match (flags & APART != 0, value) {
        (false, value) => Ok((head, Some(value))),
        (true, []) => Ok((head, None)),
        (true, _) => Err("a value lies where none belongs".into()),
    }
}

fn put_numbers(numbers: [u64; 3], expires_at: Option<u64>, out: &mut Vec<u8>) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
    if let Some(at) = expires_at {
        out[5] |= HAS_EXPIRY;
        out.extend_from_slice(&at.to_le_bytes());
    }
}

fn take_head(flags: u8, mut body: &[u8]) -> Result<(Head, &[u8]), String> {
    let cut = || "a version is cut short".to_owned();
    let mut number = || body.try_get_u64_le().map_err(|_| cut());
    let (create, modified, version) = (number()?, number()?, number()?);
    let expires_at = (flags & HAS_EXPIRY != 0).then(&mut number).transpose()?;
    let head = Head {
        create_revision: Revision(create),
        mod_revision: Revision(modified),
        version,
        expires_at,
    };
    Ok((head, body))
}

/// Packs a version; `None` packs a tombstone that only carries its revision.
pub(crate) fn encode_version(key: &[u8], revision: u64, entry: Option<&Entry>, out: &mut Vec<u8>) {
    begin(out, if entry.is_none() { TOMBSTONE } else { 0 });
    let (create, version) = entry.map_or((0, 0), |e| (e.create_revision.0, e.version));
    let expires_at = entry.and_then(|e| e.expires_at);
    put_numbers([create, revision, version], expires_at, out);
    out.extend_from_slice(entry.map_or(&[], |e| &e.value));
    seal(key, out);
}

/// The version and its revision; `None` for a tombstone.
pub(crate) fn decode_version(key: &Bytes, record: &[u8]) -> Result<(u64, Option<Entry>), String> {
    let (flags, body) = open(key, record)?;
    let (head, value) = take_head(flags, body)?;
    let entry = || head.with(key.clone(), Bytes::copy_from_slice(value));
    let entry = (flags & TOMBSTONE == 0).then(entry);
    Ok((head.mod_revision.0, entry))
}

pub(crate) fn encode_change(row: &[u8], change: &ChangeRow, out: &mut Vec<u8>) {
    begin(out, if change.delete { TOMBSTONE } else { 0 });
    out.extend_from_slice(&change.previous.to_le_bytes());
    out.extend_from_slice(&change.key);
    seal(row, out);
}

pub(crate) fn decode_change(row: &[u8], record: &[u8]) -> Result<ChangeRow, String> {
    let (flags, mut body) = open(row, record)?;
    if body.len() < 8 {
        return Err("a change is cut short".into());
    }
    let previous = body.get_u64_le();
    Ok(ChangeRow {
        previous,
        key: Bytes::copy_from_slice(body),
        delete: flags & TOMBSTONE != 0,
    })
}

/// Records that are nothing but numbers: the stand, samples, the sweep's cursor, expiry rows.
pub(crate) fn encode_numbers<const N: usize>(key: &[u8], numbers: [u64; N]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + 8 * N);
    begin(&mut out, 0);
    numbers
        .iter()
        .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
    seal(key, &mut out);
    out
}

pub(crate) fn decode_numbers<const N: usize>(
    key: &[u8],
    record: &[u8],
) -> Result<[u64; N], String> {
    let (_, mut body) = open(key, record)?;
    if body.len() != 8 * N {
        return Err(format!("{} bytes where {} belong", body.len(), 8 * N));
    }
    Ok(std::array::from_fn(|_| body.get_u64_le()))
}

pub(crate) fn encode_opaque(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + bytes.len());
    begin(&mut out, 0);
    out.extend_from_slice(bytes);
    seal(key, &mut out);
    out
}

pub(crate) fn decode_opaque(key: &[u8], record: &[u8]) -> Result<Vec<u8>, String> {
    open(key, record).map(|(_, body)| body.to_vec())
}

impl StandRecord {
    pub(crate) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let (at, sample) = (self.applied, self.sample);
        let numbers = [
            at.term,
            at.node,
            at.index,
            self.revision,
            self.compacted,
            self.written,
        ];
        let [term, node, index, revision, compacted, written] = numbers;
        let samples = [sample.revision, sample.time, sample.written];
        let [s_revision, s_time, s_written] = samples;
        encode_numbers(
            key,
            [
                term, node, index, revision, compacted, written, s_revision, s_time, s_written,
                self.hash,
            ],
        )
    }

    pub(crate) fn decode(key: &[u8], record: &[u8]) -> Result<Self, String> {
        let [
            term,
            node,
            index,
            revision,
            compacted,
            written,
            s_revision,
            time,
            s_written,
            hash,
        ] = decode_numbers(key, record)?;
        Ok(Self {
            applied: Position { term, node, index },
            revision,
            compacted,
            written,
            sample: Sample {
                revision: s_revision,
                time,
                written: s_written,
            },
            hash,
        })
    }

    /// Takes a number into the hash.
    pub(crate) fn mix(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Takes a packed record into the hash, by its checksum.
    pub(crate) fn mix_record(&mut self, record: &[u8]) {
        let sum = record
            .first_chunk()
            .map_or(0, |sum| u32::from_le_bytes(*sum));
        self.mix(sum.into());
    }
}

fn begin(out: &mut Vec<u8>, flags: u8) {
    out.clear();
    out.extend_from_slice(&[0, 0, 0, 0, FORMAT, flags]);
}

fn seal(key: &[u8], out: &mut [u8]) {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), &out[4..]);
    out[..4].copy_from_slice(&sum.to_le_bytes());
}

fn open<'a>(key: &[u8], record: &'a [u8]) -> Result<(u8, &'a [u8]), String> {
    let (head, body) = record
        .split_at_checked(HEAD)
        .ok_or_else(|| "a record is cut short".to_owned())?;
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), &record[4..]);
    if head[..4] != sum.to_le_bytes() {
        return Err("a checksum does not match".into());
    }
    if head[4] != FORMAT {
        return Err(format!("format {} is not known to this version", head[4]));
    }
    Ok((head[5], body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            key: Bytes::from_static(b"/pods/a"),
            value: Bytes::from_static(b"value"),
            create_revision: Revision(3),
            mod_revision: Revision(9),
            version: 4,
            expires_at: Some(77),
        }
    }

    #[test]
    fn a_version_comes_back_and_every_flipped_bit_is_found() {
        let entry = entry();
        let mut record = Vec::new();
        encode_version(&entry.key, 9, Some(&entry), &mut record);
        assert_eq!(
            decode_version(&entry.key, &record),
            Ok((9, Some(entry.clone())))
        );
        for bit in 0..record.len() * 8 {
            let mut bad = record.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_version(&entry.key, &bad).is_err(), "bit {bit}");
        }
        assert!(decode_version(&Bytes::from_static(b"/pods/b"), &record).is_err());
    }

    #[test]
    fn a_head_comes_back_and_every_flipped_bit_is_found() {
        let head = Head::of(&entry());
        let mut record = Vec::new();
        encode_head(b"k", &head, &mut record);
        assert_eq!(decode_head(b"k", &record), Ok((head, None)));
        for bit in 0..record.len() * 8 {
            let mut bad = record.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_head(b"k", &bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_version_is_a_head_that_holds_its_value_and_a_tombstone_is_none() {
        let entry = entry();
        let mut record = Vec::new();
        encode_version(&entry.key, 9, Some(&entry), &mut record);
        let head = decode_head(&entry.key, &record);
        assert_eq!(head, Ok((Head::of(&entry), Some(&b"value"[..]))));
        encode_version(&entry.key, 9, None, &mut record);
        assert!(decode_head(&entry.key, &record).is_err());
    }

    #[test]
    fn a_tombstone_carries_its_revision() {
        let mut record = Vec::new();
        encode_version(b"k", 12, None, &mut record);
        assert_eq!(
            decode_version(&Bytes::from_static(b"k"), &record),
            Ok((12, None))
        );
    }

    #[test]
    fn the_stand_comes_back() {
        let stand = StandRecord {
            applied: Position {
                term: 1,
                node: 2,
                index: 3,
            },
            revision: 4,
            compacted: 5,
            written: 6,
            sample: Sample {
                revision: 7,
                time: 8,
                written: 9,
            },
            hash: 10,
        };
        assert_eq!(
            StandRecord::decode(b"stand", &stand.encode(b"stand")),
            Ok(stand)
        );
    }
}
