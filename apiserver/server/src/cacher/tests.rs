//! What the cache reads off stored bytes is what a tree would say, and what watchers share is made once.

pub(crate) mod bed;
mod following;
mod prepared;

use super::frames::{Frames, Seen};
use super::header::Header;
use super::{Cached, Event, Kind};
use crate::endpoint::layouts;
use crate::negotiate::Media;
use crate::storage::Layout;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_kv::{Entry, Revision};
use triad_machinery::codec::{Strictness, json as json_codec};
use triad_machinery::defaults::apply_defaults;
use triad_machinery::printers::{IncludeObject, Rows, columns_of};

pub(super) fn layout(plural: &str) -> Layout {
    let all = layouts();
    let found = all
        .into_iter()
        .find(|layout| layout.resource.plural == plural);
    found.expect(plural)
}

pub(super) fn stored(layout: &Layout, object: &Value, filled: bool) -> Bytes {
    let decoded = json_codec::from_json_value(object, layout.ty, Strictness::Ignore);
    let mut object = decoded.expect("an object").value;
    if filled {
        apply_defaults(&mut object, layout.ty);
    }
    layout.encode(&mut object)
}

fn cached(layout: &Layout, object: &Value, revision: u64) -> Arc<Cached> {
    let revision = Revision(revision);
    let entry = Entry {
        key: layout.key("n", "x").into(),
        value: stored(layout, object, true),
        create_revision: revision,
        mod_revision: revision,
        version: 1,
        expires_at: None,
    };
    Arc::new(Cached::new(layout, &entry).expect("a sound object"))
}

fn event(layout: &Layout, revision: u64, data: &str, previous: Option<Arc<Cached>>) -> Event {
    let object = json!({"metadata": {"name": "x", "namespace": "n"}, "data": {"k": data}});
    Event {
        revision: Revision(revision),
        kind: Kind::Put,
        object: cached(layout, &object, revision),
        previous,
        frames: Frames::default(),
    }
}

#[test]
fn headers_read_off_the_bytes_are_those_of_the_tree() {
    let meta = json!({"name": "x", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": "1"}, "finalizers": ["orphan", "x.io/y"],
        "deletionTimestamp": "2026-01-02T03:04:05Z",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "ru", "blockOwnerDeletion": true}, {"apiVersion": "v1", "kind": "Node", "name": "m", "uid": "mu"}]});
    let pod =
        json!({"containers": [{"name": "c", "image": "i"}], "nodeName": "m", "hostNetwork": true});
    for (plural, object) in [
        (
            "pods",
            json!({"metadata": meta, "spec": pod, "status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "podIP": "10.0.0.1", "nominatedNodeName": "o"}}),
        ),
        (
            "pods",
            json!({"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c"}], "restartPolicy": "Never"}}),
        ),
        (
            "nodes",
            json!({"metadata": meta, "spec": {"unschedulable": true}}),
        ),
        ("nodes", json!({"metadata": {"name": "x"}})),
        (
            "events",
            json!({"metadata": meta, "involvedObject": {"kind": "Pod", "name": "p"}, "reason": "r", "type": "Normal", "source": {"component": "kubelet"}}),
        ),
        (
            "events",
            json!({"metadata": meta, "reportingComponent": "x"}),
        ),
        (
            "replicasets",
            json!({"metadata": meta, "spec": {"selector": {}, "template": {"spec": pod}}, "status": {"replicas": 3}}),
        ),
        (
            "jobs",
            json!({"metadata": meta, "spec": {"template": {"spec": pod}}, "status": {"succeeded": 2}}),
        ),
        ("secrets", json!({"metadata": meta, "type": "x/y"})),
        (
            "namespaces",
            json!({"metadata": {"name": "x"}, "status": {"phase": "Active"}}),
        ),
        ("leases", json!({"metadata": meta})),
    ] {
        let layout = layout(plural);
        let bytes = stored(&layout, &object, true);
        let message = layout.settled(&bytes).expect("a message with its defaults");
        let read = Header::read(&layout, &message).expect("a header");
        let tree = layout.decode(&bytes, Revision(1)).expect("a tree");
        assert_eq!(Some(read), Header::of(&layout, &tree), "{plural}");
    }
}

