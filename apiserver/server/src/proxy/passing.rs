//! What goes on between two others after the answer has begun: how fast it may, and that it counts until it ends.

use super::client::Duplex;
use crate::body::Body;
use crate::metrics::long_running::Running;
use crate::reply::Reply;
use futures_util::StreamExt as _;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::time::{Instant, sleep_until};

/// How long it may take to say goodbye to a side that does not listen any more.
const GOODBYE: Duration = Duration::from_secs(1);
/// The largest piece that is read at once where there is a pace.
const PIECE: usize = 8 * 1024;

/// How many bytes a second may pass in one direction; none: as many as can (--max-connection-bytes-per-sec).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace(Option<NonZeroU64>);

impl Pace {
    /// 0 is none.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Pace(NonZeroU64::new(bytes_per_second))
    }

    /// Measures one direction.
    pub(crate) fn meter(self) -> Meter {
        Meter {
            pace: self.0,
            free_at: Instant::now(),
        }
    }
}

pub(crate) struct Meter {
    pace: Option<NonZeroU64>,
    /// When what has passed so far has taken its time.
    free_at: Instant,
}

impl Meter {
    /// Waits until so many more bytes may pass: those before have had their time then.
    pub(crate) async fn pass(&mut self, bytes: usize) {
        let Some(pace) = self.pace else {
            return;
        };
        sleep_until(self.free_at).await;
        let takes = Duration::from_secs_f64(bytes as f64 / pace.get() as f64);
        self.free_at = self.free_at.max(Instant::now()) + takes;
    }
}

/// Goes along with whatever carries on behind an answer.
#[derive(Clone, Default)]
pub(crate) struct Passing {
    pub(crate) pace: Pace,
    pub(crate) counted: Option<Arc<Running>>,
}

impl Passing {
    /// Lets a reply that streams its body count until that has ended.
    pub(crate) fn along(self, mut reply: Reply) -> Reply {
        let body = std::mem::replace(reply.body_mut(), Body::empty());
        *reply.body_mut() = match body {
            Body::Stream(pieces) => Body::Stream(
                pieces
                    .map(move |piece| {
                        let _counted = &self.counted;
                        piece
                    })
                    .boxed(),
            ),
            other => other,
        };
        reply
    }

    /// Bytes both ways until one side ends; then both are told.
    pub(crate) async fn both_ways(self, one: impl Duplex, other: impl Duplex) -> io::Result<u64> {
        let (mut from_one, mut to_one) = split(one);
        let (mut from_other, mut to_other) = split(other);
        let ended = tokio::select! {
            ended = self.one_way(&mut from_one, &mut to_other) => ended,
            ended = self.one_way(&mut from_other, &mut to_one) => ended,
        };
        let goodbye = async { tokio::join!(to_one.shutdown(), to_other.shutdown()) };
        // One of them has gone, mostly.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        ended
    }

    async fn one_way(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<u64> {
        let Some(pace) = self.pace.0 else {
            return copy(from, to).await;
        };
        let mut meter = self.pace.meter();
        // No piece takes longer than a second.
        let piece = usize::try_from(pace.get()).map_or(PIECE, |pace| pace.min(PIECE));
        let mut buffer = vec![0; piece];
        let mut all = 0;
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(all);
            }
            meter.pass(read).await;
            to.write_all(&buffer[..read]).await?;
            to.flush().await?;
            all += read as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    /// How long so many bytes take at a pace, both ways at once.
    async fn took(pace: u64, bytes: usize) -> Duration {
        let (mut client, one) = duplex(1 << 20);
        let (other, mut server) = duplex(1 << 20);
        let passing = Passing {
            pace: Pace::new(pace),
            counted: None,
        };
        let passed = tokio::spawn(passing.both_ways(one, other));
        let began = Instant::now();
        let sent = vec![7; bytes];
        client.write_all(&sent).await.expect("sent");
        server.write_all(&sent).await.expect("sent");
        let (mut here, mut there) = (vec![0; bytes], vec![0; bytes]);
        let both = tokio::join!(client.read_exact(&mut here), server.read_exact(&mut there));
        both.0.expect("read");
        both.1.expect("read");
        let took = began.elapsed();
        assert!(here == sent && there == sent, "bytes are as they were");
        drop(client);
        passed.await.expect("no panic").expect("it ends well");
        took
    }

    #[tokio::test]
    async fn so_many_bytes_pass_in_a_second_each_way() {
        // The last piece passes as soon as those before it have had their time.
        let slow = took(20_000, 30_000).await;
        assert!(slow >= Duration::from_secs(1), "{slow:?}");
        // Each piece is smaller than the pace: none waits for longer than a second.
        let trickle = took(100, 250).await;
        assert!(trickle >= Duration::from_secs(1), "{trickle:?}");
        took(0, 1 << 19).await;
    }
}
