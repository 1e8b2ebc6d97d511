//! One cached object: its identity and what selectors ask for, read off the stored bytes without a tree, and these bytes. JSON and
//! protobuf are made of them whenever they are asked for; that takes little more than copying.

use super::fields::{Selectable, selectable};
use super::packed::{self, Packed};
use crate::cacher::Lineage;
use crate::storage::Layout;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use triad_kv::{Entry, Revision};
use triad_machinery::codec::protobuf::encode_message;
use triad_machinery::codec::{Known, Message};
use triad_machinery::meta;
use triad_machinery::printers::{Rows, partial_json, partial_tree};

pub(crate) struct Cached {
    pub(crate) key: Arc<str>,
    pub(crate) name: Box<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) labels: Box<[(Box<str>, Box<str>)]>,
    /// Selectable fields of the storage version, in the table's order.
    pub(crate) fields: Selectable,
    pub(crate) lineage: Lineage,
    pub(crate) revision: Revision,
    /// The stored bytes: an envelope without resourceVersion.
    stored: Bytes,
    /// What its message takes when it is shown.
    message_len: u32,
    /// Its message has all its defaults and can be shown as it is.
    settled: bool,
    /// What showing it before has found out of it (a `Known`).
    known: AtomicU8,
    /// And of its metadata, which is also shown alone.
    metadata_known: AtomicU8,
    /// Its JSON as an item of a list, once that was asked for twice.
    packed: ArcSwapOption<Packed>,
}

/// What lists, watches and controllers ask of an object without looking into it.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    name: Box<str>,
    namespace: Box<str>,
    labels: Box<[(Box<str>, Box<str>)]>,
    fields: Selectable,
    lineage: Lineage,
}

impl Header {
    pub(super) fn read(layout: &Layout, message: &Message<'_>) -> Option<Self> {
        let metadata = message.message("metadata")?;
        let labels = metadata.pairs("labels")?;
        Some(Header {
            name: metadata.text("name")?.into(),
            namespace: metadata.text("namespace")?.into(),
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            fields: selectable(layout.resource, message)?,
            lineage: Lineage::read(&metadata)?,
        })
    }

    pub(super) fn of(layout: &Layout, object: &Value) -> Self {
        Header {
            name: meta::name(object).into(),
            namespace: meta::namespace(object).into(),
            labels: meta::labels(object)
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
            fields: selectable(layout.resource, object).unwrap_or_default(),
            lineage: Lineage::of(object),
        }
    }
}

impl Cached {
    /// Reads a stored entry's metadata. A tree is made only of what an older version stored, or what is out of the ordinary.
    pub(crate) fn new(layout: &Layout, entry: &Entry) -> Result<Self, String> {
        let key = std::str::from_utf8(&entry.key).map_err(|_| "the key is not UTF-8".to_owned())?;
        let revision = entry.mod_revision;
        let read = layout.settled(&entry.value).and_then(|message| {
            let length = layout.shown_len(&message, revision)?;
            Some((Header::read(layout, &message)?, length))
        });
        let settled = read.is_some();
        let (header, length) = match read {
            Some(read) => read,
            None => {
                let object = layout.decode(&entry.value, revision)?;
                (
                    Header::of(layout, &object),
                    layout.encode_message(&object).len(),
                )
            }
        };
        let message_len =
            u32::try_from(length).map_err(|_| "the object is too large".to_owned())?;
        packed::count_stored(entry.value.len());
        Ok(Cached {
            key: Arc::from(key),
            name: header.name,
            namespace: header.namespace,
            labels: header.labels,
            fields: header.fields,
            lineage: header.lineage,
            revision,
            stored: entry.value.clone(),
            message_len,
            settled,
            known: AtomicU8::new(0),
            metadata_known: AtomicU8::new(0),
            packed: ArcSwapOption::empty(),
        })
    }

    /// The object as a tree, resourceVersion set.
    pub(crate) fn object(&self, layout: &Layout) -> Result<Value, String> {
        layout.decode(&self.stored, self.revision)
    }

    /// Appends the object's JSON as an item of a list: without kind and apiVersion. What is listed again is kept packed.
    pub(crate) fn item(self: &Arc<Self>, layout: &Layout, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        let shown_before = self.known() == Some(Known::All);
        self.json_at(layout, self.revision, out, false)?;
        if shown_before && self.packed.load().is_none() {
            self.packed
                .store(Packed::new(self, &out[start..]).map(Arc::new));
        }
        Ok(())
    }

