//! The forms in which lists and watches show stored objects without making trees of them: the object itself, its row in a table, or
//! its metadata alone; as JSON or protobuf, in the storage version. What else is asked for goes by trees (`handlers/transform`).

use super::Call;
use super::list::{Selected, json_head, list_meta};
use super::params::include_object;
use crate::cacher::{Cached, put_event};
use crate::clock::Clock;
use crate::negotiate::{Accepted, Media};
use crate::storage::Layout;
use crate::wire;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::codec::json::encode_untyped;
use triad_machinery::printers::{IncludeObject, Rows, columns_of};
use triad_machinery::status::Status;

/// What stands behind the items of a list as JSON.
pub(super) const JSON_TAIL: &str = "]}\n";

pub(crate) enum Form {
    Json,
    Protobuf,
    /// A custom kind as JSON; the list's metadata, which stands behind the items.
    Custom(Value),
    Row(Box<Rows>),
    /// Metadata alone, and the group-version of meta.k8s.io that says so.
    MetadataJson(String),
    MetadataProtobuf(String),
}

impl Form {
    /// None where trees must be made.
    pub(crate) fn of(call: &Call, accepted: &Accepted) -> Result<Option<Self>, Status> {
        let protobuf = accepted.media == Media::Protobuf;
        let custom = call.endpoint.custom.is_some();
        if accepted.media == Media::Yaml || !custom && !call.endpoint.is_storage_version() {
            return Ok(None);
        }
        let Some(convert) = &accepted.convert else {
            // What another converts may fail, which is told before anything is written.
            let converted = call
                .endpoint
                .custom
                .as_ref()
                .is_some_and(|face| face.is_converted());
            if converted {
                return Ok(None);
            }
            return Ok(Some(match (protobuf, custom) {
                (_, true) => Form::Custom(Value::Null),
                (true, false) => Form::Protobuf,
                (false, false) => Form::Json,
            }));
        };
        if call.registry()?.strategy.hides_metadata() {
            return Ok(None);
        }
        let version = format!("meta.k8s.io/{}", convert.version);
        Ok(match (convert.kind.as_str(), protobuf) {
            ("Table", _) if custom => None,
            ("Table", false) => {
                let include = included(call, accepted)?;
                rows(call, include, version).map(|rows| Form::Row(Box::new(rows)))
            }
            ("PartialObjectMetadata" | "PartialObjectMetadataList", false) => {
                Some(Form::MetadataJson(version))
            }
            ("PartialObjectMetadata" | "PartialObjectMetadataList", true) => {
                Some(Form::MetadataProtobuf(version))
            }
            _ => None,
        })
    }

    /// Told which list it will show.
    pub(super) fn complete(&mut self, call: &Call, selected: &Selected) {
        if let Form::Custom(rest) = self {
            *rest = custom_tail(call, list_meta(selected));
        }
    }

    /// What stands before the items of a list.
    pub(super) fn head(
        &self,
        call: &Call,
        layout: &Layout,
        selected: &Selected,
    ) -> Result<Vec<u8>, String> {
        let metadata = list_meta(selected);
        let protobuf = |version: &str, kind: &str| {
            let lengths = selected.items.iter().map(|item| self.length(layout, item));
            let items_len = lengths
                .map(|length| length.map(wire::item_len))
                .sum::<Result<_, String>>()?;
            Ok(wire::list_head(version, kind, &metadata, items_len))
        };
        match self {
            Form::Json => Ok(json_head(call, selected).into_bytes()),
            Form::Custom(_) => {
                let version = call.endpoint.resource.group_version();
                Ok(format!("{{\"apiVersion\":\"{version}\",\"items\":[").into_bytes())
            }
            Form::Protobuf => protobuf(&layout.group_version, &call.endpoint.resource.list_kind()),
            Form::Row(rows) => {
                let mut head = Vec::new();
                rows.head(&mut head, &metadata, true);
                Ok(head)
            }
            Form::MetadataJson(version) => Ok(format!(
                "{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"{version}\",\"metadata\":{metadata},\"items\":["
            )
            .into_bytes()),
            Form::MetadataProtobuf(version) => protobuf(version, "PartialObjectMetadataList"),
        }
    }

