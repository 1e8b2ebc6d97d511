//! Which fields of a message somebody will look at. A decoder passes over all others, so that a row of a table costs what its
//! cells read and not what its object weighs.

/// What is wanted of one place in an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// All that is there.
    Whole,
    /// How many elements or entries there are: they come as nulls, entries with their keys.
    Count,
    /// These fields; of a list these fields of every element. A map's values are always whole.
    Fields(Vec<(Box<str>, Pick)>),
}

impl Pick {
    /// Nothing yet.
    #[must_use]
    pub fn none() -> Self {
        Pick::Fields(Vec::new())
    }

    /// Adds what stands at a path of field names (none of them is this place itself).
    pub fn add(&mut self, path: &[&str], wanted: Pick) {
        let [name, rest @ ..] = path else {
            return self.merge(wanted);
        };
        match self {
            Pick::Whole => {}
            // Who counts elements here and reads a field of them there gets the elements.
            Pick::Count => {
                *self = Pick::none();
                self.add(path, wanted);
            }
            Pick::Fields(fields) => {
                let at = match fields.iter().position(|(known, _)| **known == **name) {
                    Some(at) => at,
                    None => {
                        fields.push(((*name).into(), Pick::none()));
                        fields.len() - 1
                    }
                };
                fields[at].1.add(rest, wanted);
            }
        }
    }

    fn merge(&mut self, wanted: Pick) {
        match (&mut *self, wanted) {
            (Pick::Whole, _) => {}
            (Pick::Fields(fields), Pick::Count) if !fields.is_empty() => {}
            (_, wanted) => *self = wanted,
        }
    }

    /// What is wanted of a field; None if nothing is.
    pub(super) fn of(&self, field: &str) -> Option<&Pick> {
        match self {
            Pick::Whole => Some(&Pick::Whole),
            Pick::Count => None,
            Pick::Fields(fields) => fields
                .iter()
                .find(|(name, _)| **name == *field)
                .map(|(_, pick)| pick),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(paths: &[(&str, Pick)]) -> Pick {
        let mut pick = Pick::none();
        for (path, wanted) in paths {
            pick.add(&path.split('.').collect::<Vec<_>>(), wanted.clone());
        }
        pick
    }

    #[test]
    fn the_greater_wish_holds_whatever_the_order() {
        let deep = ("a.b", Pick::Whole);
        for (one, other) in [
            (("a", Pick::Whole), deep.clone()),
            (("a", Pick::Whole), ("a", Pick::Count)),
            (deep.clone(), ("a", Pick::Count)),
        ] {
            let there = picked(&[one.clone(), other.clone()]);
            assert_eq!(there, picked(&[other, one.clone()]));
            assert_eq!(there, picked(&[one]));
        }
    }
}
