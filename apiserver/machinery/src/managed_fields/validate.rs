//! Whether a value fits its shape, as structured-merge-diff checks every object before it works on it.
//! The texts are those that clients see when an applied configuration does not fit.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path_element::PathElement;
use super::shape::{Form, Kind, Scalar, Shape};
use crate::goformat::{plain, quote};

/// All problems, joined as upstream joins them; items that share a name are one unless allowed.
pub(super) fn validate(
    value: &Value,
    shape: Shape<'_>,
    allow_duplicates: bool,
) -> Result<(), String> {
    let mut walk = Walk {
        path: Vec::new(),
        problems: Vec::new(),
        allow_duplicates,
    };
    walk.value(value, shape);
    match walk.problems.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Walk<'v> {
    path: Vec<Step<'v>>,
    problems: Vec<String>,
    allow_duplicates: bool,
}

/// A step on the way to a value; put into words only where there is a problem.
enum Step<'v> {
    Field(&'v str),
    Item(PathElement),
}

impl<'v> Walk<'v> {
    fn problem(&mut self, text: &str) {
        let steps = self.path.iter().map(|step| match step {
            Step::Field(name) => PathElement::field(*name).to_string(),
            Step::Item(step) => step.to_string(),
        });
        let path: String = steps.collect();
        self.problems.push(if path.is_empty() {
            text.to_owned()
        } else {
            format!("{path}: {text}")
        });
    }

    fn value(&mut self, value: &'v Value, shape: Shape<'_>) {
        if value.is_null() {
            return;
        }
        match shape.kind(Some(value)) {
            Kind::Scalar => self.scalar(value, shape),
            Kind::Map => match value {
                Value::Object(map) => self.map(map, shape),
                other => self.problem(&format!("expected map, got {}", wrapped(other))),
            },
            Kind::List => match value {
                Value::Array(items) => self.list(items, shape),
                other => self.problem(&format!("expected list, got {}", wrapped(other))),
            },
        }
    }

    fn scalar(&mut self, value: &Value, shape: Shape<'_>) {
        let Form::Scalar(scalar) = shape.form else {
            return;
        };
        match (scalar, value) {
            (Scalar::String, Value::String(_))
            | (Scalar::Number, Value::Number(_))
            | (Scalar::Bool, Value::Bool(_))
            | (Scalar::Any, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {}
            (Scalar::String, other) => {
                self.problem(&format!(
                    "expected string, got &value.valueUnstructured{{Value:{}}}",
                    literal(other)
                ));
            }
            (Scalar::Number, other) => {
                self.problem(&format!(
                    "expected numeric (int or float), got {}",
                    type_name(other)
                ));
            }
            (Scalar::Bool, other) => {
                self.problem(&format!("expected boolean, got {}", wrapped(other)))
            }
            (Scalar::Any, other) => {
                self.problem(&format!("expected any scalar, got {}", wrapped(other)))
            }
        }
    }

    fn map(&mut self, map: &'v Map<String, Value>, shape: Shape<'_>) {
        for (key, value) in map {
            self.path.push(Step::Field(key));
            let inner = shape.field(key);
            match inner {
                Some(inner) => self.value(value, inner),
                None => self.problem("field not declared in schema"),
            }
            self.path.pop();
            if inner.is_none() {
                return;
            }
        }
    }

    fn list(&mut self, items: &'v [Value], shape: Shape<'_>) {
        let mut seen = BTreeSet::new();
        for (i, item) in items.iter().enumerate() {
            let step = if shape.names_items() {
                match shape.item_step(item) {
                    Ok(step) => step,
                    Err(why) => return self.problem(&format!("element {i}: {why}")),
                }
            } else {
                PathElement::Index(i64::try_from(i).unwrap_or(i64::MAX))
            };
            if !self.allow_duplicates && !seen.insert(step.clone()) {
                self.problem(&format!("duplicate entries for key {step}"));
            }
            self.path.push(Step::Item(step));
            self.value(item, shape.item());
            self.path.pop();
        }
    }
}

/// `%v` of the wrapper that upstream prints instead of the value.
fn wrapped(value: &Value) -> String {
    format!("&{{{}}}", plain(value))
}

/// `%#v` of a decoded value.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(items) => {
            format!(
                "[]interface {{}}{{{}}}",
                items.iter().map(literal).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let mut entries: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{}:{}", quote(k), literal(v)))
                .collect();
            entries.sort();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        Value::Null => "interface {}(nil)".into(),
        other => plain(other),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
