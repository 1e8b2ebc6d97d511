//! Swagger documents of other servers beside this one's: what of a document concerns a group and version, and what becomes of names that
//! stand for something else here (kube-openapi pkg/aggregator: FilterSpecByPaths, MergeSpecs with renaming).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher};

use serde_json::{Map, Value};

use super::frame::Section;
use super::v2::V2Part;

const KINDS: &str = "x-kubernetes-group-version-kind";
/// As many names as this are tried for something that is called like something else.
const MOST_NAMES: u32 = 10_000;

/// What the entries of a document say, by their names: equal for equal ones, definitions whatever kinds they stand for.
#[derive(Clone, Default)]
pub struct Known {
    paths: HashMap<Box<str>, u64>,
    definitions: HashMap<Box<str>, u64>,
    parameters: HashMap<Box<str>, u64>,
}

impl Known {
    pub fn add(&mut self, part: &V2Part) {
        for section in Section::ALL {
            for (name, value) in part.section(section) {
                self.of(section).insert((**name).into(), digest(value));
            }
        }
    }

    /// A definition of which no more is known than its name: nothing is equal to it.
    pub fn add_definition(&mut self, name: &str) {
        self.definitions.entry(name.into()).or_insert(0);
    }

    pub fn has(&self, section: Section, name: &str) -> bool {
        match section {
            Section::Paths => self.paths.contains_key(name),
            Section::Definitions => self.definitions.contains_key(name),
            Section::Parameters => self.parameters.contains_key(name),
        }
    }

    /// Whether a definition is known, and says just this.
    pub fn says(&self, name: &str, definition: &Value) -> bool {
        self.definitions.get(name) == Some(&digest(definition))
    }

    fn of(&mut self, section: Section) -> &mut HashMap<Box<str>, u64> {
        match section {
            Section::Paths => &mut self.paths,
            Section::Definitions => &mut self.definitions,
            Section::Parameters => &mut self.parameters,
        }
    }

    /// Takes in a part of another document. Paths that are known are left out, entries that are known to be the same too; what has the name
    /// of something else gets another. What is left is new, and is known from now on.
    pub fn take_in(&mut self, part: &V2Part) -> V2Part {
        let is_new = |path: &str| !self.paths.contains_key(path);
        let mut part = match part.paths.keys().all(|path| is_new(path)) {
            true => part.clone(),
            false => part.keep_paths(is_new),
        };
        if part.paths.is_empty() {
            return V2Part::default();
        }
        for section in [Section::Definitions, Section::Parameters] {
            let renames = renames(self.of(section), part.section(section));
            if !renames.is_empty() {
                part.rename(section, &renames);
            }
            let known = self.of(section);
            let entries = part.section_mut(section);
            entries.retain(|name, _| !known.contains_key(&**name));
        }
        self.add(&part);
        part
    }
}

/// New names for entries that are called like others that say something else.
fn renames(
    known: &HashMap<Box<str>, u64>,
    entries: &Map<String, Value>,
) -> BTreeMap<String, String> {
    let (mut renames, mut given) = (BTreeMap::new(), BTreeSet::new());
    for (name, value) in entries {
        let digest = digest(value);
        if known.get(&**name).is_none_or(|other| *other == digest) {
            continue;
        }
        let mut names = (2..MOST_NAMES).map(|number| format!("{name}_v{number}"));
        let found = names.find(|new| match known.get(new.as_str()) {
            Some(other) => *other == digest,
            None => !entries.contains_key(new) && !given.contains(new),
        });
        if let Some(new) = found {
            given.insert(new.clone());
            renames.insert(name.to_string(), new);
        }
    }
    renames
}

impl V2Part {
    /// What a document says of the paths that begin so. Definitions that only other paths refer to are left out.
    pub fn of_document(document: &Value, prefix: &str) -> Self {
        let entries = |section: Section| {
            let found = document.get(section.key()).and_then(Value::as_object);
            found.cloned().unwrap_or_default()
        };
        let whole = V2Part {
            paths: entries(Section::Paths),
            definitions: entries(Section::Definitions),
            parameters: entries(Section::Parameters),
        };
        whole.keep_paths(|path| path.starts_with(prefix))
    }

    /// All that it says, as text.
    pub fn text(&self) -> String {
        let sections = Section::ALL.map(|section| self.section(section).clone());
        Value::Array(sections.map(Value::Object).into()).to_string()
    }

    /// With these paths alone, and without the definitions and parameters that only the others refer to.
    fn keep_paths(&self, keep: impl Fn(&str) -> bool) -> Self {
        let before = self.referred();
        let mut part = self.clone();
        part.paths.retain(|path, _| keep(path));
        let after = part.referred();
        for section in [Section::Definitions, Section::Parameters] {
            let reference = |name: &str| format!("#/{}/{name}", section.key());
            let entries = part.section_mut(section);
            entries.retain(|name, _| {
                let reference = reference(name);
                after.contains(&reference) || !before.contains(&reference)
            });
        }
        part
    }

