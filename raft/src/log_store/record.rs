//! How log records lie in the database: keys, values, checksums. The byte tables are in
//! `docs/design/on-disk.md`; a record that does not check is reported, never used.

use bytes::{Buf, Bytes};
use prost::Message;

use crate::Position;
use crate::member::MembershipRecord;
use crate::type_config::{Entry, Frame, Payload, Vote};

pub(crate) const VOTE_KEY: &[u8] = b"mvote";
pub(crate) const PURGED_KEY: &[u8] = b"mpurged";
const FORMAT: u8 = 1;
const BLANK: u8 = 0;
const FRAME: u8 = 1;
const MEMBERSHIP: u8 = 2;
const POSITION: u8 = 3;
const VOTE: u8 = 4;
/// Checksum, format, kind, term, node.
const HEADER: usize = 4 + 1 + 1 + 8 + 8;

/// Entries sort by index.
pub(crate) fn entry_key(index: u64) -> [u8; 9] {
    let mut key = [b'e'; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn entry_index(key: &[u8]) -> Option<u64> {
    let (tag, index) = key.split_first()?;
    (*tag == b'e').then_some(())?;
    Some(u64::from_be_bytes(index.try_into().ok()?))
}

/// Packs an entry into `out`, which is cleared first.
pub(crate) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let at = Position::of(entry.log_id);
    let kind = match &entry.payload {
        Payload::Blank => BLANK,
        Payload::Normal(_) => FRAME,
        Payload::Membership(_) => MEMBERSHIP,
    };
    begin(out, kind, at.term, at.node);
    match &entry.payload {
        Payload::Blank => {}
        Payload::Normal(frame) => frame.encode_raw_to(out),
        Payload::Membership(m) => MembershipRecord::new(m, None).encode_raw_to(out),
    }
    seal(&entry_key(at.index), out);
}

pub(crate) fn decode_entry(index: u64, value: &[u8]) -> Result<Entry, String> {
    let (kind, term, node, body) = open(&entry_key(index), value)?;
    let payload = match kind {
        BLANK => Payload::Blank,
        FRAME => {
            let body = Bytes::copy_from_slice(body);
            Payload::Normal(
                Frame::decode(body).map_err(|e| format!("the frame does not decode: {e}"))?,
            )
        }
        MEMBERSHIP => {
            let record = MembershipRecord::decode(body)
                .map_err(|e| format!("the membership does not decode: {e}"))?;
            Payload::Membership(record.membership().ok_or("the membership has no voters")?)
        }
        other => return Err(format!("an entry of unknown kind {other}")),
    };
    Ok(Entry {
        log_id: Position { term, node, index }.log_id(),
        payload,
    })
}

pub(crate) fn encode_position(key: &[u8], at: Position) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + 8);
    begin(&mut out, POSITION, at.term, at.node);
    out.extend_from_slice(&at.index.to_le_bytes());
    seal(key, &mut out);
    out
}

pub(crate) fn decode_position(key: &[u8], value: &[u8]) -> Result<Position, String> {
    match open(key, value)? {
        (POSITION, term, node, mut body) if body.len() == 8 => Ok(Position {
            term,
            node,
            index: body.get_u64_le(),
        }),
        _ => Err("it is not a position".into()),
    }
}

pub(crate) fn encode_vote(vote: &Vote) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + 1);
    begin(&mut out, VOTE, vote.leader_id.term, vote.leader_id.node_id);
    out.push(u8::from(vote.committed));
    seal(VOTE_KEY, &mut out);
    out
}

pub(crate) fn decode_vote(value: &[u8]) -> Result<Vote, String> {
    match open(VOTE_KEY, value)? {
        (VOTE, term, node, &[committed @ (0 | 1)]) => {
            let leader_id = crate::type_config::CommittedLeader {
                term,
                node_id: node,
            };
            Ok(Vote {
                leader_id,
                committed: committed == 1,
            })
        }
        _ => Err("it is not a vote".into()),
    }
}

fn begin(out: &mut Vec<u8>, kind: u8, term: u64, node: u64) {
    out.clear();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[FORMAT, kind]);
    out.extend_from_slice(&term.to_le_bytes());
    out.extend_from_slice(&node.to_le_bytes());
}

/// The checksum covers the key too, so that a record cannot stand in for another.
fn seal(key: &[u8], out: &mut [u8]) {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), &out[4..]);
    out[..4].copy_from_slice(&sum.to_le_bytes());
}

fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<(u8, u64, u64, &'a [u8]), String> {
    if value.len() < HEADER {
        return Err(format!("a record of {} bytes is cut short", value.len()));
    }
    let (mut header, body) = value.split_at(HEADER);
    let sum = header.get_u32_le();
    if sum != crc32c::crc32c_append(crc32c::crc32c(key), &value[4..]) {
        return Err("its checksum does not match".into());
    }
    let (format, kind) = (header.get_u8(), header.get_u8());
    if format != FORMAT {
        return Err(format!("format {format} is not known to this version"));
    }
    Ok((kind, header.get_u64_le(), header.get_u64_le(), body))
}

/// Encoding into a growing buffer cannot fail.
trait EncodeRaw: Message {
    fn encode_raw_to(&self, out: &mut Vec<u8>)
    where
        Self: Sized,
    {
        out.reserve(self.encoded_len());
        self.encode_raw(out);
    }
}

impl<M: Message> EncodeRaw for M {}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> Entry {
        let frame = Frame {
            commands: vec![Bytes::from_static(b"one"), Bytes::new()],
        };
        Entry {
            log_id: Position {
                term: 7,
                node: 9,
                index,
            }
            .log_id(),
            payload: Payload::Normal(frame),
        }
    }

    #[test]
    fn an_entry_comes_back() {
        let mut out = Vec::new();
        encode_entry(&entry(5), &mut out);
        assert_eq!(decode_entry(5, &out).unwrap(), entry(5));
    }

    #[test]
    fn an_entry_in_the_wrong_place_is_refused() {
        let mut out = Vec::new();
        encode_entry(&entry(5), &mut out);
        assert!(decode_entry(6, &out).is_err());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut out = Vec::new();
        encode_entry(&entry(5), &mut out);
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_entry(5, &bad).is_err(), "bit {bit}");
        }
    }
}
