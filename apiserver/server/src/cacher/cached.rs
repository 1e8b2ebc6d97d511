//! One cached object: its identity and what selectors ask for, its encoded form, and its JSON made on first need.

use crate::cacher::Lineage;
use crate::cacher::fields::selectable;
use crate::storage::Layout;
use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use triad_kv::{Entry, Revision};
use triad_machinery::meta;

pub(crate) struct Cached {
    pub(crate) key: Arc<str>,
    pub(crate) name: Box<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) labels: Box<[(Box<str>, Box<str>)]>,
    /// Selectable fields of the storage version, in the table's order.
    pub(crate) fields: Box<[(&'static str, Box<str>)]>,
    pub(crate) lineage: Lineage,
    pub(crate) revision: Revision,
    /// The stored bytes: an envelope without resourceVersion.
    stored: Bytes,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Cached {
    /// Decodes a stored entry once, for its metadata; the tree is dropped again.
    pub(crate) fn new(layout: &Layout, entry: &Entry) -> Result<Self, String> {
        let key = std::str::from_utf8(&entry.key).map_err(|_| "the key is not UTF-8".to_owned())?;
        let object = layout.decode(&entry.value, entry.mod_revision)?;
        let labels = meta::labels(&object)
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Ok(Cached {
            key: Arc::from(key),
            name: meta::name(&object).into(),
            namespace: meta::namespace(&object).into(),
            labels,
            fields: selectable(layout.resource, &object),
            lineage: Lineage::of(&object),
            revision: entry.mod_revision,
            stored: entry.value.clone(),
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
        })
    }

    /// The object as a tree, resourceVersion set.
    pub(crate) fn object(&self, layout: &Layout) -> Result<Value, String> {
        layout.decode(&self.stored, self.revision)
    }

    /// The object's JSON in the storage version without kind and apiVersion, as it stands in a list; no newline.
    pub(crate) fn json(&self, layout: &Layout) -> Result<Bytes, String> {
        if let Some(json) = self.json.get() {
            return Ok(json.clone());
        }
        let mut object = self.object(layout)?;
        meta::clear_type(&mut object);
        let json = Bytes::from(layout.encode_json(&object));
        Ok(self.json.get_or_init(|| json).clone())
    }

    /// The object's bare protobuf message in the storage version, resourceVersion included.
    pub(crate) fn protobuf(&self, layout: &Layout) -> Result<Bytes, String> {
        if let Some(protobuf) = self.protobuf.get() {
            return Ok(protobuf.clone());
        }
        let object = self.object(layout)?;
        let protobuf = Bytes::from(layout.encode_message(&object));
        Ok(self.protobuf.get_or_init(|| protobuf).clone())
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| &**value)
    }

    /// The value of a selectable field; absent fields are empty.
    pub(crate) fn field(&self, name: &str) -> &str {
        match name {
            "metadata.name" => &self.name,
            "metadata.namespace" => &self.namespace,
            _ => self
                .fields
                .iter()
                .find(|(field, _)| *field == name)
                .map_or("", |(_, value)| value),
        }
    }
}
