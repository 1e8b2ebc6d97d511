//! What members say to each other, as protobuf messages, and how streams of them are cut into
//! frames. Log entries travel as the bytes that are stored, with their own checksum. The table of
//! calls is in `docs/design/peers.md`; field numbers are never reused.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, VoteRequest, VoteResponse,
};
use prost::Message;

use crate::Position;
use crate::log_store::{decode_entry, encode_entry};
use crate::member::NodeRecord;
use crate::position::PositionRecord;
use crate::type_config::{CommittedLeader, LogId, TypeConfig, Vote};

/// The largest frame that is taken in: one log entry may be a little larger than the largest
/// transaction, an append carries a few of them.
const MAX_FRAME: usize = 64 << 20;

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct VoteRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryRecord {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(bytes = "bytes", tag = "2")]
    stored: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Append {
    #[prost(message, required, tag = "1")]
    vote: VoteRecord,
    #[prost(message, optional, tag = "2")]
    previous: Option<PositionRecord>,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<EntryRecord>,
    #[prost(message, optional, tag = "4")]
    committed: Option<PositionRecord>,
}

/// `matching` when nothing else is set.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Appended {
    #[prost(message, optional, tag = "1")]
    matching: Option<PositionRecord>,
    #[prost(message, optional, tag = "2")]
    conflict: Option<PositionRecord>,
    #[prost(message, optional, tag = "3")]
    higher: Option<VoteRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Ballot {
    #[prost(message, required, tag = "1")]
    vote: VoteRecord,
    #[prost(message, optional, tag = "2")]
    last: Option<PositionRecord>,
    /// In a request: the leader gives its place up. In an answer: granted.
    #[prost(bool, tag = "3")]
    flag: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Transfer {
    #[prost(message, required, tag = "1")]
    from: VoteRecord,
    #[prost(uint64, tag = "2")]
    to: u64,
    #[prost(message, optional, tag = "3")]
    last: Option<PositionRecord>,
}

/// Nothing set: it is under way.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Transferred {
    #[prost(message, repeated, tag = "1")]
    votes: Vec<VoteRecord>,
    #[prost(bool, tag = "2")]
    behind: bool,
    #[prost(message, optional, tag = "3")]
    expected: Option<PositionRecord>,
    #[prost(message, optional, tag = "4")]
    actual: Option<PositionRecord>,
}

/// A question that only the leader answers is answered by others with who leads.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Proposed {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) replies: Vec<Bytes>,
    #[prost(message, optional, tag = "3")]
    pub(crate) refused: Option<Refused>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Refused {
    /// Nothing was done, another member has to be asked; else the outcome is unknown.
    #[prost(bool, tag = "1")]
    pub(crate) not_leader: bool,
    #[prost(string, tag = "2")]
    pub(crate) why: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Change {
    #[prost(message, optional, tag = "1")]
    pub(crate) add: Option<NodeRecord>,
    #[prost(string, tag = "2")]
    pub(crate) remove: String,
    #[prost(string, tag = "3")]
    pub(crate) transfer: String,
}

/// One file of a state that is sent.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct FileRecord {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint64, tag = "2")]
    pub(crate) size: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) checksum: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Offer {
    #[prost(message, required, tag = "1")]
    pub(crate) vote: VoteRecord,
    #[prost(message, repeated, tag = "2")]
    pub(crate) files: Vec<FileRecord>,
    #[prost(message, required, tag = "3")]
    pub(crate) applied: PositionRecord,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) membership: Vec<u8>,
}

/// For each file of the offer, how many of its bytes are there already.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Wanted {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) present: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Chunk {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint64, tag = "2")]
    pub(crate) offset: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) bytes: Bytes,
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        Self {
            term: vote.leader_id.term,
            node: vote.leader_id.node_id,
            committed: vote.committed,
        }
    }
}

impl VoteRecord {
    pub(crate) fn vote(self) -> Vote {
        Vote {
            leader_id: CommittedLeader {
                term: self.term,
                node_id: self.node,
            },
            committed: self.committed,
        }
    }
}

fn put(id: Option<LogId>) -> Option<PositionRecord> {
    id.map(|id| Position::of(id).into())
}

fn take(record: Option<PositionRecord>) -> Option<LogId> {
    record.map(|at| Position::from(at).log_id())
}

