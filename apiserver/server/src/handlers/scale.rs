//! The scale subresource of workloads: a view of replicas, selector and count as an autoscaling/v1 Scale.

use super::Call;
use super::create::track;
use super::decode::Expected;
use super::params::{FieldValidation, WriteOptions};
use super::update::modify;
use crate::negotiate::{Accepted, Offer};
use crate::registry::before::Part;
use crate::reply::{self, Reply, named};
use serde_json::{Map, Value, json};
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::patch::json::JsonPatch;
use triad_machinery::patch::{merge, strategic};
use triad_machinery::schema::schema;
use triad_machinery::selector::label::LabelSelector;
use triad_machinery::status::{FieldError, GroupKind, Status};

fn expected() -> Expected<'static> {
    Expected { group: "autoscaling", version: "v1", kind: "Scale", ty: named("autoscaling/v1.Scale") }
}

pub(crate) async fn get(call: &Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let stored = call.registry()?.get(call.namespace(), call.name()).await?;
    let scale = scale_of(&stored.object);
    match &accepted.convert {
        Some(convert) => {
            let (object, ty) = super::transform::of_kind(call, ("autoscaling", "Scale"), named("autoscaling/v1.Scale"), scale, convert)?;
            Ok(reply::object(200, &object, ty, &accepted))
        }
        None => Ok(answer(200, &scale, &accepted)),
    }
}

pub(crate) async fn update(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "UpdateOptions", false)?;
    let body = call.body.clone();
    let scale = call.decode_body(&body, &expected(), options.validation)?;
    let (asked, given) = (call.name().to_owned(), meta::name(&scale).to_owned());
    if !given.is_empty() && given != asked {
        return Err(Status::bad_request(format!("the name of the object ({given}) does not match the name on the URL ({asked})")));
    }
    write(call, &options, accepted, move |_, _| Ok(scale.clone())).await
}

pub(crate) async fn patch(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "PatchOptions", false)?;
    let typed = options.validation != FieldValidation::Ignore;
    let body = triad_machinery::codec::json::decode_untyped(&call.body, super::patch::strictness(typed)).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?.value;
    let form = call.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("").split(';').next().unwrap_or("").trim().to_owned();
    let ty = named("autoscaling/v1.Scale");
    write(call, &options, accepted, move |_, current| {
        let document = triad_machinery::codec::json::to_json_value(current, ty);
        let patched = match form.as_str() {
            "application/json-patch+json" => JsonPatch::from_value(body.clone(), typed).and_then(|patch| patch.apply(document)),
            "application/merge-patch+json" => merge::apply(document, &body, typed),
            "application/strategic-merge-patch+json" => strategic::apply(document, &mut body.clone(), schema(), ty),
            _ => return Err(Status::unsupported_media_type(&["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"])),
        };
        let patched = patched.map_err(|error| error.to_status())?;
        triad_machinery::codec::json::from_json_value(&patched, ty, super::patch::strictness(typed)).map(|decoded| decoded.value).map_err(|e| super::decode::cannot_be_handled(&expected(), &e))
    })
    .await
}

/// Reads the scale, changes it, writes the replicas back into the workload.
async fn write(call: &mut Call, options: &WriteOptions, accepted: Accepted, change: impl Fn(&mut Call, &Value) -> Result<Value, Status>) -> Result<Reply, Status> {
    let manager = call.manager(&options.field_manager);
    let registry = call.registry()?.clone();
    let old = registry.get(call.namespace(), call.name()).await?;
    let changed = modify(call, Part::Sub("scale"), options.dry_run, false, old, |call, live| {
        let current = scale_of(live);
        let scale = change(call, &current)?;
        let errors = validate(&scale);
        if !errors.is_empty() {
            return Err(Status::invalid(GroupKind { group: "autoscaling", kind: "Scale" }, meta::name(&scale), &errors));
        }
        let mut object = live.clone();
        object["spec"]["replicas"] = json!(replicas(&scale));
        let version = meta::resource_version(&scale).to_owned();
        meta::set(&mut object, "resourceVersion", if version.is_empty() { meta::resource_version(live) } else { &version });
        track(call, Some(live), &mut object, &manager, "scale");
        Ok(object)
    })
    .await?;
    Ok(answer(200, &scale_of(&changed), &accepted))
}

fn validate(scale: &Value) -> Vec<FieldError> {
    let replicas = replicas(scale);
    if replicas < 0 { vec![FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0")] } else { Vec::new() }
}

fn replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0)
}

fn answer(code: u16, scale: &Value, accepted: &Accepted) -> Reply {
    reply::object(code, scale, named("autoscaling/v1.Scale"), accepted)
}

/// A workload as a Scale.
fn scale_of(object: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.get("metadata").and_then(|metadata| metadata.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut status = json!({"replicas": object.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or(0)});
    let selector = selector_text(object);
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    let mut spec = Map::new();
    if replicas(object) != 0 {
        spec.insert("replicas".to_owned(), json!(replicas(object)));
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn selector_text(object: &Value) -> String {
    let Some(selector) = object.pointer("/spec/selector") else { return String::new() };
    if meta::kind(object) == "ReplicationController" {
        let mut pairs: Vec<String> = selector.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
        pairs.sort();
        return pairs.join(",");
    }
    LabelSelector::from_object(selector).map_or_else(|error| quote(&error.0), |selector| selector.to_string())
}
