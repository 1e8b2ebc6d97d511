//! Patches against recorded answers of the reference: what each JSON, merge and strategic merge patch made of an object, and how it
//! was refused. Reads the recordings beside the repository and skips where they are absent; the tests beside the
//! patches prove the rules without them.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use triad_machinery::codec::Strictness;
use triad_machinery::codec::json::{from_json_value, to_json_value};
use triad_machinery::defaults::apply_defaults;
use triad_machinery::meta;
use triad_machinery::patch::json::JsonPatch;
use triad_machinery::patch::{PatchError, merge, strategic};
use triad_machinery::schema::{TypeId, schema};

const SUITES: [&str; 6] = [
    "patch_json",
    "patch_strategic",
    "crud_core",
    "crud_apps_batch",
    "crud_net_misc",
    "crud_storage_ext",
];

/// Steps whose answer the strategy had a hand in.
const BEYOND: &str = "patch_json/\"merge-lists\"/\"status-ignored\"";

fn suite(name: &str) -> Option<Value> {
    let root = Path::new("../../../shared/golden/suites");
    let text = std::fs::read_to_string(root.join(format!("{name}.json"))).ok()?;
    serde_json::from_str(&text).ok()
}

fn type_of(object: &Value) -> Option<TypeId> {
    let (group, version) = meta::group_version(meta::api_version(object));
    schema().kind(group, version, meta::kind(object))
}

fn patched(
    live: &Value,
    body: &Value,
    media_type: &str,
    id: TypeId,
) -> Option<Result<Value, PatchError>> {
    let live = live.clone();
    Some(match media_type {
        "application/json-patch+json" => {
            JsonPatch::from_value(body.clone(), true).and_then(|patch| patch.apply(live))
        }
        "application/merge-patch+json" => merge::apply(live, body, true),
        "application/strategic-merge-patch+json" => {
            strategic::apply(live, &mut body.clone(), schema(), id)
        }
        _ => return None,
    })
}

/// The object without what the server makes of a write, keys sorted.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = meta::metadata_mut(&mut object) {
        for key in ["resourceVersion", "generation", "managedFields"] {
            metadata.shift_remove(key);
        }
    }
    object.sort_all_objects();
    object
}

/// Placeholders of recorded times, made times again so that the object can be decoded.
fn with_times(object: &Value) -> Value {
    let text = object.to_string();
    let text = text
        .replace("<<time>>", "2026-01-01T00:00:00Z")
        .replace("<<mtime>>", "2026-01-01T00:00:00.000000Z");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

#[test]
fn patches_do_as_recorded() {
    let (mut applied, mut refused, mut bad) = (0, 0, Vec::new());
    for name in SUITES {
        let Some(suite) = suite(name) else { return };
        for case in suite["cases"].as_array().into_iter().flatten() {
            let mut stored: HashMap<&str, Value> = HashMap::new();
            let mut created: HashMap<String, Value> = HashMap::new();
            for step in case["steps"].as_array().into_iter().flatten() {
                let (path, query) = {
                    let full = step["path"].as_str().unwrap_or("");
                    full.split_once('?').unwrap_or((full, ""))
                };
                let answer = &with_times(&step["expect"]["json"]);
                let media_type = step["headers"]["Content-Type"].as_str().unwrap_or("");
                let status = step["expect"]["status"].as_u64().unwrap_or(0);
                let live = stored.get(path).or_else(|| created.get(path)).cloned();
                let body = step.get("body").cloned().or_else(|| {
                    step["text"]
                        .as_str()
                        .and_then(|text| serde_json::from_str(text).ok())
                });
                let place = format!("{name}/{}/{}", case["id"], step["id"]);
                let is_patch = step["method"] == "PATCH"
                    && !path.ends_with("/status")
                    && !path.ends_with("/scale");
                if let (true, Some(live), Some(body)) = (is_patch, &live, &body)
                    && let Some(id) = type_of(live)
                    && let Some(result) = patched(live, body, media_type, id)
                {
                    match result {
                        Err(error) => {
                            refused += 1;
                            let ours = error.to_status();
                            // An unknown directive is the client's fault, where the reference answers 500.
                            let same = u64::from(ours.code) == status
                                || matches!(error, PatchError::UnknownDirective(_));
                            if !same || ours.message != answer["message"].as_str().unwrap_or("") {
                                bad.push(format!(
                                    "{place}\n want {status} {}\n got  {}",
                                    answer["message"], ours
                                ));
                            }
                        }
                        Ok(result)
                            if status == 200
                                && answer["kind"] != "Status"
                                && !answer["metadata"].is_null() =>
                        {
                            applied += 1;
                            let Ok(decoded) = from_json_value(&result, id, Strictness::Ignore)
                            else {
                                bad.push(format!("{place}: does not decode"));
                                continue;
                            };
                            let mut object = decoded.value;
                            apply_defaults(&mut object, id);
                            let mut got = to_json_value(&object, id);
                            got["kind"] = answer["kind"].clone();
                            got["apiVersion"] = answer["apiVersion"].clone();
                            let (want, got) = (content(answer), content(&got));
                            if want != got && place != BEYOND {
                                bad.push(format!("{place}\n want {want}\n got  {got}"));
                            }
                        }
                        Ok(_) => {}
                    }
                }
                let kept =
                    status < 300 && !query.contains("dryRun=") && !meta::uid(answer).is_empty();
                if kept && step["compare"].is_null() && answer["kind"] != "Table" {
                    match step["method"].as_str() {
                        Some("POST") => {
                            created
                                .insert(format!("{path}/{}", meta::name(answer)), answer.clone());
                        }
                        _ => {
                            stored.insert(path, answer.clone());
                        }
                    }
                }
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} differ of {applied} applied and {refused} refused:\n{}",
        bad.len(),
        bad.join("\n")
    );
    assert!(
        applied > 200 && refused > 20,
        "only {applied} applied and {refused} refused patches were found"
    );
}
