//! The difference of two objects as three field sets, and the set of all fields of one object.
//! Both walk values along their shape; what is atomic counts as one field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::field_set::{FieldSet, Node};
use super::path_element::{PathElement, same};
use super::shape::{Kind, Shape};

/// Fields that went, changed and came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Comparison {
    pub removed: FieldSet,
    pub modified: FieldSet,
    pub added: FieldSet,
}

impl Comparison {
    pub(super) fn map(self, change: impl Fn(FieldSet) -> FieldSet) -> Self {
        Self {
            removed: change(self.removed),
            modified: change(self.modified),
            added: change(self.added),
        }
    }
}

/// Compares two objects of one type. Items that cannot be named in paths are an error.
pub(super) fn compare(old: &Value, new: &Value, shape: Shape<'_>) -> Result<Comparison, String> {
    Ok(pair((Some(old), Some(new)), shape)?.below)
}

type Pair<'a> = (Option<&'a Value>, Option<&'a Value>);

/// What became of one place: of what lies below it, and of itself.
#[derive(Default)]
struct Part {
    below: Comparison,
    removed: bool,
    modified: bool,
    added: bool,
}

impl Part {
    /// Adds what became of the place behind a step.
    fn add(&mut self, step: &PathElement, part: Part) {
        let Part {
            below,
            removed,
            modified,
            added,
        } = part;
        self.below.removed.attach(step, removed, below.removed);
        self.below.modified.attach(step, modified, below.modified);
        self.below.added.attach(step, added, below.added);
    }

    fn leaf(&mut self, pair: Pair<'_>) {
        match pair {
            (None, _) => self.added = true,
            (_, None) => self.removed = true,
            (Some(old), Some(new)) => self.modified |= !same(old, new),
        }
    }

    /// True when the values were taken as one.
    fn handle(&mut self, pair: Pair<'_>, shape: Shape<'_>, kind: Kind) -> Result<bool, String> {
        let is_empty = |value: Option<&Value>| match (kind, value) {
            (Kind::Map, Some(Value::Object(map))) => map.is_empty(),
            (Kind::List, Some(Value::Array(items))) => items.is_empty(),
            _ => true,
        };
        if kind == Kind::Scalar || shape.is_atomic(kind) || is_empty(pair.0) && is_empty(pair.1) {
            self.leaf(pair);
            return Ok(true);
        }
        match kind {
            Kind::List => self.lists(as_list(pair.0), as_list(pair.1), shape)?,
            _ => self.maps(as_map(pair.0), as_map(pair.1), shape)?,
        }
        Ok(false)
    }

    fn maps(
        &mut self,
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
        shape: Shape<'_>,
    ) -> Result<(), String> {
        let only_new = new
            .into_iter()
            .flat_map(|m| m.keys())
            .filter(|key| !old.is_some_and(|m| m.contains_key(*key)));
        for key in old.into_iter().flat_map(|m| m.keys()).chain(only_new) {
            let inner = member(shape, key)?;
            let values = (old.and_then(|m| m.get(key)), new.and_then(|m| m.get(key)));
            let part = pair(values, inner)?;
            if !part.is_nothing() {
                self.add(&PathElement::field(key), part);
            }
        }
        Ok(())
    }

    fn lists(&mut self, old: &[Value], new: &[Value], shape: Shape<'_>) -> Result<(), String> {
        let mut items: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (i, item) in old.iter().enumerate() {
            items.entry(step(shape, i, item)?).or_default().0.push(item);
        }
        for (i, item) in new.iter().enumerate() {
            items.entry(step(shape, i, item)?).or_default().1.push(item);
        }
        for (step, (old, new)) in items {
            let part = same_named(&old, &new, shape.item())?;
            self.add(&step, part);
        }
        Ok(())
    }

    fn is_nothing(&self) -> bool {
        let below = &self.below;
        let sets = [&below.removed, &below.modified, &below.added];
        !(self.removed || self.modified || self.added) && sets.iter().all(|set| set.is_empty())
    }
}

fn pair(values: Pair<'_>, shape: Shape<'_>) -> Result<Part, String> {
    let (old, new) = values;
    let mut part = Part::default();
    if let (None, Some(new)) = values {
        part.added = true;
        part.below.added = arrived(new, shape)?;
        return Ok(part);
    }
    // Most of an object is as it was.
    if let (Some(old), Some(new)) = values
        && same(old, new)
    {
        return Ok(part);
    }
    let (old_kind, new_kind) = (shape.kind(old), shape.kind(new));
    let leaf = if new.is_none() {
        part.handle(values, shape, old_kind)?
    } else {
        if old.is_some() && old_kind != new_kind {
            part.handle(values, shape, old_kind)?;
        }
        part.handle(values, shape, new_kind)?
    };
    if !leaf {
        part.added |= old.is_none();
        part.removed |= old.is_some() && new.is_none();
    }
    Ok(part)
}

/// The fields below a value that was not there before: each of them has come. Of a list's items that bear one name, no more than that.
fn arrived(value: &Value, shape: Shape<'_>) -> Result<FieldSet, String> {
    let mut set = FieldSet::default();
    let kind = shape.kind(Some(value));
    if kind == Kind::Scalar || shape.is_atomic(kind) {
        return Ok(set);
    }
    match (kind, value) {
        (Kind::Map, Value::Object(map)) => {
            for (key, value) in map {
                let below = arrived(value, member(shape, key)?)?;
                if let Some(node) = set.new_node(PathElement::field(key)) {
                    (node.member, node.below) = (true, below);
                }
            }
        }
        (Kind::List, Value::Array(items)) => {
            let mut repeated = Vec::new();
            for (i, item) in items.iter().enumerate() {
                let step = step(shape, i, item)?;
                if set.at(&step).is_some() {
                    repeated.push(step);
                } else if let Some(node) = set.new_node(step) {
                    (node.member, node.below) = (true, arrived(item, shape.item())?);
                }
            }
            for step in repeated {
                set.forget_below(&step);
            }
        }
        _ => {}
    }
    Ok(set)
}

