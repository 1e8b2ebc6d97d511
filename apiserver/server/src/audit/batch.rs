//! Events in batches (apiserver plugin/pkg/audit/buffered): they wait in a buffer until there are enough of them or time is up, and go
//! no faster than the throttle lets them. No request waits for that; what finds the buffer full is lost, and counted.

use super::backend::Sink;
use super::event::Written;
use super::{Counts, Plugin};
use crate::options::Batch;
use crate::throttle::Throttle;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Batches that are under way at once. Then nothing is taken from the buffer until one has arrived or was given up.
const UNDER_WAY: usize = 64;
/// How long the end of the program waits for what is left.
const FAREWELL: Duration = Duration::from_secs(10);

pub(super) struct Batcher {
    counts: Arc<Counts>,
    /// None once the program ends.
    buffer: Mutex<Option<mpsc::Sender<Arc<Written>>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Running {
    sink: Sink,
    config: Batch,
    /// Bytes of a batch.
    most: Option<usize>,
    counts: Arc<Counts>,
    under_way: Arc<Semaphore>,
    throttle: Option<Throttle>,
    /// An event that was one too many for the batch before.
    left: Option<Arc<Written>>,
}

impl Batcher {
    pub(super) fn start(
        sink: Sink,
        config: Batch,
        most: Option<usize>,
        counts: &Arc<Counts>,
    ) -> Self {
        let (buffer, events) = mpsc::channel(config.buffer);
        let running = Running {
            throttle: config.throttle.map(Throttle::new),
            sink,
            config,
            most,
            counts: counts.clone(),
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
            left: None,
        };
        Batcher {
            counts: counts.clone(),
            buffer: Mutex::new(Some(buffer)),
            task: Mutex::new(Some(tokio::spawn(running.run(events)))),
        }
    }

    pub(super) fn take(&self, event: Arc<Written>) {
        let taken = match &*self.buffer.lock() {
            Some(buffer) => buffer
                .try_send(event)
                .map_err(|_| "audit buffer queue blocked"),
            None => Err("audit backend shut down"),
        };
        if let Err(why) = taken {
            self.counts.failed(Plugin::Buffered, 1, why);
        }
    }

    /// Sends what is left.
    pub(super) async fn shutdown(&self) {
        self.buffer.lock().take();
        let task = self.task.lock().take();
        if let Some(task) = task
            && timeout(FAREWELL, task).await.is_err()
        {
            tracing::error!("audit events are lost: they did not arrive before the program's end");
        }
    }
}

impl Running {
    async fn run(mut self, mut events: mpsc::Receiver<Arc<Written>>) {
        while let Some(batch) = self.collect(&mut events).await {
            if let Some(throttle) = &mut self.throttle {
                throttle.pass().await;
            }
            self.send(batch).await;
        }
        // The last ones have arrived when all places are free again.
        let all = self.under_way.acquire_many(UNDER_WAY as u32).await;
        drop(all);
    }

    /// The next batch; none at the end. Time runs from the first event on.
    async fn collect(
        &mut self,
        events: &mut mpsc::Receiver<Arc<Written>>,
    ) -> Option<Vec<Arc<Written>>> {
        let first = match self.left.take() {
            Some(left) => left,
            None => events.recv().await?,
        };
        let mut size = first.len();
        let mut batch = vec![first];
        let until = Instant::now() + self.config.max_wait;
        while batch.len() < self.config.max_size {
            let next = tokio::select! {
                next = events.recv() => next,
                () = sleep_until(until) => None,
            };
            let Some(next) = next else {
                break;
            };
            if self.most.is_some_and(|most| size + next.len() > most) {
                self.left = Some(next);
                break;
            }
            size += next.len();
            batch.push(next);
        }
        Some(batch)
    }

    async fn send(&self, batch: Vec<Arc<Written>>) {
        if matches!(self.sink, Sink::Log(_)) {
            self.sink.keep(&batch, &self.counts).await;
            return;
        }
        // Never closed.
        let Ok(place) = self.under_way.clone().acquire_owned().await else {
            return;
        };
        let (sink, counts) = (self.sink.clone(), self.counts.clone());
        tokio::spawn(async move {
            sink.keep(&batch, &counts).await;
            drop(place);
        });
    }
}
