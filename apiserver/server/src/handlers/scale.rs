//! The scale subresource of workloads: a view of replicas, selector and count as an autoscaling/v1 Scale.

use super::Call;
use super::create::match_namespace;
use super::decode::Expected;
use super::params::WriteOptions;
use super::patch::{self, Form};
use super::update::modify;
use crate::negotiate::{Accepted, Offer};
use crate::registry::before::Part;
use crate::reply::{self, Reply, named};
use serde_json::{Map, Value, json};
use triad_machinery::goformat::quote;
use triad_machinery::managed_fields::{self, Managed, PathElement};
use triad_machinery::meta;
use triad_machinery::schema::schema;
use triad_machinery::selector::label::LabelSelector;
use triad_machinery::status::{FieldError, GroupKind, GroupResource, Status};

fn expected() -> Expected<'static> {
    Expected {
        group: "autoscaling",
        version: "v1",
        kind: "Scale",
        ty: named("autoscaling/v1.Scale"),
        also: &[],
    }
}

pub(crate) async fn get(call: &Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let stored = call.fetch().await?;
    let scale = scale_of(&stored.object);
    match &accepted.convert {
        Some(convert) => {
            let (object, ty) = super::transform::of_kind(
                call,
                ("autoscaling", "Scale"),
                named("autoscaling/v1.Scale"),
                scale,
                convert,
            )?;
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
    call.trail.sent(&scale, expected().ty);
    match_place(call, &scale)?;
    let change = |_: &mut Call, _: &Value| Ok(scale.clone());
    write(call, &options, accepted, How::Replaced, change).await
}

pub(crate) async fn patch(call: &mut Call) -> Result<Reply, Status> {
    let form = patch::form(call)?;
    let accepted = call.accepted(Offer::Plain)?;
    if form == Form::Apply {
        return apply(call, accepted).await;
    }
    let options = WriteOptions::parse(&call.query, "PatchOptions", false)?;
    let request = patch::decode(call, form, options.validation)?;
    let change = |call: &mut Call, current: &Value| {
        let expected = expected();
        let scale = patch::patched_as(&expected, call, &request, current)?;
        if meta::name(&scale).is_empty() {
            return Err(patch::nameless(call.name()));
        }
        match_place(call, &scale)?;
        Ok(scale)
    };
    write(call, &options, accepted, How::Patched, change).await
}

/// How a Scale came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Replaced,
    Patched,
    Applied,
}

fn match_place(call: &Call, scale: &Value) -> Result<(), Status> {
    match_namespace(call, &mut scale.clone())?;
    let (asked, given) = (call.name(), meta::name(scale));
    if given.is_empty() || given == asked {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "the name of the object ({given}) does not match the name on the URL ({asked})"
    )))
}

/// Server-side apply of a Scale: the manager comes to own the workload's replicas.
async fn apply(call: &mut Call, accepted: Accepted) -> Result<Reply, Status> {
    let options = WriteOptions::parse(&call.query, "PatchOptions", true)?;
    let config = patch::configuration(&call.body)?;
    let (manager, force) = (
        options.field_manager.clone(),
        options.force.unwrap_or(false),
    );
    write(call, &options, accepted, How::Applied, move |_, current| {
        in_scale_context(&manager, |context| {
            managed_fields::apply(Some(current), &config, context, force)
        })
        .map_err(|error| error.to_status())
    })
    .await
}

