//! The objects that a policy's expressions know as `params` (apiserver
//! pkg/admission/plugin/policy/generic/policy_dispatcher.go).

use crate::admission::Lookup;
use crate::endpoint::convert;
use serde_json::Value;
use triad_machinery::codec::json::to_json_value;
use triad_machinery::meta;
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::selector::LabelSelector;

pub(super) enum Params {
    /// The policy has none.
    None,
    Of(&'static Resource),
    /// No resource is of the kind; with its shown name.
    Unknown(String),
}

impl Params {
    pub(super) fn read(kind: &Value) -> Self {
        if kind.is_null() {
            return Params::None;
        }
        let text = |field: &str| kind[field].as_str().unwrap_or("");
        let (group, version) = meta::group_version(text("apiVersion"));
        match scheme().resource_of_kind(group, version, text("kind")) {
            Some(resource) if resource.storage.is_some() => Params::Of(resource),
            _ => Params::Unknown(format!("{}/{version}, Kind={}", group, text("kind"))),
        }
    }

    pub(super) fn known(&self) -> Result<(), String> {
        match self {
            Params::Unknown(kind) => Err(format!(
                "failed to find resource referenced by paramKind: '{kind}'"
            )),
            _ => Ok(()),
        }
    }

    /// The parameters that a binding refers to; null where expressions have none.
    pub(super) fn collect(
        &self,
        reference: &Value,
        namespace: &str,
        lookup: &Lookup,
    ) -> Result<Vec<Value>, String> {
        let Params::Of(resource) = self else {
            return Ok(vec![Value::Null]);
        };
        if reference.is_null() {
            return Ok(vec![Value::Null]);
        }
        let text = |field: &str| reference[field].as_str().unwrap_or("");
        let place = match (resource.namespaced, text("namespace")) {
            (true, "") if namespace.is_empty() => {
                return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned());
            }
            (true, "") => namespace,
            (true, named) => named,
            (false, "") => "",
            (false, _) => {
                return Err(
                    "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
                        .to_owned(),
                );
            }
        };
        let found = match (text("name"), reference.get("selector")) {
            ("", None) => return Err("one of name or selector must be provided".to_owned()),
            ("", Some(selector)) => selected(resource, place, selector, lookup)?,
            (name, _) => named(resource, place, name, lookup).into_iter().collect(),
        };
        if found.is_empty() && text("parameterNotFoundAction") == "Deny" {
            return Err(
                "no params found for policy binding with `Deny` parameterNotFoundAction".to_owned(),
            );
        }
        Ok(found)
    }
}

/// An object of the store in the version that was asked for.
fn shown(object: Value, resource: &'static Resource) -> Value {
    let stored = scheme().stored(resource).unwrap_or(resource);
    let object = if std::ptr::eq(stored, resource) {
        object
    } else {
        convert(object, stored, resource)
    };
    resource
        .type_id()
        .map_or(Value::Null, |ty| to_json_value(&object, ty))
}

fn named(
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    lookup: &Lookup,
) -> Option<Value> {
    let cache = lookup.of(resource)?;
    Some(shown(lookup.find(cache, namespace, name)?, resource))
}

fn selected(
    resource: &'static Resource,
    namespace: &str,
    selector: &Value,
    lookup: &Lookup,
) -> Result<Vec<Value>, String> {
    let selector = LabelSelector::from_object(selector).map_err(|error| error.to_string())?;
    let Some(cache) = lookup.of(resource) else {
        return Ok(Vec::new());
    };
    let snapshot = cache.snapshot();
    let objects = snapshot.objects.values().filter(|object| {
        object.namespace() == &*namespace && selector.matches(|key| object.label(key))
    });
    Ok(objects
        .filter_map(|object| Some(shown(object.object(&cache.layout).ok()?, resource)))
        .collect())
}
