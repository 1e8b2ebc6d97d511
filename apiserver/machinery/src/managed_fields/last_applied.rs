//! Moving from kubectl's client-side apply to server-side apply: the last-applied annotation stands for ownership
//! when the manager is `kubectl`, and is kept up to date while it exists.

use serde_json::Value;

use super::Context;
use super::compare::compare;
use super::field_set::FieldSet;
use super::typed::Typed;
use crate::goformat::json_text;
use crate::meta;

/// The manager whose applies take over from client-side apply.
pub(super) const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Bytes that all annotations of an object may have.
const ANNOTATIONS_MAX: usize = 256 << 10;

/// Fields that client-side apply set and nobody has changed since; conflicts over them are none.
pub(super) fn allowed(live: &Value, context: &Context<'_>) -> Option<FieldSet> {
    let text = meta::annotation(live, ANNOTATION).filter(|text| !text.is_empty())?;
    let applied: Value = serde_json::from_str(text).ok()?;
    if meta::api_version(&applied) != context.api_version {
        return None;
    }
    let applied = Typed::raw(applied, context);
    applied.validate(false).ok()?;
    let live = Typed::filled(live, context);
    let changes = compare(&applied.value, &live.value, live.shape).ok()?;
    let fields = applied
        .fields()
        .difference(&changes.modified)
        .difference(&changes.added);
    Some(fields.difference(&changes.removed))
}

/// Writes the configuration into the annotation if the object has one and the manager is kubectl.
pub(super) fn refresh(object: &mut Value, config: &Value, context: &Context<'_>) {
    let present = meta::annotation(object, ANNOTATION).is_some_and(|text| !text.is_empty());
    if context.manager != KUBECTL || !present {
        return;
    }
    let mut config = config.clone();
    if let Some(Value::Object(annotations)) =
        meta::metadata_mut(&mut config).and_then(|m| m.get_mut("annotations"))
    {
        annotations.shift_remove(ANNOTATION);
    }
    config.sort_all_objects();
    let text = format!("{}\n", json_text(&config));
    let Some(Value::Object(annotations)) =
        meta::metadata_mut(object).and_then(|m| m.get_mut("annotations"))
    else {
        return;
    };
    annotations.insert(ANNOTATION.into(), text.into());
    let size: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > ANNOTATIONS_MAX {
        annotations.shift_remove(ANNOTATION);
    }
}