/// Calls with what a write of a Scale is.
fn in_scale_context<T>(manager: &str, work: impl FnOnce(&managed_fields::Context<'_>) -> T) -> T {
    work(&managed_fields::Context {
        schema: schema(),
        type_id: named("autoscaling/v1.Scale"),
        api_version: "autoscaling/v1",
        kind: "Scale",
        manager,
        subresource: "scale",
        now: &crate::clock::Clock.now(),
        reset_fields: &managed_fields::ResetFields::default(),
        versions: &managed_fields::OneVersion,
    })
}

/// Where workloads keep their replicas, in every version.
fn replicas_path(_api_version: &str) -> Option<Vec<PathElement>> {
    Some(vec![
        PathElement::field("spec"),
        PathElement::field("replicas"),
    ])
}

/// A Scale that bears the managers of the workload's replicas.
fn with_managers(mut scale: Value, object: &Value) -> Value {
    if let Ok(parent) = Managed::of(object) {
        managed_fields::scale::to_scale(&parent, &replicas_path).store(&mut scale);
    }
    scale
}

/// Reads the scale, changes it, writes the replicas back into the workload.
async fn write(
    call: &mut Call,
    options: &WriteOptions,
    accepted: Accepted,
    how: How,
    change: impl Fn(&mut Call, &Value) -> Result<Value, Status>,
) -> Result<Reply, Status> {
    let manager = call.manager(&options.field_manager);
    let old = call.fetch().await?;
    let changed = modify(
        call,
        Part::Sub("scale"),
        options.dry_run,
        how == How::Replaced,
        old,
        |call, live| {
            let current = with_managers(scale_of(live), live);
            let mut scale = change(call, &current)?;
            if how != How::Applied {
                in_scale_context(&manager, |context| {
                    managed_fields::update(Some(&current), &mut scale, context)
                });
            }
            let errors = validate(&scale);
            if !errors.is_empty() {
                return Err(Status::invalid(
                    GroupKind {
                        group: "autoscaling",
                        kind: "Scale",
                    },
                    meta::name(&scale),
                    &errors,
                ));
            }
            let mut object = live.clone();
            same_uid(call, how, &mut object, meta::uid(&scale))?;
            object["spec"]["replicas"] = json!(replicas(&scale));
            let version = meta::resource_version(&scale).to_owned();
            meta::set(
                &mut object,
                "resourceVersion",
                if version.is_empty() {
                    meta::resource_version(live)
                } else {
                    &version
                },
            );
            if let (Ok(parent), Ok(managers)) = (Managed::of(live), Managed::of(&scale)) {
                let version = call.endpoint.resource.group_version();
                managed_fields::scale::to_parent(&parent, managers, &version, &replicas_path)
                    .store(&mut object);
            }
            Ok(object)
        },
    )
    .await?;
    let changed = changed.into_object(call.registry()?)?;
    Ok(answer(200, &scale_of(&changed), &accepted))
}

/// A Scale that names a uid is one of that very object. Where it replaces the stored one, the write itself sees to that.
fn same_uid(call: &Call, how: How, object: &mut Value, asked: &str) -> Result<(), Status> {
    let found = meta::uid(object);
    if asked.is_empty() || asked == found {
        return Ok(());
    }
    if how == How::Replaced {
        meta::set(object, "uid", asked);
        return Ok(());
    }
    let why =
        format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {found}");
    let resource = format!("{}/scale", call.endpoint.resource.plural);
    let resource = GroupResource {
        group: &call.endpoint.resource.group,
        resource: &resource,
    };
    Err(Status::conflict(resource, meta::name(object), why))
}

fn validate(scale: &Value) -> Vec<FieldError> {
    let replicas = replicas(scale);
    if replicas < 0 {
        vec![FieldError::invalid(
            "spec.replicas",
            replicas,
            "must be greater than or equal to 0",
        )]
    } else {
        Vec::new()
    }
}

fn replicas(object: &Value) -> i64 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

fn answer(code: u16, scale: &Value, accepted: &Accepted) -> Reply {
    reply::object(code, scale, named("autoscaling/v1.Scale"), accepted)
}

/// A workload as a Scale.
pub(crate) fn scale_of(object: &Value) -> Value {
    let mut metadata = Map::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
        {
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
    let Some(selector) = object.pointer("/spec/selector") else {
        return String::new();
    };
    if meta::kind(object) == "ReplicationController" {
        let mut pairs: Vec<String> = selector
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
            .collect();
        pairs.sort();
        return pairs.join(",");
    }
    LabelSelector::from_object(selector)
        .map_or_else(|error| quote(&error.0), |selector| selector.to_string())
}
