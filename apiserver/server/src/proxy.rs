//! Passing requests on to other servers: what aggregated API servers, kubelets and what runs in pods have in common (apimachinery
//! pkg/util/proxy). Who may ask, and where it goes, is said by who calls.
//!
//! **Invariant:** no redirect is followed; an upgrade that was refused ends its connection.

pub(crate) mod client;
pub(crate) mod headers;
pub(crate) mod location;
pub(crate) mod passing;
pub(crate) mod rewrite;
pub(crate) mod upgrade;

pub(crate) use client::{Client, Sent, Way};
pub(crate) use location::Location;

use crate::body::{Body, CutShort, Piece};
use crate::reply::Reply;
use futures_util::stream::{BoxStream, StreamExt as _};
use http::{Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

/// The other server's answer as this one's: sent on as it comes, until a time.
pub(crate) fn received(answer: Response<Incoming>, until: Option<Instant>) -> Reply {
    let (mut head, body) = answer.into_parts();
    headers::end_to_end(&mut head.headers, false);
    headers::without_cors(&mut head.headers);
    head.version = Version::HTTP_11;
    Response::from_parts(head, streamed(body, until))
}

/// A body that is sent on as it comes.
pub(crate) fn streamed(body: Incoming, until: Option<Instant>) -> Body {
    let pieces = body.into_data_stream().map(|piece| {
        piece.map_err(|error| {
            tracing::debug!(%error, "a server that a request was passed on to ended its answer early");
            CutShort
        })
    });
    Body::Stream(match until {
        None => pieces.boxed(),
        Some(until) => bounded(pieces.boxed(), until).boxed(),
    })
}

/// Ends a body that is not there in time.
fn bounded(
    pieces: BoxStream<'static, Piece>,
    until: Instant,
) -> impl futures_util::Stream<Item = Piece> + Send {
    futures_util::stream::unfold(Some(pieces), move |pieces| async move {
        let mut pieces = pieces?;
        match tokio::time::timeout_at(until, pieces.next()).await {
            Ok(piece) => Some((piece?, Some(pieces))),
            Err(_) => Some((Err(CutShort), None)),
        }
    })
}
