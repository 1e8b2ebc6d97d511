//! Answers: an object or status in the form the client accepts, gzip above a size, the headers every answer bears.

use crate::body::{Body, CutShort, Piece, Pieces};
use crate::negotiate::{Accepted, Media};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, VARY,
};
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use triad_machinery::codec::{json, protobuf, yaml};
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::status::Status;

/// Bodies above this many bytes are compressed for clients that take gzip.
pub(crate) const GZIP_ABOVE: usize = 128 * 1024;
/// Level 1, as upstream: the time matters more than the last bytes.
pub(crate) const GZIP_LEVEL: u32 = 1;

/// Compressed bytes after which a piece is handed on.
const PACKED_BYTES: usize = 16 * 1024;

pub(crate) type Reply = Response<Body>;

/// An object as an answer. `object` bears kind and apiVersion; `ty` is its type.
pub(crate) fn object(code: u16, object: &Value, ty: TypeId, accepted: &Accepted) -> Reply {
    bytes(
        code,
        accepted.media.content_type(),
        encode(object, ty, accepted.media, accepted.pretty),
    )
}

/// The bytes of an object in a media type; JSON ends in a newline unless it is pretty.
pub(crate) fn encode(object: &Value, ty: TypeId, media: Media, pretty: bool) -> Vec<u8> {
    match media {
        Media::Json if pretty => json::pretty(&json::encode(object, ty, None)),
        Media::Json => {
            let mut bytes = json::encode(object, ty, None);
            bytes.push(b'\n');
            bytes
        }
        Media::Yaml => yaml::encode(object, ty, None),
        Media::Protobuf => protobuf::encode(object, ty, None),
    }
}

