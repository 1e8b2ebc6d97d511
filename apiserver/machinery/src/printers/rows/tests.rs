//! The tree is the oracle: a row made of a message is the one that the whole tree gets.

use super::*;
use crate::codec::message::choices::Choices;
use crate::codec::{Message, Strictness, json, protobuf};
use crate::defaults::{apply_defaults, settled};
use crate::meta;
use crate::printers::columns_of;
use crate::scheme::{Resource, scheme};
use proptest::prelude::*;
use serde_json::json;

const NOW: i64 = 1_800_000_000;
const REVISION: &str = "4711";
const VERSION: &str = "meta.k8s.io/v1";
/// Words that cells look for, beside some that they do not.
const WORDS: [&str; 40] = [
    "",
    "a",
    "Ready",
    "True",
    "False",
    "Failed",
    "Succeeded",
    "Pending",
    "Running",
    "NodeLost",
    "Always",
    "PodScheduled",
    "SchedulingGated",
    "Initialized",
    "Completed",
    "PodInitializing",
    "InternalIP",
    "ExternalIP",
    "ClusterIP",
    "LoadBalancer",
    "ExternalName",
    "Complete",
    "Suspended",
    "Resource",
    "Pods",
    "Object",
    "External",
    "ContainerResource",
    "Denied",
    "Approved",
    "Issued",
    "Established",
    "Available",
    "Dangling",
    "User",
    "Group",
    "ServiceAccount",
    "ReadWriteOnce",
    "DisruptionTarget",
    "Healthy",
];

fn rows(resource: &Resource, include: IncludeObject) -> Option<Rows> {
    let columns = columns_of(&resource.group, &resource.kind);
    Rows::new(columns, include, VERSION.to_owned(), NOW)
}

/// The row of a message and of its tree; none where it takes the tree.
fn both(
    resource: &Resource,
    ty: TypeId,
    object: &Value,
    include: IncludeObject,
) -> Option<[String; 2]> {
    let rows = rows(resource, include)?;
    let bytes = protobuf::encode_message(object, ty);
    let message = Message::open(&bytes, ty).filter(settled)?;
    let (group_version, mut row, mut oracle) = (resource.group_version(), Vec::new(), Vec::new());
    let gvk = Gvk {
        api_version: &group_version,
        kind: &resource.kind,
    };
    let revised = Revised {
        message: &message,
        resource_version: REVISION,
    };
    rows.row(&mut row, &revised, gvk, Known::Nothing)?;
    let mut tree = protobuf::decode_message(&bytes, ty).expect("what was just encoded");
    meta::set(&mut tree, "resourceVersion", REVISION);
    tree["kind"] = gvk.kind.into();
    tree["apiVersion"] = gvk.api_version.into();
    rows.tree(&mut oracle, &tree, ty);
    Some([row, oracle].map(|bytes| String::from_utf8(bytes).expect("text")))
}

fn kinds() -> Vec<(&'static Resource, TypeId)> {
    let stored = scheme().resources().iter().filter(|r| r.storage.is_some());
    stored.filter_map(|r| Some((r, r.type_id()?))).collect()
}

fn pod() -> Value {
    json!({"metadata": {"name": "p", "namespace": "n", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}], "nodeName": "m"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
            "containerStatuses": [{"name": "c", "ready": true, "image": "i", "imageID": "x", "restartCount": 2, "state": {"running": {}}}]}})
}

fn filled(object: &Value, ty: TypeId) -> Value {
    let decoded = json::from_json_value(object, ty, Strictness::Ignore);
    let mut tree = decoded.expect("an object").value;
    apply_defaults(&mut tree, ty);
    tree
}

#[test]
fn a_row_of_a_pod_is_read_off_its_message() {
    let (resource, ty) = kinds()
        .into_iter()
        .find(|(r, _)| r.plural == "pods")
        .expect("pods");
    let shown = both(resource, ty, &filled(&pod(), ty), IncludeObject::Metadata);
    let [row, oracle] = shown.expect("no tree is needed");
    assert_eq!(row, oracle);
    let wanted = r#"{"cells":["p","1/2","Running","2","#;
    assert!(row.starts_with(wanted), "{row}");
    let object = r#""object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"p","namespace":"n","resourceVersion":"4711","creationTimestamp":"2026-01-02T03:04:05Z"}}}"#;
    assert!(row.ends_with(object), "{row}");
}

#[test]
fn storage_classes_need_each_other() {
    let columns = columns_of("storage.k8s.io", "StorageClass");
    assert!(Rows::new(columns, IncludeObject::None, VERSION.to_owned(), NOW).is_none());
}

#[test]
fn what_surrounds_rows() {
    let columns = columns_of("x", "Unknown");
    let rows = Rows::new(columns, IncludeObject::None, VERSION.to_owned(), NOW).expect("rows");
    let table = |headers: bool, row: &[u8]| {
        let mut out = Vec::new();
        rows.head(&mut out, &json!({"resourceVersion": "7"}), headers);
        out.extend_from_slice(row);
        rows.tail(&mut out, row.is_empty());
        String::from_utf8(out).expect("text")
    };
    let bare = r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},"columnDefinitions":null,"rows":"#;
    assert_eq!(table(false, b""), format!("{bare}null}}"));
    assert_eq!(table(false, b"{}"), format!("{bare}[{{}}]}}"));
    assert!(
        table(true, b"{}")
            .contains(r#""columnDefinitions":[{"name":"Name","type":"string","format":"name","#)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    /// What a cell reads and does not say it reads would be missing here.
    #[test]
    fn rows_of_messages_are_those_of_trees(bytes in prop::collection::vec(any::<u8>(), 64..256), kind in any::<prop::sample::Index>(), include in 0..3) {
        let kinds = kinds();
        let (resource, ty) = *kind.get(&kinds);
        let mut object = Choices::among(&bytes, &WORDS).object(ty, 0);
        object["metadata"]["name"] = "x".into();
        if json::from_json_value(&object, ty, Strictness::Ignore).is_ok() {
            let include = [IncludeObject::None, IncludeObject::Metadata, IncludeObject::Object][include as usize];
            if let Some([row, oracle]) = both(resource, ty, &filled(&object, ty), include) {
                prop_assert_eq!(row, oracle);
            }
        }
    }
}
