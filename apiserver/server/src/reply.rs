//! Answers: an object or status in the form the client accepts, gzip above a size, the headers every answer bears.

use crate::body::Body;
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
use std::io::Write;
use triad_machinery::codec::{json, protobuf, yaml};
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::status::Status;

/// Bodies above this many bytes are compressed for clients that take gzip.
const GZIP_ABOVE: usize = 128 * 1024;
/// Level 1, as upstream: the time matters more than the last bytes.
const GZIP_LEVEL: u32 = 1;

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

/// Compresses a large body where the client takes gzip. Streams are left alone.
pub(crate) fn compress(request: &HeaderMap, reply: &mut Reply) {
    if reply.body().len().is_none_or(|length| length <= GZIP_ABOVE)
        || reply.headers().contains_key(CONTENT_ENCODING)
        || !takes_gzip(request)
    {
        return;
    }
    let Body::Pieces(pieces) = std::mem::replace(reply.body_mut(), Body::empty()) else {
        return;
    };
    let mut encoder = GzEncoder::new(
        Vec::with_capacity(GZIP_ABOVE / 4),
        Compression::new(GZIP_LEVEL),
    );
    let written = pieces
        .iter()
        .try_for_each(|piece| encoder.write_all(piece))
        .and_then(|()| encoder.finish());
    match written {
        Ok(compressed) => {
            *reply.body_mut() = Body::from(compressed);
            reply
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            reply
                .headers_mut()
                .append(VARY, HeaderValue::from_static("Accept-Encoding"));
            reply.headers_mut().remove(CONTENT_LENGTH);
        }
        // Writing to memory does not fail; if it ever does, the body goes out as it is.
        Err(_) => *reply.body_mut() = Body::Pieces(pieces),
    }
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