/// A status in the form the client accepts.
pub(crate) fn status(status: &Status, accepted: &Accepted) -> Reply {
    let mut reply = object(status.code, &status.to_value(), status_type(), accepted);
    if let Some(seconds) = status.retry_after_seconds() {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// A status for a client with whom no form could be agreed: indented JSON.
pub(crate) fn raw_status(status: &Status) -> Reply {
    let accepted = Accepted {
        pretty: true,
        ..Accepted::json()
    };
    self::status(status, &accepted)
}

pub(crate) fn status_type() -> TypeId {
    named("meta/v1.Status")
}

/// A type that the embedded table surely holds.
pub(crate) fn named(name: &str) -> TypeId {
    schema()
        .type_named(name)
        .unwrap_or_else(|| panic!("the schema table has no type {name}"))
}

pub(crate) fn bytes(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(crate) fn empty(code: u16) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

/// Plain text as net/http's Error writes it.
pub(crate) fn text(code: u16, body: impl Into<String>) -> Reply {
    let mut reply = bytes(code, "text/plain; charset=utf-8", body.into());
    reply.headers_mut().insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    reply
}

pub(crate) fn page_not_found() -> Reply {
    text(404, "404 page not found\n")
}

/// Drops the body of an answer to HEAD; its length stays on the headers.
pub(crate) fn headers_only(reply: &mut Reply) {
    if let Some(length) = reply.body().len() {
        reply
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *reply.body_mut() = Body::empty();
}

/// A body made piece by piece. One that is short is made at once, so that its length is known.
pub(crate) fn chunked(
    code: u16,
    content_type: &'static str,
    mut chunks: impl Iterator<Item = Piece> + Send + 'static,
) -> Reply {
    let (mut first, mut length) = (VecDeque::new(), 0);
    let mut reply = bytes(code, content_type, Bytes::new());
    while length <= GZIP_ABOVE {
        match chunks.next() {
            None => {
                *reply.body_mut() = Body::Pieces(first);
                return reply;
            }
            Some(Ok(chunk)) => {
                length += chunk.len();
                first.push_back(chunk);
            }
            Some(Err(cut)) => {
                let begun = first.into_iter().map(Ok);
                *reply.body_mut() = Body::Chunks(Box::new(begun.chain([Err(cut)])));
                return reply;
            }
        }
    }
    let begun = first.into_iter().map(Ok);
    *reply.body_mut() = Body::Chunks(Box::new(begun.chain(chunks)));
    reply
}

/// What makes an answer's body in gzip, at less cost than compressing what it has.
#[derive(Clone)]
pub(crate) struct Zippable(pub(crate) Arc<dyn Fn() -> Pieces + Send + Sync>);

/// Compresses a large body where the client takes gzip, piece by piece as it is sent. Streams are left alone.
pub(crate) fn compress(request: &HeaderMap, reply: &mut Reply) {
    let large = match reply.body() {
        Body::Pieces(_) => reply.body().len().is_some_and(|length| length > GZIP_ABOVE),
        Body::Chunks(_) => true,
        Body::Stream(_) => false,
    };
    if !large || reply.headers().contains_key(CONTENT_ENCODING) || !takes_gzip(request) {
        return;
    }
    let zipped = reply.extensions_mut().remove::<Zippable>();
    if let (Body::Chunks(_), Some(zipped)) = (reply.body(), zipped) {
        *reply.body_mut() = Body::Chunks(zipped.0());
        return zipped_headers(reply.headers_mut());
    }
    let plain: Pieces = match std::mem::replace(reply.body_mut(), Body::empty()) {
        Body::Pieces(pieces) => Box::new(pieces.into_iter().map(Ok)),
        Body::Chunks(chunks) => chunks,
        Body::Stream(stream) => return *reply.body_mut() = Body::Stream(stream),
    };
    let packed = chunked(200, "", Gzip::new(plain));
    *reply.body_mut() = packed.into_body();
    zipped_headers(reply.headers_mut());
}

fn zipped_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.remove(CONTENT_LENGTH);
}

/// Pieces of a gzip stream around pieces of something plain.
struct Gzip<I> {
    plain: I,
    /// None once the stream has ended.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I> Gzip<I> {
    fn new(plain: I) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
        Gzip {
            plain,
            encoder: Some(encoder),
        }
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Gzip<I> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let encoder = self.encoder.as_mut()?;
        for piece in self.plain.by_ref() {
            let packed = piece.and_then(|piece| encoder.write_all(&piece).map_err(cut_short));
            if let Err(cut) = packed {
                self.encoder = None;
                return Some(Err(cut));
            }
            if encoder.get_ref().len() >= PACKED_BYTES {
                return Some(Ok(std::mem::take(encoder.get_mut()).into()));
            }
        }
        let packed = self.encoder.take()?.finish();
        Some(packed.map(Bytes::from).map_err(cut_short))
    }
}

pub(crate) fn cut_short(error: std::io::Error) -> CutShort {
    tracing::error!(%error, "a body cannot be compressed");
    CutShort
}

pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let Some(header) = headers.get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    header.split(',').any(|item| item.trim() == "gzip")
}

/// A Warning header: 299 and the text, quoted (RFC 7234 5.5).
pub(crate) fn add_warning(reply: &mut Reply, text: &str) {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let quoted = clean.replace('\\', "\\\\").replace('"', "\\\"");
    if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
        reply
            .headers_mut()
            .append(HeaderName::from_static("warning"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn pieces(count: usize) -> impl Iterator<Item = Piece> + Send + 'static {
        (0..count).map(|number| Ok(Bytes::from(format!("{number:08}").repeat(4096))))
    }

    fn whole(count: usize) -> Vec<u8> {
        let pieces: Result<Vec<_>, _> = pieces(count).collect();
        pieces.unwrap().concat()
    }

    fn collect(body: Body) -> Vec<Bytes> {
        match body {
            Body::Pieces(pieces) => pieces.into(),
            Body::Chunks(chunks) => chunks.collect::<Result<_, _>>().unwrap(),
            Body::Stream(_) => panic!("no stream was made"),
        }
    }

    #[test]
    fn the_length_of_a_short_body_is_known_and_a_long_one_is_made_as_it_goes() {
        let short = chunked(200, "text/plain", pieces(3));
        assert_eq!(short.body().len(), Some(3 * 8 * 4096));
        let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = {
            let made = made.clone();
            pieces(1000).inspect(move |_| {
                made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            })
        };
        let long = chunked(200, "text/plain", counted);
        assert_eq!(long.body().len(), None);
        assert!(made.load(std::sync::atomic::Ordering::Relaxed) < 10);
        assert_eq!(collect(long.into_body()).concat(), whole(1000));
    }

    #[test]
    fn what_cannot_be_made_ends_the_body_with_an_error() {
        let mut request = HeaderMap::new();
        request.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        for (before, packed) in [(0, false), (3, false), (40, false), (40, true)] {
            let mut reply = chunked(200, "", pieces(before).chain([Err(CutShort)]));
            if packed {
                compress(&request, &mut reply);
            }
            let Body::Chunks(chunks) = reply.into_body() else {
                panic!("{before}: a body that is cut short has no length");
            };
            let sent: Vec<Piece> = chunks.collect();
            assert!(matches!(sent.last(), Some(Err(CutShort))), "{before}");
        }
    }

    #[test]
    fn what_is_packed_piece_by_piece_unpacks_to_the_same() {
        let mut request = HeaderMap::new();
        request.insert(ACCEPT_ENCODING, HeaderValue::from_static("deflate, gzip"));
        for count in [1, 3, 5, 40] {
            let mut reply = chunked(200, "text/plain", pieces(count));
            compress(&request, &mut reply);
            let packed = reply.headers().get(CONTENT_ENCODING).is_some();
            assert_eq!(packed, count * 8 * 4096 > GZIP_ABOVE, "{count}");
            let sent = collect(reply.into_body()).concat();
            let plain = whole(count);
            if packed {
                let mut unpacked = Vec::new();
                GzDecoder::new(&sent[..])
                    .read_to_end(&mut unpacked)
                    .unwrap();
                assert_eq!(unpacked, plain);
            } else {
                assert_eq!(sent, plain);
            }
        }
    }
}
