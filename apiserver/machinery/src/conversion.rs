//! Conversion between versions of a kind. Fields of equal name carry over; what versions say differently is a function per pair of
//! kinds under `conversion/`. Versions are compared by the tree's normal form, so a field that the target lacks is dropped.

pub(crate) mod apiextensions;
mod apps;
pub mod autoscaling;
mod devices;
mod events;
mod flowcontrol;
mod networking;
mod nodes;
mod policy;
mod rbac;
mod scale;

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
        if let Some(change) = change(&source.name, &target.name) {
            each_object(map, source.go_name.ends_with("List"), change);
        }
        if let Some((group, version)) = &schema.package_of(to).group_version {
            map.set("kind", target.go_name.as_ref().into());
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

type Change = fn(&mut Map<String, Value>);

/// Where versions of a kind say the same differently: in packages of the one side and of the other, and how to get over.
struct Difference {
    kind: &'static str,
    here: &'static [&'static str],
    there: &'static [&'static str],
    /// From here to there, and back.
    over: Change,
    back: Change,
}

const EXTENSIONS: &str = "extensions/v1beta1";
const APPS: &[&str] = &["apps/v1", "apps/v1beta2"];

const DIFFERENCES: &[Difference] = &[
    Difference {
        kind: "CustomResourceDefinition",
        here: &["apiextensions/v1"],
        there: &["apiextensions/v1beta1"],
        over: apiextensions::v1_to_v1beta1,
        back: apiextensions::v1beta1_to_v1,
    },
    Difference {
        kind: "HorizontalPodAutoscaler",
        here: &["autoscaling/v1"],
        there: &["autoscaling/v2"],
        over: autoscaling::v1_to_v2,
        back: autoscaling::v2_to_v1,
    },
    Difference {
        kind: "Scale",
        here: &[EXTENSIONS, "apps/v1beta1", "apps/v1beta2"],
        there: &["autoscaling/v1"],
        over: scale::selector_to_text,
        back: scale::text_to_selector,
    },
    Difference {
        kind: "Event",
        here: &["core/v1"],
        there: &["events/v1", "events/v1beta1"],
        over: events::core_to_events,
        back: events::events_to_core,
    },
    Difference {
        kind: "Deployment",
        here: &[EXTENSIONS, "apps/v1beta1"],
        there: APPS,
        over: apps::rollback_to_annotation,
        back: apps::annotation_to_rollback,
    },
    Difference {
        kind: "DaemonSet",
        here: &[EXTENSIONS],
        there: APPS,
        over: apps::generation_to_annotation,
        back: apps::annotation_to_generation,
    },
    Difference {
        kind: "Ingress",
        here: &[EXTENSIONS, "networking/v1beta1"],
        there: &["networking/v1"],
        over: networking::ingress_to_v1,
        back: networking::ingress_from_v1,
    },
    Difference {
        kind: "EndpointSlice",
        here: &["discovery/v1beta1"],
        there: &["discovery/v1"],
        over: networking::slice_to_v1,
        back: networking::slice_from_v1,
    },
    Difference {
        kind: "PodDisruptionBudget",
        here: &["policy/v1beta1"],
        there: &["policy/v1"],
        over: policy::budget_to_v1,
        back: policy::budget_from_v1,
    },
    Difference {
        kind: "RoleBinding",
        here: &["rbac/v1alpha1"],
        there: &["rbac/v1", "rbac/v1beta1"],
        over: rbac::subjects_to_groups,
        back: rbac::subjects_to_versions,
    },
    Difference {
        kind: "ClusterRoleBinding",
        here: &["rbac/v1alpha1"],
        there: &["rbac/v1", "rbac/v1beta1"],
        over: rbac::subjects_to_groups,
        back: rbac::subjects_to_versions,
    },
    Difference {
        kind: "RuntimeClass",
        here: &["node/v1alpha1"],
        there: &["node/v1", "node/v1beta1"],
        over: nodes::class_to_v1,
        back: nodes::class_from_v1,
    },
    Difference {
        kind: "PriorityLevelConfiguration",
        here: &["flowcontrol/v1beta1", "flowcontrol/v1beta2"],
        there: &["flowcontrol/v1beta3", "flowcontrol/v1"],
        over: flowcontrol::assured_to_nominal,
        back: flowcontrol::nominal_to_assured,
    },
    Difference {
        kind: "PriorityLevelConfiguration",
        here: &["flowcontrol/v1beta3"],
        there: &["flowcontrol/v1"],
        over: flowcontrol::annotation_to_zero,
        back: flowcontrol::zero_to_annotation,
    },
    Difference {
        kind: "ResourceClaim",
        here: &["resource/v1beta1"],
        there: devices::FLAT,
        over: devices::claim_to_exact,
        back: devices::claim_from_exact,
    },
    Difference {
        kind: "ResourceClaimTemplate",
        here: &["resource/v1beta1"],
        there: devices::FLAT,
        over: devices::template_to_exact,
        back: devices::template_from_exact,
    },
    Difference {
        kind: "ResourceSlice",
        here: &["resource/v1beta1"],
        there: devices::FLAT,
        over: devices::slice_to_flat,
        back: devices::slice_from_flat,
    },
];

/// What beyond names differs between two types, both as `package.Kind` or `package.KindList`.
fn change(from: &str, to: &str) -> Option<Change> {
    let (from, kind) = from.split_once('.')?;
    let (to, _) = to.split_once('.')?;
    let of_kind = |difference: &&Difference| difference.kind == kind.trim_end_matches("List");
    DIFFERENCES.iter().filter(of_kind).find_map(|difference| {
        if difference.here.contains(&from) && difference.there.contains(&to) {
            Some(difference.over)
        } else if difference.there.contains(&from) && difference.here.contains(&to) {
            Some(difference.back)
        } else {
            None
        }
    })
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

/// An object's annotation, taken away.
fn take_annotation(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let value = annotations.shift_remove(key)?;
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
    value.as_str().map(str::to_owned)
}

fn annotate(object: &mut Map<String, Value>, key: &str, value: String) {
    let metadata = object.entry("metadata").or_insert_with(empty);
    if let Some(metadata) = metadata.as_object_mut() {
        let annotations = metadata.entry("annotations").or_insert_with(empty);
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(key.to_owned(), value.into());
        }
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// The objects of a list inside an object.
fn each_in<'a>(
    object: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> + use<'a> {
    let list = object.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn spec(object: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    object.get_mut("spec").and_then(Value::as_object_mut)
}

/// Moves a field to another name.
fn rename(object: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = object.shift_remove(from) {
        object.insert(to.to_owned(), value);
    }
}
