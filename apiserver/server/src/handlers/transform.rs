//! Objects as something else: Table rows and PartialObjectMetadata (apiserver pkg/endpoints/handlers/response.go).

use super::Call;
use super::params::include_object;
use crate::negotiate::{Accepted, Convert};
use crate::reply::named;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::printers;
use triad_machinery::schema::TypeId;
use triad_machinery::status::Status;

/// Transforms one object of the served version.
pub(crate) fn object(call: &Call, object: Value, convert: &Convert) -> Result<(Value, TypeId), Status> {
    match convert.kind.as_str() {
        "Table" => {
            let metadata = json!({"resourceVersion": meta::resource_version(&object)});
            table(call, vec![object], metadata, convert)
        }
        "PartialObjectMetadata" => Ok((partial(&object, convert), named("meta/v1.PartialObjectMetadata"))),
        _ => Err(Status::not_acceptable_conversion(&convert.kind, &crate::negotiate::MEDIA_TYPES)),
    }
}

/// Transforms a list of objects of the served version.
pub(crate) fn list(call: &Call, objects: Vec<Value>, metadata: Value, convert: &Convert) -> Result<(Value, TypeId), Status> {
    match convert.kind.as_str() {
        "Table" => table(call, objects, metadata, convert),
        "PartialObjectMetadataList" => {
            let items: Vec<Value> = objects
                .iter()
                .map(|object| {
                    let mut item = partial(object, convert);
                    meta::clear_type(&mut item);
                    item
                })
                .collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": meta_version(convert), "metadata": metadata, "items": items});
            Ok((list, named("meta/v1.PartialObjectMetadataList")))
        }
        _ => Err(Status::not_acceptable_conversion(&convert.kind, &crate::negotiate::MEDIA_TYPES)),
    }
}

fn meta_version(convert: &Convert) -> String {
    format!("meta.k8s.io/{}", convert.version)
}

fn partial(object: &Value, convert: &Convert) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": meta_version(convert), "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({}))})
}

fn table(call: &Call, objects: Vec<Value>, metadata: Value, convert: &Convert) -> Result<(Value, TypeId), Status> {
    let include = include_object(&call.query, &Accepted { convert: Some(convert.clone()), ..Accepted::json() })?;
    let columns = printers::columns(call.endpoint.resource);
    let now = crate::clock::Clock.unix_seconds();
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let row = printers::row(call.endpoint.resource, &object, now);
            let shown = match include.as_str() {
                "None" => Value::Null,
                "Object" => triad_machinery::codec::json::to_json_value(&object, call.endpoint.ty),
                _ => partial(&object, convert),
            };
            let mut out = json!({"cells": row.cells});
            if !row.conditions.is_empty() {
                out["conditions"] = Value::Array(row.conditions);
            }
            out["object"] = shown;
            out
        })
        .collect();
    let table = json!({"kind": "Table", "apiVersion": meta_version(convert), "metadata": metadata, "columnDefinitions": columns, "rows": rows});
    Ok((table, named("meta/v1.Table")))
}
