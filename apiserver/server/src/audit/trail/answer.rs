//! What an answer's body says, for events that show it.

use crate::audit::content;
use crate::body::Body;
use crate::reply::Reply;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::Value;

/// Bodies longer than this are no Status.
const LONGEST_STATUS: usize = 64 * 1024;

pub(super) fn document(reply: &Reply, body: &[u8]) -> Option<Value> {
    let content_type = reply.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let known = ["json", "yaml", "protobuf"];
    let known = known.iter().any(|known| content_type.contains(known));
    known.then(|| content::document(content_type, body))?
}

/// The body, if it is so short that it may be a Status.
pub(super) fn short(reply: &Reply) -> Option<Vec<u8>> {
    let Body::Pieces(pieces) = reply.body() else {
        return None;
    };
    let length: usize = pieces.iter().map(Bytes::len).sum();
    (length <= LONGEST_STATUS).then(|| joined(pieces.iter()))
}

/// Whether a body begins as a Status does, in any form.
pub(super) fn may_be_status(body: &[u8]) -> bool {
    let begin = &body[..body.len().min(64)];
    memchr::memmem::find(begin, b"Status").is_some()
}

/// The whole body, unless it goes on as long as the client likes.
pub(super) fn whole(reply: &mut Reply) -> Option<Vec<u8>> {
    let body = match std::mem::replace(reply.body_mut(), Body::empty()) {
        Body::Chunks(chunks) => {
            let made: Vec<_> = chunks.collect();
            match made.iter().cloned().collect() {
                Ok(pieces) => Body::Pieces(pieces),
                Err(_) => Body::Chunks(Box::new(made.into_iter())),
            }
        }
        other => other,
    };
    *reply.body_mut() = body;
    match reply.body() {
        Body::Pieces(pieces) => Some(joined(pieces.iter())),
        Body::Chunks(_) | Body::Stream(_) => None,
    }
}

fn joined<'a>(pieces: impl Iterator<Item = &'a Bytes>) -> Vec<u8> {
    pieces.flat_map(|piece| piece.iter().copied()).collect()
}
