//! The body of an answer: shared pieces at hand or made as they are sent, or a stream that a handler feeds.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The rest of a body cannot be made. The client sees its stream or connection end before the body does.
#[derive(Clone, Debug)]
pub(crate) struct CutShort;

impl std::fmt::Display for CutShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the rest of the body cannot be made")
    }
}

impl std::error::Error for CutShort {}

/// A piece of a body, or its untimely end.
pub(crate) type Piece = Result<Bytes, CutShort>;

/// Pieces made one by one.
pub(crate) type Pieces = Box<dyn Iterator<Item = Piece> + Send>;

pub(crate) enum Body {
    /// Pieces known from the start; their sum is the Content-Length.
    Pieces(VecDeque<Bytes>),
    /// Pieces made one by one as the client takes them.
    Chunks(Pieces),
    Stream(BoxStream<'static, Piece>),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Body::Pieces(VecDeque::new())
    }

    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Body::Pieces(pieces) => Some(pieces.iter().map(Bytes::len).sum()),
            Body::Chunks(_) | Body::Stream(_) => None,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Body::empty()
        } else {
            Body::Pieces(VecDeque::from([bytes]))
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match &mut *self {
            Body::Pieces(pieces) => {
                Poll::Ready(pieces.pop_front().map(|bytes| Ok(Frame::data(bytes))))
            }
            Body::Chunks(chunks) => Poll::Ready(chunks.next().map(|piece| piece.map(Frame::data))),
            Body::Stream(stream) => stream
                .as_mut()
                .poll_next(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Pieces(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.len().map_or_else(SizeHint::default, |length| {
            SizeHint::with_exact(length as u64)
        })
    }
}