impl Append {
    pub(crate) fn new(request: &AppendEntriesRequest<TypeConfig>) -> Self {
        let mut stored = Vec::new();
        let entries = request.entries.iter().map(|entry| {
            encode_entry(entry, &mut stored);
            EntryRecord {
                index: entry.log_id.index,
                stored: Bytes::copy_from_slice(&stored),
            }
        });
        Self {
            entries: entries.collect(),
            vote: (&request.vote).into(),
            previous: put(request.prev_log_id),
            committed: put(request.leader_commit),
        }
    }

    /// The request again; an entry that does not check is named.
    pub(crate) fn request(self) -> Result<AppendEntriesRequest<TypeConfig>, String> {
        let entries = self.entries.iter().map(|entry| {
            decode_entry(entry.index, &entry.stored)
                .map_err(|what| format!("entry {}: {what}", entry.index))
        });
        Ok(AppendEntriesRequest {
            entries: entries.collect::<Result<_, String>>()?,
            vote: self.vote.vote(),
            prev_log_id: take(self.previous),
            leader_commit: take(self.committed),
        })
    }
}

impl From<StreamAppendResult<TypeConfig>> for Appended {
    fn from(result: StreamAppendResult<TypeConfig>) -> Self {
        match result {
            Ok(matching) => Self {
                matching: put(matching),
                ..Self::default()
            },
            Err(StreamAppendError::Conflict(at)) => Self {
                conflict: put(Some(at)),
                ..Self::default()
            },
            Err(StreamAppendError::HigherVote(vote)) => Self {
                higher: Some((&vote).into()),
                ..Self::default()
            },
        }
    }
}

impl From<Appended> for StreamAppendResult<TypeConfig> {
    fn from(answer: Appended) -> Self {
        match (answer.higher, take(answer.conflict)) {
            (Some(vote), _) => Err(StreamAppendError::HigherVote(vote.vote())),
            (None, Some(at)) => Err(StreamAppendError::Conflict(at)),
            (None, None) => Ok(take(answer.matching)),
        }
    }
}

impl From<VoteRequest<TypeConfig>> for Ballot {
    fn from(request: VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            last: put(request.last_log_id),
            flag: request.leadership_transfer,
        }
    }
}

impl From<Ballot> for VoteRequest<TypeConfig> {
    fn from(ballot: Ballot) -> Self {
        Self {
            vote: ballot.vote.vote(),
            last_log_id: take(ballot.last),
            leadership_transfer: ballot.flag,
        }
    }
}

impl From<VoteResponse<TypeConfig>> for Ballot {
    fn from(response: VoteResponse<TypeConfig>) -> Self {
        Self {
            vote: (&response.vote).into(),
            last: put(response.last_log_id),
            flag: response.vote_granted,
        }
    }
}

impl From<Ballot> for VoteResponse<TypeConfig> {
    fn from(ballot: Ballot) -> Self {
        Self {
            vote: ballot.vote.vote(),
            last_log_id: take(ballot.last),
            vote_granted: ballot.flag,
        }
    }
}

impl From<TransferLeaderRequest<TypeConfig>> for Transfer {
    fn from(request: TransferLeaderRequest<TypeConfig>) -> Self {
        Self {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: put(request.last_log_id().copied()),
        }
    }
}

impl From<Transfer> for TransferLeaderRequest<TypeConfig> {
    fn from(transfer: Transfer) -> Self {
        Self::new(transfer.from.vote(), transfer.to, take(transfer.last))
    }
}

impl From<Result<(), TransferLeaderError<TypeConfig>>> for Transferred {
    fn from(result: Result<(), TransferLeaderError<TypeConfig>>) -> Self {
        match result {
            Ok(()) => Self::default(),
            Err(TransferLeaderError::VoteChanged { expected, actual }) => Self {
                votes: vec![(&expected).into(), (&actual).into()],
                ..Self::default()
            },
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => Self {
                behind: true,
                expected: put(expected),
                actual: put(actual),
                ..Self::default()
            },
        }
    }
}

impl From<Transferred> for Result<(), TransferLeaderError<TypeConfig>> {
    fn from(answer: Transferred) -> Self {
        match (answer.votes.as_slice(), answer.behind) {
            ([expected, actual], _) => Err(TransferLeaderError::VoteChanged {
                expected: expected.vote(),
                actual: actual.vote(),
            }),
            (_, true) => Err(TransferLeaderError::LogNotFlushed {
                expected: take(answer.expected),
                actual: take(answer.actual),
            }),
            _ => Ok(()),
        }
    }
}

