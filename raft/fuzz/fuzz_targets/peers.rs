//! Any bytes as what another member sends: refused, or calls of openraft's that say the same when they are written again.
#![no_main]
#![allow(dead_code, reason = "parts of the room, taken by themselves")]

#[path = "../../src/member.rs"]
mod member;
#[path = "../../src/position.rs"]
mod position;
#[path = "../../src/type_config.rs"]
mod type_config;
#[path = "../../src/peers/wire.rs"]
mod wire;
#[path = "."]
mod log_store {
    #[path = "../../src/log_store/record.rs"]
    pub(crate) mod record;
    pub(crate) use record::{decode_entry, encode_entry};
}

pub use member::Member;
pub use position::Position;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use wire::{Append, Appended, Ballot, Transfer, Transferred};

fuzz_target!(|data: &[u8]| {
    let mut held = BytesMut::from(data);
    while let Ok(Some(append)) = wire::cut::<Append>(&mut held) {
        take(append);
    }
    if let Ok(append) = Append::decode(data) {
        take(append);
    }
    if let Ok(answer) = Appended::decode(data) {
        let _: openraft::raft::StreamAppendResult<type_config::TypeConfig> = answer.into();
    }
    if let Ok(ballot) = Ballot::decode(data) {
        let _: openraft::raft::VoteRequest<type_config::TypeConfig> = ballot.into();
    }
    if let Ok(transfer) = Transfer::decode(data) {
        let _: openraft::raft::TransferLeaderRequest<type_config::TypeConfig> = transfer.into();
    }
    if let Ok(answer) = Transferred::decode(data) {
        let _: Result<(), openraft::raft::TransferLeaderError<type_config::TypeConfig>> =
            answer.into();
    }
    let _ = member::seats(data);
    entry(data);
});

fn take(append: Append) {
    if let Ok(request) = append.request() {
        let _ = Append::new(&request);
    }
}

/// Entries have checksums, which chance does not hit: here they are right.
fn entry(data: &[u8]) {
    let Some((index, rest)) = data.split_first() else {
        return;
    };
    let index = u64::from(*index);
    let key = log_store::record::entry_key(index);
    let sum = crc32c::crc32c_append(crc32c::crc32c(&key), rest);
    let stored = [&sum.to_le_bytes()[..], rest].concat();
    if let Ok(entry) = log_store::decode_entry(index, &stored) {
        let mut again = Vec::new();
        log_store::encode_entry(&entry, &mut again);
        assert_eq!(log_store::decode_entry(index, &again).as_ref(), Ok(&entry));
    }
}
