//! Reading a request body within the limit (3 MiB, as upstream).

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use std::time::Duration;
use triad_machinery::status::Status;

/// The largest body accepted.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Of a body that is too large, this much is read and thrown away.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Status> {
    let too_large = || Status::request_entity_too_large(format!("limit is {MAX_BYTES}"));
    let hint = body.size_hint().exact().unwrap_or(0);
    if hint > MAX_BYTES as u64 {
        drain(body, hint).await;
        return Err(too_large());
    }
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Status::bad_request(format!("the body could not be read: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if joined.len() + first.as_ref().map_or(0, Bytes::len) + data.len() > MAX_BYTES {
            drain(body, 0).await;
            return Err(too_large());
        }
        // Most bodies come in one piece and are not copied.
        match first.take() {
            None if joined.is_empty() => first = Some(data),
            None => joined.extend_from_slice(&data),
            Some(head) => {
                joined.reserve(hint as usize);
                joined.extend_from_slice(&head);
                joined.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| joined.freeze()))
}

/// Reads what a client is still sending, within bounds, so that it comes to read the refusal instead of a broken pipe.
async fn drain(mut body: Incoming, length: u64) {
    if length > DRAINED_BYTES as u64 {
        return;
    }
    let read = async {
        let mut drained = 0;
        while let Some(Ok(frame)) = body.frame().await {
            drained += frame.data_ref().map_or(0, Bytes::len);
            if drained > DRAINED_BYTES {
                return;
            }
        }
    };
    // A client too slow for this gets the broken pipe.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}
