//! Conversion between versions of a kind. Fields of equal name carry over; what versions say differently is a function per pair of
//! kinds under `conversion/`. Versions are compared by the tree's normal form, so a field that the target lacks is dropped.

pub(crate) mod apiextensions;
mod autoscaling;
mod events;

use std::fmt;

use serde_json::{Map, Value};

use crate::codec::{Strictness, json};
use crate::schema::{TypeId, schema};
use crate::scheme::group_version;

/// The target cannot hold what the source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionError(String);

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConversionError {}

/// An object of type `from` as one of type `to`; kind and apiVersion are set to the target's.
pub fn convert(value: Value, from: TypeId, to: TypeId) -> Result<Value, ConversionError> {
    if from == to {
        return Ok(value);
    }
    let (schema, mut value) = (schema(), value);
    let (source, target) = (schema.get(from), schema.get(to));
    if let Value::Object(map) = &mut value {
        each_object(map, source.go_name.ends_with("List"), |object| {
            match (source.name.as_ref(), target.name.as_ref()) {
                (
                    "autoscaling/v1.HorizontalPodAutoscaler"
                    | "autoscaling/v1.HorizontalPodAutoscalerList",
                    t,
                ) if t.starts_with("autoscaling/v2.") => {
                    autoscaling::v1_to_v2(object);
                }
                (
                    s,
                    "autoscaling/v1.HorizontalPodAutoscaler"
                    | "autoscaling/v1.HorizontalPodAutoscalerList",
                ) if s.starts_with("autoscaling/v2.") => {
                    autoscaling::v2_to_v1(object);
                }
                ("apiextensions/v1.CustomResourceDefinition", t)
                    if t.starts_with("apiextensions/v1beta1.") =>
                {
                    apiextensions::v1_to_v1beta1(object)
                }
                (s, "apiextensions/v1.CustomResourceDefinition")
                    if s.starts_with("apiextensions/v1beta1.") =>
                {
                    apiextensions::v1beta1_to_v1(object)
                }
                (s, t) if s.starts_with("core/v1.Event") && t.starts_with("events/") => {
                    events::core_to_events(object)
                }
                (s, t) if s.starts_with("events/") && t.starts_with("core/v1.Event") => {
                    events::events_to_core(object)
                }
                _ => {}
            }
        });
        if let Some((group, version)) = &schema.package_of(to).group_version {
            map.insert("kind".to_owned(), target.go_name.as_ref().into());
            map.insert(
                "apiVersion".to_owned(),
                group_version(group, version).into(),
            );
        }
    }
    let converted = json::from_json_value(&value, to, Strictness::Ignore);
    converted
        .map(|d| d.value)
        .map_err(|e| ConversionError(format!("{} is no {}: {e}", source.name, target.name)))
}

fn each_object(
    map: &mut Map<String, Value>,
    list: bool,
    mut change: impl FnMut(&mut Map<String, Value>),
) {
    if !list {
        return change(map);
    }
    let items = map.get_mut("items").and_then(Value::as_array_mut);
    items
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
        .for_each(change);
}

/// Moves a field to another name.
fn rename(object: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = object.shift_remove(from) {
        object.insert(to.to_owned(), value);
    }
}
