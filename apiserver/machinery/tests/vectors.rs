//! Every recorded object goes through every encoding and comes back as it was. The recordings lie beside the repository; where
//! they are absent these tests say so and pass, and `codecs.rs` carries the proof by itself.

#![allow(
    clippy::print_stderr,
    reason = "figures and skips are for whoever runs the tests"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use triad_machinery::codec::{Strictness, json, protobuf, yaml};
use triad_machinery::schema::{TypeId, schema};

/// Objects with an either-or value (JSONSchemaPropsOrArray, ...OrBool) that is there but empty, or that has its unused half set:
/// no JSON text says so, and none of them can come from a client.
const NOT_IN_JSON: [&str; 5] = [
    "apiextensions.k8s.io.v1.CustomResourceDefinition.2",
    "apiextensions.k8s.io.v1.CustomResourceDefinition.3",
    "apiextensions.k8s.io.v1.CustomResourceDefinitionList.3",
    "apiextensions.k8s.io.v1beta1.CustomResourceDefinition.3",
    "apiextensions.k8s.io.v1beta1.CustomResourceDefinitionList.3",
];

fn vectors(set: &str) -> Option<BTreeMap<String, PathBuf>> {
    let dir = PathBuf::from("../../../shared/vectors").join(set);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: no recordings at {}", dir.display());
        return None;
    };
    let files = entries
        .filter_map(Result::ok)
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()));
    Some(files.collect())
}

fn type_of(text: &[u8]) -> (TypeId, String) {
    let meta = json::interpret(text).unwrap();
    let (group, version) = meta.group_version();
    let kind = if meta.kind.is_empty() {
        "WatchEvent"
    } else {
        &meta.kind
    };
    let id = schema().kind(group, version, kind);
    (id.unwrap_or_else(|| panic!("{meta:?}")), meta.kind)
}

