//! Where and how objects lie in the store: upstream's keys, upstream's protobuf envelope, no resourceVersion inside.
//!
//! The only place that knows the stored form. Callers hand over trees in the storage version and get them back.

use crate::custom::Codec;
use crate::negotiate::Media;
use crate::wire;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::codec::json::{self, Gvk};
use triad_machinery::codec::{Known, Message, Revised, protobuf};
use triad_machinery::defaults::{apply_defaults, settled};
use triad_machinery::meta;
use triad_machinery::schema::TypeId;
use triad_machinery::scheme::Resource;
use triad_machinery::status::Status;

/// The common beginning of all object keys.
pub(crate) const ROOT: &str = "/registry/";

/// How one resource is stored: its key prefix and the type of its storage version.
#[derive(Clone)]
pub(crate) struct Layout {
    /// Ends in `/`.
    pub(crate) prefix: String,
    /// The resource in its storage version.
    pub(crate) resource: &'static Resource,
    /// The storage version, as objects name it.
    pub(crate) group_version: String,
    pub(crate) ty: TypeId,
    /// How objects of a custom kind are read and written; None for built-in kinds.
    custom: Option<Arc<Codec>>,
}

impl Layout {
    pub(crate) fn new(prefix: String, resource: &'static Resource, ty: TypeId) -> Self {
        Layout {
            prefix,
            resource,
            group_version: resource.group_version(),
            ty,
            custom: None,
        }
    }

