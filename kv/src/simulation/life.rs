//! A member's life: all tasks that were begun in it end with it, wherever they stand, as those of a process do that is killed.
//! The runtime of openraft is tokio's, with tasks that belong to a life, a clock of its own, and random numbers from the seed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::OptionalSend;
use openraft::rt::AsyncRuntime;
use openraft::rt::deterministic_rng::DeterministicRng;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::clock;

type Tokio = openraft::impls::TokioRuntime;
pub(super) type Seeded = DeterministicRng<Tokio>;

tokio::task_local! {
    static LIFE: Arc<Life>;
}

#[derive(Debug, Default)]
pub(super) struct Life {
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Life {
    /// Runs something as part of a life; the tasks that it begins belong to it.
    pub(super) async fn scope<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        LIFE.scope(self.clone(), future).await
    }

    pub(super) fn spawn<F>(self: &Arc<Self>, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = Seeded::spawn(LIFE.scope(self.clone(), future));
        self.tasks.lock().push(task.abort_handle());
    }

    pub(super) fn end(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

#[derive(Debug)]
pub(super) struct Mortal(Seeded);

impl AsyncRuntime for Mortal {
    type JoinError = <Seeded as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Seeded as AsyncRuntime>::JoinHandle<T>;
    type Sleep = clock::Sleep;
    type Instant = clock::Instant;
    type TimeoutError = clock::Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = clock::Timeout<T>;
    type ThreadLocalRng = <Seeded as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <Seeded as AsyncRuntime>::Mpsc;
    type Watch = super::watch::Plain;
    type Oneshot = <Seeded as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <Seeded as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let Ok(life) = LIFE.try_with(Clone::clone) else {
            return Seeded::spawn(future);
        };
        let task = Seeded::spawn(LIFE.scope(life.clone(), future));
        life.tasks.lock().push(task.abort_handle());
        task
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        clock::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        clock::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        clock::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        clock::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Seeded::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        Seeded::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Self(Seeded::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