#[test]
fn json_returns_itself() {
    let mut count = 0;
    let mut bad = Vec::new();
    for set in ["HEAD", "sparse", "v1.34.0", "v1.35.0", "v1.36.0"] {
        let Some(files) = vectors(set) else { return };
        for (name, path) in files
            .iter()
            .filter(|(n, _)| n.ends_with(".json") && !n.contains(".after_roundtrip."))
        {
            if NOT_IN_JSON.iter().any(|n| name.starts_with(n)) {
                continue;
            }
            let input = std::fs::read(path).unwrap();
            let after = files.get(&name.replace(".json", ".after_roundtrip.json"));
            let expected = after.map_or_else(|| input.clone(), |p| std::fs::read(p).unwrap());
            count += 1;
            let (id, _) = type_of(&input);
            let decoded = match json::decode(&input, id, Strictness::Ignore) {
                Ok(decoded) => decoded,
                Err(error) => {
                    bad.push(format!("{set}/{name}: {error}"));
                    continue;
                }
            };
            let mut output = json::encode(&decoded.value, id, None);
            if expected.contains(&b'\n')
                && expected.iter().position(|b| *b == b'\n') != Some(expected.len() - 1)
            {
                output = json::pretty(&output);
            } else if expected.ends_with(b"\n") {
                output.push(b'\n');
            }
            if output != expected {
                let at = output
                    .iter()
                    .zip(&expected)
                    .position(|(a, b)| a != b)
                    .unwrap_or(output.len().min(expected.len()));
                let near = |b: &[u8]| {
                    String::from_utf8_lossy(&b[at.saturating_sub(60)..(at + 60).min(b.len())])
                        .into_owned()
                };
                bad.push(format!(
                    "{set}/{name} at {at}:\n  got  {}\n  want {}",
                    near(&output),
                    near(&expected)
                ));
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {count}:\n{}",
        bad.len(),
        bad[..bad.len().min(20)].join("\n")
    );
    eprintln!("{count} JSON recordings");
}

#[test]
fn protobuf_returns_itself_and_its_json() {
    let mut count = 0;
    let mut bad = Vec::new();
    for set in ["HEAD", "sparse", "v1.34.0", "v1.35.0", "v1.36.0"] {
        let Some(files) = vectors(set) else { return };
        for (name, path) in files
            .iter()
            .filter(|(n, _)| n.ends_with(".pb") && !n.contains(".after_roundtrip."))
        {
            if NOT_IN_JSON.iter().any(|n| name.starts_with(n)) {
                continue;
            }
            let input = std::fs::read(path).unwrap();
            let sibling = |suffix: &str| {
                files
                    .get(&name.replace(".pb", suffix))
                    .map(|p| std::fs::read(p).unwrap())
            };
            let expected = sibling(".after_roundtrip.pb").unwrap_or_else(|| input.clone());
            let text = sibling(".after_roundtrip.json")
                .or_else(|| sibling(".json"))
                .unwrap();
            count += 1;
            let (id, _) = type_of(&text);
            let value = match protobuf::decode(&input, id) {
                Ok(value) => value,
                Err(error) => {
                    bad.push(format!("{set}/{name}: {error}"));
                    continue;
                }
            };
            if protobuf::encode(&value, id, None) != expected {
                bad.push(format!("{set}/{name}: protobuf differs"));
            }
            let from_json = json::decode(&text, id, Strictness::Ignore).unwrap().value;
            if protobuf::encode(&from_json, id, None) != expected {
                bad.push(format!("{set}/{name}: protobuf from JSON differs"));
            }
            let compact = json::encode(&value, id, None);
            if compact != text.strip_suffix(b"\n").unwrap_or(&text)
                && json::pretty(&compact) != text
            {
                bad.push(format!("{set}/{name}: JSON differs"));
            }
            if value != from_json {
                bad.push(format!(
                    "{set}/{name}: the trees differ\n {value}\n {from_json}"
                ));
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {count}:\n{}",
        bad.len(),
        bad[..bad.len().min(40)].join("\n")
    );
    eprintln!("{count} protobuf recordings");
}

#[test]
fn yaml_returns_itself() {
    let (mut count, mut bad) = (0, Vec::new());
    for set in ["HEAD", "v1.34.0", "v1.35.0", "v1.36.0", "sparse"] {
        let Some(files) = vectors(set) else { return };
        for (name, path) in files
            .iter()
            .filter(|(n, _)| n.ends_with(".json") && !n.contains(".after_roundtrip."))
        {
            if NOT_IN_JSON.iter().any(|n| name.starts_with(n)) {
                continue;
            }
            let sibling = |suffix: &str| {
                files
                    .get(&name.replace(".json", suffix))
                    .map(|p| std::fs::read(p).unwrap())
            };
            let text =
                sibling(".after_roundtrip.json").unwrap_or_else(|| std::fs::read(path).unwrap());
            let (id, _) = type_of(&text);
            let tree = json::decode(&text, id, Strictness::Ignore).unwrap().value;
            let written = yaml::encode(&tree, id, None);
            count += 1;
            let read = yaml::decode(&written, id, Strictness::Report);
            if read.as_ref().map(|d| &d.value) != Ok(&tree) {
                bad.push(format!("{set}/{name}: reads back as {read:?}"));
            }
            if let Some(recorded) = sibling(".yaml") {
                let recorded_tree =
                    yaml::decode(&recorded, id, Strictness::Report).map(|d| d.value);
                let before = sibling(".after_roundtrip.json")
                    .map_or(recorded_tree.clone(), |_| Ok(tree.clone()));
                if before != Ok(tree) {
                    bad.push(format!(
                        "{set}/{name}: the recorded YAML reads differently: {recorded_tree:?}"
                    ));
                }
            }
            let recorded = sibling(".after_roundtrip.yaml").or_else(|| sibling(".yaml"));
            if let Some(recorded) = recorded.filter(|r| *r != written) {
                let at = written
                    .iter()
                    .zip(&recorded)
                    .position(|(a, b)| a != b)
                    .unwrap_or(0);
                let near = |b: &[u8]| {
                    String::from_utf8_lossy(&b[at.saturating_sub(60)..(at + 60).min(b.len())])
                        .into_owned()
                };
                bad.push(format!(
                    "{set}/{name}: written differently\n  got  {}\n  want {}",
                    near(&written),
                    near(&recorded)
                ));
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {count}:\n{}",
        bad.len(),
        bad[..bad.len().min(20)].join("\n")
    );
    eprintln!("{count} YAML documents");
}
