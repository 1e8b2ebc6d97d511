//! Where requests wait for a seat, and give it back when they end however that is.

use super::level::Level;
use super::level::divided;
use super::retry_after::RetryAfter;
use super::schema::Schema;
use super::seats::{Asked, Id, Reason, Seats};
use crate::metrics::{head, line};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// No request waits longer, whatever time it has.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) struct Room {
    total: usize,
    /// How long a request waits at most.
    patience: Duration,
    began: Instant,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    seats: Seats<oneshot::Sender<()>>,
    retry_after: BTreeMap<Arc<str>, RetryAfter>,
    /// By level and schema; both are objects, so no client can make these grow.
    dispatched: BTreeMap<(Arc<str>, Arc<str>), u64>,
    rejected: BTreeMap<(Arc<str>, Arc<str>, Reason), u64>,
}

impl Inside {
    fn dispatched(&mut self, schema: &Schema) {
        let key = (schema.level.clone(), schema.name.clone());
        *self.dispatched.entry(key).or_default() += 1;
    }
}

/// A seat; it is free again when this goes.
pub(crate) struct Seat {
    room: Arc<Room>,
    level: Arc<str>,
    queue: usize,
    began: Instant,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let woken = self
            .room
            .inside
            .lock()
            .seats
            .end(&self.level, self.queue, took);
        wake(woken);
    }
}

/// A place in a queue; who goes away before its turn leaves it.
struct Place<'a> {
    room: &'a Arc<Room>,
    level: &'a Arc<str>,
    queue: usize,
    id: Id,
    seated: bool,
}

impl Place<'_> {
    fn seat(mut self) -> Seat {
        self.seated = true;
        self.room.seat(self.level, self.queue)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.seated {
            return;
        }
        let left = self
            .room
            .inside
            .lock()
            .seats
            .leave(self.level, self.queue, self.id);
        if !left {
            // Its turn had come meanwhile.
            drop(self.room.seat(self.level, self.queue));
        }
    }
}

fn wake(woken: Vec<oneshot::Sender<()>>) {
    for one in woken {
        // Who is no longer there gives the seat back by itself.
        let _ = one.send(());
    }
}

impl Room {
    /// `request_timeout`: a request waits a quarter of it at most, as upstream.
    pub(super) fn new(total: usize, request_timeout: Duration) -> Self {
        Room {
            total,
            patience: (request_timeout / 4).min(LONGEST_WAIT),
            began: Instant::now(),
            inside: Mutex::default(),
        }
    }

    pub(super) fn configure(&self, levels: Vec<Level>) {
        let limits = divided(self.total, levels);
        let mut inside = self.inside.lock();
        let named = |level: &Arc<str>| limits.iter().any(|l| l.level.name == *level);
        inside.retry_after.retain(|level, _| named(level));
        inside.dispatched.retain(|(level, _), _| named(level));
        inside.rejected.retain(|(level, _, _), _| named(level));
        let woken = inside.seats.configure(limits);
        drop(inside);
        wake(woken);
    }

    fn seat(self: &Arc<Self>, level: &Arc<str>, queue: usize) -> Seat {
        Seat {
            room: self.clone(),
            level: level.clone(),
            queue,
            began: Instant::now(),
        }
    }

    /// A seat, when one is free; else how many seconds to stay away.
    pub(super) async fn enter(self: &Arc<Self>, schema: &Schema, flow: u64) -> Result<Seat, u64> {
        let mut turn = None;
        let asked = {
            let mut inside = self.inside.lock();
            let asked = inside.seats.ask(&schema.level, flow, || {
                let (sender, receiver) = oneshot::channel();
                turn = Some(receiver);
                sender
            });
            if let Asked::Runs(_) = asked {
                inside.dispatched(schema);
            }
            asked
        };
        let reason = match (asked, turn) {
            (Asked::Runs(queue), _) => return Ok(self.seat(&schema.level, queue)),
            (Asked::Waits(queue, id), Some(turn)) => {
                let place = Place {
                    room: self,
                    level: &schema.level,
                    queue,
                    id,
                    seated: false,
                };
                match tokio::time::timeout(self.patience, turn).await {
                    Ok(Ok(())) => {
                        let seat = place.seat();
                        self.inside.lock().dispatched(schema);
                        return Ok(seat);
                    }
                    _ => Reason::TimeOut,
                }
            }
            (Asked::Refused(reason), _) => reason,
            (Asked::Waits(..), None) => unreachable!("who waits was given something to wait for"),
        };
        Err(self.refused(schema, reason))
    }

    fn refused(&self, schema: &Schema, reason: Reason) -> u64 {
        let now = self.began.elapsed().as_secs();
        let mut inside = self.inside.lock();
        let key = (schema.level.clone(), schema.name.clone(), reason);
        *inside.rejected.entry(key).or_default() += 1;
        let of = inside.retry_after.entry(schema.level.clone());
        of.or_default().refused(now)
    }

    /// Under upstream's names (apiserver pkg/util/flowcontrol/metrics), without the flow schema where a seat does not remember it.
    pub(super) fn render(&self, out: &mut String) {
        let inside = self.inside.lock();
        type Count = fn((&str, usize, usize, usize)) -> usize;
        for (name, help, count) in [
            (
                "apiserver_flowcontrol_nominal_limit_seats",
                "Nominal number of execution seats configured for each priority level",
                (|level| level.1) as Count,
            ),
            (
                "apiserver_flowcontrol_current_executing_requests",
                "Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem",
                |level| level.2,
            ),
            (
                "apiserver_flowcontrol_current_inqueue_requests",
                "Number of requests currently pending in queues of the API Priority and Fairness subsystem",
                |level| level.3,
            ),
        ] {
            head(out, name, "gauge", help);
            for level in inside.seats.counts() {
                line(out, name, &[("priority_level", level.0)], count(level));
            }
        }
        let name = "apiserver_flowcontrol_dispatched_requests_total";
        let help = "Number of requests executed by API Priority and Fairness subsystem";
        head(out, name, "counter", help);
        for ((level, schema), count) in &inside.dispatched {
            let labels = [("priority_level", &**level), ("flow_schema", schema)];
            line(out, name, &labels, *count);
        }
        let name = "apiserver_flowcontrol_rejected_requests_total";
        let help = "Number of requests rejected by API Priority and Fairness subsystem";
        head(out, name, "counter", help);
        for ((level, schema, reason), count) in &inside.rejected {
            let reason = match reason {
                Reason::ConcurrencyLimit => "concurrency-limit",
                Reason::QueueFull => "queue-full",
                Reason::TimeOut => "time-out",
            };
            let labels = [
                ("priority_level", &**level),
                ("flow_schema", schema),
                ("reason", reason),
            ];
            line(out, name, &labels, *count);
        }
    }
}
