//! The scale subresource of workloads: a view of replicas, selector and count as an autoscaling/v1 Scale.

use super::Call;
use super::create::match_namespace;
use super::decode::Expected;
use super::params::WriteOptions;
use super::patch::{self, Form};
use super::update::modify;
use crate::endpoint::Endpoint;
use crate::negotiate::{Accepted, Offer};
use crate::registry::before::Part;
use crate::reply::{self, Reply, named};
use serde_json::{Map, Value, json};
use triad_machinery::custom::{Scale, Seen, missing_replicas};
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
    let custom = custom_scale(call);
    let scale = match &custom {
        None => scale_of(&stored.object),
        Some(custom) => {
            let seen = custom.see(&stored.object).map_err(Status::plain_error)?;
            if seen.spec_replicas.is_none() {
                return Err(Status::internal(missing_replicas(custom.spec_path())));
            }
            custom_view(&stored.object, seen)
        }
    };
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
        custom: None,
    })
}

/// Where the replicas are: workloads have them at the same place in every version.
fn replicas_path(endpoint: &Endpoint, api_version: &str) -> Option<Vec<PathElement>> {
    let Some(face) = &endpoint.custom else {
        let path = ["spec", "replicas"].map(PathElement::field);
        return Some(path.to_vec());
    };
    let (_, version) = meta::group_version(api_version);
    let scale = face.kind.definition.version(version)?.scale()?;
    Some(scale.elements())
}

/// A Scale that bears the managers of the workload's replicas.
fn with_managers(call: &Call, mut scale: Value, object: &Value) -> Value {
    let path = |version: &str| replicas_path(&call.endpoint, version);
    if let Ok(parent) = Managed::of(object) {
        managed_fields::scale::to_scale(&parent, &path).store(&mut scale);
    }
    scale
}

/// Where a custom kind has what its Scale shows; None for built-in kinds.
fn custom_scale(call: &Call) -> Option<Scale> {
    call.endpoint.custom.as_ref()?.version.scale().cloned()
}

/// What stands for replicas that the object does not say, while its Scale is changed (customresource/etcd.go).
const UNSAID: i64 = i32::MIN as i64;

/// An object as the Scale that is to be changed.
fn current(call: &Call, object: &Value) -> Result<Value, Status> {
    let scale = match custom_scale(call) {
        None => scale_of(object),
        Some(custom) => {
            let mut seen = custom.see(object).map_err(Status::plain_error)?;
            seen.spec_replicas = seen.spec_replicas.or(Some(UNSAID));
            custom_view(object, seen)
        }
    };
    Ok(with_managers(call, scale, object))
}

/// Writes the replicas back.
fn put_replicas(call: &Call, object: &mut Value, count: i64) -> Result<(), Status> {
    let Some(custom) = custom_scale(call) else {
        object["spec"]["replicas"] = json!(count);
        return Ok(());
    };
    if count == UNSAID {
        let path = quote(custom.spec_path());
        let why = format!("the spec replicas field {path} cannot be empty");
        return Err(Status::bad_request(why));
    }
    custom.set(object, count).map_err(Status::plain_error)
}

/// What was written, as a Scale.
fn written(call: &Call, object: &Value) -> Result<Value, Status> {
    match custom_scale(call) {
        None => Ok(scale_of(object)),
        Some(custom) => {
            let seen = custom.see(object).map_err(Status::bad_request)?;
            Ok(custom_view(object, seen))
        }
    }
}

fn custom_view(object: &Value, seen: Seen) -> Value {
    view(
        object,
        seen.spec_replicas.unwrap_or(0),
        seen.status_replicas,
        seen.selector,
    )
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
            let current = current(call, live)?;
            let mut scale = change(call, &current)?;
            if how != How::Applied {
                in_scale_context(&manager, |context| {
                    managed_fields::update(Some(&current), &mut scale, context)
                });
            }
            // Custom kinds say themselves how many there may be.
            let errors = match call.endpoint.custom {
                Some(_) => Vec::new(),
                None => validate(&scale),
            };
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
            put_replicas(call, &mut object, replicas(&scale))?;
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
                let path = |version: &str| replicas_path(&call.endpoint, version);
                managed_fields::scale::to_parent(&parent, managers, &version, &path)
                    .store(&mut object);
            }
            Ok(object)
        },
    )
    .await?;
    let changed = changed.into_object(call.registry()?)?;
    Ok(answer(200, &written(call, &changed)?, &accepted))
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
    let status = object.pointer("/status/replicas").and_then(Value::as_i64);
    view(
        object,
        replicas(object),
        status.unwrap_or(0),
        selector_text(object),
    )
}

fn view(object: &Value, spec_replicas: i64, status_replicas: i64, selector: String) -> Value {
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
    let mut status = json!({"replicas": status_replicas});
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    let mut spec = Map::new();
    if spec_replicas != 0 {
        spec.insert("replicas".to_owned(), json!(spec_replicas));
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