    /// All references that the paths lead to.
    fn referred(&self) -> BTreeSet<String> {
        let (mut found, mut pending) = (BTreeSet::new(), Vec::new());
        let mut look = |value: &Value, pending: &mut Vec<String>| {
            references(value, &mut |reference| {
                if found.insert(reference.to_owned()) {
                    pending.push(reference.to_owned());
                }
            });
        };
        self.paths
            .values()
            .for_each(|path| look(path, &mut pending));
        while let Some(reference) = pending.pop() {
            for section in [Section::Definitions, Section::Parameters] {
                let prefix = format!("#/{}/", section.key());
                let named = reference.strip_prefix(&prefix);
                if let Some(value) = named.and_then(|name| self.section(section).get(name)) {
                    look(value, &mut pending);
                }
            }
        }
        found
    }

    fn rename(&mut self, section: Section, renames: &BTreeMap<String, String>) {
        let place = |name: &str| format!("#/{}/{name}", section.key());
        let references: HashMap<String, String> = renames
            .iter()
            .map(|(old, new)| (place(old), place(new)))
            .collect();
        for section in Section::ALL {
            for value in self.section_mut(section).values_mut() {
                refer_anew(value, &references);
            }
        }
        let entries = std::mem::take(self.section_mut(section));
        let renamed = entries.iter().map(|(name, value)| {
            let new = renames.get(&**name).map_or(&**name, String::as_str);
            (new.to_owned(), value.clone())
        });
        *self.section_mut(section) = renamed.collect();
        self.section_mut(section).sort_keys();
    }

    fn section_mut(&mut self, section: Section) -> &mut Map<String, Value> {
        match section {
            Section::Paths => &mut self.paths,
            Section::Definitions => &mut self.definitions,
            Section::Parameters => &mut self.parameters,
        }
    }
}

/// The kinds that a definition stands for, with those that another one of the same words says; None when there are no more.
pub fn merged_kinds(one: &Value, other: &Value) -> Option<Value> {
    let kinds = |value: &Value| value.get(KINDS).and_then(Value::as_array).cloned();
    let (mut all, more) = (kinds(one)?, kinds(other)?);
    let before = all.len();
    for kind in more {
        if !all.contains(&kind) {
            all.push(kind);
        }
    }
    if all.len() == before {
        return None;
    }
    let text = |kind: &Value, field: &str| kind[field].as_str().unwrap_or("").to_owned();
    all.sort_by_key(|kind| {
        let (group, version, kind) = (
            text(kind, "group"),
            text(kind, "version"),
            text(kind, "kind"),
        );
        format!("{group}/{version}.{kind}")
    });
    let mut merged = one.clone();
    merged[KINDS] = all.into();
    Some(merged)
}

/// Of what a value says, whatever the order of its keys and the kinds that it stands for. Zero of nothing.
fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    digest_into(value, &mut hasher, true);
    hasher.finish().max(1)
}

fn digest_into(value: &Value, hasher: &mut DefaultHasher, outermost: bool) {
    match value {
        Value::Object(map) => {
            let said = map.iter().filter(|(key, _)| !outermost || **key != *KINDS);
            let mut said: Vec<_> = said.collect();
            said.sort_by(|a, b| a.0.cmp(b.0));
            said.len().hash(hasher);
            for (key, value) in said {
                (**key).hash(hasher);
                digest_into(value, hasher, false);
            }
        }
        Value::Array(all) => {
            all.len().hash(hasher);
            all.iter().for_each(|one| digest_into(one, hasher, false));
        }
        other => other.to_string().hash(hasher),
    }
}

