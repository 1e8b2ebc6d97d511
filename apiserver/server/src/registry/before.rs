//! What happens to every object before it is stored (apiserver pkg/registry/rest/create.go and update.go).

use super::{Registry, object_meta};
use serde_json::{Key, Map, Value, json};
use std::borrow::Cow;
use triad_machinery::codec::protobuf;
use triad_machinery::features;
use triad_machinery::managed_fields::kept_metadata;
use triad_machinery::meta;
use triad_machinery::names;
use triad_machinery::scheme::Resource;
use triad_machinery::status::{FieldError, GroupKind, Status};
use triad_machinery::validation;

/// Generated names keep within 63 characters; how often a clash is tried again.
pub(crate) const GENERATE_ATTEMPTS: u32 = 8;

/// Which write this is: of the object itself or of one of its subresources.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part<'a> {
    Main,
    /// status, or another subresource that reads and writes the object itself.
    Sub(&'a str),
}

/// How an object came: through which version, and as which document.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) served: &'a Resource,
    pub(crate) document: Document<'a>,
}

/// What an object was decoded from, as far as its errors show more of it than the decoded object has.
#[derive(Clone, Copy)]
pub(crate) enum Document<'a> {
    /// Protobuf, where nothing tells empty from absent, or no client's at all.
    None,
    Json(&'a [u8]),
    Tree(&'a Value),
}

impl<'a> From<&'a Resource> for Written<'a> {
    fn from(served: &'a Resource) -> Self {
        Written {
            served,
            document: Document::None,
        }
    }
}

impl Written<'_> {
    /// Parsed when it is needed: for an object that is refused.
    fn document(&self) -> Cow<'_, Value> {
        match self.document {
            Document::None => Cow::Owned(Value::Null),
            // It was decoded before, so it is a document.
            Document::Json(json) => Cow::Owned(serde_json::from_slice(json).unwrap_or_default()),
            Document::Tree(tree) => Cow::Borrowed(tree),
        }
    }
}

impl Registry {
    /// Fills in what the server owns: uid, creation time, generated name.
    pub(crate) fn fill_system_fields(&self, object: &mut Value) {
        let now = self.clock.now();
        meta::set(object, "creationTimestamp", &now);
        meta::set(object, "uid", &uuid::Uuid::new_v4().to_string());
        let base = meta::generate_name(object).to_owned();
        if !base.is_empty() && meta::name(object).is_empty() {
            meta::set(object, "name", &names::generate_name(&base, rand::random()));
        }
    }

