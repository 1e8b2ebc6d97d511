//! Any JSON as the schema of a custom kind, and as an object of it: refused, or an object that pruning and defaults leave as it is when
//! they have made it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use triad_machinery::codec::{Strictness, json};
use triad_machinery::custom::{self, Definition};
use triad_machinery::schema::schema;
use triad_machinery::validation::{Kind, Settings, validate};

const KIND: Kind<'static> = Kind {
    group: "apiextensions.k8s.io",
    resource: "customresourcedefinitions",
    served_group: "apiextensions.k8s.io",
};
const SETTINGS: Settings = Settings {
    allow_privileged: false,
};

fuzz_target!(|data: &[u8]| {
    let split = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let Ok(written) = serde_json::from_slice::<Value>(&data[..split]) else {
        return;
    };
    let text = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": written}, "subresources": {"status": {}}}]},
        "status": {"acceptedNames": {"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"}, "conditions": [], "storedVersions": ["v1"]}});
    let root = schema()
        .kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
        .expect("a built-in kind");
    let Ok(decoded) = json::decode(text.to_string().as_bytes(), root, Strictness::Ignore) else {
        return;
    };
    if !validate(KIND, &decoded.value, &SETTINGS).is_empty() {
        return;
    }
    let Some(definition) = Definition::read(&decoded.value) else {
        return;
    };
    let version = &definition.versions[0];
    let Some(Ok(mut object)) = data.get(split + 1..).map(serde_json::from_slice::<Value>) else {
        return;
    };
    if !object.is_object() || custom::coerce(version, &mut object).is_err() {
        return;
    }
    custom::apply_defaults(version, &mut object);
    let _ = custom::validate(version, &object);
    let mut again = object.clone();
    custom::coerce(version, &mut again).expect("it was read before");
    custom::apply_defaults(version, &mut again);
    assert_eq!(again, object);
});
