//! What objects use of a quota, by the names that a quota limits (kubernetes pkg/quota/v1/evaluator, apiserver
//! pkg/quota/v1). Pure: who adds it up and who refuses is the server's.

mod amounts;
mod claims;
mod devices;
mod limited;
mod pods;
mod services;

pub use amounts::Amounts;
pub use limited::{Limited, uncovered};
pub use pods::asked_by_containers;

use crate::status::Status;
use serde_json::Value;

/// How the objects of one resource are measured.
pub struct Measure {
    kind: Kind,
    /// `count/RESOURCE.GROUP`.
    count: String,
    /// The older name of the count, for some.
    alias: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Pods,
    Services,
    Claims,
    Devices,
}

/// When usage is asked for: what has ended by then is not counted.
#[derive(Clone, Copy)]
pub struct Moment {
    pub unix_seconds: i64,
}

/// A write, as far as it may change what is used.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    pub subresource: &'a str,
    pub object: &'a Value,
    /// None for a new object.
    pub old: Option<&'a Value>,
}

impl Measure {
    pub fn of(group: &str, resource: &str) -> Self {
        let kind = match (group, resource) {
            ("", "pods") => Kind::Pods,
            ("", "services") => Kind::Services,
            ("", "persistentvolumeclaims") => Kind::Claims,
            ("resource.k8s.io", "resourceclaims") => Kind::Devices,
            _ => Kind::Count,
        };
        let alias = match (group, resource) {
            ("", "configmaps") => Some("configmaps"),
            ("", "resourcequotas") => Some("resourcequotas"),
            ("", "replicationcontrollers") => Some("replicationcontrollers"),
            ("", "secrets") => Some("secrets"),
            _ => None,
        };
        let count = if group.is_empty() {
            format!("count/{resource}")
        } else {
            format!("count/{resource}.{group}")
        };
        Measure { kind, count, alias }
    }

    /// Whether a limit of this name is about these objects.
    pub fn covers(&self, name: &str) -> bool {
        let own = match self.kind {
            Kind::Count => self.alias == Some(name),
            Kind::Pods => pods::covers(name),
            Kind::Services => services::covers(name),
            Kind::Claims => claims::covers(name),
            Kind::Devices => devices::covers(name),
        };
        own || self.count == name
    }

    /// Whether a write can change usage at all.
    pub fn counts(&self, write: Write<'_>) -> bool {
        match (self.kind, write.subresource) {
            (Kind::Count, "") => write.old.is_none(),
            (Kind::Services | Kind::Claims | Kind::Devices, "") => true,
            (Kind::Claims, "status") => write
                .old
                .is_some_and(|old| claims::status_counts(write.object, old)),
            (Kind::Pods, "") => write
                .old
                .is_none_or(|old| pods::has_deadline(write.object) != pods::has_deadline(old)),
            (Kind::Pods, "resize") => true,
            _ => false,
        }
    }

    /// Whether a change to an object that is there can lower usage.
    pub fn varies(&self) -> bool {
        self.kind != Kind::Count
    }

    pub fn usage(&self, object: &Value, at: Moment) -> Amounts {
        let mut used = match self.kind {
            Kind::Count => Amounts::default(),
            Kind::Pods => pods::usage(object, at),
            Kind::Services => services::usage(object),
            Kind::Claims => claims::usage(object),
            Kind::Devices => devices::usage(object),
        };
        used.count(&self.count, 1);
        if let Some(alias) = self.alias {
            used.count(alias, 1);
        }
        used
    }

    /// Whether a quota's scopes all take the object in; without scopes they do. `spec` is the quota's.
    pub fn in_scope(&self, spec: &Value, object: &Value) -> bool {
        let scopes = spec.get("scopes").and_then(Value::as_array);
        let selected = spec
            .pointer("/scopeSelector/matchExpressions")
            .and_then(Value::as_array);
        let named = scopes
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .all(|scope| self.matches(&Scope::exists(scope), object));
        named
            && selected
                .into_iter()
                .flatten()
                .all(|term| self.matches(&Scope::of(term), object))
    }

