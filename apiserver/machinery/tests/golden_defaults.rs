//! Defaults against recorded answers: everything that defaulting says of a created object is in the answer to its creation, and
//! the answer's spec says nothing more (but for what the server itself decides). Skipped where the recordings are absent.

#![allow(
    clippy::print_stderr,
    reason = "figures and skips are for whoever runs the tests"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use triad_machinery::codec::{Strictness, json};
use triad_machinery::defaults::apply_defaults;
use triad_machinery::schema::schema;

/// What the server decides: allocation, admission, strategies (fields of closed feature gates are dropped there too), and lists
/// that storage returns as nil. None of it is defaulting.
const BY_THE_SERVER: &[&str] = &[
    "CertificateSigningRequest spec.groups",
    "CertificateSigningRequest spec.uid",
    "CertificateSigningRequest spec.username",
    "EndpointSlice endpoints[].deprecatedTopology",
    "Job spec.scheduling",
    "Job spec.selector",
    "Job spec.template.metadata.labels",
    "Job spec.template.spec.evictionResponders",
    "Job spec.template.spec.schedulingGroup",
    "Lease spec.preferredHolder",
    "Lease spec.strategy",
    "Namespace spec.finalizers",
    "Node spec.configSource",
    "Node spec.taints",
    "PersistentVolumeClaim spec.dataSource",
    "PersistentVolumeClaim spec.dataSourceRef",
    "Pod spec.containers[].lifecycle",
    "Pod spec.containers[].volumeMounts",
    "Pod spec.initContainers[].volumeMounts",
    "Pod spec.preemptionPolicy",
    "Pod spec.priority",
    "Pod spec.serviceAccount",
    "Pod spec.serviceAccountName",
    "Pod spec.tolerations",
    "Pod spec.volumes",
    "ResourceClaim spec.devices.requests",
    "ResourceClaim spec.devices.requests[].exactly.derivedAttributes",
    "ResourceSlice spec.partitionTypeAttribute",
    "ResourceSlice spec.skipNodeOperations",
    "Secret data",
    "Secret data.stringDataKey",
    "Secret stringData",
    "Service spec.clusterIP",
    "Service spec.clusterIPs",
    "Service spec.ipFamilies",
    "Service spec.ipFamilyPolicy",
    "Service spec.ports[].nodePort",
    "ServiceAccount secrets[].apiVersion",
    "ServiceAccount secrets[].fieldPath",
    "ServiceAccount secrets[].kind",
    "StatefulSet spec.template.spec.evictionResponders",
    "StatefulSet spec.template.spec.schedulingGroup",
];

fn differences(
    kind: &str,
    path: &str,
    got: &Value,
    want: &Value,
    out: &mut BTreeMap<String, (usize, String)>,
) {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            for (key, value) in got {
                let path = format!("{path}.{key}");
                match want.get(key) {
                    Some(other) => differences(kind, &path, value, other, out),
                    None => note(out, kind, &path, format!("not in the answer: {value}")),
                }
            }
            for (key, value) in want.iter().filter(|(k, _)| !got.contains_key(*k)) {
                note(
                    out,
                    kind,
                    &format!("{path}.{key}"),
                    format!("only in the answer: {value}"),
                );
            }
        }
        (Value::Array(got), Value::Array(want)) if got.len() == want.len() => {
            got.iter()
                .zip(want)
                .for_each(|(g, w)| differences(kind, &format!("{path}[]"), g, w, out));
        }
        (_, Value::String(want)) if want.contains("<<") || want.contains("${") => {}
        (got, want) if got == want => {}
        (got, want) => note(out, kind, path, format!("{got} is {want} in the answer")),
    }
}

fn note(out: &mut BTreeMap<String, (usize, String)>, kind: &str, path: &str, message: String) {
    let path = path.trim_start_matches('.');
    let key = format!("{kind} {path}");
    if !BY_THE_SERVER.contains(&key.as_str()) {
        let entry = out.entry(key).or_insert((0, message));
        entry.0 += 1;
    }
}

#[test]
fn created_objects_have_their_defaults() {
    let dir = PathBuf::from("../../../shared/golden/suites");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: no recordings at {}", dir.display());
        return;
    };
    let (mut out, mut count) = (BTreeMap::new(), 0);
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("crud") && !name.starts_with("validation") {
            continue;
        }
        let suite: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        for case in suite["cases"].as_array().into_iter().flatten() {
            for step in case["steps"].as_array().into_iter().flatten() {
                let (body, answer) = (&step["body"], &step["expect"]["json"]);
                let created =
                    step["method"] == "POST" && step["expect"]["status"] == 201 && body.is_object();
                if !created
                    || body["kind"] != answer["kind"]
                    || body["apiVersion"] != answer["apiVersion"]
                {
                    continue;
                }
                let kind = body["kind"].as_str().unwrap();
                let (group, version) = body["apiVersion"]
                    .as_str()
                    .unwrap()
                    .split_once('/')
                    .unwrap_or(("", body["apiVersion"].as_str().unwrap()));
                let Some(id) = schema().kind(group, version, kind) else {
                    continue;
                };
                let mut tree =
                    json::decode(&serde_json::to_vec(body).unwrap(), id, Strictness::Ignore)
                        .unwrap()
                        .value;
                apply_defaults(&mut tree, id);
                let mut filled = json::to_json_value(&tree, id);
                let mut answer = answer.clone();
                for object in [&mut filled, &mut answer] {
                    let map = object.as_object_mut().unwrap();
                    map.remove("metadata");
                    map.remove("status");
                }
                differences(kind, "", &filled, &answer, &mut out);
                count += 1;
            }
        }
    }
    eprintln!("{count} created objects");
    let lines: Vec<String> = out
        .iter()
        .map(|(k, (n, m))| format!("{n:4} {k}: {m}"))
        .collect();
    assert!(
        lines.is_empty(),
        "{} differences:\n{}",
        lines.len(),
        lines.join("\n")
    );
}
