//! Where and how objects lie in the store: upstream's keys, upstream's protobuf envelope, no resourceVersion inside.
//!
//! The only place that knows the stored form. Callers hand over trees in the storage version and get them back.

use bytes::Bytes;
use serde_json::Value;
use triad_kv::Revision;
use triad_machinery::codec::json::{self, Gvk};
use triad_machinery::codec::protobuf;
use triad_machinery::defaults::apply_defaults;
use triad_machinery::meta;
use triad_machinery::schema::TypeId;
use triad_machinery::scheme::Resource;

/// The common beginning of all object keys.
pub(crate) const ROOT: &str = "/registry/";

/// How one resource is stored: its key prefix and the type of its storage version.
#[derive(Clone)]
pub(crate) struct Layout {
    /// Ends in `/`.
    pub(crate) prefix: String,
    /// The resource in its storage version.
    pub(crate) resource: &'static Resource,
    pub(crate) ty: TypeId,
}

impl Layout {
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
        let removed = meta::metadata_mut(object)
            .and_then(|metadata| metadata.shift_remove("resourceVersion"));
        let bytes = protobuf::encode(
            object,
            self.ty,
            Some(Gvk {
                api_version: &self.resource.group_version(),
                kind: &self.resource.kind,
            }),
        );
        if let (Some(version), Some(metadata)) = (removed, meta::metadata_mut(object)) {
            metadata.insert("resourceVersion".to_owned(), version);
        }
        bytes.into()
    }

    /// A stored object as a tree with kind, apiVersion and resourceVersion.
    pub(crate) fn decode(&self, bytes: &[u8], revision: Revision) -> Result<Value, String> {
        let mut object = protobuf::decode(bytes, self.ty).map_err(|error| error.to_string())?;
        // Fields that protobuf does not carry (the kind of a claim template) come back as defaults.
        apply_defaults(&mut object, self.ty);
        meta::set(&mut object, "resourceVersion", &revision.to_string());
        Ok(object)
    }

    /// Compact JSON without a newline.
    pub(crate) fn encode_json(&self, object: &Value) -> Vec<u8> {
        json::encode(object, self.ty, None)
    }

    /// The bare protobuf message.
    pub(crate) fn encode_message(&self, object: &Value) -> Vec<u8> {
        protobuf::encode_message(object, self.ty)
    }
}