    /// How long the object's message is.
    fn length(&self, layout: &Layout, object: &Cached) -> Result<usize, String> {
        match self {
            Form::MetadataProtobuf(_) => object
                .metadata_protobuf(layout, object.revision)
                .map(|m| m.len()),
            _ => Ok(object.message_len()),
        }
    }

    /// Appends an item of a list, with what separates it from the next.
    pub(super) fn item(
        &self,
        layout: &Layout,
        object: &Arc<Cached>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match self {
            Form::Json | Form::Custom(_) => object.item(layout, out)?,
            Form::Protobuf => {
                wire::put_item(out, &object.protobuf(layout)?);
                return Ok(());
            }
            Form::Row(rows) => object.row(layout, rows, object.revision, out)?,
            Form::MetadataJson(version) => {
                object.metadata_json(layout, version, object.revision, out)?
            }
            Form::MetadataProtobuf(_) => {
                wire::put_item(out, &object.metadata_protobuf(layout, object.revision)?);
                return Ok(());
            }
        }
        out.push(b',');
        Ok(())
    }

    /// Appends an event of a watch with the object at the revision given; `headers` asks for a table's columns.
    pub(super) fn event(
        &mut self,
        out: &mut Vec<u8>,
        layout: &Layout,
        (object, revision): (&Cached, Revision),
        kind: &str,
        headers: bool,
    ) -> Result<(), String> {
        match self {
            Form::Json | Form::Custom(_) => {
                put_event(out, layout, object, revision, kind, Media::Json)
            }
            Form::Protobuf => put_event(out, layout, object, revision, kind, Media::Protobuf),
            Form::Row(rows) => wire::put_event_line(out, kind, |out| {
                let metadata = json!({"resourceVersion": revision.to_string()});
                rows.at(Clock.unix_seconds());
                rows.head(out, &metadata, headers);
                object.row(layout, rows, revision, out)?;
                rows.tail(out, false);
                Ok(())
            }),
            Form::MetadataJson(version) => wire::put_event_line(out, kind, |out| {
                object.metadata_json(layout, version, revision, out)
            }),
            Form::MetadataProtobuf(version) => {
                let message = object.metadata_protobuf(layout, revision)?;
                let object = wire::envelope(version, "PartialObjectMetadata", &message);
                wire::put_event(out, kind, &object);
                Ok(())
            }
        }
    }

    pub(super) fn is_protobuf(&self) -> bool {
        matches!(self, Form::Protobuf | Form::MetadataProtobuf(_))
    }

    /// Appends the end of a list; `empty` says that it had no item.
    pub(super) fn tail(&self, out: &mut Vec<u8>, empty: bool) {
        match self {
            Form::Protobuf | Form::MetadataProtobuf(_) => out.extend_from_slice(wire::list_tail()),
            Form::Row(rows) => {
                rows.tail(out, empty);
                out.push(b'\n');
            }
            Form::Custom(rest) => {
                // Sorted, and behind the items: without its opening brace.
                out.extend_from_slice(b"],");
                out.extend_from_slice(&encode_untyped(rest)[1..]);
                out.push(b'\n');
            }
            Form::Json | Form::MetadataJson(_) => out.extend_from_slice(JSON_TAIL.as_bytes()),
        }
    }
}

/// A list of a custom kind as a tree.
pub(super) fn custom_list(call: &Call, items: Vec<Value>, metadata: Value) -> Value {
    let mut list = custom_tail(call, metadata);
    list["apiVersion"] = call.endpoint.resource.group_version().into();
    list["items"] = items.into();
    list
}

/// What stands behind the items of a list of a custom kind, its keys being sorted. `continue` is always said there.
fn custom_tail(call: &Call, mut metadata: Value) -> Value {
    if metadata.get("continue").is_none() {
        metadata["continue"] = "".into();
    }
    json!({"kind": call.endpoint.list_kind(), "metadata": metadata})
}

fn included(call: &Call, accepted: &Accepted) -> Result<IncludeObject, Status> {
    Ok(match include_object(&call.query, accepted)?.as_str() {
        "None" => IncludeObject::None,
        "Object" => IncludeObject::Object,
        _ => IncludeObject::Metadata,
    })
}

fn rows(call: &Call, include: IncludeObject, version: String) -> Option<Rows> {
    let resource = call.endpoint.resource;
    let columns = columns_of(&resource.group, &resource.kind);
    Rows::new(columns, include, version, Clock.unix_seconds())
}
