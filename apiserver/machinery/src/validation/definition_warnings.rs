//! Warnings about schemas of custom resources: formats that nobody checks, sets of what cannot be compared
//! (apiextensions-apiserver pkg/registry/customresourcedefinition/strategy.go, pkg/apiserver/validation/formats.go).

use std::collections::BTreeSet;

use serde_json::Value;

use super::at::At;
use super::definitions::internal;

const TEXT_FORMATS: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// What a new definition, or a change of one, should be told.
pub(super) fn warnings(object: &At<'_>, old: Option<&At<'_>>, out: &mut Vec<String>) {
    let (formats, sets) = found(&internal(object));
    let (old_formats, old_sets) = old.map(|old| found(&internal(old))).unwrap_or_default();
    out.extend(
        formats
            .into_iter()
            .filter(|text| !old_formats.contains(text)),
    );
    out.extend(sets.into_iter().filter(|text| !old_sets.contains(text)));
}

fn found(definition: &Value) -> (Vec<String>, BTreeSet<String>) {
    let (mut formats, mut sets) = (Vec::new(), BTreeSet::new());
    let at = At::root(definition).get("spec");
    let mut schemas = vec![at.get("validation").get("openAPIV3Schema")];
    let versions = at.get("versions").items();
    schemas.extend(versions.map(|version| version.get("schema").get("openAPIV3Schema")));
    for schema in &schemas {
        visit(schema.value, &mut |node| {
            if let Some(format) = unknown_format(node) {
                formats.push(format!(
                    "unrecognized format {}",
                    crate::goformat::quote(format)
                ));
            }
            if let Some(kind) = compound_set(node) {
                sets.insert(format!("x-kubernetes-list-type: set for items of type \"{kind}\" is not supported by server-side apply or CEL validation rules"));
            }
        });
    }
    (formats, sets)
}

fn unknown_format(node: &Value) -> Option<&str> {
    let text = |field: &str| node.get(field).and_then(Value::as_str).unwrap_or("");
    let format = text("format");
    let known = match text("type") {
        "" | "string" => TEXT_FORMATS.contains(&format.replace('-', "").as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    };
    (!format.is_empty() && !known).then_some(format)
}

fn compound_set(node: &Value) -> Option<&str> {
    let set = node.get("x-kubernetes-list-type")?.as_str()? == "set";
    let kind = node.get("items")?.get("type")?.as_str()?;
    (set && matches!(kind, "object" | "array")).then_some(kind)
}

/// The schema and all those in it, in upstream's order.
fn visit<'a>(node: &'a Value, each: &mut impl FnMut(&'a Value)) {
    let Some(map) = node.as_object() else {
        return;
    };
    each(node);
    let mut below = |field: &str| match map.get(field) {
        Some(Value::Array(list)) => list.iter().for_each(|inner| visit(inner, each)),
        Some(inner) => visit(inner, each),
        None => {}
    };
    ["items", "allOf", "anyOf", "oneOf", "not"]
        .iter()
        .for_each(|field| below(field));
    for field in [
        "properties",
        "patternProperties",
        "definitions",
        "dependencies",
    ] {
        let inside = map.get(field).and_then(Value::as_object);
        inside
            .into_iter()
            .flatten()
            .for_each(|(_, inner)| visit(inner, each));
    }
    for field in ["additionalProperties", "additionalItems"] {
        map.get(field)
            .into_iter()
            .for_each(|inner| visit(inner, each));
    }
}
