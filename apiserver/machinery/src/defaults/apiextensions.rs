//! Names and stored versions of a CustomResourceDefinition that follow from what its author said.

use serde_json::{Map, Value, json};

use super::Context;

pub(super) fn custom_resource_definition(definition: &mut Map<String, Value>, _: &Context<'_>) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let versions = spec.get("versions").and_then(Value::as_array);
    let stored = versions
        .into_iter()
        .flatten()
        .find(|v| v.get("storage") == Some(&Value::Bool(true)));
    let stored = stored.and_then(|v| v.get("name")).cloned();
    if let Some(Value::Object(names)) = spec.get_mut("names")
        && let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned)
    {
        names
            .entry("singular")
            .or_insert_with(|| kind.to_lowercase().into());
        names
            .entry("listKind")
            .or_insert_with(|| format!("{kind}List").into());
    }
    let Some(stored) = stored else { return };
    let status = definition.entry("status").or_insert_with(|| json!({}));
    if let Value::Object(status) = status
        && status
            .get("storedVersions")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
    {
        status.set("storedVersions", json!([stored]));
    }
}
