//! Answers of others that are kept for a while, so that these are not asked at every request.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// So many at most: when full, those that are over go first, then all.
pub(crate) struct Kept<K, V> {
    most: usize,
    answers: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Kept {
            most,
            answers: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let answers = self.answers.lock();
        let (until, answer) = answers.get(key)?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    pub(crate) fn put(&self, key: K, answer: V, ttl: Duration) {
        if ttl.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut answers = self.answers.lock();
        if answers.len() >= self.most {
            answers.retain(|_, (until, _)| *until > now);
        }
        if answers.len() >= self.most {
            answers.clear();
        }
        answers.insert(key, (now + ttl, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_and_never_become_too_many() {
        let kept = Kept::new(2);
        let long = Duration::from_secs(60);
        kept.put("none", 0, Duration::ZERO);
        kept.put("short", 1, Duration::from_nanos(1));
        kept.put("long", 2, long);
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(
            [kept.get(&"none"), kept.get(&"short"), kept.get(&"long")],
            [None, None, Some(2)]
        );
        kept.put("more", 3, long);
        assert_eq!(
            (kept.get(&"long"), kept.get(&"more")),
            (Some(2), Some(3)),
            "what was over went first"
        );
        kept.put("last", 4, long);
        assert_eq!((kept.get(&"long"), kept.get(&"last")), (None, Some(4)));
    }
}
