//! Segments of the log, as an archive keeps them: committed entries in order, with their places and commands, and a checksum over
//! all. The byte table is in `docs/design/backup.md`.

use bytes::Bytes;
use prost::Message;
use triad_raft::{Committed, LogEntry, Position};

use crate::Error;
use crate::command::Command;

/// The first bytes of a segment; the last is the version.
const MAGIC: &[u8; 8] = b"triadsg\x01";
const HEADER: usize = MAGIC.len() + 4;

/// What the log has for an archive.
#[derive(Clone, Debug)]
pub enum Shipment {
    Nothing,
    Segment(Segment),
    /// The log begins behind this index: what came before is lost to the archive.
    Purged {
        upto: u64,
    },
}

#[derive(Clone, Debug)]
pub struct Segment {
    pub first: u64,
    pub last: u64,
    /// Of its last entry.
    pub term: u64,
    /// The latest time that a command in it carries (unix seconds), 0 when none does.
    pub time: u64,
    pub bytes: Vec<u8>,
}

/// Protobuf, on disk: field numbers are never reused.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SegmentRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) cluster: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<SegmentEntry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SegmentEntry {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub(crate) commands: Vec<Bytes>,
}

impl SegmentEntry {
    pub(crate) fn at(&self) -> Position {
        Position {
            term: self.term,
            node: self.node,
            index: self.index,
        }
    }
}

impl From<LogEntry> for SegmentEntry {
    fn from(entry: LogEntry) -> Self {
        Self {
            term: entry.at.term,
            node: entry.at.node,
            index: entry.at.index,
            commands: entry.commands,
        }
    }
}

pub(crate) fn pack(cluster: u64, committed: Committed) -> Shipment {
    let entries = match committed {
        Committed::Purged { upto } => return Shipment::Purged { upto },
        Committed::Entries(entries) => entries,
    };
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Shipment::Nothing;
    };
    let (first, last, term) = (first.at.index, last.at.index, last.at.term);
    let commands = entries.iter().flat_map(|entry| &entry.commands);
    let times = commands.filter_map(|c| Command::decode(c.clone()).ok());
    let time = times.map(|command| command.time).max().unwrap_or(0);
    let record = SegmentRecord {
        cluster,
        entries: entries.into_iter().map(SegmentEntry::from).collect(),
    };
    Shipment::Segment(Segment {
        first,
        last,
        term,
        time,
        bytes: encode(&record),
    })
}

fn encode(record: &SegmentRecord) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + record.encoded_len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    record.encode_raw(&mut bytes);
    let sum = crc32c::crc32c(&bytes[HEADER..]);
    bytes[MAGIC.len()..HEADER].copy_from_slice(&sum.to_le_bytes());
    bytes
}

pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<SegmentRecord, Error> {
    let damaged = |what: String| Error::Corrupt {
        what,
        file: name.into(),
    };
    let Some((head, body)) = bytes.split_at_checked(HEADER) else {
        return Err(damaged("it is too short for a segment".into()));
    };
    if &head[..MAGIC.len()] != MAGIC {
        return Err(damaged("it is no segment that this version reads".into()));
    }
    if crc32c::crc32c(body).to_le_bytes() != head[MAGIC.len()..] {
        return Err(damaged("its checksum does not match".into()));
    }
    SegmentRecord::decode(body).map_err(|e| damaged(format!("it does not decode: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_says_what_it_holds_and_shows_damage() {
        let entry = |index| LogEntry {
            at: Position {
                term: 3,
                node: 1,
                index,
            },
            commands: vec![Command::compact(crate::Revision(1), index * 10).pack()],
        };
        let committed = Committed::Entries(vec![entry(7), entry(8)]);
        let Shipment::Segment(segment) = pack(9, committed) else {
            panic!("there are entries")
        };
        assert_eq!(
            (segment.first, segment.last, segment.term, segment.time),
            (7, 8, 3, 80)
        );
        let whole = decode("s", &segment.bytes).unwrap();
        assert_eq!((whole.cluster, whole.entries.len()), (9, 2));
        assert_eq!(whole.entries[1].at(), entry(8).at);
        for at in 0..segment.bytes.len() {
            let mut bytes = segment.bytes.clone();
            bytes[at] ^= 4;
            assert!(decode("s", &bytes).is_err(), "byte {at}");
            assert!(decode("s", &segment.bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(matches!(
            pack(9, Committed::Entries(vec![])),
            Shipment::Nothing
        ));
    }
}
