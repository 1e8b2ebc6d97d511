//! Paths into object trees for cells: `status.podIPs[0].ip`, `spec.containers[].name`.

use serde_json::Value;

use crate::codec::protobuf::Pick;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
    Each,
}

impl Path {
    pub(super) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, index) = part.split_once('[').unwrap_or((part, ""));
            if !name.is_empty() {
                steps.push(Step::Field(name.to_owned()));
            }
            match index.strip_suffix(']') {
                Some("") => steps.push(Step::Each),
                Some(index) => steps.push(Step::Index(index.parse().unwrap_or(0))),
                None => {}
            }
        }
        Self(steps)
    }

    /// Adds what the path reaches to what is read of an object. One that ends with `[]` only counts.
    pub(super) fn read(&self, pick: &mut Pick, counted: bool) {
        let names = self.0.iter().filter_map(|step| match step {
            Step::Field(name) => Some(name.as_str()),
            Step::Index(_) | Step::Each => None,
        });
        let names: Vec<&str> = names.collect();
        let count = counted || self.0.last() == Some(&Step::Each);
        pick.add(&names, if count { Pick::Count } else { Pick::Whole });
    }

    /// The value at the path; null counts as absent.
    pub(super) fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.all(object).into_iter().next()
    }

    /// Every value that the path reaches.
    pub(super) fn all<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![object];
        for step in &self.0 {
            found = match step {
                Step::Field(name) => found
                    .into_iter()
                    .filter_map(|value| value.get(name))
                    .collect(),
                Step::Index(index) => found
                    .into_iter()
                    .filter_map(|value| value.get(index))
                    .collect(),
                Step::Each => found
                    .into_iter()
                    .filter_map(Value::as_array)
                    .flatten()
                    .collect(),
            };
        }
        found.retain(|value| !value.is_null());
        found
    }
}

/// Text at a dotted path of fields; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or("")
}

/// Whole number at a dotted path of fields; zero when there is none.
pub(super) fn number(object: &Value, path: &str) -> i64 {
    at(object, path).and_then(Value::as_i64).unwrap_or(0)
}

/// List at a dotted path of fields; empty when there is none.
pub(super) fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    at(object, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Value at a dotted path of fields; null counts as absent.
pub(super) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(object, |value, key| value.get(key))
        .filter(|value| !value.is_null())
}

/// The condition of a type in `status.conditions`.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "status.conditions")
        .iter()
        .rev()
        .find(|condition| text(condition, "type") == kind)
}

/// `a,b,c + 2 more...` when there are more than fit.
pub(super) fn first_of(items: Vec<String>, most: usize, separator: &str) -> String {
    let more = items.len().saturating_sub(most);
    let shown: Vec<String> = items.into_iter().take(most).collect();
    let shown = shown.join(separator);
    if more > 0 {
        format!("{shown} + {more} more...")
    } else {
        shown
    }
}

pub(super) fn or(value: &str, fallback: &str) -> String {
    if value.is_empty() {
        fallback.to_owned()
    } else {
        value.to_owned()
    }
}
