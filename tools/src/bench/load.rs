//! The driver of a load: clients spread over threads that share nothing, each with its link and its work. Closed loop: a client begins
//! its next operation when the last one ended. Open loop: operations begin on a schedule whatever the server does, and what has
//! to wait counts from when it was due (no coordinated omission).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use parking_lot::Mutex;

use super::figures::Span;
use super::link::{Connection, Failure, Http, Link};
use super::process::Processes;
use super::tally::{Done, Tally};
use crate::api::Client;

/// After a failure a client waits, so that a server that refuses everything is not hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How hard and how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) threads: usize,
    /// Clients that share one HTTP/2 connection.
    pub(crate) streams: usize,
    pub(crate) http: Http,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    /// Operations a second of an open loop; none is a closed loop.
    pub(crate) rate: Option<f64>,
    /// Operations after which a closed loop ends, whatever the time; it has no warm-up.
    pub(crate) count: Option<u64>,
}

/// What one client does, operation by operation.
pub(crate) trait Work: Send {
    /// One operation, of one call or several.
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a>;
}

pub(crate) type Turn<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<Done, Failure>> + Send + 'a>>;

/// Makes the work of the client of this number.
pub(crate) type Make<'a> = &'a (dyn Fn(usize) -> Box<dyn Work> + Sync);

/// Runs the load, first to warm up, then measured; every operation begun is waited for, so that time and operations match.
pub(crate) fn run(
    client: &Client,
    plan: &Plan,
    server: &Processes,
    make: Make<'_>,
) -> Result<(Tally, Span)> {
    let threads = plan.threads.clamp(1, plan.clients.max(1));
    let gates: [Barrier; 3] = std::array::from_fn(|_| Barrier::new(threads + 1));
    let schedules = match plan.count {
        None => [plan.warmup, plan.duration].map(|span| Schedule::new(plan.rate, span, None)),
        Some(count) => [0, count].map(|count| Schedule::new(None, Duration::ZERO, Some(count))),
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                let numbers: Vec<usize> = (thread..plan.clients).step_by(threads).collect();
                let (gates, schedules) = (&gates, &schedules);
                scope.spawn(move || {
                    let clients = seats(client, plan, &numbers, make);
                    one_thread(clients, gates, schedules)
                })
            })
            .collect();
        gates[0].wait();
        let begun = Span::begin(server);
        gates[1].wait();
        gates[2].wait();
        let span = begun.and_then(|begun| begun.end(server));
        let mut tally = Tally::new();
        for thread in started {
            let found = thread.join().map_err(|_| anyhow!("a client panicked"))?;
            tally.add(&found?);
        }
        schedules[1].count_unsent(&mut tally);
        Ok((tally, span?))
    })
}

/// One client: its work and its way to the server.
struct Seat {
    link: Link,
    work: Box<dyn Work>,
}

fn seats(client: &Client, plan: &Plan, numbers: &[usize], make: Make<'_>) -> Vec<Seat> {
    let mut seats = Vec::new();
    for shared in numbers.chunks(plan.streams.max(1)) {
        let connection = Connection::new(client, plan.http);
        seats.extend(shared.iter().map(|number| Seat {
            link: Link::over(&connection),
            work: make(*number),
        }));
    }
    seats
}

/// The clients of one thread. It passes every gate even when it failed, or the others would wait for ever.
fn one_thread(
    seats: Vec<Seat>,
    gates: &[Barrier; 3],
    schedules: &[Arc<Schedule>; 2],
) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let phase = |seats: Vec<Seat>, schedule: &Arc<Schedule>| match &runtime {
        Ok(runtime) => runtime.block_on(all(seats, schedule)),
        Err(error) => Err(anyhow!("cannot start the runtime: {error}")),
    };
    let warm = phase(seats, &schedules[0]);
    gates[0].wait();
    gates[1].wait();
    let measured = warm.and_then(|(seats, _)| phase(seats, &schedules[1]));
    gates[2].wait();
    Ok(measured?.1)
}

/// All clients of a thread until the schedule is through; what they did comes together in one tally.
async fn all(seats: Vec<Seat>, schedule: &Arc<Schedule>) -> Result<(Vec<Seat>, Tally)> {
    let tally = Arc::new(Mutex::new(Tally::new()));
    let running: Vec<_> = seats
        .into_iter()
        .map(|seat| tokio::spawn(one(seat, schedule.clone(), tally.clone())))
        .collect();
    let mut seats = Vec::new();
    for client in running {
        seats.push(client.await.map_err(|e| anyhow!("a client ended: {e}"))?);
    }
    let tally = tally.lock().clone();
    Ok((seats, tally))
}

