//! The index of documents as it was last made. Clients keep it by its date, so that each says something else than the one before.

use super::date;
use crate::clock::Clock;
use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;

#[derive(Default)]
pub(super) struct Index(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The generations of what it tells of: custom kinds, and other servers' documents.
    of: Option<(u64, u64)>,
    text: Bytes,
    /// Unix seconds.
    modified: i64,
}

impl Index {
    /// The index of these generations, and since when it says what it says.
    pub(super) fn of(
        &self,
        generations: (u64, u64),
        make: impl FnOnce() -> Bytes,
    ) -> (Bytes, HeaderValue) {
        let mut known = self.0.lock();
        if known.of != Some(generations) {
            let text = make();
            if text != known.text {
                // Dates are whole seconds: two texts of one second have different ones all the same.
                known.modified = Clock.unix_seconds().max(known.modified + 1);
                known.text = text;
            }
            known.of = Some(generations);
        }
        (known.text.clone(), date(known.modified))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_has_another_date() {
        let index = Index::default();
        let made = |generation, text: &'static str| index.of((generation, 0), || text.into());
        let first = made(1, "a");
        assert_eq!(made(1, "never made"), first);
        assert_eq!(made(2, "a"), first);
        let second = made(3, "b");
        assert_eq!(second.0, "b");
        assert_ne!(second.1, first.1);
        assert_ne!(made(4, "a").1, first.1);
    }
}
