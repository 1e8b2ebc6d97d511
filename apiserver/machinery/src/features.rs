//! Feature gates of fields: what a gate that is off takes away from objects (upstream's DropDisabledFields). A field stays where
//! the stored object already uses its feature. Called by the registry before validation.

use std::collections::HashSet;
use std::sync::OnceLock;

use serde_json::Value;

use crate::schema::{Field, FieldType, TypeId, schema};

/// Gates that guard fields and are off by default (pkg/features/kube_features.go); every other one is on.
const OFF: &[&str] = &[
    "AtomicWriteVolumeUserFields",
    "CSIVolumeHealth",
    "CompositePodGroup",
    "ContainerStopSignals",
    "CoordinatedLeaderElection",
    "DRADerivedAttributes",
    "DRADeviceCompatibilityGroups",
    "DRAListTypeAttributes",
    "DRANodeAllocatableResources",
    "DRAOptionalNodeOperations",
    "DRAPartitionableDevicesType",
    "DRAWorkloadResourceClaims",
    "EmptyDirVolumeMode",
    "EvictionRequestAPI",
    "GRPCContainerProbeTLS",
    "GenericWorkload",
    "H2CContainerProbe",
    "ImageVolumeWithDigest",
    "InPlacePodVerticalScalingSchedulerPreemption",
    "PodGroupPreemptionPolicy",
    "TopologyAwareWorkloadScheduling",
    "VolumeBindMountOptions",
    "WorkloadWithJob",
];

/// Takes away the fields of features that are off, unless `old` uses them.
pub fn drop_disabled(ty: TypeId, object: &mut Value, old: Option<&Value>) {
    let whole = FieldType::Struct(ty);
    let (mut asked, mut used) = (HashSet::new(), HashSet::new());
    collect(&whole, object, &mut asked);
    if asked.is_empty() {
        return;
    }
    if let Some(old) = old {
        collect(&whole, old, &mut used);
    }
    strip(&whole, object, &used);
}

/// Whether a gate is on.
pub(crate) fn enabled(gate: &str) -> bool {
    !OFF.contains(&gate)
}

fn off(field: &Field) -> Option<&str> {
    field
        .gates
        .iter()
        .map(|gate| &**gate)
        .find(|gate| OFF.contains(gate))
}

/// The gates that are off and that the value uses all the same.
fn collect<'a>(ty: &'a FieldType, value: &Value, used: &mut HashSet<&'a str>) {
    match (ty, value) {
        (FieldType::Struct(id), Value::Object(map)) if gated(*id) => {
            let Some(shape) = schema().struct_of(*id) else {
                return;
            };
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                let Some(field) = shape.field(key) else {
                    continue;
                };
                used.extend(off(field));
                collect(&field.ty, value, used);
            }
        }
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(list)) => {
            list.iter().for_each(|item| collect(element, item, used))
        }
        (FieldType::Map(element), Value::Object(map)) => {
            map.values().for_each(|item| collect(element, item, used))
        }
        _ => {}
    }
}

fn strip(ty: &FieldType, value: &mut Value, used: &HashSet<&str>) {
    match (ty, value) {
        (FieldType::Struct(id), Value::Object(map)) if gated(*id) => {
            for field in schema().struct_of(*id).into_iter().flat_map(|s| &s.fields) {
                if off(field).is_some_and(|gate| !used.contains(gate)) {
                    map.shift_remove(&*field.name);
                } else if let Some(value) = map.get_mut(&*field.name) {
                    let was_empty = is_empty(value);
                    strip(&field.ty, value, used);
                    // Hooks go with the last of them (dropContainerStopSignals in pkg/api/pod/util.go).
                    if field.name == "lifecycle" && is_empty(value) && !was_empty {
                        map.shift_remove(&*field.name);
                    }
                }
            }
        }
        (FieldType::List(element) | FieldType::Wrapper(element), Value::Array(list)) => {
            list.iter_mut().for_each(|item| strip(element, item, used))
        }
        (FieldType::Map(element), Value::Object(map)) => {
            map.values_mut().for_each(|item| strip(element, item, used))
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Whether a type has such a field anywhere inside.
fn gated(id: TypeId) -> bool {
    static GATED: OnceLock<Vec<bool>> = OnceLock::new();
    GATED.get_or_init(find_gated)[id.index()]
}

fn find_gated() -> Vec<bool> {
    let mut found = vec![false; schema().types().len()];
    loop {
        let mut grown = false;
        for id in schema().type_ids().collect::<Vec<_>>() {
            let fields = schema()
                .struct_of(id)
                .map(|s| s.fields.as_slice())
                .unwrap_or_default();
            let inside = |field: &Field| {
                off(field).is_some()
                    || field
                        .ty
                        .struct_inside()
                        .is_some_and(|inner| found[inner.index()])
            };
            if !found[id.index()] && fields.iter().any(inside) {
                found[id.index()] = true;
                grown = true;
            }
        }
        if !grown {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_features_that_are_off_go_unless_stored() {
        let ty = schema().type_named("core/v1.Pod").expect("a pod");
        let pod = json!({"spec": {"containers": [{"name": "c", "lifecycle": {"stopSignal": "SIGTERM", "preStop": {}}}]}});
        let mut new = pod.clone();
        drop_disabled(ty, &mut new, None);
        assert_eq!(
            new,
            json!({"spec": {"containers": [{"name": "c", "lifecycle": {"preStop": {}}}]}})
        );
        let mut kept = pod.clone();
        drop_disabled(ty, &mut kept, Some(&pod));
        assert_eq!(kept, pod);
    }
}
