//! An object's stored message shown with the resourceVersion that the store keeps elsewhere: as JSON, as protobuf, its metadata alone.

use super::Message;
use super::json::Writer;
use crate::codec::json::Gvk;
use crate::codec::protobuf::{put_bytes, put_varint};
use crate::schema::TypeId;

/// An object's stored message, shown with the resourceVersion that it does not carry.
pub struct Revised<'a> {
    pub message: &'a Message<'a>,
    pub resource_version: &'a str,
}

/// What is known of a message that was written before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    #[default]
    Nothing,
    /// Its texts are good UTF-8, as those that this program has encoded are.
    Texts,
    /// And it was just encoded from a tree: its raw JSON, too, is what this program writes.
    Encoded,
    /// And its raw JSON is written as it stands.
    All,
}

impl Revised<'_> {
    /// Appends compact JSON without a newline, kind and apiVersion in front where given; what is known of the message after
    /// that. None: read it as a tree; what was appended by then is to be dropped.
    #[must_use]
    pub fn json(&self, out: &mut Vec<u8>, gvk: Option<Gvk<'_>>, known: Known) -> Option<Known> {
        let mut writer = Writer::new(out, self.resource_version, known);
        writer.object(self.message.data, self.message.id, 0, gvk)?;
        Some(writer.known_now())
    }

    /// Appends the object's metadata as compact JSON; what is known of the metadata after that. None as for `json`.
    #[must_use]
    pub fn metadata_json(&self, out: &mut Vec<u8>, known: Known) -> Option<Known> {
        let (_, records) = self.message.find("metadata")?;
        let mut writer = Writer::new(out, self.resource_version, known);
        writer.object(
            super::records::bytes(records)?,
            object_meta(),
            METADATA_DEPTH,
            None,
        )?;
        Some(writer.known_now())
    }

    /// The message of a PartialObjectMetadata: of the object the metadata alone.
    #[must_use]
    pub fn metadata_protobuf(&self) -> Option<Vec<u8>> {
        let place = self.cut()?;
        let mut out = Vec::with_capacity(place.metadata_len + 6);
        place.put_metadata(&mut out, self.resource_version);
        Some(out)
    }

    /// The bare message.
    #[must_use]
    pub fn protobuf(&self) -> Option<Vec<u8>> {
        let place = self.cut()?;
        let mut out = Vec::with_capacity(place.shown_len);
        out.extend_from_slice(place.before);
        place.put_metadata(&mut out, self.resource_version);
        out.extend_from_slice(place.after);
        Some(out)
    }

    /// How long that is.
    #[must_use]
    pub fn protobuf_len(&self) -> Option<usize> {
        self.cut().map(|cut| cut.shown_len)
    }

    /// Where the version goes. None where no empty text keeps its place, as all writers leave it.
    fn cut(&self) -> Option<Cut<'_>> {
        let message = self.message;
        let (_, records) = message.find("metadata")?;
        let metadata = message.message("metadata")?;
        let (_, version) = metadata.find("resourceVersion")?;
        (!version.is_empty() && metadata.id == object_meta()).then_some(())?;
        let inside = metadata.data;
        let within = |part: &[u8], whole: &[u8]| part.as_ptr() as usize - whole.as_ptr() as usize;
        let (at, start) = (within(version, inside), within(records, message.data));
        let field_len = 2 + self.resource_version.len();
        let metadata_len = inside.len() - version.len() + field_len;
        let (before, after) = (
            &message.data[..start],
            &message.data[start + records.len()..],
        );
        Some(Cut {
            before,
            tag: records[0],
            metadata_len,
            metadata: (&inside[..at], &inside[at + version.len()..]),
            after,
            shown_len: before.len() + 1 + varint_len(metadata_len) + metadata_len + after.len(),
        })
    }
}

/// How deep an object's own metadata lies in it.
pub(super) const METADATA_DEPTH: usize = 1;

/// `resourceVersion` in ObjectMeta.
const VERSION_NUMBER: u32 = 6;

/// The parts of an object's message around its resourceVersion.
struct Cut<'a> {
    before: &'a [u8],
    tag: u8,
    metadata_len: usize,
    metadata: (&'a [u8], &'a [u8]),
    after: &'a [u8],
    shown_len: usize,
}

impl Cut<'_> {
    fn put_metadata(&self, out: &mut Vec<u8>, resource_version: &str) {
        out.push(self.tag);
        put_varint(out, self.metadata_len as u64);
        out.extend_from_slice(self.metadata.0);
        put_bytes(out, VERSION_NUMBER, resource_version.as_bytes());
        out.extend_from_slice(self.metadata.1);
    }
}

fn varint_len(number: usize) -> usize {
    (usize::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

pub(super) fn object_meta() -> TypeId {
    static ID: std::sync::OnceLock<TypeId> = std::sync::OnceLock::new();
    *ID.get_or_init(|| {
        let id = crate::schema::schema().type_named("meta/v1.ObjectMeta");
        id.unwrap_or_else(|| panic!("the schema table has no ObjectMeta"))
    })
}
