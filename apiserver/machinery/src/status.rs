//! `Status`: the one error shape of the API, as `meta/v1.Status` writes it, and who may be told to retry.
//! Owns reasons, codes, details and causes; never decides when an error is due. Constructors with upstream's
//! messages live in `status/constructors.rs`, field errors of validation in `status/field_error.rs`.

mod constructors;
mod field_error;
pub mod reason;

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

pub use constructors::OBJECT_MODIFIED;
pub use field_error::{FieldError, FieldErrorKind};

/// A failed request, ready to be sent. `code` is the HTTP status.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub code: u16,
    /// Empty when upstream gives none (an error that was never an API error).
    pub reason: Cow<'static, str>,
    pub message: String,
    /// `Some` with nothing inside is written as `{}`, as upstream does.
    pub details: Option<Box<Details>>,
    /// `metadata.continue`, only set on an expired list that can go on inconsistently.
    pub continue_token: String,
}

/// What the error is about. `kind` is the plural resource for most reasons and the kind for `Invalid`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    pub name: String,
    pub group: String,
    pub kind: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    pub retry_after_seconds: u32,
}

/// One of several reasons for a failure; `field` is a path such as `spec.ports[0].name`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cause {
    pub reason: Cow<'static, str>,
    pub message: String,
    pub field: String,
}

/// A resource with its API group; shown as `deployments.apps`, or `pods` in the core group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupResource<'a> {
    pub group: &'a str,
    pub resource: &'a str,
}

/// A kind with its API group; shown as `Deployment.apps`, or `Pod` in the core group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupKind<'a> {
    pub group: &'a str,
    pub kind: &'a str,
}

impl Status {
    /// The object as the API sends it, fields in upstream's order.
    pub fn to_value(&self) -> Value {
        let mut metadata = Map::new();
        put(&mut metadata, "continue", &self.continue_token);
        let mut root = Map::new();
        root.insert("kind".into(), "Status".into());
        root.insert("apiVersion".into(), "v1".into());
        root.insert("metadata".into(), Value::Object(metadata));
        root.insert("status".into(), "Failure".into());
        put(&mut root, "message", &self.message);
        put(&mut root, "reason", &self.reason);
        if let Some(details) = &self.details {
            root.insert("details".into(), details.to_value());
        }
        root.insert("code".into(), self.code.into());
        Value::Object(root)
    }

    /// Seconds for the `Retry-After` header, if the client is asked to come back.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details
            .as_ref()
            .map(|d| d.retry_after_seconds)
            .filter(|s| *s > 0)
    }

    /// Whether this is the given reason (see [`reason`]).
    pub fn is(&self, reason: &str) -> bool {
        self.reason == reason
    }

    /// Adds a cause, making details if there were none.
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// Puts text in front of the message; the reason and the code stay.
    pub fn prefixed(mut self, text: &str) -> Self {
        self.message.insert_str(0, text);
        self
    }
}

impl Details {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        put(&mut map, "name", &self.name);
        put(&mut map, "group", &self.group);
        put(&mut map, "kind", &self.kind);
        put(&mut map, "uid", &self.uid);
        if !self.causes.is_empty() {
            map.insert(
                "causes".into(),
                self.causes.iter().map(Cause::to_value).collect(),
            );
        }
        if self.retry_after_seconds > 0 {
            map.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        Value::Object(map)
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        put(&mut map, "reason", &self.reason);
        put(&mut map, "message", &self.message);
        put(&mut map, "field", &self.field);
        Value::Object(map)
    }
}

fn put(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.into(), text.into());
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl fmt::Display for GroupResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        qualified(f, self.resource, self.group)
    }
}

impl fmt::Display for GroupKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        qualified(f, self.kind, self.group)
    }
}

fn qualified(f: &mut fmt::Formatter<'_>, name: &str, group: &str) -> fmt::Result {
    match group {
        "" => f.write_str(name),
        _ => write!(f, "{name}.{group}"),
    }
}

#[cfg(test)]
mod tests;
