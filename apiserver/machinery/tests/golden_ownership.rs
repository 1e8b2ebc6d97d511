//! Field ownership against recorded answers of the reference: what `managedFields` each create, update, patch and apply gave.
//! Reads the recordings beside the repository and skips where they are absent; `src/managed_fields/tests.rs` proves
//! the rules without them.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use triad_machinery::managed_fields::{
    Context, OneVersion, ResetFields, apply, manager_name, reset_fields, update,
};
use triad_machinery::meta;
use triad_machinery::schema::{TypeId, schema};

/// What admission and strategies put into objects after ownership has been worked out: kind and place.
const SERVER_MADE: &[(&str, &str)] = &[
    ("PersistentVolumeClaim", "/metadata/finalizers"),
    ("PersistentVolume", "/metadata/finalizers"),
    ("VolumeAttributesClass", "/metadata/finalizers"),
    ("Pod", "/spec/containers/0/volumeMounts"),
    ("Pod", "/spec/containers/1/volumeMounts"),
    ("Pod", "/spec/volumes"),
    ("Pod", "/spec/preemptionPolicy"),
    ("Pod", "/spec/priority"),
    ("Pod", "/spec/serviceAccount"),
    ("Pod", "/spec/serviceAccountName"),
    ("Pod", "/spec/tolerations"),
    ("Service", "/spec/clusterIP"),
    ("Service", "/spec/clusterIPs"),
    ("Service", "/spec/ipFamilies"),
    ("Service", "/spec/ipFamilyPolicy"),
    ("Namespace", "/spec/finalizers"),
    ("Node", "/spec/taints"),
    ("Job", "/spec/selector"),
    ("Job", "/spec/template/metadata/labels"),
];

/// Steps whose ownership depends on more than the object: controllers inside the server write status in between,
/// conversion adds an annotation, or storage turned an empty list into null before it was answered.
const BEYOND: &[&str] = &[
    "apps.v1.daemonsets.status/put-status",
    "autoscaling.v2.horizontalpodautoscalers.status/put-status",
    "flowcontrol.apiserver.k8s.io.v1.flowschemas.crud/update",
    "apiextensions.k8s.io.v1.customresourcedefinitions.crud/update",
    "apiregistration.k8s.io.v1.apiservices.crud/update",
    "errors/rv-on-create",
];

fn suite(name: &str) -> Option<Value> {
    let root = Path::new("../../../shared/golden/suites");
    let text = std::fs::read_to_string(root.join(name)).ok()?;
    serde_json::from_str(&text).ok()
}

fn text<'a>(step: &'a Value, key: &str) -> &'a str {
    step.get(key).and_then(Value::as_str).unwrap_or("")
}

fn without_times(entries: &Value) -> Value {
    let mut entries = entries.clone();
    for entry in entries.as_array_mut().into_iter().flatten() {
        if let Value::Object(entry) = entry {
            entry.shift_remove("time");
        }
    }
    entries
}

fn without_server_made(object: &Value, request: &Value) -> Value {
    let mut object = object.clone();
    let kind = meta::kind(&object).to_owned();
    // The label of a namespace is a default, but only when the name is known by then.
    if kind == "Namespace"
        && meta::name(request).is_empty()
        && let Some(Value::Object(labels)) = object.pointer_mut("/metadata/labels")
    {
        labels.shift_remove("kubernetes.io/metadata.name");
    }
    for (_, place) in SERVER_MADE.iter().filter(|(of, _)| *of == kind) {
        if request.pointer(place).is_some() {
            continue;
        }
        let Some((parent, key)) = place.rsplit_once('/') else {
            continue;
        };
        if let Some(Value::Object(map)) = object.pointer_mut(parent) {
            map.shift_remove(&key.replace("~1", "/"));
        }
    }
    object
}

/// The list that a request sets, in its object or by a JSON patch.
fn requested_entries(body: &Value) -> Option<&Value> {
    let operations = body.as_array().into_iter().flatten();
    let mut set = operations
        .filter(|op| op["path"] == "/metadata/managedFields")
        .filter_map(|op| op.get("value"));
    set.next()
        .or_else(|| body.get("metadata")?.get("managedFields"))
}

/// One step, as far as ownership is concerned.
struct Write<'a> {
    path: &'a str,
    manager: String,
    resource: &'a str,
    subresource: &'a str,
    force: bool,
    dry_run: bool,
}

