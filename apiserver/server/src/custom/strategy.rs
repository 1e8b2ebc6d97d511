//! What custom kinds do differently from built-in ones (apiextensions-apiserver pkg/registry/customresource): their schema judges, and
//! nothing is made while their definition goes.

use super::{Face, Kind};
use crate::api::Api;
use crate::registry::{Extra, Strategy, unavailable};
use serde_json::Value;
use std::sync::Arc;
use triad_kv::{Compare, Condition};
use triad_machinery::custom::{
    Definition, apply_defaults, finalizer_warnings, validate, validate_status, validate_update,
};
use triad_machinery::meta;
use triad_machinery::status::{FieldError, GroupResource, Status};

pub(super) struct Custom(pub(super) Arc<Face>);

impl Strategy for Custom {
    fn normalise(&self, object: &mut Value) {
        apply_defaults(&self.0.version, object);
    }

    /// Whatever is not metadata counts; status is the old one where it has a way of its own.
    fn counts_for_generation(&self, object: &Value, old: &Value) -> bool {
        let rest = |object: &Value| {
            let mut rest = object.clone();
            crate::registry::before::remove(&mut rest, "metadata");
            rest
        };
        rest(object) != rest(old)
    }

    fn prepare_for_subresource_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource != "status" {
            return;
        }
        // Of the metadata, only who set what changes.
        let managers = object.pointer("/metadata/managedFields").cloned();
        object["metadata"] = old["metadata"].clone();
        if let Some(metadata) = meta::metadata_mut(object) {
            match managers {
                Some(managers) => metadata.insert("managedFields".to_owned(), managers),
                None => metadata.shift_remove("managedFields"),
            };
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        validate(&self.0.version, object)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        validate_update(&self.0.version, object, old)
    }

    fn validate_subresource_update(
        &self,
        subresource: &str,
        object: &Value,
        old: &Value,
    ) -> Vec<FieldError> {
        match subresource {
            "status" => validate_status(&self.0.version, object, old),
            _ => validate_update(&self.0.version, object, old),
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        finalizer_warnings(object, old)
    }

    /// A new object comes only while the definition is there and stays: its transaction says so. Thus nothing can be made that the
    /// definition's end would miss, on another member neither.
    fn allocate(
        &self,
        api: &Api,
        object: &mut Value,
        old: Option<&Value>,
        _dry_run: bool,
    ) -> Result<Extra, Status> {
        if old.is_some() {
            return Ok(Extra::default());
        }
        let kind = &self.0.kind;
        let definitions = api
            .endpoints
            .registry("apiextensions.k8s.io", "customresourcedefinitions");
        let definitions = definitions.ok_or_else(Status::no_such_resource)?;
        let key = definitions.layout.key("", &kind.definition.name);
        let read = |error| unavailable(&error);
        let (mut revision, mut terminating) = (kind.revision, kind.definition.terminating);
        if api.store.mod_revision(key.as_bytes()).map_err(read)? != Some(revision) {
            // It is another one than is served here: what it says now counts.
            let entry = api.store.get(key.as_bytes(), None).map_err(read)?;
            let entry = entry.ok_or_else(Status::no_such_resource)?;
            let now = definitions.layout.decode(&entry.value, entry.mod_revision);
            let now = now.map_err(Status::internal)?;
            if meta::uid(&now) != kind.definition.uid {
                return Err(Status::no_such_resource());
            }
            revision = entry.mod_revision;
            terminating = !meta::deletion_timestamp(&now).is_empty();
        }
        if terminating {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Status::forbidden(resource(kind), meta::name(object), why));
        }
        Ok(Extra {
            compares: vec![Compare {
                key: key.into(),
                condition: Condition::ModRevision(revision),
            }],
            changes: Vec::new(),
        })
    }
}

fn resource(kind: &Kind) -> GroupResource<'_> {
    let Definition { group, plural, .. } = &kind.definition;
    GroupResource {
        group,
        resource: plural,
    }
}
