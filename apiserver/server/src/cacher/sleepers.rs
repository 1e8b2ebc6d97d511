//! The watchers of one resource that wait for its next event. Each has one place for its waker, which it keeps; an event wakes all in
//! one pass. What a watcher costs here is a waker, whatever it waits for.

use parking_lot::Mutex;
use std::task::{Context, Waker};

#[derive(Default)]
pub(super) struct Sleepers(Mutex<Places>);

#[derive(Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    /// Places that nobody has.
    free: Vec<u32>,
}

/// A watcher's place; none until it first slept.
#[derive(Default)]
pub(super) struct Place(Option<u32>);

impl Sleepers {
    /// Has the task woken by the next event. Whoever calls this looks once more after it before it sleeps.
    pub(super) fn sleep(&self, place: &mut Place, context: &Context<'_>) {
        let mut places = self.0.lock();
        let at = match place.0 {
            Some(at) => at,
            None => {
                let at = places.free.pop().unwrap_or_else(|| {
                    places.wakers.push(None);
                    places.wakers.len() as u32 - 1
                });
                place.0 = Some(at);
                at
            }
        };
        let waker = &mut places.wakers[at as usize];
        match waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
    }

    pub(super) fn leave(&self, place: &mut Place) {
        if let Some(at) = place.0.take() {
            let mut places = self.0.lock();
            places.wakers[at as usize] = None;
            places.free.push(at);
        }
    }

    pub(super) fn wake_all(&self) {
        let awake: Vec<Waker> = {
            let mut places = self.0.lock();
            places.wakers.iter_mut().filter_map(Option::take).collect()
        };
        // Not under the lock: a woken task may be back here at once.
        awake.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_event_wakes_each_sleeper_once_and_nobody_who_left() {
        let (sleepers, woken) = (Sleepers::default(), Arc::new(Count::default()));
        let waker = Waker::from(woken.clone());
        let context = Context::from_waker(&waker);
        let mut places: Vec<Place> = (0..3).map(|_| Place::default()).collect();
        for place in &mut places {
            sleepers.sleep(place, &context);
            // Polled again for some other reason: still one sleeper.
            sleepers.sleep(place, &context);
        }
        sleepers.leave(&mut places[1]);
        sleepers.wake_all();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        sleepers.wake_all();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        // Its place goes to the next who comes.
        sleepers.sleep(&mut places[1], &context);
        assert_eq!(sleepers.0.lock().wakers.len(), 3);
    }
}