    /// Prepares and validates a new object.
    pub(crate) fn before_create<'w>(
        &self,
        written: impl Into<Written<'w>>,
        object: &mut Value,
    ) -> Result<Vec<String>, Status> {
        let written = written.into();
        let served = written.served;
        if let Some(metadata) = meta::metadata_mut(object) {
            metadata.shift_remove("deletionTimestamp");
            metadata.shift_remove("deletionGracePeriodSeconds");
            metadata.shift_remove("selfLink");
        }
        let resource = self.resource();
        if has_status(resource) && !self.strategy.keeps_status_on_create() {
            remove(object, "status");
        }
        if resource.generation.on_create {
            set_generation(object, 1);
        }
        features::drop_disabled(self.layout.ty, object, None);
        self.strategy.prepare_for_create(object);
        if !self.judge_new(served, object).is_empty() {
            let shown = validation::ordered(self.layout.ty, object, &written.document());
            self.refuse(object, self.judge_new(served, &shown))?;
        }
        let mut warnings = validation::warnings(self.validated(served), object, None);
        warnings.extend(self.strategy.warnings(object, None));
        Ok(warnings)
    }

    /// Prepares and validates a changed object. Preconditions have been judged already.
    pub(crate) fn before_update<'w>(
        &self,
        written: impl Into<Written<'w>>,
        part: Part<'_>,
        object: &mut Value,
        old: &Value,
    ) -> Result<Vec<String>, Status> {
        let written = written.into();
        let served = written.served;
        let resource = self.resource();
        set_generation(object, meta::generation(old));
        match part {
            Part::Main => {
                if has_status(resource) {
                    replace_from(object, old, "status");
                }
                features::drop_disabled(self.layout.ty, object, Some(old));
                self.strategy.prepare_for_update(object, old);
                if resource.generation.on_update && self.spec_changed(object, old) {
                    set_generation(object, meta::generation(old) + 1);
                }
            }
            Part::Sub("status") => {
                keep_all_but_status(object, old);
                self.keep_metadata("status", object, old);
                self.strategy
                    .prepare_for_subresource_update("status", object, old);
            }
            // Placing a pod is no change of what is wanted of it.
            Part::Sub("binding") => {}
            Part::Sub(subresource) => {
                self.strategy
                    .prepare_for_subresource_update(subresource, object, old);
                if resource.generation.on_update && self.spec_changed(object, old) {
                    set_generation(object, meta::generation(old) + 1);
                }
            }
        }
        object_meta::carry_over(object, old);
        if !self.judge_change(served, part, object, old).is_empty() {
            let shown = validation::ordered(self.layout.ty, object, &written.document());
            self.refuse(object, self.judge_change(served, part, &shown, old))?;
        }
        if part != Part::Main {
            return Ok(Vec::new());
        }
        let mut warnings = validation::warnings(self.validated(served), object, Some(old));
        warnings.extend(self.strategy.warnings(object, Some(old)));
        Ok(warnings)
    }

    /// Takes the metadata from the stored object that writes of a subresource do not change.
    fn keep_metadata(&self, subresource: &str, object: &mut Value, old: &Value) {
        let resource = self.resource();
        let (group, plural) = (&*resource.group, &*resource.plural);
        for field in kept_metadata(group, plural, subresource, has_status(resource)) {
            replace_from(&mut object["metadata"], &old["metadata"], field);
        }
    }

    /// Everything wrong with a new object, in upstream's order (rest.ValidateCreate).
    fn judge_new(&self, served: &Resource, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::from_iter(self.judge_access(object));
        errors.extend(object_meta::validate(object, served));
        let kind = self.validated(served);
        errors.extend(validation::validate(kind, object, &self.settings));
        errors.extend(self.strategy.validate(object));
        if errors.is_empty() {
            errors = object_meta::validate_common(object, self.resource());
        }
        validation::merged(errors, self.declared(served, object, None))
    }

    /// Everything wrong with a changed object, in upstream's order (rest.ValidateUpdate).
    fn judge_change(
        &self,
        served: &Resource,
        part: Part<'_>,
        object: &Value,
        old: &Value,
    ) -> Vec<FieldError> {
        let mut errors = match self.resource().is_custom() {
            true => object_meta::validate_custom_update(object, old, self.resource()),
            false => object_meta::validate_update(object, old, self.resource()),
        };
        errors.extend(self.judge_access_change(part, object, old));
        let (kind, settings) = (self.validated(served), &self.settings);
        match part {
            Part::Main => {
                errors.extend(validation::validate_update(kind, object, old, settings));
                errors.extend(self.strategy.validate_update(object, old));
            }
            Part::Sub(sub) => {
                let own = validation::validate_subresource(kind, sub, object, old, settings);
                errors.extend(own);
                let own = self.strategy.validate_subresource_update(sub, object, old);
                errors.extend(own);
            }
        }
        validation::merged(errors, self.declared(served, object, Some(old)))
    }

    /// Whether anything but metadata and status changed, as it would be stored: what generation counts.
    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        if self.strategy.counts_for_generation(object, old) {
            return true;
        }
        if same_but_for_metadata_and_status(object, old) {
            return false;
        }
        let rest = |object: &Value| {
            let kept = object
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status"));
            let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
            protobuf::encode_message(&Value::Object(kept.collect()), self.layout.ty)
        };
        rest(object) != rest(old)
    }

    /// What the rules of validation go by.
    fn validated<'a>(&'a self, served: &'a Resource) -> validation::Kind<'a> {
        let resource = self.resource();
        validation::Kind {
            group: &resource.group,
            resource: &resource.plural,
            served_group: &served.group,
        }
    }

    /// What the markers of the served version find: paths are those that the client wrote.
    fn declared(&self, served: &Resource, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let stored = self.resource();
        let ty = served.type_id().filter(|ty| *ty != self.layout.ty);
        match ty {
            Some(ty) => {
                let seen =
                    |object: &Value| crate::endpoint::convert(object.clone(), stored, served);
                validation::declared(ty, &seen(object), old.map(seen).as_ref())
            }
            None => validation::declared(self.layout.ty, object, old),
        }
    }

    fn refuse(&self, object: &Value, mut errors: Vec<FieldError>) -> Result<(), Status> {
        // What two rules find alike is told once.
        let mut seen = Vec::new();
        errors.retain(|error| {
            let told = seen.contains(error) && !self.resource().is_custom();
            seen.push(error.clone());
            !told
        });
        if errors.is_empty() {
            Ok(())
        } else {
            Err(self.invalid(meta::name(object), &errors))
        }
    }

    /// Judges the resourceVersion that an update carries. A conflict is the client's to resolve.
    /// `unconditional` says whether one without is taken, which may differ by version.
    pub(crate) fn check_version(
        &self,
        object: &Value,
        old: &Value,
        unconditional: bool,
    ) -> Result<(), Status> {
        let asked = meta::resource_version(object);
        let name = meta::name(old);
        if asked.is_empty() || asked == "0" {
            if unconditional {
                return Ok(());
            }
            let error = FieldError::invalid(
                "metadata.resourceVersion",
                json!(0),
                "must be specified for an update",
            );
            // Upstream names the resource here, not the kind.
            let shown = GroupKind {
                group: &self.resource().group,
                kind: &self.resource().plural,
            };
            return Err(Status::invalid(shown, name, &[error]));
        }
        if asked == meta::resource_version(old) {
            Ok(())
        } else {
            Err(Status::conflict(
                self.group_resource(),
                name,
                triad_machinery::status::OBJECT_MODIFIED,
            ))
        }
    }
}

