//! Some short texts in one piece of memory: of the many that are kept of each object, each in a piece of its own would take more room
//! for where it lies than for what it says.

/// Texts by their places. Never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    all: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl Texts {
    /// The text in a place; empty behind the last one.
    pub(super) fn get(&self, place: usize) -> &str {
        let Some(end) = self.ends.get(place) else {
            return "";
        };
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[start as usize..*end as usize]
    }
}

/// Texts being put together.
#[derive(Default)]
pub(super) struct Gathered {
    all: String,
    ends: Vec<u32>,
}

impl Gathered {
    /// None where there is more than any stored object holds.
    pub(super) fn put(&mut self, text: &str) -> Option<()> {
        self.all.push_str(text);
        self.ends.push(u32::try_from(self.all.len()).ok()?);
        Some(())
    }

    pub(super) fn done(self) -> Texts {
        Texts {
            all: self.all.into(),
            ends: self.ends.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_text_is_found_in_its_place(texts in prop::collection::vec("\\PC{0,12}", 0..12)) {
            let mut gathered = Gathered::default();
            for text in &texts {
                gathered.put(text).expect("little");
            }
            let kept = gathered.done();
            for (place, text) in texts.iter().enumerate() {
                prop_assert_eq!(kept.get(place), text);
            }
            prop_assert_eq!(kept.get(texts.len()), "");
        }
    }
}
