//! One defaulting rule of the table: its words, checked against the schema, and its effect.

use serde_json::{Key, Map, Value};

use crate::schema::{FieldType, Schema, TypeId};

/// `PATH = VALUE [if CONDITION [and CONDITION]]`.
pub(super) struct Rule {
    pub(super) path: Vec<Step>,
    pub(super) value: Source,
    pub(super) conditions: Vec<Condition>,
}

/// A step to a field.
pub(super) struct Step {
    pub(super) name: Key,
    /// Every element of the list.
    pub(super) each: bool,
    /// A struct that is no pointer: made where it is absent.
    pub(super) make: bool,
}

pub(super) enum Source {
    Value(Value),
    Copy(Vec<Key>),
}

pub(super) struct Condition {
    pub(super) path: Vec<Key>,
    pub(super) test: Test,
}

pub(super) enum Test {
    Set,
    Unset,
    Is(Vec<String>),
}

impl Rule {
    pub(super) fn parse(schema: &Schema, id: TypeId, text: &str) -> Result<Self, String> {
        let (path, rest) = text.split_once(" = ").ok_or("no ` = `")?;
        let (value, conditions) = rest.split_once(" if ").unwrap_or((rest, ""));
        let value = match value.strip_prefix('$') {
            Some(from) => Source::Copy(
                check_path(schema, id, from)?
                    .into_iter()
                    .map(|s| s.name)
                    .collect(),
            ),
            None => Source::Value(serde_json::from_str(value).map_err(|e| e.to_string())?),
        };
        let conditions = conditions.split(" and ").filter(|c| !c.is_empty());
        let conditions = conditions
            .map(|c| Condition::parse(schema, id, c))
            .collect::<Result<_, _>>()?;
        Ok(Rule {
            path: check_path(schema, id, path)?,
            value,
            conditions,
        })
    }

    pub(super) fn apply(&self, map: &mut Map<String, Value>) {
        if !self.conditions.iter().all(|c| c.holds(map)) {
            return;
        }
        match &self.value {
            Source::Value(value) => fill(map, &self.path, value),
            Source::Copy(path) => {
                if let Some(value) = find(map, path).cloned() {
                    fill(map, &self.path, &value);
                }
            }
        }
    }
}

impl Condition {
    fn parse(schema: &Schema, id: TypeId, text: &str) -> Result<Self, String> {
        let (path, test) = text.split_once(' ').ok_or("a condition is PATH TEST")?;
        let path = check_path(schema, id, path)?
            .into_iter()
            .map(|s| s.name)
            .collect();
        let test = match test.split_once(' ').unwrap_or((test, "")) {
            ("set", "") => Test::Set,
            ("unset", "") => Test::Unset,
            ("is", values) => Test::Is(values.split('|').map(str::to_owned).collect()),
            _ => return Err(format!("unknown test {test:?}")),
        };
        Ok(Condition { path, test })
    }

    fn holds(&self, map: &Map<String, Value>) -> bool {
        let value = find(map, &self.path);
        match &self.test {
            Test::Set => value.is_some(),
            Test::Unset => value.is_none(),
            Test::Is(values) => value
                .and_then(Value::as_str)
                .is_some_and(|v| values.iter().any(|x| x == v)),
        }
    }
}

/// Walks a path through the schema, so that a misspelt rule is found at start-up.
fn check_path(schema: &Schema, mut id: TypeId, path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, each) = part.strip_suffix("[]").map_or((part, false), |n| (n, true));
        let field = schema
            .struct_of(id)
            .and_then(|s| s.field(name))
            .ok_or_else(|| format!("no field {name:?}"))?;
        let make = !field.pointer && matches!(field.ty, FieldType::Struct(_));
        steps.push(Step {
            name: Key::from(&field.name),
            each,
            make,
        });
        if parts.peek().is_some() {
            id = field
                .ty
                .struct_inside()
                .ok_or_else(|| format!("{name:?} holds no struct"))?;
        }
    }
    Ok(steps)
}

/// A value that says something: empty lists and the like count as absent.
fn find<'a>(map: &'a Map<String, Value>, path: &[Key]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = map.get(first)?;
    match rest {
        [] => (!is_empty_list(value)).then_some(value),
        _ => find(value.as_object()?, rest),
    }
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn fill(map: &mut Map<String, Value>, path: &[Step], value: &Value) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        if map.get(&step.name).is_none_or(is_empty_list) {
            map.put(&step.name, value.clone());
        }
        return;
    }
    match map.get_mut(&step.name) {
        Some(Value::Array(items)) if step.each => {
            items
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|item| fill(item, rest, value));
        }
        Some(Value::Object(inner)) => fill(inner, rest, value),
        None if step.make => {
            let mut inner = Map::new();
            fill(&mut inner, rest, value);
            if !inner.is_empty() {
                map.put(&step.name, Value::Object(inner));
            }
        }
        _ => {}
    }
}
