//! Watches as a client sees them: a stream of events that goes on until it is dropped, read frame by frame and never kept.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::link::{Call, Failure, Link};
use super::load::{Turn, Work};
use super::objects::{Kind, NAMESPACE, Wire};
use super::tally::Done;

/// The annotation of the bookmark that ends the initial events (KEP-3157).
const INITIAL_EVENTS_END: &[u8] = b"k8s.io/initial-events-end";

/// Opens a watch of a kind in the load's namespace; the query says from where and which.
pub(crate) fn call(kind: Kind, query: &str, wire: Wire) -> Call {
    let path = format!("{}?watch=true&{query}", kind.path(NAMESPACE));
    // client-go asks for streamed protobuf under the same name that a single object has.
    let accept = match wire {
        Wire::Json => wire.media_type(),
        Wire::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
    };
    Call::get(path, accept)
}

/// The lines of a JSON watch, as they come.
pub(crate) struct Lines {
    body: Incoming,
    ready: VecDeque<Bytes>,
    /// What has come of a line that has not ended.
    rest: BytesMut,
}

impl Lines {
    pub(crate) fn new(body: Incoming) -> Self {
        Self {
            body,
            ready: VecDeque::new(),
            rest: BytesMut::new(),
        }
    }

    /// The next event; none when the server ended the watch.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            if let Ok(data) = frame.map_err(Failure::lost)?.into_data() {
                split(data, &mut self.rest, &mut self.ready);
            }
        }
    }
}

/// Cuts what has come into lines; a line that came whole is not copied.
fn split(mut data: Bytes, rest: &mut BytesMut, ready: &mut VecDeque<Bytes>) {
    while let Some(end) = memchr::memchr(b'\n', &data) {
        let line = data.split_to(end);
        data.advance(1);
        if rest.is_empty() {
            ready.push_back(line);
        } else {
            rest.extend_from_slice(&line);
            ready.push_back(rest.split().freeze());
        }
    }
    rest.extend_from_slice(&data);
}

/// Starts a watch that begins with all there is, reads up to the bookmark that ends it, and drops it.
pub(crate) struct WatchList {
    kind: Kind,
    wire: Wire,
}

impl WatchList {
    pub(crate) fn new(kind: Kind, wire: Wire) -> Self {
        Self { kind, wire }
    }
}

impl Work for WatchList {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=300";
            let call = call(self.kind, query, self.wire);
            let mut body = link.begin(call).await?.into_body();
            let mut seen = Seen::default();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(Failure::lost)?;
                if seen.end(frame.data_ref().map_or(&[], |data| data)) {
                    let received = seen.bytes;
                    return Ok(Done { sent: 0, received });
                }
            }
            Err(Failure::lost(
                "the watch ended before its initial events did",
            ))
        })
    }
}

/// Looks for the annotation in a stream, whatever encoding it lies in.
#[derive(Default)]
struct Seen {
    bytes: u64,
    tail: Vec<u8>,
}

impl Seen {
    fn end(&mut self, data: &[u8]) -> bool {
        self.bytes += data.len() as u64;
        let keep = INITIAL_EVENTS_END.len() - 1;
        // Where two frames meet: the end of what came before and the beginning of this.
        self.tail.extend_from_slice(&data[..data.len().min(keep)]);
        let found = memchr::memmem::find(&self.tail, INITIAL_EVENTS_END).is_some()
            || memchr::memmem::find(data, INITIAL_EVENTS_END).is_some();
        if data.len() >= keep {
            self.tail.clear();
            self.tail.extend_from_slice(&data[data.len() - keep..]);
        } else {
            let surplus = self.tail.len().saturating_sub(keep);
            self.tail.drain(..surplus);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_were_cut() {
        let (mut rest, mut ready) = (BytesMut::new(), VecDeque::new());
        for piece in ["{\"a\":1}\n{\"b\"", ":", "2}\n", "{\"c\":3}\n{}\n"] {
            split(Bytes::from_static(piece.as_bytes()), &mut rest, &mut ready);
        }
        assert_eq!(
            ready,
            [&b"{\"a\":1}"[..], b"{\"b\":2}", b"{\"c\":3}", b"{}"]
        );
        assert!(rest.is_empty());
    }

    #[test]
    fn the_end_is_seen_across_frames() {
        let text = b"xxxx\"k8s.io/initial-events-end\":\"true\"";
        for size in [1, 2, 7, 24, 25, 26, 100] {
            let mut seen = Seen::default();
            let found = text.chunks(size).any(|piece| seen.end(piece));
            assert!(found, "frames of {size}");
        }
        let mut seen = Seen::default();
        assert!(!text[..20].chunks(3).any(|piece| seen.end(piece)));
        assert_eq!(seen.bytes, 20);
    }
}
