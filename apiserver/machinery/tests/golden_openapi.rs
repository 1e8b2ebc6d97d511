//! Every document against what kube-apiserver gave (../shared/golden, outside the project; skipped where absent): the keys of
//! paths and definitions of all of them, and each byte of those in which nothing is described in words of our own.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha512};
use triad_machinery::openapi::{Descriptions, Documents};

/// The steps of the recorded case.
fn recorded() -> Option<Vec<Value>> {
    let file = "../../../shared/golden/suites/discovery.json";
    let text = std::fs::read_to_string(file).ok()?;
    let mut suite: Value = serde_json::from_str(&text).expect("the suite is JSON");
    let cases = suite["cases"].as_array_mut().expect("a suite has cases");
    let case = cases.iter_mut().find(|c| c["id"] == "openapi");
    serde_json::from_value(case.expect("the case openapi")["steps"].take()).ok()
}

/// The recorded index: name and hash of each document.
fn recorded_index(steps: &[Value]) -> Vec<(String, String)> {
    let step = steps.iter().find(|s| s["path"] == "/openapi/v3");
    let text = step.and_then(|s| s["expect"]["text"].as_str());
    let index: Value = serde_json::from_str(text.expect("the index is text")).expect("and JSON");
    let paths = index["paths"].as_object().expect("paths").iter();
    let hash = |entry: &Value| {
        let url = entry["serverRelativeURL"].as_str().expect("a URL");
        url.split_once("?hash=").expect("with a hash").1.to_owned()
    };
    paths
        .map(|(name, entry)| (name.to_string(), hash(entry)))
        .collect()
}

#[test]
fn documents_have_the_recorded_keys() {
    let Some(steps) = recorded() else { return };
    let documents = Documents::served_by_default("1.37");
    let descriptions = Descriptions::default();
    let mut compared = 0;
    for step in &steps {
        let Some(keys) = step["expect"]["keys"].as_object() else {
            continue;
        };
        let path = step["path"].as_str().expect("a path");
        let document = match path.strip_prefix("/openapi/v3/") {
            Some(name) => documents.v3(name, &descriptions).expect(name),
            None => documents.v2(&descriptions),
        };
        for (place, wanted) in keys {
            let place = match place.as_str() {
                "" => String::new(),
                place => format!("/{}", place.replace('.', "/")),
            };
            let object = document.pointer(&place).and_then(Value::as_object);
            let got: BTreeSet<&str> = object
                .expect("an object")
                .keys()
                .map(|key| key.as_str())
                .collect();
            let wanted = wanted.as_array().expect("keys").iter();
            let wanted: BTreeSet<&str> = wanted.filter_map(Value::as_str).collect();
            let missing: Vec<_> = wanted.difference(&got).collect();
            let extra: Vec<_> = got.difference(&wanted).collect();
            assert!(
                missing.is_empty() && extra.is_empty(),
                "{path} {place}: missing {missing:?}, extra {extra:?}"
            );
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} compared");
}

#[test]
fn the_index_has_the_recorded_names() {
    let Some(steps) = recorded() else { return };
    let wanted: Vec<String> = recorded_index(&steps)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(Documents::served_by_default("1.37").names(), wanted);
}

#[test]
fn documents_about_discovery_are_the_recorded_bytes() {
    let Some(steps) = recorded() else { return };
    let documents = Documents::served_by_default("1.37");
    let table = triad_docs::text();
    let descriptions = Descriptions::read(&table);
    let mut compared = 0;
    for (name, wanted) in recorded_index(&steps) {
        // Those of a group-version have parameters, which are described otherwise.
        let version = name.rsplit('/').next().unwrap_or("").starts_with('v') && name.contains('/');
        if version {
            continue;
        }
        let document = documents.v3(&name, &descriptions).expect("a document");
        let hash: String = Sha512::digest(document.to_string())
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        assert_eq!(hash, wanted, "{name}: {document}");
        compared += 1;
    }
    assert_eq!(compared, 26);
}
