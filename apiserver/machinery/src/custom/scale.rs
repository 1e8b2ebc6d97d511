//! The scale subresource of a custom resource: where its replicas stand, and what they may be
//! (apiextensions-apiserver pkg/registry/customresource/{etcd,validator}.go).

use serde_json::{Map, Value, json};

use crate::goformat::{self, quote};
use crate::managed_fields::PathElement;
use crate::status::FieldError;

#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    spec_replicas: String,
    status_replicas: String,
    /// Empty: none.
    label_selector: String,
}

/// A custom resource as a Scale shows it.
pub struct Seen {
    /// None: the object does not say.
    pub spec_replicas: Option<i64>,
    pub status_replicas: i64,
    pub selector: String,
}

impl Scale {
    pub(super) fn new(written: &Value) -> Option<Self> {
        let text = |name: &str| written[name].as_str().unwrap_or("").to_owned();
        written.is_object().then(|| Scale {
            spec_replicas: text("specReplicasPath"),
            status_replicas: text("statusReplicasPath"),
            label_selector: text("labelSelectorPath"),
        })
    }

    pub fn spec_path(&self) -> &str {
        &self.spec_replicas
    }

    /// The way to the replicas, as managed fields name it.
    pub fn elements(&self) -> Vec<PathElement> {
        steps(&self.spec_replicas).map(PathElement::field).collect()
    }

    pub fn see(&self, object: &Value) -> Result<Seen, String> {
        Ok(Seen {
            spec_replicas: integer(object, &self.spec_replicas)?,
            status_replicas: integer(object, &self.status_replicas)?.unwrap_or(0),
            selector: match self.label_selector.as_str() {
                "" => String::new(),
                path => text(object, path)?,
            },
        })
    }

    /// Writes the replicas where they belong; the error says what is in the way.
    pub fn set(&self, object: &mut Value, replicas: i64) -> Result<(), String> {
        let names: Vec<&str> = steps(&self.spec_replicas).collect();
        let Some((last, front)) = names.split_last() else {
            return Ok(());
        };
        let mut at = object;
        for (depth, name) in front.iter().enumerate() {
            let blocked = || {
                format!(
                    "value cannot be set because {} is not a map[string]interface{{}}",
                    names[..=depth].join(".")
                )
            };
            let map = at.as_object_mut().ok_or_else(blocked)?;
            at = map
                .entry(*name)
                .or_insert_with(|| Value::Object(Map::new()));
        }
        let blocked = || {
            format!(
                "value cannot be set because {} is not a map[string]interface{{}}",
                front.join(".")
            )
        };
        at.as_object_mut()
            .ok_or_else(blocked)?
            .put(*last, json!(replicas));
        Ok(())
    }

    pub(super) fn validate(&self, object: &Value, whole: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let paths = [&self.spec_replicas, &self.status_replicas];
        for path in &paths[usize::from(!whole)..] {
            match integer(object, path) {
                Err(why) => errors.push(FieldError::invalid(path.as_str(), 0, why)),
                Ok(Some(count)) if count < 0 => errors.push(FieldError::invalid(
                    path.as_str(),
                    count,
                    "should be a non-negative integer",
                )),
                Ok(Some(count)) if count > i64::from(i32::MAX) => {
                    let why = format!("should be less than or equal to {}", i32::MAX);
                    errors.push(FieldError::invalid(path.as_str(), count, why));
                }
                Ok(_) => {}
            }
        }
        if !self.label_selector.is_empty()
            && let Err(why) = text(object, &self.label_selector)
        {
            errors.push(FieldError::invalid(self.label_selector.as_str(), "", why));
        }
        errors
    }
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('.').unwrap_or(path).split('.')
}

/// The value at a path of fields; none where it ends before. The error is that of unstructured.NestedFieldNoCopy.
fn at<'a>(object: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let names: Vec<&str> = steps(path).collect();
    let mut found = object;
    for (depth, name) in names.iter().enumerate() {
        match found {
            Value::Object(map) => match map.get(*name) {
                Some(inner) => found = inner,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            other => {
                return Err(accessor(&names[..depth], other, "map[string]interface{}"));
            }
        }
    }
    Ok(Some(found))
}

fn accessor(names: &[&str], found: &Value, expected: &str) -> String {
    let path = format!(".{}", names.join("."));
    let shown = goformat::plain(found);
    let kind = match found {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("{path} accessor error: {shown} is of the type {kind}, expected {expected}")
}

fn integer(object: &Value, path: &str) -> Result<Option<i64>, String> {
    let names: Vec<&str> = steps(path).collect();
    match at(object, path)? {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(count) => Ok(Some(count)),
            None => Err(accessor(&names, value, "int64")),
        },
    }
}

fn text(object: &Value, path: &str) -> Result<String, String> {
    let names: Vec<&str> = steps(path).collect();
    match at(object, path)? {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(accessor(&names, other, "string")),
    }
}

/// What is said of a custom resource whose replicas are not there.
pub fn missing(path: &str) -> String {
    format!("the spec replicas field {} does not exist", quote(path))
}