/// A message behind its length (4 bytes, little-endian).
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + message.encoded_len());
    // Messages are bounded far below 4 GiB by what an entry may hold.
    out.put_u32_le(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    message.encode_raw(&mut out);
    out.freeze()
}

/// The messages of a body, as they arrive. It ends after the first error.
pub(crate) fn messages<M: Message + Default>(
    body: Incoming,
) -> impl Stream<Item = Result<M, String>> + Send + 'static {
    let state = Some((body, BytesMut::new()));
    futures_util::stream::unfold(state, |state| async move {
        let (mut body, mut held) = state?;
        loop {
            match cut(&mut held) {
                Ok(Some(message)) => return Some((Ok(message), Some((body, held)))),
                Ok(None) => {}
                Err(why) => return Some((Err(why), None)),
            }
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        held.extend_from_slice(&data);
                    }
                }
                Some(Err(e)) => return Some((Err(e.to_string()), None)),
                None if held.is_empty() => return None,
                None => return Some((Err("it ends within a message".into()), None)),
            }
        }
    })
    .fuse()
}

pub(crate) fn cut<M: Message + Default>(held: &mut BytesMut) -> Result<Option<M>, String> {
    if held.len() < 4 {
        return Ok(None);
    }
    let size = u32::from_le_bytes([held[0], held[1], held[2], held[3]]) as usize;
    if size > MAX_FRAME {
        return Err(format!("a message of {size} bytes is too large"));
    }
    if held.len() < 4 + size {
        held.reserve(4 + size - held.len());
        return Ok(None);
    }
    held.advance(4);
    let bytes = held.split_to(size).freeze();
    M::decode(bytes)
        .map(Some)
        .map_err(|e| format!("a message does not decode: {e}"))
}

/// A whole body as one message.
pub(crate) async fn whole<M: Message + Default>(body: Incoming) -> Result<M, String> {
    if body
        .size_hint()
        .upper()
        .is_some_and(|size| size > MAX_FRAME as u64)
    {
        return Err("the message is too large".into());
    }
    let body = http_body_util::Limited::new(body, MAX_FRAME);
    let bytes = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
    M::decode(bytes).map_err(|e| format!("the message does not decode: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_config::{Entry, Frame, Payload};

    fn at(index: u64) -> LogId {
        Position {
            term: 3,
            node: 8,
            index,
        }
        .log_id()
    }

    fn append() -> AppendEntriesRequest<TypeConfig> {
        let frame = Frame {
            commands: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
        };
        AppendEntriesRequest {
            vote: Vote {
                leader_id: at(0).leader_id,
                committed: true,
            },
            prev_log_id: Some(at(6)),
            entries: vec![
                Entry {
                    log_id: at(7),
                    payload: Payload::Normal(frame),
                },
                Entry {
                    log_id: at(8),
                    payload: Payload::Blank,
                },
            ],
            leader_commit: Some(at(5)),
        }
    }

    #[test]
    fn an_append_comes_back() {
        let sent = frame(&Append::new(&append()));
        let mut held = BytesMut::new();
        for byte in &sent[..sent.len() - 1] {
            held.put_u8(*byte);
            assert_eq!(cut::<Append>(&mut held), Ok(None));
        }
        held.put_u8(sent[sent.len() - 1]);
        let came = cut::<Append>(&mut held)
            .unwrap()
            .unwrap()
            .request()
            .unwrap();
        assert_eq!(format!("{came:?}"), format!("{:?}", append()));
        assert!(held.is_empty());
    }

    #[test]
    fn an_entry_damaged_on_the_way_is_refused_by_its_index() {
        let mut sent = Append::new(&append());
        let mut stored = sent.entries[0].stored.to_vec();
        *stored.last_mut().unwrap() ^= 1;
        sent.entries[0].stored = stored.into();
        assert!(sent.request().unwrap_err().contains("entry 7"));
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
        let mut held = BytesMut::from(&[0xff, 0xff, 0xff, 0x7f][..]);
        assert!(cut::<Append>(&mut held).is_err());
    }
}
