//! Values against a schema, with the texts and the order of kube-openapi's pkg/validation/validate: each value is checked for its
//! type, junctors, text, format, number, list, choices and object, in this order. What was as wrong before is let be
//! (apiextensions-apiserver pkg/apiserver/validation/ratcheting.go).

mod junctors;
mod scalars;

use serde_json::{Map, Value};

use super::checks::Checks;
use super::correlate::Correlated;
use super::schema::{Kind, More, Schema};
use super::{child, shown};
use crate::goformat::{json_text, quote};
use crate::status::FieldError;

/// Validates a whole object.
pub(super) fn object(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let old = old.map(|old| Correlated {
        new: object,
        old,
        schema,
    });
    let walk = Walk { front: "" };
    walk.node(schema, object, "", old, true).errors
}

/// Validates a value that is told to stand at a path.
pub(super) fn value(schema: &Schema, value: &Value, path: &str) -> Vec<FieldError> {
    let walk = Walk { front: path };
    walk.node(schema, value, "", None, false).errors
}

/// Validates the status of an object; its paths begin there.
pub(super) fn status(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let (Some(schema), Some(status)) = (schema.property("status"), object.get("status")) else {
        return Vec::new();
    };
    let old = old.and_then(|old| old.get("status"));
    let old = old.map(|old| Correlated {
        new: status,
        old,
        schema,
    });
    let walk = Walk { front: "status" };
    walk.node(schema, status, "", old, true).errors
}

/// What is wrong with a value, and how much of the schema it met: the best of several alternatives is told.
#[derive(Default)]
struct Found {
    errors: Vec<FieldError>,
    met: u32,
}

impl Found {
    fn merge(&mut self, other: Found) {
        self.errors.extend(other.errors);
        self.met += other.met;
    }

    fn fits(&self) -> bool {
        self.errors.is_empty()
    }
}

struct Walk<'w> {
    /// Stands before the paths of errors, not in their texts.
    front: &'w str,
}

type Old<'a> = Option<Correlated<'a>>;

