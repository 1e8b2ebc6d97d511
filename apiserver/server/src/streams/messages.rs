//! A body as messages of WebSocket, for browsers that follow a log (streaming pkg/httpstream/wsstream/stream.go).

use super::websocket;
use crate::proxy::passing::Passing;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use std::io;
use tokio_tungstenite::tungstenite::Message;
use triad_machinery::status::Status;

/// What the messages hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bytes,
    Base64,
}

const PROTOCOLS: [(&str, Form); 2] = [
    ("binary.k8s.io", Form::Bytes),
    ("base64.binary.k8s.io", Form::Base64),
];

/// The protocol that is chosen of those a client asks for, which may be none.
pub(crate) fn chosen(headers: &HeaderMap) -> Result<(Option<&'static str>, Form), Status> {
    let asked = websocket::protocols(headers);
    if asked.is_empty() {
        return Ok((None, Form::Bytes));
    }
    let mut known = asked.iter().filter_map(|asked| {
        let mut all = PROTOCOLS.into_iter();
        all.find(|(own, _)| own == asked)
    });
    let (protocol, form) = known.next().ok_or_else(|| {
        let (asked, known) = (asked.join(" "), PROTOCOLS.map(|(own, _)| own).join(" "));
        Status::bad_request(format!(
            "requested protocol(s) are not supported: [{asked}]; supports [{known}]"
        ))
    })?;
    Ok((Some(protocol), form))
}

/// Sends a body until it or the client ends. The first message tells the client that it is connected.
pub(crate) async fn pour(body: Incoming, asking: OnUpgrade, form: Form, passing: Passing) {
    let first = iter([Ok([form.message(Bytes::new())])]);
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(io::Error::other)?;
        Ok([form.message(piece)])
    });
    websocket::tell(asking, first.chain(pieces)).await;
    drop(passing);
}

impl Form {
    fn message(self, bytes: Bytes) -> Message {
        match self {
            Form::Bytes => Message::Binary(bytes),
            Form::Base64 => Message::Text(STANDARD.encode(bytes).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

    #[test]
    fn the_first_protocol_that_is_known_is_chosen() {
        let of = |protocols: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            let protocols = HeaderValue::from_static(protocols);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols);
            chosen(&headers).map_err(|status| status.code)
        };
        assert_eq!(of(""), Ok((None, Form::Bytes)));
        assert_eq!(
            of("x, base64.binary.k8s.io, binary.k8s.io"),
            Ok((Some("base64.binary.k8s.io"), Form::Base64))
        );
        assert_eq!(of("channel.k8s.io"), Err(400));
    }
}