/// The items of a list that bear one name; there may be several.
fn same_named(old: &[&Value], new: &[&Value], shape: Shape<'_>) -> Result<Part, String> {
    let mut part;
    match (old, new) {
        ([] | [_], [] | [_]) => {
            part = pair((old.first().copied(), new.first().copied()), shape)?;
        }
        ([_, _, ..], [_, _, ..]) => {
            let equal = old.len() == new.len() && old.iter().zip(new).all(|(a, b)| same(a, b));
            part = Part::default();
            part.modified = !equal;
        }
        ([_, _, ..], _) => {
            part = match new.first() {
                Some(item) => pair((None, Some(item)), shape)?,
                None => Part::default(),
            };
            part.removed = true;
        }
        (_, _) => {
            part = match old.first() {
                Some(item) => pair((Some(item), None), shape)?,
                None => Part::default(),
            };
            part.added = true;
        }
    }
    Ok(part)
}

fn member<'a>(shape: Shape<'a>, key: &str) -> Result<Shape<'a>, String> {
    let inner = shape.field(key);
    inner.ok_or_else(|| format!(".{key}: field not declared in schema"))
}

fn step(shape: Shape<'_>, place: usize, item: &Value) -> Result<PathElement, String> {
    shape
        .item_step(item)
        .map_err(|why| format!("element {place}: {why}"))
}

fn as_map(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn as_list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Every field of an object: leaves, items, keys of maps, and maps that are null or empty.
pub(super) fn all_fields(object: &Value, shape: Shape<'_>) -> FieldSet {
    collect(object, shape).1
}

/// Whether a value is owned as one, and what is owned below it.
fn collect(value: &Value, shape: Shape<'_>) -> (bool, FieldSet) {
    let mut set = FieldSet::default();
    let kind = shape.kind(Some(value));
    if kind == Kind::Scalar || shape.is_atomic(kind) {
        return (true, set);
    }
    match value {
        Value::Object(map) if kind == Kind::Map => {
            for (key, value) in map {
                let Some(inner) = shape.field(key) else {
                    continue;
                };
                let (whole, below) = collect(value, inner);
                let bare = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                let member = whole || bare || !shape.declares(key);
                set.attach(&PathElement::field(key), member, below);
            }
        }
        Value::Array(items) if kind == Kind::List => collect_items(items, shape, &mut set),
        _ => {}
    }
    (false, set)
}

fn collect_items(items: &[Value], shape: Shape<'_>, set: &mut FieldSet) {
    let mut counts: BTreeMap<PathElement, Vec<&Value>> = BTreeMap::new();
    for item in items {
        if let Ok(step) = shape.item_step(item) {
            counts.entry(step).or_default().push(item);
        }
    }
    for (step, same_items) in counts {
        let below = match same_items.as_slice() {
            [only] => collect(only, shape.item()).1,
            _ => FieldSet::default(),
        };
        set.attach(&step, true, below);
    }
}

/// The set with every declared field added that has members below it.
pub(super) fn with_named_parents(set: &FieldSet, shape: Option<Shape<'_>>) -> FieldSet {
    let with_parents = |node: &Node| {
        let mut node = node.clone();
        if node.below.is_empty() {
            return node;
        }
        let inner = match &node.step {
            PathElement::Field(name) => {
                node.member |= shape.is_some_and(|s| s.declares(name));
                shape.and_then(|s| s.field(name))
            }
            PathElement::Key(_) => shape.map(Shape::item),
            _ => None,
        };
        node.below = with_named_parents(&node.below, inner);
        node
    };
    FieldSet::of_nodes(set.nodes().iter().map(with_parents).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema;
    use serde_json::json;

    /// What comes where nothing was is what goes where nothing is left, which is found out by another way.
    #[test]
    fn what_comes_is_what_would_go() {
        let container = json!({"name": "c", "image": "i", "args": ["a", "a"], "resources": {}, "env": [
            {"name": "E", "value": "1"}, {"name": "F"}, {"name": "E", "value": "2"}, {"name": "E"}],
            "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}], "livenessProbe": null});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b", "": "c"}, "annotations": {},
            "finalizers": ["x/z", "x/y", "x/z"], "ownerReferences": [{"uid": "u", "kind": "K"}]},
            "spec": {"containers": [container], "volumes": [], "nodeSelector": {"n": "m"}, "tolerations": [{"key": "t"}]}});
        let shape = Shape::root(
            schema(),
            schema().type_named("core/v1.Pod").expect("a type"),
        );
        let nothing = json!({});
        let came = compare(&nothing, &pod, shape).expect("compared");
        let went = compare(&pod, &nothing, shape).expect("compared");
        assert_eq!(came.added, went.removed);
        assert_eq!(came.added.paths().len(), 35);
        assert!(came.removed.is_empty() && came.modified.is_empty());
        for wrong in [
            json!({"spec": {"nothing": 1}}),
            json!({"spec": {"containers": [{"image": "i"}]}}),
        ] {
            let (came, went) = (
                compare(&nothing, &wrong, shape),
                compare(&wrong, &nothing, shape),
            );
            assert_eq!(came.err(), went.err());
        }
    }
}