fn references(value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found(reference);
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(all) => all.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn refer_anew(value: &mut Value, renames: &HashMap<String, String>) {
    match value {
        Value::Object(map) => {
            let new = map.get("$ref").and_then(Value::as_str);
            if let Some(new) = new.and_then(|reference| renames.get(reference)) {
                map.insert("$ref".to_owned(), new.as_str().into());
            }
            map.values_mut()
                .for_each(|value| refer_anew(value, renames));
        }
        Value::Array(all) => all.iter_mut().for_each(|value| refer_anew(value, renames)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refers(name: &str) -> Value {
        json!({"get": {"parameters": [{"$ref": "#/parameters/dry-1"}],
            "responses": {"200": {"schema": {"$ref": format!("#/definitions/{name}")}}}}})
    }

    fn other() -> Value {
        json!({"swagger": "2.0",
            "paths": {"/apis/": refers("Group"), "/apis/a.io/v1/things": refers("io.a.Thing"), "/apis/a.io/v10/things": refers("io.a.Other")},
            "definitions": {
                "Group": {"type": "object"}, "io.a.Other": {"type": "object"}, "io.a.Unused": {"type": "object"},
                "io.a.Thing": {"type": "object", "properties": {"metadata": {"$ref": "#/definitions/Meta"}, "options": {"$ref": "#/definitions/Options"}}},
                "Meta": {"type": "object", "description": "another"},
                "Options": {"description": "d", "type": "object", KINDS: [{"group": "a.io", "version": "v1", "kind": "Options"}]}},
            "parameters": {"dry-1": {"name": "dry", "in": "query"}, "gone-1": {"name": "gone"}}})
    }

    fn own() -> V2Part {
        V2Part::of_document(
            &json!({"paths": {"/api/": refers("Options"), "/api/v1/": refers("Meta")},
                "definitions": {"Meta": {"type": "object", "description": "one"},
                    "Options": {"type": "object", "description": "d", KINDS: [{"group": "", "version": "v1", "kind": "Options"}]}},
                "parameters": {"dry-1": {"name": "dry", "in": "path"}}}),
            "/",
        )
    }

    fn names(entries: &Map<String, Value>) -> Vec<&str> {
        entries.keys().map(|name| &**name).collect()
    }

    #[test]
    fn what_concerns_a_version_is_kept_and_what_that_refers_to() {
        let part = V2Part::of_document(&other(), "/apis/a.io/v1/");
        assert_eq!(names(&part.paths), ["/apis/a.io/v1/things"]);
        let mut definitions = names(&part.definitions);
        definitions.sort_unstable();
        // What nothing referred to is kept, as the reference keeps it.
        assert_eq!(
            definitions,
            ["Meta", "Options", "io.a.Thing", "io.a.Unused"]
        );
        assert_eq!(names(&part.parameters), ["dry-1", "gone-1"]);
    }

    #[test]
    fn conflicts_get_other_names_and_equals_are_shared() {
        let mut known = Known::default();
        known.add(&own());
        let part = V2Part::of_document(&other(), "/apis/a.io/v1/");
        let new = known.take_in(&part);
        assert_eq!(
            names(&new.definitions),
            ["Meta_v2", "io.a.Thing", "io.a.Unused"]
        );
        let fields = &new.definitions["io.a.Thing"]["properties"];
        assert_eq!(fields["metadata"]["$ref"], "#/definitions/Meta_v2");
        assert_eq!(fields["options"]["$ref"], "#/definitions/Options");
        assert_eq!(names(&new.parameters), ["dry-1_v2", "gone-1"]);
        let operation = &new.paths["/apis/a.io/v1/things"]["get"];
        assert_eq!(operation["parameters"][0]["$ref"], "#/parameters/dry-1_v2");

        // The same once more, at other paths: what was renamed is found again.
        let text = other()
            .to_string()
            .replace("/apis/a.io/v1/", "/apis/b.io/v1/");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let again = known.take_in(&V2Part::of_document(&document, "/apis/b.io/v1/"));
        assert_eq!(names(&again.paths), ["/apis/b.io/v1/things"]);
        assert!(again.parameters.is_empty());
        // What refers to it does so by another name than its like that is known: it is something else, as in the reference.
        assert_eq!(names(&again.definitions), ["io.a.Thing_v2"]);
        let operation = &again.paths["/apis/b.io/v1/things"]["get"];
        assert_eq!(operation["parameters"][0]["$ref"], "#/parameters/dry-1_v2");
        // And what is known by its path is left out with all that it alone refers to.
        assert_eq!(known.take_in(&part), V2Part::default());
    }

    #[test]
    fn a_name_that_stands_for_something_unknown_is_not_taken() {
        let mut known = Known::default();
        known.add_definition("io.a.Thing");
        let new = known.take_in(&V2Part::of_document(&other(), "/apis/a.io/v1/"));
        assert!(new.definitions.contains_key("io.a.Thing_v2"));
        assert!(!new.definitions.contains_key("io.a.Thing"));
    }

    #[test]
    fn kinds_are_merged_in_order() {
        let (own, other) = (own(), other());
        let options = &other["definitions"]["Options"];
        let merged = merged_kinds(&own.definitions["Options"], options).expect("one more");
        assert_eq!(
            merged[KINDS],
            json!([{"group": "", "version": "v1", "kind": "Options"}, {"group": "a.io", "version": "v1", "kind": "Options"}])
        );
        assert_eq!(merged["description"], "d");
        assert_eq!(merged_kinds(&merged, options), None);
        assert_eq!(merged_kinds(&own.definitions["Meta"], options), None);
    }
}
