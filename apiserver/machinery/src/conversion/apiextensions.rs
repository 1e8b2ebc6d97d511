//! CustomResourceDefinitions: v1beta1, the stored form, says once what all versions have in common, names columns' paths in
//! capitals and keeps a conversion webhook flat (apiextensions-apiserver pkg/apis/apiextensions/v1/conversion.go).

use serde_json::{Map, Value};

use super::rename;

/// What a version says, and its name in the spec of v1beta1 when all versions say the same.
const SHARED: [(&str, &str); 4] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];
/// The names of a column's path in v1 and in v1beta1.
const PATH: (&str, &str) = ("jsonPath", "JSONPath");

pub(crate) fn v1_to_v1beta1(definition: &mut Map<String, Value>) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let first = versions(spec).next().and_then(|v| v.get("name")).cloned();
    if let Some(first) = first {
        spec.set("version", first);
    }
    let preserve = spec.get("preserveUnknownFields") == Some(&Value::Bool(true));
    spec.set("preserveUnknownFields", preserve.into());
    for (of_version, of_all) in SHARED {
        hoist(spec, of_version, of_all);
    }
    rename_paths(spec, PATH.0, PATH.1);
    let conversion = spec.get_mut("conversion").and_then(Value::as_object_mut);
    if let Some(conversion) = conversion
        && let Some(Value::Object(mut webhook)) = conversion.shift_remove("webhook")
    {
        rename(&mut webhook, "clientConfig", "webhookClientConfig");
        conversion.extend(webhook);
    }
}

pub(super) fn v1beta1_to_v1(definition: &mut Map<String, Value>) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let version = spec.shift_remove("version");
    let none = versions(spec).next().is_none();
    if let (true, Some(name)) = (none, version) {
        let only = serde_json::json!({"name": name, "served": true, "storage": true});
        spec.set("versions", Value::Array(vec![only]));
    }
    for (of_version, of_all) in SHARED {
        let Some(value) = spec.shift_remove(of_all) else {
            continue;
        };
        for version in versions_mut(spec) {
            version.insert(of_version.to_owned(), value.clone());
        }
    }
    rename_paths(spec, PATH.1, PATH.0);
    let Some(Value::Object(conversion)) = spec.get_mut("conversion") else {
        return;
    };
    let mut webhook = Map::new();
    for (flat, nested) in [
        ("webhookClientConfig", "clientConfig"),
        ("conversionReviewVersions", "conversionReviewVersions"),
    ] {
        if let Some(value) = conversion.shift_remove(flat) {
            webhook.insert(nested.to_owned(), value);
        }
    }
    if !webhook.is_empty() {
        conversion.set("webhook", webhook.into());
    }
}

fn versions(spec: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let list = spec.get("versions").and_then(Value::as_array);
    list.into_iter().flatten()
}

fn versions_mut(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let list = spec.get_mut("versions").and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Moves to the spec what every version says alike.
fn hoist(spec: &mut Map<String, Value>, of_version: &str, of_all: &str) {
    let Some(value) = said_by_all(spec, of_version) else {
        return;
    };
    for version in versions_mut(spec) {
        version.shift_remove(of_version);
    }
    spec.insert(of_all.to_owned(), value);
}

fn said_by_all(spec: &Map<String, Value>, field: &str) -> Option<Value> {
    let mut said = versions(spec).map(|version| version.get(field));
    let first = said.next()??;
    said.all(|other| other == Some(first))
        .then(|| first.clone())
}

fn rename_paths(spec: &mut Map<String, Value>, from: &str, to: &str) {
    let in_columns = |columns: Option<&mut Value>| {
        let columns = columns.and_then(Value::as_array_mut).into_iter().flatten();
        columns
            .filter_map(Value::as_object_mut)
            .for_each(|column| rename(column, from, to));
    };
    in_columns(spec.get_mut("additionalPrinterColumns"));
    for version in versions_mut(spec) {
        in_columns(version.get_mut("additionalPrinterColumns"));
    }
}