#[test]
fn an_object_without_its_defaults_is_cached_with_them() {
    let layout = layout("pods");
    let bare = json!({"metadata": {"name": "x", "namespace": "n"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let entry = Entry {
        key: layout.key("n", "x").into(),
        value: stored(&layout, &bare, false),
        create_revision: Revision(1),
        mod_revision: Revision(7),
        version: 1,
        expires_at: None,
    };
    let cached = Cached::new(&layout, &entry).expect("a sound object");
    assert_eq!(cached.field("spec.restartPolicy"), "Always");
    let mut text = Vec::new();
    let shown = cached.json_at(&layout, cached.revision, &mut text, true);
    shown.expect("JSON");
    let shown: Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(shown["spec"]["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(shown["metadata"]["resourceVersion"], "7");
    let message = cached.protobuf(&layout).expect("protobuf");
    assert_eq!(message.len(), cached.message_len());
}

#[test]
fn all_watchers_of_a_form_share_one_frame() {
    let layout = layout("configmaps");
    let event = event(&layout, 5, "v", None);
    let frame = |seen, media| event.frame(&layout, seen, media).expect("a frame");
    let (one, two) = (
        frame(Seen::Added, Media::Json),
        frame(Seen::Added, Media::Json),
    );
    assert_eq!(one.as_ptr(), two.as_ptr());
    assert_ne!(one, frame(Seen::Modified, Media::Json));
    let text = String::from_utf8(one.to_vec()).expect("JSON");
    let wanted = r#"{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"n","resourceVersion":"5""#;
    assert!(text.starts_with(wanted) && text.ends_with("}\n"), "{text}");
    let binary = frame(Seen::Added, Media::Protobuf);
    let length = u32::from_be_bytes([binary[0], binary[1], binary[2], binary[3]]);
    assert_eq!(length as usize, binary.len() - 4);
}

#[test]
fn who_loses_sight_of_an_object_sees_its_last_state_at_the_revision_of_the_change() {
    let layout = layout("configmaps");
    let before = event(&layout, 5, "before", None).object;
    let event = event(&layout, 9, "after", Some(before));
    let frame = event
        .frame(&layout, Seen::Deleted, Media::Json)
        .expect("a frame");
    let shown: Value = serde_json::from_slice(&frame).expect("JSON");
    assert_eq!(shown["type"], "DELETED");
    assert_eq!(shown["object"]["data"]["k"], "before");
    assert_eq!(shown["object"]["metadata"]["resourceVersion"], "9");
}

/// Raw JSON that Go would write in another way stands in the object, not in its metadata.
#[test]
fn what_is_known_of_metadata_is_not_taken_for_known_of_the_object() {
    let layout = layout("controllerrevisions");
    let object =
        json!({"metadata": {"name": "x", "namespace": "n"}, "revision": 1, "data": {"a": "<"}});
    let object = cached(&layout, &object, 7);
    let columns = columns_of("apps", "ControllerRevision");
    let row = |include| {
        let rows = Rows::new(columns, include, "meta.k8s.io/v1".to_owned(), 0).expect("rows");
        let mut out = Vec::new();
        let written = object.row(&layout, &rows, object.revision, &mut out);
        written.expect("a row");
        String::from_utf8(out).expect("text")
    };
    for _ in 0..2 {
        row(IncludeObject::Metadata);
        let whole = row(IncludeObject::Object);
        assert!(whole.contains(r#""data":{"a":"\u003c"}"#), "{whole}");
    }
}

/// Long enough, and alike enough, to be worth packing.
fn listed(revision: u64) -> (Layout, Arc<Cached>) {
    let layout = layout("configmaps");
    let data: serde_json::Map<String, Value> = (0..200)
        .map(|at| (format!("key-{at:04}"), "the same <value> again".into()))
        .collect();
    let object = json!({"metadata": {"name": "x", "namespace": "n"}, "data": data});
    let object = cached(&layout, &object, revision);
    (layout, object)
}

#[test]
fn packed_json_is_what_was_packed() {
    // Others that are stored make room.
    let _others: Vec<_> = (0..20).map(listed).collect();
    let (layout, object) = listed(7);
    let typed = |revision| {
        let mut out = Vec::new();
        let shown = object.json_at(&layout, Revision(revision), &mut out, true);
        shown.map(|()| out).expect("JSON")
    };
    let item = || {
        let mut out = b"before".to_vec();
        object.item(&layout, &mut out).expect("JSON");
        out
    };
    let (made, whole, at_nine) = (item(), typed(7), typed(9));
    assert!(!object.is_packed(), "it was listed only once");
    assert_eq!(item(), made);
    assert!(object.is_packed());
    assert_eq!(item(), made);
    assert_eq!(typed(7), whole);
    assert_eq!(
        typed(9),
        at_nine,
        "another resourceVersion is not what was packed"
    );
    object.forget_packed();
    assert_eq!(item(), made);
}

/// Whatever an object can be selected by is in its marks.
#[test]
fn an_object_may_fit_what_takes_it() {
    use super::{Held, Marks};
    use triad_machinery::selector::{FieldSelector, LabelSelector};
    let layout = layout("pods");
    let pod = json!({"metadata": {"name": "x", "namespace": "n", "labels": {"app": "web", "empty": ""}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}, "status": {"phase": "Running", "podIP": "10.0.0.1"}});
    let held = Held::new(cached(&layout, &pod, 7));
    for field in &layout.resource.selectable {
        let field = layout.resource.selected_as(field);
        let fields = format!("{field}={}", held.field(field));
        let fields = FieldSelector::parse(&fields).expect("a selector");
        let wanted = Marks::wanted(&LabelSelector::everything(), &fields);
        assert!(held.marks.may_fit(wanted), "{fields}");
    }
    for (labels, may_fit) in [
        ("app=web", true),
        ("empty=", true),
        ("app in (web)", true),
        ("app=api", false),
        ("app in (api, db)", true),
    ] {
        let labels = LabelSelector::parse(labels).expect("a selector");
        let wanted = Marks::wanted(&labels, &FieldSelector::default());
        assert_eq!(held.marks.may_fit(wanted), may_fit, "{labels}");
    }
    let elsewhere = FieldSelector::parse("spec.nodeName=node-2").expect("a selector");
    let wanted = Marks::wanted(&LabelSelector::everything(), &elsewhere);
    assert!(!held.marks.may_fit(wanted));
}
