//! openraft's watch channel, as plain as can be: those who wait are woken in the order in which they came. tokio's wakes them in
//! an order of chance, and the same seed would not be the same run.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use openraft::rt::watch::SendError;
use openraft::rt::{RecvError, Watch, WatchReceiver, WatchSender};
use openraft::{OptionalSend, OptionalSync};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

pub(super) struct Plain;

struct Shared<T> {
    value: RwLock<T>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    version: u64,
    senders: usize,
    waiting: Vec<Waker>,
}

pub(super) struct Sender<T>(Arc<Shared<T>>);

pub(super) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

impl<T> Shared<T> {
    fn wake(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.state.lock();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.wake(|state| state.senders -= 1);
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            seen: self.seen,
        }
    }
}

impl Watch for Plain {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = RwLockReadGuard<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (Sender<T>, Receiver<T>) {
        let state = State {
            senders: 1,
            ..State::default()
        };
        let shared = Arc::new(Shared {
            value: RwLock::new(init),
            state: Mutex::new(state),
        });
        let receiver = Receiver {
            shared: shared.clone(),
            seen: 0,
        };
        (Sender(shared), receiver)
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<Plain, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        *self.0.value.write() = value;
        self.0.wake(|state| state.version += 1);
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let modified = modify(&mut *self.0.value.write());
        if modified {
            self.0.wake(|state| state.version += 1);
        }
        modified
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.0.value.read()
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver {
            shared: self.0.clone(),
            seen: self.0.state.lock().version,
        }
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<Plain, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        poll_fn(|context| {
            let mut state = self.shared.state.lock();
            if state.version != self.seen {
                self.seen = state.version;
                return Poll::Ready(Ok(()));
            }
            if state.senders == 0 {
                return Poll::Ready(Err(RecvError(())));
            }
            let known = state.waiting.iter().any(|w| w.will_wake(context.waker()));
            if !known {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.shared.value.read()
    }

    fn borrow_and_update(&mut self) -> RwLockReadGuard<'_, T> {
        self.seen = self.shared.state.lock().version;
        self.shared.value.read()
    }
}