impl<'a> Write<'a> {
    fn of(step: &'a Value) -> Self {
        let full = text(step, "path");
        let (path, query) = full.split_once('?').unwrap_or((full, ""));
        let parameter = |name: &str| {
            query
                .split('&')
                .find_map(|p| p.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or("")
        };
        let agent = step["headers"]["User-Agent"]
            .as_str()
            .unwrap_or("golden/1.0");
        let mut parts: Vec<&str> = path
            .split('/')
            .skip(if path.starts_with("/api/") { 3 } else { 4 })
            .collect();
        if parts.first() == Some(&"namespaces") && parts.len() > 2 {
            parts.drain(..2);
        }
        Self {
            path: path.strip_suffix("/status").unwrap_or(path),
            manager: manager_name(parameter("fieldManager"), agent),
            resource: parts.first().copied().unwrap_or(""),
            subresource: parts.get(2).copied().unwrap_or(""),
            force: parameter("force") == "true",
            dry_run: !parameter("dryRun").is_empty(),
        }
    }

    fn context<'c>(
        &'c self,
        object: &'c Value,
        type_id: TypeId,
        reset: &'c ResetFields,
    ) -> Context<'c> {
        Context {
            schema: schema(),
            type_id,
            api_version: meta::api_version(object),
            kind: meta::kind(object),
            manager: &self.manager,
            subresource: self.subresource,
            now: "<<time>>",
            reset_fields: reset,
            versions: &OneVersion,
            custom: None,
        }
    }
}

fn check(case: &Value, good: &mut usize, bad: &mut Vec<String>) {
    let mut stored: HashMap<String, Value> = HashMap::new();
    for step in case["steps"].as_array().into_iter().flatten() {
        let (method, answer) = (text(step, "method"), &step["expect"]["json"]);
        let write = Write::of(step);
        let applies = text(&step["headers"], "Content-Type").starts_with("application/apply-patch");
        let typed = if meta::kind(answer) == "Status" {
            &step["body"]
        } else {
            answer
        };
        let (group, version) = meta::group_version(meta::api_version(typed));
        let Some(type_id) = schema().kind(group, version, meta::kind(typed)) else {
            continue;
        };
        if typed["metadata"].is_null() || !step["compare"].is_null() {
            continue;
        }
        let has_status = schema()
            .struct_of(type_id)
            .is_some_and(|s| s.field("status").is_some());
        let reset = reset_fields(group, write.resource, write.subresource, has_status);
        let context = write.context(typed, type_id, &reset);
        let key = match method {
            "POST" => format!("{}/{}", write.path, meta::name(answer)),
            _ => write.path.to_owned(),
        };
        let live = stored.get(&key);
        let refused = meta::kind(answer) == "Status";
        let want = if refused {
            answer["message"].clone()
        } else {
            without_times(&answer["metadata"]["managedFields"])
        };
        let got = match method {
            "PATCH" if applies && step["body"].is_object() => {
                if refused && answer["code"] != 409 {
                    continue;
                }
                match apply(live, &step["body"], &context, write.force) {
                    Ok(object) => without_times(&object["metadata"]["managedFields"]),
                    Err(error) => error.to_string().into(),
                }
            }
            "POST" | "PUT" | "PATCH" if !refused && !applies => {
                let request = if method == "POST" {
                    &step["body"]
                } else {
                    answer
                };
                let mut object = without_server_made(answer, request);
                if let Some(metadata) = meta::metadata_mut(&mut object) {
                    metadata.shift_remove("managedFields");
                    if let Some(entries) = requested_entries(&step["body"]) {
                        metadata.insert("managedFields".into(), entries.clone());
                    }
                }
                update(
                    if method == "POST" { None } else { live },
                    &mut object,
                    &context,
                );
                without_times(&object["metadata"]["managedFields"])
            }
            "PATCH" if !refused => {
                stored.insert(key, answer.clone());
                continue;
            }
            _ => continue,
        };
        let step_name = format!("{}/{}", text(case, "id"), text(step, "id"));
        let known = (method == "POST" || live.is_some() || applies)
            && !BEYOND.contains(&step_name.as_str());
        if known && serde_json::to_vec(&want).ok() == serde_json::to_vec(&got).ok() {
            *good += 1;
        } else if known {
            bad.push(format!("{step_name}\n want {want}\n got  {got}"));
        }
        if !refused && !write.dry_run {
            stored.insert(key, answer.clone());
        }
    }
}

#[test]
fn writes_are_owned_as_recorded() {
    let (mut good, mut bad) = (0, Vec::new());
    let suites = [
        "crud_core",
        "crud_apps_batch",
        "crud_net_misc",
        "crud_storage_ext",
        "apply",
        "patch_strategic",
        "patch_json",
    ];
    for name in suites {
        let Some(suite) = suite(&format!("{name}.json")) else {
            return;
        };
        for case in suite["cases"].as_array().into_iter().flatten() {
            check(case, &mut good, &mut bad);
        }
    }
    assert!(
        bad.is_empty(),
        "{good} as recorded, {} not:\n{}",
        bad.len(),
        bad.join("\n")
    );
    assert!(good > 1000, "only {good} writes were found");
}
