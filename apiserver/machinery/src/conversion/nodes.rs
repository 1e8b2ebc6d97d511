//! RuntimeClasses in v1alpha1 had a spec (kubernetes pkg/apis/node/v1alpha1/conversion.go).

use serde_json::{Map, Value};

use super::rename;

const OF_SPEC: [&str; 3] = ["runtimeHandler", "overhead", "scheduling"];

pub(super) fn class_to_v1(class: &mut Map<String, Value>) {
    if let Some(Value::Object(spec)) = class.shift_remove("spec") {
        class.extend(spec);
    }
    rename(class, "runtimeHandler", "handler");
}

pub(super) fn class_from_v1(class: &mut Map<String, Value>) {
    rename(class, "handler", "runtimeHandler");
    let mut spec = Map::new();
    for field in OF_SPEC {
        if let Some(value) = class.shift_remove(field) {
            spec.insert(field.to_owned(), value);
        }
    }
    class.set("spec", spec.into());
}
