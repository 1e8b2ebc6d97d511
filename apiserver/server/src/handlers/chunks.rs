//! The body of a list, made piece by piece while it is sent: whatever the size of the list, memory holds the objects as they are
//! stored anyway and one piece.

use super::Call;
use super::list::{Selected, json_head, list_meta};
use crate::cacher::Cached;
use crate::negotiate::Media;
use crate::registry::Registry;
use crate::wire;
use bytes::Bytes;
use std::sync::Arc;
use triad_machinery::status::Status;

/// Bytes after which a piece is handed on.
const CHUNK_BYTES: usize = 64 * 1024;

/// A list in the storage version, as JSON or protobuf.
pub(super) struct Chunks {
    registry: Arc<Registry>,
    items: std::vec::IntoIter<Arc<Cached>>,
    media: Media,
    /// What stands before the next item.
    before: Vec<u8>,
    over: bool,
}

impl Chunks {
    pub(super) fn new(call: &Call, selected: Selected, media: Media) -> Result<Self, Status> {
        let registry = call.registry()?.clone();
        let before = if media == Media::Protobuf {
            let resource = call.endpoint.resource;
            let items_len = selected
                .items
                .iter()
                .map(|item| wire::item_len(item.message_len()))
                .sum();
            wire::list_head(
                &registry.layout.group_version,
                &resource.list_kind(),
                &list_meta(&selected),
                items_len,
            )
        } else {
            json_head(call, &selected).into_bytes()
        };
        Ok(Chunks {
            registry,
            items: selected.items.into_iter(),
            media,
            before,
            over: false,
        })
    }

    fn item(&mut self, object: &Cached, out: &mut Vec<u8>) -> Result<(), String> {
        let layout = &self.registry.layout;
        if self.media == Media::Protobuf {
            wire::put_item(out, &object.protobuf(layout)?);
            return Ok(());
        }
        object.json(layout, out, false)?;
        out.push(b',');
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.media == Media::Protobuf {
            return out.extend_from_slice(wire::list_tail());
        }
        // No item is followed by nothing.
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.extend_from_slice(b"]}\n");
    }
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        out.append(&mut self.before);
        while out.len() < CHUNK_BYTES {
            let Some(object) = self.items.next() else {
                self.end(&mut out);
                self.over = true;
                return Some(out.into());
            };
            let start = out.len();
            if let Err(error) = self.item(&object, &mut out) {
                // It could be read when it came into the cache, so this is a bug; the others are not withheld for it.
                tracing::error!(key = &*object.key, error, "an object is left out of a list");
                out.truncate(start);
            }
        }
        // The last comma waits: this may have been the last item.
        if self.media != Media::Protobuf && out.last() == Some(&b',') {
            out.pop();
            self.before.push(b',');
        }
        Some(out.into())
    }
}