    fn matches(&self, scope: &Scope<'_>, object: &Value) -> bool {
        match self.kind {
            Kind::Pods => pods::matches(scope, object),
            Kind::Claims => claims::matches(scope, object),
            Kind::Count | Kind::Services | Kind::Devices => false,
        }
    }

    /// What an object must say for these limits to be kept (pods: requests and limits of each container).
    pub fn constraint(&self, limits: &[&str], object: &Value) -> Result<(), String> {
        match self.kind {
            Kind::Pods => pods::constraint(limits, object),
            _ => Ok(()),
        }
    }
}

/// One scope of a quota.
struct Scope<'a> {
    name: &'a str,
    operator: &'a str,
    values: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    fn exists(name: &'a str) -> Self {
        Scope {
            name,
            operator: "Exists",
            values: Vec::new(),
        }
    }

    fn of(term: &'a Value) -> Self {
        let text = |key: &str| term.get(key).and_then(Value::as_str).unwrap_or("");
        let values = term.get("values").and_then(Value::as_array);
        Scope {
            name: text("scopeName"),
            operator: text("operator"),
            values: values
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        }
    }

    /// Whether one of the names that an object bears for this scope is selected.
    fn selects(&self, names: &[&str]) -> bool {
        let listed = |name: &&&str| self.values.contains(*name);
        match self.operator {
            "In" => names.iter().any(|name| listed(&name)),
            "NotIn" => names.is_empty() || names.iter().any(|name| !listed(&name)),
            "Exists" => !names.is_empty(),
            "DoesNotExist" => names.is_empty(),
            _ => false,
        }
    }
}

/// What a quota refuses, and why.
pub struct Refusal(pub String);

/// The usage that a quota would have with a write: None when it does not change, an error when that is too much.
/// `status.hard` is what counts, not `spec.hard`: a quota is kept once its usage is known.
pub fn charge(
    quota: &Value,
    measure: &Measure,
    write: Write<'_>,
    at: Moment,
) -> Result<Option<Amounts>, Refusal> {
    let name = crate::meta::name(quota);
    let empty = Value::Null;
    let spec = quota.get("spec").unwrap_or(&empty);
    let hard = Amounts::parse(quota.pointer("/status/hard"));
    let used = Amounts::parse(quota.pointer("/status/used"));
    let limits: Vec<&str> = hard.names().filter(|name| measure.covers(name)).collect();
    if limits.is_empty() || !measure.in_scope(spec, write.object) {
        return Ok(None);
    }
    measure
        .constraint(&limits, write.object)
        .map_err(|why| Refusal(format!("failed quota: {name}: {why}")))?;
    if !limits.iter().all(|limit| used.has(limit)) {
        return Err(Refusal(format!(
            "status unknown for quota: {name}, resources: {}",
            limits.join(",")
        )));
    }
    let mut added = measure.usage(write.object, at);
    let negative = added.negative();
    if !negative.is_empty() {
        return Err(Refusal(format!(
            "quota usage is negative for resource(s): {}",
            negative.join(",")
        )));
    }
    if let Some(old) = write.old.filter(|old| measure.in_scope(spec, old)) {
        added = added.beyond(&measure.usage(old, at));
    }
    let added = added.without_zeros().only(|name| hard.has(name));
    if added.is_empty() {
        return Ok(None);
    }
    let total = used.clone().plus(&added);
    let exceeded: Vec<&str> = added
        .names()
        .filter(|name| total.exceeds(&hard, name))
        .collect();
    if !exceeded.is_empty() && write.subresource != "status" {
        let shown = |amounts: &Amounts| amounts.only_named(&exceeded).to_string();
        return Err(Refusal(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            shown(&added),
            shown(&used),
            shown(&hard)
        )));
    }
    Ok(Some(total))
}

impl Refusal {
    /// The refusal as a 403, about the object that was to be written.
    pub fn forbidden(&self, resource: crate::status::GroupResource<'_>, name: &str) -> Status {
        Status::forbidden(resource, name, &self.0)
    }
}

#[cfg(test)]
mod tests;