    /// Of a custom kind: its objects lie as JSON.
    pub(crate) fn custom(
        prefix: String,
        resource: &'static Resource,
        ty: TypeId,
        codec: Codec,
    ) -> Self {
        Layout {
            custom: Some(Arc::new(codec)),
            ..Layout::new(prefix, resource, ty)
        }
    }

    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        if namespace.is_empty() {
            format!("{}{name}", self.prefix)
        } else {
            format!("{}{namespace}/{name}", self.prefix)
        }
    }

    /// The prefix of all keys of a namespace, of all keys when it is empty.
    pub(crate) fn scope(&self, namespace: &str) -> String {
        if namespace.is_empty() {
            self.prefix.clone()
        } else {
            format!("{}{namespace}/", self.prefix)
        }
    }

    /// The stored bytes of an object; its resourceVersion is left out.
    pub(crate) fn encode(&self, object: &mut Value) -> Bytes {
        without_version(object, |object| {
            protobuf::encode(object, self.ty, Some(self.gvk())).into()
        })
    }

    /// The same of any kind: those of custom ones may have to be converted, which may fail.
    pub(crate) fn try_encode(&self, object: &mut Value) -> Result<Bytes, Status> {
        match &self.custom {
            Some(codec) => without_version(object, |object| codec.encode(object).map(Bytes::from)),
            None => Ok(self.encode(object)),
        }
    }

    /// A stored object as a tree with kind, apiVersion and resourceVersion.
    pub(crate) fn decode(&self, bytes: &[u8], revision: Revision) -> Result<Value, String> {
        if let Some(codec) = &self.custom {
            let mut object = codec.decode(bytes, revision)?;
            meta::set(&mut object, "resourceVersion", &revision.to_string());
            return Ok(object);
        }
        let mut object = protobuf::decode(bytes, self.ty).map_err(|error| error.to_string())?;
        // Fields that protobuf does not carry (the kind of a claim template) come back as defaults.
        apply_defaults(&mut object, self.ty);
        meta::set(&mut object, "resourceVersion", &revision.to_string());
        Ok(object)
    }

    /// Says that all of these are going to be decoded: what a webhook has to convert it is then asked for together.
    pub(crate) fn prepare<'a>(&self, stored: impl Iterator<Item = &'a [u8]>) {
        if let Some(codec) = &self.custom {
            codec.prepare(stored);
        }
    }

    /// The message of a stored object that can be shown as it lies there: nothing in it waits for a default.
    pub(crate) fn settled<'a>(&self, bytes: &'a [u8]) -> Option<Message<'a>> {
        self.message(bytes).filter(settled)
    }

    fn message<'a>(&self, bytes: &'a [u8]) -> Option<Message<'a>> {
        Message::open(protobuf::raw(bytes)?, self.ty)
    }

    /// Shows a settled message without a tree, as `show` does; None where it cannot or the message is not settled.
    pub(crate) fn revised<R>(
        &self,
        (bytes, revision): (&[u8], Revision),
        settled: Option<Known>,
        show: impl FnOnce(&Revised<'_>, Known) -> Option<R>,
    ) -> Option<R> {
        let known = settled?;
        let message = self.message(bytes)?;
        let revised = Revised {
            message: &message,
            resource_version: &revision.to_string(),
        };
        show(&revised, known)
    }

    /// Kind and version of the objects, as they name them.
    pub(crate) fn gvk(&self) -> Gvk<'_> {
        Gvk {
            api_version: &self.group_version,
            kind: &self.resource.kind,
        }
    }

    /// Appends kind and apiVersion as they stand in front of an object's other fields, the brace before them.
    pub(crate) fn put_type(&self, out: &mut Vec<u8>) {
        let (kind, version) = (&self.resource.kind, &self.group_version);
        out.extend_from_slice(
            format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\"").as_bytes(),
        );
    }

    /// Appends a stored object's compact JSON; without kind and apiVersion, as it stands in a list, unless `typed`.
    /// `settled` is what is known of a message that was found to be so, None where it was not; what is known after that is returned.
    pub(crate) fn show_json(
        &self,
        out: &mut Vec<u8>,
        (bytes, revision): (&[u8], Revision),
        typed: bool,
        settled: Option<Known>,
    ) -> Result<Option<Known>, String> {
        let gvk = typed.then(|| self.gvk());
        let start = out.len();
        let shown = self.revised((bytes, revision), settled, |revised, known| {
            revised.json(out, gvk, known)
        });
        if shown.is_some() {
            return Ok(shown);
        }
        out.truncate(start);
        let mut object = self.decode(bytes, revision)?;
        // Items of custom kinds say what they are.
        if self.custom.is_none() {
            meta::clear_type(&mut object);
        }
        json::encode_into(out, &object, self.ty, gvk);
        Ok(None)
    }

    /// A stored object's bare message, resourceVersion included.
    pub(crate) fn show_message(
        &self,
        (bytes, revision): (&[u8], Revision),
        settled: bool,
    ) -> Result<Vec<u8>, String> {
        let settled = settled.then_some(Known::Nothing);
        let shown = self.revised((bytes, revision), settled, |revised, _| revised.protobuf());
        if let Some(shown) = shown {
            return Ok(shown);
        }
        let object = self.decode(bytes, revision)?;
        Ok(self.encode_message(&object))
    }

    /// A stored object as an answer: JSON with a newline, or protobuf in its envelope. `settled` is what is known of it, if anything.
    pub(crate) fn show(
        &self,
        bytes: &[u8],
        revision: Revision,
        media: Media,
        settled: Option<Known>,
    ) -> Result<Vec<u8>, String> {
        let settled = settled.or_else(|| self.settled(bytes).map(|_| Known::Nothing));
        if media == Media::Protobuf {
            let message = self.show_message((bytes, revision), settled.is_some())?;
            let kind = &self.resource.kind;
            return Ok(wire::envelope(&self.group_version, kind, &message));
        }
        let mut json = Vec::with_capacity(bytes.len() * 3 / 2 + 256);
        self.show_json(&mut json, (bytes, revision), true, settled)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The length of what `show_message` makes of a settled message.
    pub(crate) fn shown_len(&self, message: &Message<'_>, revision: Revision) -> Option<usize> {
        let resource_version = &revision.to_string();
        Revised {
            message,
            resource_version,
        }
        .protobuf_len()
    }

    /// The bare protobuf message.
    pub(crate) fn encode_message(&self, object: &Value) -> Vec<u8> {
        protobuf::encode_message(object, self.ty)
    }

    /// Compact JSON without a newline.
    pub(crate) fn encode_json(&self, object: &Value) -> Vec<u8> {
        json::encode(object, self.ty, None)
    }
}

/// Works on an object while it bears no resourceVersion.
fn without_version<T>(object: &mut Value, work: impl FnOnce(&mut Value) -> T) -> T {
    let removed =
        meta::metadata_mut(object).and_then(|metadata| metadata.shift_remove("resourceVersion"));
    let done = work(object);
    if let (Some(version), Some(metadata)) = (removed, meta::metadata_mut(object)) {
        metadata.insert("resourceVersion".to_owned(), version);
    }
    done
}