    fn unpack(
        &self,
        packed: &Packed,
        layout: &Layout,
        out: &mut Vec<u8>,
        typed: bool,
    ) -> Result<(), String> {
        if typed {
            layout.put_type(out);
        }
        let brace = out.len();
        packed.unpack(out)?;
        if typed {
            // Its other fields go on where the type has ended.
            out[brace] = b',';
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_packed(&self) -> bool {
        self.packed.load().is_some()
    }

    /// Gives up what was packed.
    pub(super) fn forget_packed(&self) {
        self.packed.store(None);
    }

    /// Appends the object's JSON in the storage version without a newline; `typed` puts kind and apiVersion in front, which
    /// items of a list do not bear. The resourceVersion may be another than its own: that of its deletion, or of its leaving a
    /// selection.
    pub(crate) fn json_at(
        &self,
        layout: &Layout,
        revision: Revision,
        out: &mut Vec<u8>,
        typed: bool,
    ) -> Result<(), String> {
        if revision == self.revision
            && let Some(packed) = &*self.packed.load()
        {
            return self.unpack(packed, layout, out, typed);
        }
        let known = layout.show_json(out, (&self.stored, revision), typed, self.known())?;
        if let Some(known) = known {
            self.known.store(known as u8, Ordering::Relaxed);
        }
        Ok(())
    }

    fn known(&self) -> Option<Known> {
        self.settled.then(|| read_known(&self.known))
    }

    /// What is known of the metadata: of the whole object, at least.
    fn known_metadata(&self) -> Option<Known> {
        let known = self.known()?;
        Some(match read_known(&self.metadata_known) {
            Known::All => Known::All,
            Known::Texts if known == Known::Nothing => Known::Texts,
            _ => known,
        })
    }

    fn note_metadata(&self, known: Option<Known>) {
        if let Some(known) = known {
            self.metadata_known.store(known as u8, Ordering::Relaxed);
        }
    }

    /// The object's bare protobuf message in the storage version, resourceVersion included.
    pub(crate) fn protobuf(&self, layout: &Layout) -> Result<Vec<u8>, String> {
        self.protobuf_at(layout, self.revision)
    }

    /// The same with another resourceVersion.
    pub(crate) fn protobuf_at(
        &self,
        layout: &Layout,
        revision: Revision,
    ) -> Result<Vec<u8>, String> {
        layout.show_message((&self.stored, revision), self.settled)
    }

    /// Appends the object's row of a table, with the resourceVersion given.
    pub(crate) fn row(
        &self,
        layout: &Layout,
        rows: &Rows,
        revision: Revision,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let (start, gvk) = (out.len(), layout.gvk());
        let stored = (&self.stored[..], revision);
        // Of the metadata more may be known than of the rest.
        let known = match rows.shows_objects() {
            true => self.known(),
            false => self.known_metadata(),
        };
        let shown = layout.revised(stored, known, |revised, known| {
            rows.row(out, revised, gvk, known)
        });
        if !rows.shows_objects() {
            self.note_metadata(shown);
        }
        if shown.is_none() {
            out.truncate(start);
            rows.tree(out, &layout.decode(&self.stored, revision)?, layout.ty);
        }
        Ok(())
    }

    /// Appends the object's metadata as a PartialObjectMetadata of this version of meta.k8s.io.
    pub(crate) fn metadata_json(
        &self,
        layout: &Layout,
        version: &str,
        revision: Revision,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let start = out.len();
        let stored = (&self.stored[..], revision);
        let shown = layout.revised(stored, self.known_metadata(), |revised, known| {
            partial_json(out, revised, version, known)
        });
        self.note_metadata(shown);
        if shown.is_none() {
            out.truncate(start);
            partial_tree(out, &layout.decode(&self.stored, revision)?, version);
        }
        Ok(())
    }

    /// The same as the bare message of a PartialObjectMetadata.
    pub(crate) fn metadata_protobuf(
        &self,
        layout: &Layout,
        revision: Revision,
    ) -> Result<Vec<u8>, String> {
        let stored = (&self.stored[..], revision);
        let shown = layout.revised(stored, self.known(), |revised, _| {
            revised.metadata_protobuf()
        });
        if let Some(shown) = shown {
            return Ok(shown);
        }
        let object = layout.decode(&self.stored, revision)?;
        let metadata = json!({"metadata": object.get("metadata")});
        Ok(encode_message(
            &metadata,
            crate::reply::named("meta/v1.PartialObjectMetadata"),
        ))
    }

    /// The length of what `protobuf` returns.
    pub(crate) fn message_len(&self) -> usize {
        self.message_len as usize
    }

    /// Bytes that the object takes as it is stored.
    pub(crate) fn stored_len(&self) -> usize {
        self.stored.len()
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

impl Drop for Cached {
    fn drop(&mut self) {
        packed::discount_stored(self.stored.len());
    }
}

fn read_known(known: &AtomicU8) -> Known {
    match known.load(Ordering::Relaxed) {
        0 => Known::Nothing,
        1 => Known::Texts,
        _ => Known::All,
    }
}
