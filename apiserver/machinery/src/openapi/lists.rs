//! Descriptions of list kinds: the table of descriptions has none, for a list is the same everywhere.

use crate::schema::{Schema, TypeId};

/// Where kind and apiVersion, which every object has, are described.
const SAMPLE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/// Whether the type is the list of some kind.
pub(super) fn is_list(schema: &Schema, id: TypeId) -> bool {
    let ty = schema.get(id);
    ty.registered
        && ty.go_name.ends_with("List")
        && schema
            .struct_of(id)
            .is_some_and(|s| s.type_meta && s.field("items").is_some())
}

/// The description of a list kind.
pub(super) fn of_type(schema: &Schema, id: TypeId) -> String {
    let name = &schema.get(id).go_name;
    format!(
        "{name} is a list of {} objects.",
        name.trim_end_matches("List")
    )
}

/// The description of one of its fields; those of kind and apiVersion are looked up.
pub(super) fn of_field(
    schema: &Schema,
    id: TypeId,
    field: &str,
    descriptions: &super::Descriptions<'_>,
) -> Option<String> {
    let item = schema.get(id).go_name.trim_end_matches("List").to_owned();
    match field {
        "items" => Some(format!("items is the list of {item} objects.")),
        "metadata" => Some(
            "metadata is that of the list: its resourceVersion and how to go on reading."
                .to_owned(),
        ),
        _ => descriptions.of_field(SAMPLE, field),
    }
}
