//! The objects that a policy's expressions know as `params` (apiserver
//! pkg/admission/plugin/policy/generic/policy_dispatcher.go).

use crate::admission::Lookup;
use crate::cacher::Cached;
use crate::endpoint::convert;
use crate::registry::Registry;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::codec::json::to_json_value;
use triad_machinery::meta;
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::selector::LabelSelector;

pub(super) enum Params {
    /// The policy has none.
    None,
    Of(&'static Resource),
    /// Of a kind that is not built in. Whether somebody defines it is seen when it is asked for: definitions come and go.
    OfCustom(Custom),
}

pub(super) struct Custom {
    group: String,
    version: String,
    kind: String,
}

/// Where the objects of a policy's kind are at this moment.
enum Source {
    BuiltIn(&'static Resource),
    Custom(Arc<Registry>),
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
            _ => Params::OfCustom(Custom {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: text("kind").to_owned(),
            }),
        }
    }

    /// That there is such a kind.
    pub(super) fn known(&self, lookup: &Lookup) -> Result<(), String> {
        self.source(lookup).map(drop)
    }

    fn source(&self, lookup: &Lookup) -> Result<Option<Source>, String> {
        match self {
            Params::None => Ok(None),
            Params::Of(resource) => Ok(Some(Source::BuiltIn(resource))),
            Params::OfCustom(custom) => custom.source(lookup).map(Some),
        }
    }

    /// The parameters that a binding refers to; null where expressions have none.
    pub(super) fn collect(
        &self,
        reference: &Value,
        namespace: &str,
        lookup: &Lookup,
    ) -> Result<Vec<Value>, String> {
        let source = self.source(lookup)?;
        let Some(source) = source.filter(|_| !reference.is_null()) else {
            return Ok(vec![Value::Null]);
        };
        let text = |field: &str| reference[field].as_str().unwrap_or("");
        let place = match (source.namespaced(), text("namespace")) {
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
            ("", Some(selector)) => source.selected(place, selector, lookup)?,
            (name, _) => source.named(place, name, lookup)?.into_iter().collect(),
        };
        if found.is_empty() && text("parameterNotFoundAction") == "Deny" {
            return Err(
                "no params found for policy binding with `Deny` parameterNotFoundAction".to_owned(),
            );
        }
        Ok(found)
    }
}

impl Custom {
    fn source(&self, lookup: &Lookup) -> Result<Source, String> {
        let found = lookup.of_custom(&self.group, &self.version, &self.kind);
        found.map(Source::Custom).ok_or_else(|| {
            format!(
                "failed to find resource referenced by paramKind: '{}/{}, Kind={}'",
                self.group, self.version, self.kind
            )
        })
    }
}

impl Source {
    fn namespaced(&self) -> bool {
        match self {
            Source::BuiltIn(resource) => resource.namespaced,
            Source::Custom(registry) => registry.resource().namespaced,
        }
    }

    fn named(&self, namespace: &str, name: &str, lookup: &Lookup) -> Result<Option<Value>, String> {
        match self {
            Source::BuiltIn(resource) => {
                let cache = lookup.of(resource);
                let found = cache.and_then(|cache| lookup.find(cache, namespace, name));
                Ok(found.map(|found| shown(found, resource)))
            }
            // The cache may be a moment behind an object just made.
            Source::Custom(registry) => {
                let found = registry.get_local(namespace, name);
                let found = found.map_err(|status| status.message)?;
                Ok(found.map(|stored| stored.object))
            }
        }
    }

    fn selected(
        &self,
        namespace: &str,
        selector: &Value,
        lookup: &Lookup,
    ) -> Result<Vec<Value>, String> {
        let selector = LabelSelector::from_object(selector).map_err(|error| error.to_string())?;
        let cache = match self {
            Source::BuiltIn(resource) => lookup.of(resource),
            Source::Custom(registry) => Some(&registry.cache),
        };
        let Some(cache) = cache else {
            return Ok(Vec::new());
        };
        let snapshot = cache.snapshot();
        let objects = snapshot.all().filter(|object| {
            object.namespace() == &*namespace && selector.matches(|key| object.label(key))
        });
        let shown = |object: &Arc<Cached>| match self {
            Source::BuiltIn(resource) => {
                let object = object.object(&cache.layout).ok()?;
                Some(Ok(shown(object, resource)))
            }
            Source::Custom(registry) => Some(object.object(&registry.layout)),
        };
        objects.filter_map(shown).collect()
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
