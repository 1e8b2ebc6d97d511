//! What a write leaves as it was is neither compared nor written anew; the outcome is as if it were.

use super::*;

/// Places of a Deployment, and what may stand there; null takes it away.
const PLACES: &[(&str, &[&str])] = &[
    (
        "/metadata/labels",
        &["null", "{}", r#"{"a":"1"}"#, r#"{"a":"2","b":"1"}"#],
    ),
    (
        "/metadata/ownerReferences",
        &[
            "null",
            r#"[{"apiVersion":"v1","kind":"A","name":"a","uid":"u"}]"#,
        ],
    ),
    ("/spec/replicas", &["null", "1", "2"]),
    ("/spec/paused", &["null", "true", "false"]),
    (
        "/spec/selector",
        &[
            "null",
            r#"{"matchLabels":{"a":"1"}}"#,
            r#"{"matchLabels":{"a":"1","b":"1"}}"#,
            "{}",
        ],
    ),
    (
        "/spec/strategy",
        &[
            "null",
            "{}",
            r#"{"type":"Recreate"}"#,
            r#"{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}"#,
        ],
    ),
    (
        "/spec/template/metadata",
        &["null", "{}", r#"{"labels":{"a":"1"}}"#],
    ),
    (
        "/spec/template/spec/securityContext",
        &[
            "null",
            "{}",
            r#"{"runAsUser":1}"#,
            r#"{"sysctls":[{"name":"a","value":"b"}]}"#,
        ],
    ),
    (
        "/spec/template/spec/containers",
        &[
            "null",
            r#"[{"name":"a","image":"x"}]"#,
            r#"[{"name":"a","image":"y","ports":[{"containerPort":80}]},{"name":"b","image":"x"}]"#,
            r#"[{"name":"b","image":"x","resources":{"limits":{"cpu":"1"}}},{"name":"b","image":"x"}]"#,
            r#"[{"image":"x","ports":[{"containerPort":80,"protocol":"UDP"},{"containerPort":80,"protocol":"TCP"}]}]"#,
        ],
    ),
    (
        "/spec/template/spec/tolerations",
        &["null", r#"[{"key":"a"}]"#, r#"[{"key":"a"},{"key":"b"}]"#],
    ),
    (
        "/spec/template/spec/imagePullSecrets",
        &["null", r#"[{}]"#, r#"[{"name":"a"}]"#],
    ),
    ("/spec/unknown", &["null", "1"]),
    (
        "/status/conditions",
        &[
            "null",
            r#"[{"type":"A","status":"True"}]"#,
            r#"[{"type":"A","status":"False"},{"type":"B","status":""}]"#,
            r#"[{}]"#,
        ],
    ),
    (
        "/status/observedGeneration",
        &["null", "0", "1", r#""one""#],
    ),
];

/// An object with other things in some places.
pub(super) fn changed(
    mut object: Value,
    changes: &[(prop::sample::Index, prop::sample::Index)],
) -> Value {
    for (place, what) in changes {
        let (pointer, values) = PLACES[place.index(PLACES.len())];
        let value: Value = serde_json::from_str(values[what.index(values.len())]).expect("JSON");
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = parent
            .split('/')
            .skip(1)
            .fold(&mut object, |object, step| &mut object[step]);
        match value {
            Value::Null => drop(
                parent
                    .as_object_mut()
                    .map(|parent| parent.shift_remove(name)),
            ),
            value => parent[name] = value,
        }
    }
    object
}

pub(super) fn any_changes() -> impl Strategy<Value = Vec<(prop::sample::Index, prop::sample::Index)>>
{
    prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..8)
}

proptest! {
    /// Leaving out what is the same finds what a look at all of both objects finds.
    #[test]
    fn what_is_the_same_need_not_be_looked_at(first in any_changes(), second in any_changes(), third in any_changes()) {
        let kind = Kind::new("apps/v1", "Deployment");
        let mut live = changed(json!({"metadata": {}, "spec": {"template": {"spec": {}}}, "status": {}}), &first);
        live = kind.created("one", live);
        for (manager, changes) in [("two", &second), ("one", &third)] {
            let mut new = changed(live.clone(), changes);
            let (context, managed) = (kind.context(manager, T2), Managed::of(&live).expect("entries"));
            let quick = update::tracked(&live, &new, managed.clone(), manager, &context);
            let whole = update::tracked_whole(&live, &new, managed, manager, &context);
            prop_assert_eq!(&quick, &whole);
            // And what is written says what is meant, though some of it was not written anew.
            if let Ok(quick) = &quick {
                let written = quick.to_value();
                quick.store(&mut new);
                let read = Managed::of(&new).expect("entries");
                prop_assert_eq!(&read, quick);
                for entry in read.0.values() {
                    prop_assert_eq!(entry.fields.set_value().to_string(), entry.fields.to_value().to_string());
                }
                prop_assert_eq!(read.to_value(), written);
                live = new;
            }
        }
    }
}

/// A client may send the entries back in an order of its own; what is stored is in upstream's.
#[test]
fn entries_of_a_client_are_put_in_order() {
    let kind = Kind::new("v1", "ConfigMap");
    let live = kind.created("m", json!({"data": {"a": "1", "b": "1"}}));
    let in_order = live
        .pointer("/metadata/managedFields/0/fieldsV1")
        .expect("fields")
        .to_string();
    let mut sent = live.clone();
    let data = &mut sent["metadata"]["managedFields"][0]["fieldsV1"]["f:data"];
    *data = json!({"f:b": {}, "f:a": {}, ".": {}});
    update(Some(&live), &mut sent, &kind.context("n", T2));
    let stored = sent
        .pointer("/metadata/managedFields/0/fieldsV1")
        .expect("fields");
    assert_eq!(stored.to_string(), in_order);
}
