//! The names that definitions hold, by group: whoever asks for others is judged by them (naming_controller.go). Kept by what changed,
//! never counted anew.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use triad_machinery::custom::Definition;

#[derive(Default)]
pub(super) struct Names {
    groups: HashMap<String, Group>,
    /// What each definition holds, and in which group.
    held: HashMap<Box<str>, (String, Held)>,
}

#[derive(Default)]
struct Group {
    /// How many hold each name: a definition may hold one twice, as plural and as singular.
    resources: HashMap<Box<str>, usize>,
    kinds: HashMap<Box<str>, usize>,
    definitions: BTreeSet<Box<str>>,
}

impl Group {
    fn counts(&self, field: &str) -> &HashMap<Box<str>, usize> {
        match is_kind(field) {
            true => &self.kinds,
            false => &self.resources,
        }
    }
}

/// Kinds are told apart from kinds, all other names from each other.
fn is_kind(field: &str) -> bool {
    matches!(field, "kind" | "listKind")
}

/// The names of one definition.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Held {
    resources: Vec<Box<str>>,
    kinds: Vec<Box<str>>,
}

impl Held {
    /// What a definition was given.
    pub(super) fn of(object: &Value) -> Self {
        let names = &object["status"]["acceptedNames"];
        let of = |fields: &[&str]| {
            let all = fields.iter().flat_map(|field| texts(&names[*field]));
            all.map(Box::from).collect()
        };
        Held {
            resources: of(&["plural", "singular", "shortNames"]),
            kinds: of(&["kind", "listKind"]),
        }
    }

    fn of_field(&self, field: &str) -> &[Box<str>] {
        match is_kind(field) {
            true => &self.kinds,
            false => &self.resources,
        }
    }

    pub(super) fn has(&self, field: &str, name: &str) -> bool {
        self.of_field(field).iter().any(|held| **held == *name)
    }

    /// The same of one that is served.
    pub(super) fn of_served(definition: &Definition) -> Self {
        let of = |names: &[&String]| {
            let given = names.iter().filter(|name| !name.is_empty());
            given.map(|name| name.as_str().into()).collect()
        };
        let mut resources = vec![&definition.plural, &definition.singular];
        resources.extend(&definition.short_names);
        Held {
            resources: of(&resources),
            kinds: of(&[&definition.kind, &definition.list_kind]),
        }
    }
}

impl Names {
    /// Whether a definition of the group, other than this one, holds a name that is asked for in this field.
    pub(super) fn others_hold(
        &self,
        definition: &str,
        group: &str,
        field: &str,
        name: &str,
    ) -> bool {
        let Some(group) = self.groups.get(group) else {
            return false;
        };
        let all = group.counts(field).get(name).copied().unwrap_or(0);
        let own = self.held.get(definition);
        all > own.map_or(0, |(_, own)| {
            own.of_field(field)
                .iter()
                .filter(|held| ***held == *name)
                .count()
        })
    }

    /// A definition holds these now, and what it held before no more. True: some name is free that was not.
    pub(super) fn hold(&mut self, definition: &str, group: &str, names: Held) -> bool {
        let before = self.held.get(definition);
        if before.is_some_and(|(known, before)| known == group && *before == names) {
            return false;
        }
        let entry = self.groups.entry(group.to_owned()).or_default();
        entry.definitions.insert(definition.into());
        count(&mut entry.resources, &names.resources);
        count(&mut entry.kinds, &names.kinds);
        match self
            .held
            .insert(definition.into(), (group.to_owned(), names))
        {
            Some((group, before)) => self.release(&group, &before),
            None => false,
        }
    }

    /// A definition is gone; its group, where a name is free now that was not.
    pub(super) fn forget(&mut self, definition: &str) -> Option<String> {
        let (group, before) = self.held.remove(definition)?;
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.definitions.remove(definition);
        }
        let freed = self.release(&group, &before);
        if self.of_group(&group).next().is_none() {
            self.groups.remove(&group);
        }
        freed.then_some(group)
    }

    /// The definitions of a group.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = &str> {
        let definitions = self.groups.get(group).map(|group| &group.definitions);
        definitions.into_iter().flatten().map(|name| &**name)
    }

    fn release(&mut self, group: &str, names: &Held) -> bool {
        let Some(group) = self.groups.get_mut(group) else {
            return false;
        };
        let resources = uncount(&mut group.resources, &names.resources);
        uncount(&mut group.kinds, &names.kinds) || resources
    }
}

fn count(counts: &mut HashMap<Box<str>, usize>, names: &[Box<str>]) {
    for name in names {
        *counts.entry(name.clone()).or_default() += 1;
    }
}

/// Whether one of the names is held by nobody then.
fn uncount(counts: &mut HashMap<Box<str>, usize>, names: &[Box<str>]) -> bool {
    let mut freed = false;
    for name in names {
        if let Some(held) = counts.get_mut(name) {
            *held -= 1;
            if *held == 0 {
                counts.remove(name);
                freed = true;
            }
        }
    }
    freed
}

/// One name or several.
pub(super) fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().into_iter().flatten();
    std::iter::once(value).chain(many).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(plural: &str, kind: &str) -> Held {
        Held::of(
            &json!({"status": {"acceptedNames": {"plural": plural, "singular": plural, "kind": kind}}}),
        )
    }

    #[test]
    fn a_name_is_held_until_the_last_lets_go() {
        let mut names = Names::default();
        let held_by_others =
            |names: &Names, field: &str, name: &str| names.others_hold("x", "g", field, name);
        assert!(!names.hold("a", "g", held("as", "A")));
        assert!(!names.hold("b", "g", held("bs", "A")));
        assert!(
            held_by_others(&names, "listKind", "A") && held_by_others(&names, "shortNames", "bs")
        );
        assert!(
            !held_by_others(&names, "plural", "A") && !names.others_hold("x", "other", "kind", "A")
        );
        assert!(names.others_hold("b", "g", "kind", "A"), "the other does");
        assert!(
            !names.others_hold("b", "g", "plural", "bs"),
            "its own, twice"
        );
        assert!(!names.hold("b", "g", held("bs", "B")), "A is held still");
        assert_eq!(names.forget("a"), Some("g".to_owned()));
        assert!(!held_by_others(&names, "kind", "A") && !held_by_others(&names, "plural", "as"));
        assert!(names.hold("b", "g", held("cs", "B")), "bs is free now");
        assert_eq!(names.of_group("g").collect::<Vec<_>>(), ["b"]);
        assert_eq!(names.forget("b"), Some("g".to_owned()));
        assert!(names.groups.is_empty() && names.held.is_empty());
        assert_eq!(names.forget("b"), None);
    }
}