fn same_but_for_metadata_and_status(object: &Value, old: &Value) -> bool {
    let (Value::Object(object), Value::Object(old)) = (object, old) else {
        return false;
    };
    let counts = |key: &str| !matches!(key, "metadata" | "status");
    let count = |map: &Map<String, Value>| map.keys().filter(|key| counts(key)).count();
    let mut counted = object.iter().filter(|(key, _)| counts(key));
    counted.all(|(key, value)| old.get(key) == Some(value)) && count(object) == count(old)
}

pub(crate) fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.shift_remove(field);
    }
}

/// Takes a top-level field from another object, absence too.
pub(crate) fn replace_from(object: &mut Value, other: &Value, field: &str) {
    match other.get(field) {
        Some(value) => object[field] = value.clone(),
        None => remove(object, field),
    }
}

fn set_generation(object: &mut Value, generation: i64) {
    if let Some(metadata) = meta::metadata_mut(object) {
        if generation == 0 {
            metadata.shift_remove("generation");
        } else {
            metadata.insert("generation".to_owned(), json!(generation));
        }
    }
}

/// A status update changes status and the metadata that clients own, nothing else.
fn keep_all_but_status(object: &mut Value, old: &Value) {
    let fields: Vec<Key> = [object.as_object(), old.as_object()]
        .into_iter()
        .flatten()
        .flat_map(|map| map.keys().cloned())
        .collect();
    for field in fields.iter().filter(|field| {
        !matches!(
            field.as_str(),
            "metadata" | "status" | "kind" | "apiVersion"
        )
    }) {
        replace_from(object, old, field);
    }
}

/// Whether status is written through its own subresource.
pub(crate) fn has_status(resource: &triad_machinery::scheme::Resource) -> bool {
    resource.subresource("status").is_some()
}