async fn one(mut seat: Seat, schedule: Arc<Schedule>, tally: Arc<Mutex<Tally>>) -> Seat {
    // A server that cannot be reached fails the first operation, where it is counted.
    let _ = seat.link.open().await;
    while let Some(began) = schedule.next().await {
        let outcome = seat.work.turn(&mut seat.link).await;
        let failed = outcome.is_err();
        tally.lock().note(began.elapsed(), outcome);
        if failed {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
    seat
}

/// When operations begin.
struct Schedule {
    rate: Option<f64>,
    span: Duration,
    count: Option<u64>,
    /// When the first client came; all count from there.
    began: OnceLock<Instant>,
    /// Operations begun so far.
    begun: AtomicU64,
}

impl Schedule {
    fn new(rate: Option<f64>, span: Duration, count: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            rate,
            span,
            count,
            began: OnceLock::new(),
            begun: AtomicU64::new(0),
        })
    }

    /// When the operation counts as begun, once it may begin; none when the time is up.
    async fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let due = self.turn(now)?;
        if due <= now {
            return Some(due);
        }
        // The client was idle: that the timer wakes it up to a millisecond late is no fault of the server's.
        tokio::time::sleep_until(due.into()).await;
        Some(Instant::now())
    }

    /// When the next operation is due for a client that is free now; none when the time is up. The first of all always may.
    fn turn(&self, now: Instant) -> Option<Instant> {
        let began = *self.began.get_or_init(|| now);
        let up = now >= began + self.span;
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.count {
            return (number < count).then_some(now);
        }
        let Some(rate) = self.rate else {
            return (number == 0 || !up).then_some(now);
        };
        let due = due(began, rate, number);
        if up || due >= began + self.span {
            self.begun.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(due)
    }

    /// Operations of an open loop that were due and never begun, since all clients were waiting for answers: failures, that took
    /// at least as long as they had been due.
    fn count_unsent(&self, tally: &mut Tally) {
        let (Some(rate), Some(began)) = (self.rate, self.began.get()) else {
            return;
        };
        let planned = (rate * self.span.as_secs_f64()).ceil() as u64;
        for number in self.begun.load(Ordering::Relaxed)..planned {
            let waited = (*began + self.span).saturating_duration_since(due(*began, rate, number));
            tally.latency(waited);
            tally.fail(&Failure::lost(
                "due and never begun: the server is too slow for the rate",
            ));
        }
    }
}

fn due(began: Instant, rate: f64, number: u64) -> Instant {
    began + Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drives clients by a schedule, on a clock of its own; each turn takes what `took` says.
    fn drive(
        rate: Option<f64>,
        seconds: u64,
        clients: usize,
        took: impl Fn(u64) -> Duration,
    ) -> Tally {
        let schedule = Schedule::new(rate, Duration::from_secs(seconds), None);
        let mut tally = Tally::new();
        let start = Instant::now();
        let mut free = vec![Some(start); clients];
        let mut turns = 0;
        // Whoever is free first asks next.
        while let Some(first) = free.iter_mut().filter(|at| at.is_some()).min() {
            let now = first.expect("it is free");
            *first = schedule.turn(now).map(|due| {
                let end = due.max(now) + took(turns);
                tally.note(end - due, Ok(Done::default()));
                turns += 1;
                end
            });
        }
        schedule.count_unsent(&mut tally);
        tally
    }

    /// A stall of half a second, once, in two seconds of 100 operations a second.
    fn stall(turn: u64) -> Duration {
        Duration::from_millis(if turn == 50 { 500 } else { 1 })
    }

    #[test]
    fn a_stall_counts_for_all_that_waited_behind_it() {
        let closed = drive(None, 2, 1, stall);
        let open = drive(Some(100.0), 2, 1, stall);
        // The closed loop did not even ask while the server stood still: one slow operation among hundreds.
        assert!(
            closed.quantile_ms(0.99) < 50.0,
            "{}",
            closed.quantile_ms(0.99)
        );
        // In earnest, 50 of 200 would have waited, up to half a second.
        assert_eq!((open.done, open.failed), (200, 0));
        assert!(open.quantile_ms(0.99) > 400.0, "{}", open.quantile_ms(0.99));
        assert!(open.quantile_ms(0.80) > 30.0, "{}", open.quantile_ms(0.80));
        assert!(open.quantile_ms(0.50) < 50.0, "{}", open.quantile_ms(0.50));
    }

    #[test]
    fn a_server_too_slow_for_the_rate_fails_what_it_was_never_asked() {
        let tally = drive(Some(100.0), 1, 2, |_| Duration::from_millis(100));
        assert_eq!((tally.done, tally.failed), (20, 80));
        assert!(tally.quantile_ms(0.9) > 500.0, "{}", tally.quantile_ms(0.9));
    }

    #[test]
    fn a_rate_is_kept_and_a_long_operation_finished() {
        let tally = drive(Some(200.0), 1, 16, |_| Duration::from_millis(5));
        assert_eq!((tally.done, tally.failed), (200, 0));
        // The one that waited for its turn is not later for it.
        assert!(tally.quantile_ms(1.0) < 6.0, "{}", tally.quantile_ms(1.0));
        let once = drive(None, 0, 3, |_| Duration::from_millis(20));
        assert_eq!(once.done, 1);
    }
}
