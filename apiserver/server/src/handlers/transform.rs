//! Objects as something else: Table rows and PartialObjectMetadata (apiserver pkg/endpoints/handlers/response.go).

use super::Call;
use super::params::include_object;
use crate::negotiate::{Accepted, Convert};
use crate::reply::named;
use serde_json::{Value, json};
use triad_machinery::codec::json::to_json_value;
use triad_machinery::meta;
use triad_machinery::printers::custom::custom_scale_columns;
use triad_machinery::printers::{IncludeObject, Table, columns_of};
use triad_machinery::schema::TypeId;
use triad_machinery::status::Status;

/// Transforms one object of the served version.
pub(crate) fn object(
    call: &Call,
    object: Value,
    convert: &Convert,
) -> Result<(Value, TypeId), Status> {
    let resource = call.endpoint.resource;
    of_kind(
        call,
        (&resource.group, &resource.kind),
        call.endpoint.ty,
        object,
        convert,
    )
}

/// Transforms one object of a kind that need not be the endpoint's own.
pub(crate) fn of_kind(
    call: &Call,
    group_kind: (&str, &str),
    ty: TypeId,
    object: Value,
    convert: &Convert,
) -> Result<(Value, TypeId), Status> {
    match convert.kind.as_str() {
        "Table" => {
            let metadata = json!({"resourceVersion": meta::resource_version(&object)});
            table(call, group_kind, ty, vec![object], metadata, convert)
        }
        "PartialObjectMetadata" => {
            let object = bare(call, object);
            Ok((
                partial(&object, convert),
                named("meta/v1.PartialObjectMetadata"),
            ))
        }
        _ => Err(Status::not_acceptable_conversion(
            &convert.kind,
            &crate::negotiate::MEDIA_TYPES,
        )),
    }
}

/// Transforms a list of objects of the served version.
pub(crate) fn list(
    call: &Call,
    objects: Vec<Value>,
    metadata: Value,
    convert: &Convert,
) -> Result<(Value, TypeId), Status> {
    match convert.kind.as_str() {
        "Table" => table(
            call,
            (&call.endpoint.resource.group, &call.endpoint.resource.kind),
            call.endpoint.ty,
            objects,
            metadata,
            convert,
        ),
        "PartialObjectMetadataList" => {
            let items: Vec<Value> = objects
                .into_iter()
                .map(|object| partial(&bare(call, object), convert))
                .collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": meta_version(convert), "metadata": metadata, "items": items});
            Ok((list, named("meta/v1.PartialObjectMetadataList")))
        }
        _ => Err(Status::not_acceptable_conversion(
            &convert.kind,
            &crate::negotiate::MEDIA_TYPES,
        )),
    }
}

/// An object of which only the metadata will be shown.
fn bare(call: &Call, mut object: Value) -> Value {
    if let Some(registry) = &call.endpoint.registry {
        registry.strategy.strip_for_metadata(&mut object);
    }
    object
}

fn meta_version(convert: &Convert) -> String {
    format!("meta.k8s.io/{}", convert.version)
}

fn partial(object: &Value, convert: &Convert) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": meta_version(convert), "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({}))})
}

fn table(
    call: &Call,
    (group, kind): (&str, &str),
    ty: TypeId,
    objects: Vec<Value>,
    metadata: Value,
    convert: &Convert,
) -> Result<(Value, TypeId), Status> {
    let include = include_object(
        &call.query,
        &Accepted {
            convert: Some(convert.clone()),
            ..Accepted::json()
        },
    )?;
    let include = match include.as_str() {
        "None" => IncludeObject::None,
        "Object" => IncludeObject::Object,
        _ => IncludeObject::Metadata,
    };
    let mut table = Table::new(
        match &call.endpoint.custom {
            Some(_) if kind == "Scale" => custom_scale_columns(),
            Some(custom) => custom.version.columns(),
            None => columns_of(group, kind),
        },
        include,
        crate::clock::Clock.unix_seconds(),
    );
    let shown: Vec<Value> = if include == IncludeObject::Object {
        objects
            .iter()
            .map(|object| to_json_value(object, ty))
            .collect()
    } else {
        let objects = objects.into_iter();
        objects.map(|object| bare(call, object)).collect()
    };
    table.extend(shown.iter());
    let metadata = match metadata {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    let mut table = table.into_value(metadata, true);
    if convert.version != "v1" {
        table["apiVersion"] = meta_version(convert).into();
    }
    Ok((table, named("meta/v1.Table")))
}
