//! One way between two members, as bad as the weather on it: what is sent comes late, not all at the same time, in a trickle,
//! or is lost. Lost packets are seen from above TCP, since that is what members talk by: what was lost is sent again after a
//! while that doubles, everything behind it on the same connection waits, and in the end the connection breaks.

use std::io::{Error, ErrorKind, Result};
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use triad_fault::Dice;

/// What is read at a time, and delayed as one.
const PIECE: usize = 16 << 10;
/// Bytes that are lost or not lost together.
const PACKET: usize = 1448;
/// How long TCP waits at least before it sends something again (Linux: TCP_RTO_MIN), and how often it does here.
const SEND_AGAIN: Duration = Duration::from_millis(200);
const ATTEMPTS: u32 = 5;
/// Pieces on their way on one connection; the sender of more waits, as behind a full window.
const UNDER_WAY: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) delay_ms: u64,
    /// Up to so much more, for each piece of each connection anew: connections overtake each other.
    pub(crate) jitter_ms: u64,
    /// Of a hundred packets.
    pub(crate) lost: u64,
    /// What all connections together may send in a second; 0 for any amount.
    pub(crate) bytes_per_second: u64,
}

/// From one member to one other.
pub(crate) struct Road {
    weather: Mutex<Weather>,
    /// When the last piece that was let on has left a narrow road.
    free: Mutex<Instant>,
}

impl Road {
    pub(crate) fn new() -> Self {
        Self {
            weather: Mutex::default(),
            free: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
        // Whatever queued up in earlier weather is let through.
        *self.free.lock().unwrap() = Instant::now();
    }

    /// When a piece arrives that is sent now; `None` when the connection breaks over it.
    fn arrival(&self, bytes: usize, dice: &mut Dice) -> Option<Instant> {
        let weather = *self.weather.lock().unwrap();
        let now = Instant::now();
        let mut at = now + Duration::from_millis(weather.delay_ms + dice.below(weather.jitter_ms));
        let takes = (bytes as u64 * 1_000_000).checked_div(weather.bytes_per_second);
        if let Some(takes) = takes {
            let mut free = self.free.lock().unwrap();
            *free = (*free).max(now) + Duration::from_micros(takes);
            at += *free - now;
        }
        if weather.lost == 0 {
            return Some(at);
        }
        let mut packets = bytes.div_ceil(PACKET);
        for attempt in 0..ATTEMPTS {
            let sent = packets;
            packets = (0..sent).filter(|_| dice.below(100) < weather.lost).count();
            if packets == 0 {
                return Some(at);
            }
            at += SEND_AGAIN * (1 << attempt);
        }
        None
    }
}

/// Joins two ends of a connection until both have ended, or it breaks.
pub(crate) async fn join(mut ends: (TcpStream, TcpStream), roads: (&Road, &Road), mut dice: Dice) {
    let back = Dice::new(dice.roll());
    let (from_caller, to_caller) = ends.0.split();
    let (from_called, to_called) = ends.1.split();
    // An error is that the connection broke, which both members see by themselves.
    let _ = tokio::try_join!(
        carry(from_caller, to_called, roads.0, dice),
        carry(from_called, to_caller, roads.1, back),
    );
}

async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    road: &Road,
    mut dice: Dice,
) -> Result<()> {
    let (send, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let sending = async move {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).await?;
            if read == 0 {
                return Ok(());
            }
            let at = road
                .arrival(read, &mut dice)
                .ok_or_else(|| Error::from(ErrorKind::ConnectionReset))?;
            let sent = send.send((at, piece[..read].to_vec())).await;
            sent.map_err(|_| Error::from(ErrorKind::BrokenPipe))?;
        }
    };
    let receiving = async move {
        // Each piece waits for those before it.
        while let Some((at, piece)) = arriving.recv().await {
            sleep_until(at).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(sending, receiving).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::*;

    /// The two ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let called = listener.local_addr().unwrap();
        let (caller, taken) = tokio::join!(TcpStream::connect(called), listener.accept());
        (caller.unwrap(), taken.unwrap().0)
    }

    /// Two ends with two roads between them.
    async fn apart(there: Weather, seed: u64) -> (TcpStream, TcpStream) {
        let ((caller, near), (far, called)) = (pair().await, pair().await);
        let (out, back) = (Arc::new(Road::new()), Arc::new(Road::new()));
        out.set(there);
        tokio::spawn(async move { join((near, far), (&out, &back), Dice::new(seed)).await });
        (caller, called)
    }

    /// How long a message of some bytes takes; `None` when the connection breaks.
    async fn time(ends: &mut (TcpStream, TcpStream), bytes: usize) -> Option<Duration> {
        let began = Instant::now();
        let message: Vec<u8> = (0..bytes).map(|n| n as u8).collect();
        let mut received = vec![0; bytes];
        let (sent, read) =
            tokio::join!(ends.0.write_all(&message), ends.1.read_exact(&mut received));
        (sent.is_ok() && read.is_ok()).then(|| {
            assert_eq!(received, message, "bytes keep their order");
            began.elapsed()
        })
    }

    #[tokio::test]
    async fn fair_weather_changes_nothing() {
        let mut ends = apart(Weather::default(), 1).await;
        assert!(time(&mut ends, 1 << 20).await.is_some());
        drop(ends.0);
        assert_eq!(ends.1.read(&mut [0]).await.unwrap(), 0, "an end is an end");
    }

    #[tokio::test]
    async fn a_delay_holds_one_way_and_the_other_is_as_before() {
        let slow = Weather {
            delay_ms: 5000,
            jitter_ms: 40,
            ..Weather::default()
        };
        let mut ends = apart(slow, 2).await;
        let taken = time(&mut ends, 10).await.unwrap();
        assert!(taken >= Duration::from_secs(5), "{taken:?}");
        let mut ends = (ends.1, ends.0);
        let taken = time(&mut ends, 10).await.unwrap();
        assert!(taken < Duration::from_secs(5), "{taken:?}");
    }

    #[tokio::test]
    async fn a_narrow_road_takes_time_for_each_byte() {
        let narrow = Weather {
            bytes_per_second: 200_000,
            ..Weather::default()
        };
        let mut ends = apart(narrow, 3).await;
        let taken = time(&mut ends, 60_000).await.unwrap();
        assert!(taken >= Duration::from_millis(280), "{taken:?}");
    }

    #[tokio::test]
    async fn losses_stall_a_connection_and_then_break_it() {
        let lossy = Weather {
            lost: 60,
            ..Weather::default()
        };
        let (mut stalled, mut broken) = (0, 0);
        let attempts = (0..24).map(|seed| async move {
            let mut ends = apart(lossy, seed).await;
            time(&mut ends, 4 * PACKET).await
        });
        for attempt in futures_util::future::join_all(attempts).await {
            match attempt {
                Some(taken) if taken >= SEND_AGAIN => stalled += 1,
                Some(_) => {}
                None => broken += 1,
            }
        }
        assert!(
            stalled > 6 && broken > 2,
            "{stalled} stalled, {broken} broke"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_weather() {
        let road = Road::new();
        road.set(Weather {
            delay_ms: 50,
            jitter_ms: 500,
            lost: 40,
            bytes_per_second: 0,
        });
        let tell = |seed| {
            let mut dice = Dice::new(seed);
            let began = Instant::now();
            let late = |at: Instant| (at - began).as_millis() / 20;
            (0..20)
                .map(|_| road.arrival(3000, &mut dice).map(late))
                .collect::<Vec<_>>()
        };
        assert_eq!(tell(7), tell(7));
        assert_ne!(tell(7), tell(8));
    }
}
