//! The tree is the oracle: whatever is read without one must come out as it does by way of one.

use super::choices::Choices;
use super::{Known, Message, Revised};
use crate::codec::json::Gvk;
use crate::codec::{Strictness, json, protobuf};
use crate::defaults::{apply_defaults, settled};
use crate::meta;
use crate::schema::{TypeId, schema};
use crate::scheme::scheme;
use proptest::prelude::*;
use serde_json::{Value, json};

const REVISION: &str = "4711";
const GVK: Gvk<'static> = Gvk {
    api_version: "v1",
    kind: "Thing",
};

fn by_tree(message: &[u8], ty: TypeId) -> Value {
    let mut object = protobuf::decode_message(message, ty).expect("a message");
    apply_defaults(&mut object, ty);
    meta::set(&mut object, "resourceVersion", REVISION);
    object
}

/// What is read without a tree, where that is possible: JSON, JSON with its kind, protobuf.
fn without_tree(message: &[u8], ty: TypeId) -> Option<[Vec<u8>; 3]> {
    let message = Message::open(message, ty).filter(settled)?;
    let revised = Revised {
        message: &message,
        resource_version: REVISION,
    };
    let (mut bare, mut typed) = (Vec::new(), Vec::new());
    let known = revised.json(&mut bare, None, Known::Nothing)?;
    revised.json(&mut typed, Some(GVK), Known::Nothing)?;
    // Once it was written, it is written again with less looking.
    let mut again = Vec::new();
    revised.json(&mut again, None, known)?;
    assert_eq!(again, bare);
    let protobuf = revised.protobuf()?;
    assert_eq!(revised.protobuf_len(), Some(protobuf.len()));
    Some([bare, typed, protobuf])
}

/// Whether it could be read without a tree; if so, it reads as it does by way of one.
fn agrees(message: &[u8], ty: TypeId) -> bool {
    let Some([bare, typed, protobuf]) = without_tree(message, ty) else {
        return false;
    };
    let tree = by_tree(message, ty);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&bare), text(&json::encode(&tree, ty, None)));
    assert_eq!(text(&typed), text(&json::encode(&tree, ty, Some(GVK))));
    assert_eq!(protobuf, protobuf::encode_message(&tree, ty));
    // What was just encoded is written without a look at its texts.
    let own = protobuf::encode_message(&tree, ty);
    if let Some(own) = Message::open(&own, ty).filter(settled) {
        let (message, resource_version) = (&own, REVISION);
        let revised = Revised {
            message,
            resource_version,
        };
        for known in [Known::Texts, Known::Encoded] {
            let mut shown = Vec::new();
            let known = revised.json(&mut shown, None, known);
            assert!(known.is_none_or(|_| shown == bare));
        }
    }
    true
}

fn stored(name: &str, object: &Value) -> (TypeId, Vec<u8>) {
    let ty = schema().type_named(name).expect("a type");
    let text = serde_json::to_vec(object).expect("text");
    let mut tree = json::decode(&text, ty, Strictness::Ignore)
        .expect("an object")
        .value;
    apply_defaults(&mut tree, ty);
    (ty, protobuf::encode_message(&tree, ty))
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": "<1>"}, "creationTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}}}}}}]},
        "spec": {"containers": [{"name": "c", "image": "i:v1", "ports": [{"containerPort": 80}], "env": [{"name": "E", "value": "v"}],
                "resources": {"limits": {"cpu": "1500m", "memory": "128Mi"}, "requests": {"cpu": "0.1"}},
                "livenessProbe": {"httpGet": {"port": "http", "path": "/"}}, "readinessProbe": {"tcpSocket": {"port": 80}}}],
            "volumes": [{"name": "v", "configMap": {"name": "x"}}, {"name": "e", "emptyDir": {"sizeLimit": "1Gi"}}],
            "nodeSelector": {"os": "linux"}, "serviceAccountName": "default"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "startTime": "2026-01-02T03:04:05Z",
            "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-02T03:04:05Z"}]},
    })
}