impl Walk<'_> {
    fn place(&self, path: &str) -> String {
        match path.trim_start_matches('.') {
            "" => shown(self.front),
            path => child(self.front, path),
        }
    }

    fn node(
        &self,
        schema: &Schema,
        value: &Value,
        path: &str,
        old: Old<'_>,
        ratchets: bool,
    ) -> Found {
        let found = self.checked(schema, value, path, old);
        if !found.fits() && ratchets && old.is_some_and(Correlated::unchanged) {
            return Found {
                errors: Vec::new(),
                met: found.met,
            };
        }
        found
    }

    fn checked(&self, schema: &Schema, value: &Value, path: &str, old: Old<'_>) -> Found {
        let mut found = Found::default();
        let checks = schema.checks.as_deref();
        if value.is_null() {
            if (schema.kind != Kind::Any || schema.int_or_string) && !schema.nullable {
                found
                    .errors
                    .push(self.wrong_type(path, types(schema), "null"));
            }
            found
                .errors
                .extend(checks.and_then(|checks| self.choice(checks, value, path)));
            return found;
        }
        if let Some(error) = self.of_type(schema, checks, value, path) {
            found.errors.push(error);
        }
        found.met += 1;
        if let Some(checks) = checks {
            found.merge(self.junctors(checks, value, path, old));
        }
        found.met += 1;
        match value {
            Value::String(text) => self.text(checks, text, path, &mut found),
            Value::Number(_) => self.number(schema, checks, value, path, &mut found),
            Value::Array(items) => self.list(schema, checks, items, (path, old), &mut found),
            _ => {}
        }
        found
            .errors
            .extend(checks.and_then(|checks| self.choice(checks, value, path)));
        found.met += 1;
        if let Value::Object(map) = value {
            self.map(schema, checks, map, (path, old), &mut found);
        }
        found
    }

    fn wrong_type(&self, path: &str, wanted: &str, found: &str) -> FieldError {
        let why = format!("{path} in body must be of type {wanted}: {}", quote(found));
        FieldError::type_invalid(self.place(path), found, why)
    }

    fn of_type(
        &self,
        schema: &Schema,
        checks: Option<&Checks>,
        value: &Value,
        path: &str,
    ) -> Option<FieldError> {
        let format = checks.map_or("", |checks| &checks.format);
        if schema.kind == Kind::Any && !schema.int_or_string && format.is_empty() {
            return None;
        }
        let (kind, own) = kind_of(value);
        let wants = |kind: &str| match schema.int_or_string {
            true => matches!(kind, "integer" | "string"),
            false => schema.kind.text() == kind && !kind.is_empty(),
        };
        let whole = value.as_f64().is_some_and(|float| float.fract() == 0.0);
        let fits = wants(kind)
            || kind == "number" && whole && wants("integer")
            || kind == "integer" && wants("number");
        let texts = matches!(value, Value::String(_) | Value::Array(_));
        if !texts && !format.is_empty() && !fits && own != format {
            return Some(self.wrong_type(path, format, own));
        }
        if !wants("number") && !wants("integer") && !format.is_empty() && texts {
            return None;
        }
        (!fits).then(|| self.wrong_type(path, types(schema), kind))
    }

    fn list(
        &self,
        schema: &Schema,
        checks: Option<&Checks>,
        items: &[Value],
        (path, old): (&str, Old<'_>),
        found: &mut Found,
    ) {
        if let Some(schema) = &schema.items {
            for (at, item) in items.iter().enumerate() {
                let below = old.and_then(|old| old.index(at));
                found.merge(self.node(schema, item, &super::index(path, at), below, true));
            }
        }
        found.met += 1;
        let Some(checks) = checks else { return };
        let count = items.len() as i64;
        let invalid = |value: Value, why: String| FieldError::invalid(self.place(path), value, why);
        if let Some(least) = checks.min_items.filter(|least| count < *least) {
            let why = format!("{path} in body should have at least {least} items");
            found.errors.push(invalid(count.into(), why));
        }
        if let Some(most) = checks.max_items.filter(|most| count > *most) {
            found
                .errors
                .push(FieldError::too_many(self.place(path), count, most));
        }
        let twice = |at: usize| items[..at].contains(&items[at]);
        if checks.unique_items && (0..items.len()).any(twice) {
            found.errors.push(invalid(
                "".into(),
                format!("{path} in body shouldn't contain duplicates"),
            ));
        }
    }

    fn choice(&self, checks: &Checks, value: &Value, path: &str) -> Option<FieldError> {
        if checks.choices.is_empty() || checks.choices.iter().any(|choice| same(choice, value)) {
            return None;
        }
        let text = |choice: &Value| match choice {
            Value::String(text) => text.clone(),
            other => json_text(other),
        };
        let choices: Vec<String> = checks.choices.iter().map(text).collect();
        let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
        Some(FieldError::not_supported(
            self.place(path),
            value.clone(),
            &choices,
        ))
    }

    fn map(
        &self,
        schema: &Schema,
        checks: Option<&Checks>,
        map: &Map<String, Value>,
        (path, old): (&str, Old<'_>),
        found: &mut Found,
    ) {
        let count = map.len() as i64;
        if let Some(least) = checks
            .and_then(|checks| checks.min_properties)
            .filter(|least| count < *least)
        {
            let why = format!("{path} in body should have at least {least} properties");
            found
                .errors
                .push(FieldError::invalid(self.place(path), count, why));
        }
        if let Some(most) = checks
            .and_then(|checks| checks.max_properties)
            .filter(|most| count > *most)
        {
            found
                .errors
                .push(FieldError::too_many(self.place(path), count, most));
        }
        // What of an object cannot change is no reason to let it be.
        let below = |name: &str| match (path, name) {
            ("", "kind" | "apiVersion") => None,
            _ => old.and_then(|old| old.key(name)),
        };
        if let More::Each(each) = &schema.more {
            for (name, inner) in map
                .iter()
                .filter(|(name, _)| schema.property(name).is_none())
            {
                let place = format!("{path}.{name}");
                found.merge(self.node(each, inner, &place, below(name), true));
            }
        }
        for (name, property) in &schema.properties {
            if let Some(inner) = map.get(&**name) {
                found.merge(self.node(property, inner, &child(path, name), below(name), true));
            }
        }
        for name in checks.into_iter().flat_map(|checks| &checks.required) {
            if !map.contains_key(name) {
                let place = self.place(&format!("{path}.{name}"));
                found.errors.push(FieldError::required(place, ""));
            }
        }
    }
}

fn types(schema: &Schema) -> &'static str {
    if schema.int_or_string {
        "integer,string"
    } else {
        schema.kind.text()
    }
}

/// The JSON type of a value, and the format that Go's type of it stands for.
fn kind_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Number(number) if number.is_f64() => ("number", "float64"),
        Value::Number(_) => ("integer", "int64"),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

/// Equal as Go's conversion between numbers has it.
fn same(choice: &Value, value: &Value) -> bool {
    match (choice, value) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Null, _) => false,
        (one, other) => one == other,
    }
}
