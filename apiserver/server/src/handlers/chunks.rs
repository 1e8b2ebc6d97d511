//! The body of a list, made piece by piece while it is sent: whatever the size of the list, memory holds the objects as they are
//! stored anyway and one piece.

use super::Call;
use super::form::Form;
use super::list::Selected;
use crate::body::{CutShort, Piece};
use crate::cacher::Cached;
use crate::registry::Registry;
use std::sync::Arc;
use triad_machinery::codec::json::Indenter;
use triad_machinery::status::Status;

/// Bytes after which a piece is handed on.
const CHUNK_BYTES: usize = 64 * 1024;

/// A list in the storage version.
pub(super) struct Chunks {
    registry: Arc<Registry>,
    items: std::vec::IntoIter<Arc<Cached>>,
    form: Form,
    /// What stands before the next item.
    before: Vec<u8>,
    empty: bool,
    over: bool,
}

impl Chunks {
    pub(super) fn new(call: &Call, selected: Selected, mut form: Form) -> Result<Self, Status> {
        let registry = call.registry()?.clone();
        form.complete(call, &selected);
        let head = form.head(call, &registry.layout, &selected);
        Ok(Chunks {
            before: head.map_err(Status::internal)?,
            empty: selected.items.is_empty(),
            registry,
            items: selected.items.into_iter(),
            form,
            over: false,
        })
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.over = true;
        self.drop_comma(out);
        self.form.tail(out, self.empty);
    }

    /// The last comma waits: the item before it may have been the last.
    fn drop_comma(&self, out: &mut Vec<u8>) -> bool {
        let comma = !self.form.is_protobuf() && out.last() == Some(&b',');
        if comma {
            out.pop();
        }
        comma
    }
}

impl Iterator for Chunks {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.over {
            return None;
        }
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        out.append(&mut self.before);
        while out.len() < CHUNK_BYTES {
            let Some(object) = self.items.next() else {
                self.end(&mut out);
                return Some(Ok(out.into()));
            };
            let item = self.form.item(&self.registry.layout, &object, &mut out);
            if let Err(error) = item {
                // It could be read when it came into the cache, so this is a bug. A list that only lacks it would pass for whole,
                // and as protobuf would not be as long as it said.
                tracing::error!(key = &*object.key, error, "a list ends before an object");
                self.over = true;
                return Some(Err(CutShort));
            }
        }
        if self.drop_comma(&mut out) {
            self.before.push(b',');
        }
        Some(Ok(out.into()))
    }
}

/// The same for people to look at.
pub(super) struct Indented {
    compact: Chunks,
    indenter: Indenter,
}

impl Indented {
    pub(super) fn new(compact: Chunks) -> Self {
        Indented {
            compact,
            indenter: Indenter::default(),
        }
    }
}

impl Iterator for Indented {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let piece = self.compact.next()?;
        Some(piece.map(|piece| {
            let mut out = Vec::with_capacity(piece.len() * 5 / 2);
            self.indenter.push(&piece, &mut out);
            out.into()
        }))
    }
}