#[test]
fn what_a_cluster_writes_all_day_needs_no_tree() {
    let meta = json!({"name": "x", "namespace": "n"});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]});
    for (name, object) in [
        ("core/v1.Pod", pod()),
        (
            "core/v1.ConfigMap",
            json!({"metadata": meta, "data": {"k": "v\n", "a": "&"}, "binaryData": {"b": "AAEC"}}),
        ),
        (
            "core/v1.Secret",
            json!({"metadata": meta, "data": {"k": "AAEC"}}),
        ),
        ("core/v1.Namespace", json!({"metadata": {"name": "x"}})),
        (
            "core/v1.Node",
            json!({"metadata": {"name": "x"}, "status": {"capacity": {"cpu": "4", "memory": "16Gi"}}}),
        ),
        (
            "core/v1.Event",
            json!({"metadata": meta, "reason": "r", "eventTime": "2026-01-02T03:04:05.123456Z", "count": 3}),
        ),
        (
            "core/v1.Service",
            json!({"metadata": meta, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}),
        ),
        ("core/v1.ServiceAccount", json!({"metadata": meta})),
        (
            "coordination/v1.Lease",
            json!({"metadata": meta, "spec": {"holderIdentity": "h", "renewTime": "2026-01-02T03:04:05.000001Z"}}),
        ),
        (
            "discovery/v1.EndpointSlice",
            json!({"metadata": meta, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        ),
        (
            "apps/v1.Deployment",
            json!({"metadata": meta, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
        ),
        (
            "apps/v1.ReplicaSet",
            json!({"metadata": meta, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
        ),
        (
            "apps/v1.DaemonSet",
            json!({"metadata": meta, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
        ),
        (
            "batch/v1.Job",
            json!({"metadata": meta, "spec": {"template": template}}),
        ),
    ] {
        let (ty, message) = stored(name, &object);
        assert!(agrees(&message, ty), "{name} was read as a tree");
    }
}

#[test]
fn what_lacks_defaults_is_left_to_the_tree() {
    let ty = schema().type_named("core/v1.Pod").expect("pods");
    let (_, whole) = stored("core/v1.Pod", &pod());
    let filled = protobuf::decode_message(&whole, ty).expect("a pod");
    for path in [
        "/spec/restartPolicy",
        "/spec/dnsPolicy",
        "/spec/containers/0/imagePullPolicy",
        "/spec/containers/0/ports/0/protocol",
        "/spec/containers/0/livenessProbe/periodSeconds",
        "/spec/containers/0/resources/requests/memory",
        "/spec/volumes/1/emptyDir",
        "/spec/volumes/0/configMap/defaultMode",
        "/spec/serviceAccount",
        "/status/podIPs",
        "/status/podIP",
    ] {
        let mut lacking = filled.clone();
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let parent = lacking.pointer_mut(parent).and_then(Value::as_object_mut);
        assert!(parent.expect(path).shift_remove(name).is_some(), "{path}");
        let message = protobuf::encode_message(&lacking, ty);
        assert!(without_tree(&message, ty).is_none(), "{path}");
    }
    let mut moved = filled;
    moved["spec"]["hostNetwork"] = true.into();
    assert!(without_tree(&protobuf::encode_message(&moved, ty), ty).is_none());
}

#[test]
fn what_nobody_writes_this_way_is_left_to_the_tree() {
    let (ty, message) = stored(
        "core/v1.ConfigMap",
        &json!({"metadata": {"name": "x"}, "data": {"k": "v"}}),
    );
    assert!(agrees(&message, ty));
    let unknown = [&message[..], b"\xfa\x01\x01x"].concat();
    let twice = [&message[..], &message[..]].concat();
    let cut = &message[..message.len() - 1];
    let unsorted = [&message[..], b"\x12\x06\x0a\x01a\x12\x01v"].concat();
    for odd in [&unknown[..], &twice, cut, &unsorted] {
        assert!(without_tree(odd, ty).is_none());
    }
}

#[test]
fn an_empty_number_or_text_is_filled_in_as_it_is_written() {
    let ty = schema().type_named("core/v1.ServicePort").expect("a type");
    let tree = json!({"port": 1, "targetPort": ""});
    let written = json::encode(&tree, ty, None);
    assert_eq!(written, br#"{"port":1,"targetPort":""}"#);
    let read = json::decode_untyped(&written, Strictness::Ignore).expect("JSON");
    assert_eq!(json::to_json_value(&tree, ty), read.value);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Objects of all stored kinds, with and without their defaults.
    #[test]
    fn without_a_tree_is_as_by_a_tree(bytes in prop::collection::vec(any::<u8>(), 64..256), kind in any::<prop::sample::Index>(), fill in any::<bool>()) {
        let kinds: Vec<TypeId> = scheme().resources().iter().filter(|r| r.storage.is_some()).filter_map(|r| r.type_id()).collect();
        let ty = *kind.get(&kinds);
        let mut object = Choices::new(&bytes).object(ty, 0);
        object["metadata"]["name"] = "x".into();
        if let Ok(decoded) = json::from_json_value(&object, ty, Strictness::Ignore) {
            let mut tree = decoded.value;
            if fill {
                apply_defaults(&mut tree, ty);
            }
            agrees(&protobuf::encode_message(&tree, ty), ty);
            let marshalled = json::decode_untyped(&json::encode(&tree, ty, None), Strictness::Ignore).expect("JSON").value;
            prop_assert_eq!(json::to_json_value(&tree, ty).to_string(), marshalled.to_string());
        }
    }

    /// Any bytes at all, made from a good message: no panic, and what is read is read rightly.
    #[test]
    fn damage_is_no_danger(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (ty, mut message) = stored("core/v1.Pod", &pod());
        let at = at.index(message.len());
        message[at] = byte;
        if cut {
            message.truncate(at);
        }
        if let Some([bare, ..]) = without_tree(&message, ty) {
            let tree = by_tree(&message, ty);
            prop_assert_eq!(bare, json::encode(&tree, ty, None));
        }
    }
}
