//! Taking away what a schema does not know (apiextensions-apiserver pkg/apiserver/schema/pruning/algorithm.go).

use serde_json::{Map, Value};

use super::schema::{More, Schema};

const IDENTITY: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Prunes a whole object; the paths of what went, sorted.
pub(super) fn object(object: &mut Value, schema: &Schema) -> Vec<String> {
    let mut pruner = Pruner::default();
    pruner.prune(object, schema, true, false);
    pruner.unknown.sort();
    pruner.unknown
}

/// Prunes a value inside an object, silently.
pub(super) fn value(value: &mut Value, schema: &Schema) {
    Pruner::default().prune(value, schema, false, false);
}

#[derive(Default)]
struct Pruner {
    path: String,
    unknown: Vec<String>,
}

impl Pruner {
    /// `kept`: the list around it keeps what is unknown.
    fn prune(&mut self, value: &mut Value, schema: &Schema, root: bool, kept: bool) {
        let kept = kept || schema.preserve;
        match value {
            Value::Object(map) => {
                let resource = root || schema.embedded;
                if !kept {
                    self.drop_unknown(map, schema, resource);
                }
                for (name, inner) in map.iter_mut() {
                    if resource && IDENTITY.contains(&name.as_str()) {
                        continue;
                    }
                    let known = schema.property(name);
                    match (known, &schema.more) {
                        (Some(known), _) => {
                            self.below_key(name, |this| this.prune(inner, known, false, false));
                        }
                        (None, More::Each(each)) => {
                            self.below_key(name, |this| this.prune(inner, each, false, false));
                        }
                        (None, More::Any) => self.below_key(name, |this| this.bare(inner)),
                        (None, More::None) => {}
                    }
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.below_index(at, |this| match &schema.items {
                        Some(inner) => this.prune(item, inner, false, kept),
                        None if kept => {}
                        None => this.bare(item),
                    });
                }
            }
            _ => {}
        }
    }

    /// Where no schema is: objects lose all they have.
    fn bare(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for name in map.keys() {
                    self.unknown.push(super::child(&self.path, name));
                }
                map.clear();
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.below_index(at, |this| this.bare(item));
                }
            }
            _ => {}
        }
    }

    fn drop_unknown(&mut self, map: &mut Map<String, Value>, schema: &Schema, resource: bool) {
        let known = |name: &str| {
            resource && IDENTITY.contains(&name)
                || schema.property(name).is_some()
                || !matches!(schema.more, More::None)
        };
        if map.keys().all(|name| known(name)) {
            return;
        }
        map.retain(|name, _| {
            let kept = known(name);
            if !kept && (!IDENTITY.contains(&name.as_str()) || !self.path.is_empty()) {
                self.unknown.push(super::child(&self.path, name));
            }
            kept
        });
    }

    fn below_key(&mut self, name: &str, work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        work(self);
        self.path.truncate(length);
    }

    fn below_index(&mut self, at: usize, work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(&format!("[{at}]"));
        work(self);
        self.path.truncate(length);
    }
}
