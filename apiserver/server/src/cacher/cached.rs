//! One cached object: its identity and what selectors ask for, read off the stored bytes without a tree, and these bytes. JSON and
//! protobuf are made of them whenever they are asked for; that takes little more than copying.

use super::header::Header;
use super::packed::{self, Packed};
use crate::cacher::{Lineage, Marks};
use crate::storage::Layout;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use triad_kv::{Entry, Revision};
use triad_machinery::codec::Known;
use triad_machinery::codec::protobuf::encode_message;
use triad_machinery::printers::{Rows, partial_json, partial_tree};

pub(crate) struct Cached {
    pub(crate) key: Arc<str>,
    header: Header,
    pub(crate) revision: Revision,
    /// The stored bytes: an envelope without resourceVersion. Recent ones are those that the store keeps of its own events.
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

/// Two states of one object: each revision made another.
impl PartialEq for Cached {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision
    }
}

impl Cached {
    /// Reads a stored entry's metadata. A tree is made only of what an older version stored, or what is out of the ordinary.
    pub(crate) fn new(layout: &Layout, entry: &Entry) -> Result<Self, String> {
        let (value, revision) = (&entry.value, entry.mod_revision);
        if let Some(read) = Self::read(layout, (&entry.key, value), revision) {
            return Ok(read);
        }
        let key = std::str::from_utf8(&entry.key).map_err(|_| "the key is not UTF-8".to_owned())?;
        let object = layout.decode(value, revision)?;
        let too_large = || "the object is too large".to_owned();
        let header = Header::of(layout, &object).ok_or_else(too_large)?;
        let length = layout.encode_message(&object).len();
        let length = u32::try_from(length).map_err(|_| too_large())?;
        let key = Arc::from(key);
        Ok(Self::made(key, header, (value, revision), length, false))
    }

    /// The same of a settled message; None of anything else.
    pub(super) fn read(
        layout: &Layout,
        (key, value): (&[u8], &Bytes),
        revision: Revision,
    ) -> Option<Self> {
        let message = layout.settled(value)?;
        let length = u32::try_from(layout.shown_len(&message, revision)?).ok()?;
        let header = Header::read(layout, &message)?;
        let key = Arc::from(std::str::from_utf8(key).ok()?);
        Some(Self::made(key, header, (value, revision), length, true))
    }

    /// The same object at another revision. None where it is another than `last`, or the revision is written with more or fewer digits.
    pub(super) fn moved(&self, last: &Entry, revision: Revision) -> Option<Self> {
        if self.revision != last.mod_revision {
            return None;
        }
        let (key, header) = (self.key.clone(), self.header.clone());
        let stored = (&self.stored, self.revision);
        Self::made(key, header, stored, self.message_len, self.settled).at(revision)
    }

    fn made(
        key: Arc<str>,
        header: Header,
        (value, revision): (&Bytes, Revision),
        message_len: u32,
        settled: bool,
    ) -> Self {
        packed::count_stored(value.len());
        Cached {
            key,
            header,
            revision,
            stored: value.clone(),
            message_len,
            settled,
            known: AtomicU8::new(0),
            metadata_known: AtomicU8::new(0),
            packed: ArcSwapOption::empty(),
        }
    }

    /// What was read before its revision was known, once that is. None where another object was written, or the revision has more or fewer
    /// digits.
    pub(super) fn written_as(mut self, entry: &Entry) -> Option<Self> {
        if self.stored != entry.value {
            return None;
        }
        self.stored = entry.value.clone();
        self.at(entry.mod_revision)
    }

    fn at(mut self, revision: Revision) -> Option<Self> {
        let same_length = revision.0.checked_ilog10() == self.revision.0.checked_ilog10();
        self.revision = revision;
        same_length.then_some(self)
    }

    /// The object as a tree, resourceVersion set.
    pub(crate) fn object(&self, layout: &Layout) -> Result<Value, String> {
        layout.decode(&self.stored, self.revision)
    }

    /// Says that all of these are going to be shown.
    pub(crate) fn prepare<'a>(layout: &Layout, all: impl Iterator<Item = &'a Arc<Self>>) {
        layout.prepare(all.map(|cached| &cached.stored[..]));
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

    /// What tells at a glance whether a selector may take it.
    pub(crate) fn marks(&self) -> Marks {
        self.header.marks()
    }

    pub(crate) fn name(&self) -> &str {
        self.header.name()
    }

    pub(crate) fn namespace(&self) -> &str {
        self.header.namespace()
    }

    pub(crate) fn lineage(&self) -> &Lineage {
        &self.header.lineage
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.header.label(name)
    }

    /// The value of a selectable field; absent fields are empty.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.header.field(name)
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
        2 => Known::Encoded,
        _ => Known::All,
    }
}
