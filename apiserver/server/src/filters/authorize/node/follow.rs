//! The graph kept level with the caches. Nothing runs while no node asks: each question first takes in what has changed since
//! the one before it, and begins anew from the caches' snapshots where that is no longer known.

use super::graph::{Graph, Kind, Vertex};
use crate::cacher::{Cached, Cacher, Event, Kind as Change, ResourceCache};
use parking_lot::Mutex;
use std::sync::Arc;
use triad_kv::Revision;

/// The resources that lead to nodes, and what they are in the graph.
const SOURCES: [(&str, Kind); 5] = [
    ("pods", Kind::Pod),
    ("persistentvolumes", Kind::Volume),
    ("volumeattachments", Kind::Attachment),
    ("resourceslices", Kind::Slice),
    ("podcertificaterequests", Kind::CertificateRequest),
];

pub(super) struct Followed {
    sources: Vec<(Arc<ResourceCache>, Kind)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    graph: Graph,
    /// How far each source has been taken in; empty before the first question.
    seen: Vec<Revision>,
}

impl Followed {
    pub(super) fn new(cacher: &Cacher) -> Option<Self> {
        let source = |(plural, kind): (&str, Kind)| {
            let cache = cacher.by_prefix(&format!("/registry/{plural}/"))?;
            Some((cache.clone(), kind))
        };
        Some(Followed {
            sources: SOURCES.into_iter().map(source).collect::<Option<_>>()?,
            state: Mutex::default(),
        })
    }

    pub(super) fn reaches(&self, vertex: &Vertex, node: &str) -> bool {
        let mut state = self.state.lock();
        self.level(&mut state);
        state.graph.reaches(vertex, node)
    }

    fn level(&self, state: &mut State) {
        if state.seen.is_empty() || !self.catch_up(state) {
            *state = self.anew();
        }
    }

    /// Takes in what has happened; false where some of it is no longer at hand.
    fn catch_up(&self, state: &mut State) -> bool {
        for (at, (cache, kind)) in self.sources.iter().enumerate() {
            let Some(events) = cache.events_after(state.seen[at]) else {
                return false;
            };
            for event in events {
                state.seen[at] = state.seen[at].max(event.revision);
                apply(&mut state.graph, cache, *kind, &event);
            }
        }
        true
    }

    fn anew(&self) -> State {
        let mut state = State::default();
        for (cache, kind) in &self.sources {
            let snapshot = cache.snapshot();
            for object in snapshot.all() {
                put(&mut state.graph, cache, *kind, object);
            }
            state.seen.push(snapshot.revision);
        }
        state
    }
}

fn apply(graph: &mut Graph, cache: &ResourceCache, kind: Kind, event: &Event) {
    let object = &event.object;
    match (event.kind, kind) {
        (Change::Put, _) => put(graph, cache, kind, object),
        (Change::Delete, Kind::Volume) => graph.remove_volume(object.name()),
        (Change::Delete, _) => graph.remove(&Vertex::new(kind, object.namespace(), object.name())),
    }
}

fn put(graph: &mut Graph, cache: &ResourceCache, kind: Kind, cached: &Cached) {
    // A pod that waits for a node concerns none; most of what happens to pods needs no tree then.
    if kind == Kind::Pod && cached.field("spec.nodeName").is_empty() {
        return;
    }
    let object = match cached.object(&cache.layout) {
        Ok(object) => object,
        Err(error) => {
            tracing::warn!(key = %cached.key, %error, "unreadable: nodes are given no access by it");
            return;
        }
    };
    let node = |at: &str| {
        object
            .pointer(at)
            .and_then(|name| name.as_str())
            .unwrap_or("")
            .to_owned()
    };
    let own = Vertex::new(kind, cached.namespace(), cached.name());
    match kind {
        Kind::Pod => graph.put_pod(&object),
        Kind::Volume => graph.put_volume(&object),
        _ => graph.put(own, &node("/spec/nodeName")),
    }
}
