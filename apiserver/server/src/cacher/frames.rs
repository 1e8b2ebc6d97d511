//! An event as watchers get it: encoded once for each form, whatever the number of watchers, and shared.

use super::{Cached, Event};
use crate::negotiate::Media;
use crate::storage::Layout;
use crate::wire;
use bytes::Bytes;
use std::sync::OnceLock;

/// What an event is to one watcher, by its selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Added,
    Modified,
    Deleted,
}

impl Seen {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Seen::Added => "ADDED",
            Seen::Modified => "MODIFIED",
            Seen::Deleted => "DELETED",
        }
    }
}

/// The forms of one event that somebody asked for, by `Seen` and media type. Nothing until then.
#[derive(Default)]
pub(super) struct Frames(OnceLock<Box<[OnceLock<Bytes>; 6]>>);

impl Event {
    /// The object that a watcher is shown: where it loses sight of one, the last state that it saw. The version is the event's.
    pub(crate) fn shown(&self, seen: Seen) -> &Cached {
        match (seen, &self.previous) {
            (Seen::Deleted, Some(previous)) => previous,
            _ => &self.object,
        }
    }

    /// The event in the storage version, framed as its media type asks; the bytes are the same for all watchers.
    pub(crate) fn frame(&self, layout: &Layout, seen: Seen, media: Media) -> Result<Bytes, String> {
        let at = seen as usize * 2 + usize::from(media == Media::Protobuf);
        let slot = &self.frames.0.get_or_init(Box::default)[at];
        if let Some(frame) = slot.get() {
            return Ok(frame.clone());
        }
        let object = self.shown(seen);
        let mut out = Vec::with_capacity(object.stored_len() * 3 / 2 + 256);
        put(&mut out, layout, object, self.revision, seen.text(), media)?;
        // Frames live as long as the ring keeps their event: no room that they do not need.
        out.shrink_to_fit();
        Ok(slot.get_or_init(|| out.into()).clone())
    }
}

/// Appends an object as an event of a watch, with the resourceVersion given.
pub(crate) fn put(
    out: &mut Vec<u8>,
    layout: &Layout,
    object: &Cached,
    revision: triad_kv::Revision,
    kind: &str,
    media: Media,
) -> Result<(), String> {
    if media == Media::Protobuf {
        let message = object.protobuf_at(layout, revision)?;
        let object = wire::envelope(&layout.group_version, &layout.resource.kind, &message);
        wire::put_event(out, kind, &object);
        return Ok(());
    }
    wire::put_event_line(out, kind, |out| object.json_at(layout, revision, out, true))
}
