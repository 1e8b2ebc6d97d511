//! Time that passes only when nothing is left to be done: it jumps to when the next sleeper wakes. Each thread has its own, so
//! each run does, which begins it anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Default)]
struct Clock {
    now: u64,
    asleep: u64,
    /// By when they wake, and in the order in which they fell asleep.
    sleepers: BTreeMap<(u64, u64), Waker>,
    /// Whoever is woken whenever time passes.
    root: Option<Waker>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

/// Begins time anew.
pub(super) fn begin() {
    let before = CLOCK.with(|clock| std::mem::take(&mut *clock.borrow_mut()));
    drop(before);
}

/// Nothing is left to be done now: whoever wakes first is woken.
pub(super) fn advance() {
    let woken = CLOCK.with(|clock| {
        let mut clock = clock.borrow_mut();
        let first = clock.sleepers.first_entry()?;
        let at = first.key().0;
        clock.now = clock.now.max(at);
        let later = clock.sleepers.split_off(&(at + 1, 0));
        let woken = std::mem::replace(&mut clock.sleepers, later);
        Some((woken, clock.root.clone()))
    });
    let (woken, root) = woken.expect("nobody sleeps: nothing will ever happen again");
    woken.into_values().for_each(Waker::wake);
    root.into_iter().for_each(Waker::wake);
}

/// Runs what all else is part of: it is looked at whenever time passes. Those who slept may all be gone by then, and a thread that
/// finds nobody awake would wait for ever.
pub(super) async fn drive<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        CLOCK.with(|clock| clock.borrow_mut().root = Some(context.waker().clone()));
        future.as_mut().poll(context)
    })
    .await
}

/// Nanoseconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(u64);

impl Instant {
    pub(super) fn now() -> Self {
        CLOCK.with(|clock| Self(clock.borrow().now))
    }

    pub(super) fn nanoseconds(self) -> u64 {
        self.0
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(duration)))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl openraft::rt::Instant for Instant {
    fn now() -> Self {
        Self::now()
    }
}

pub(super) struct Sleep {
    until: u64,
    key: Option<(u64, u64)>,
}

pub(super) fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

pub(super) fn sleep_until(until: Instant) -> Sleep {
    Sleep {
        until: until.0,
        key: None,
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        CLOCK.with(|clock| {
            let mut clock = clock.borrow_mut();
            if clock.now >= self.until {
                return Poll::Ready(());
            }
            clock.asleep += 1;
            let fresh = (self.until, clock.asleep);
            let key = *self.key.get_or_insert(fresh);
            clock.sleepers.insert(key, context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        // What wakes is dropped outside: it may hold a sleeper of its own.
        let waker = CLOCK.try_with(|clock| clock.borrow_mut().sleepers.remove(&key));
        drop(waker);
    }
}

/// A future that has so long and no longer.
pub(super) struct Timeout<F> {
    future: Pin<Box<F>>,
    sleep: Sleep,
}

pub(super) fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    timeout_at(Instant::now() + limit, future)
}

pub(super) fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future: Box::pin(future),
        sleep: sleep_until(deadline),
    }
}

#[derive(Debug)]
pub(super) struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it took too long")
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut self.sleep)
            .poll(context)
            .map(|()| Err(Elapsed))
    }
}
