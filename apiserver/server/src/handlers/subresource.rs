//! Subresources beside scale: those that are a view of the object itself (status, finalize, ...), and those that are verbs
//! (binding, eviction).

use super::Call;
use super::decode::Expected;
use super::params::{DeleteOptions, WriteOptions};
use super::update::modify;
use super::{patch, read, update};
use crate::negotiate::{Accepted, Offer};
use crate::registry::before::Part;
use crate::reply::{Reply, named};
use crate::routes::Action;
use bytes::Bytes;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::selector::label::LabelSelector;
use triad_machinery::status::{Cause, FieldError, GroupResource, Status};

/// Subresources that read and write the object itself.
const VIEWS: [&str; 5] = [
    "status",
    "finalize",
    "approval",
    "ephemeralcontainers",
    "resize",
];

pub(crate) async fn dispatch(
    call: &mut Call,
    subresource: &str,
    action: Action,
) -> Result<Reply, Status> {
    match (subresource, action) {
        (view, Action::Get) if VIEWS.contains(&view) => read::get(call).await,
        (view, Action::Update) if VIEWS.contains(&view) => {
            update::update(call, Part::Sub(view)).await
        }
        (view, Action::Patch) if VIEWS.contains(&view) => patch::patch(call, Part::Sub(view)).await,
        ("binding", Action::Create) => bind(call).await,
        ("eviction", Action::Create) => evict(call).await,
        ("token", Action::Create) => super::token::create(call).await,
        ("log", Action::Get) => to_node(call).await,
        ("exec" | "attach" | "portforward", _) => to_node(call).await,
        ("proxy", _) => proxy(call).await,
        _ => Err(Status::method_not_allowed()),
    }
}

/// POST pods/NAME/binding (and POST bindings): puts a pod on a node, once.
pub(crate) async fn bind(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let body = call.body.clone();
    let expected = Expected {
        group: "",
        version: "v1",
        kind: "Binding",
        ty: named("core/v1.Binding"),
    };
    let binding = call.decode_body(&body, &expected, options.validation)?;
    let pod = match call.name() {
        "" => meta::name(&binding).to_owned(),
        name => name.to_owned(),
    };
    let text = |at: &str| {
        binding
            .pointer(at)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let (kind, node) = (text("/target/kind"), text("/target/name"));
    if !call.name().is_empty()
        && meta::name(&binding) != call.name()
        && !meta::name(&binding).is_empty()
    {
        return Err(Status::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    let mut errors = Vec::new();
    if !kind.is_empty() && kind != "Node" {
        errors.push(FieldError::not_supported(
            "target.kind",
            kind.as_str(),
            &["Node", "<empty>"],
        ));
    }
    if node.is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    if !errors.is_empty() {
        return Err(Status::plain_error(Status::aggregate(&errors)));
    }
    let registry = call
        .api
        .endpoints
        .registry("", "pods")
        .cloned()
        .ok_or_else(Status::no_such_resource)?;
    let mut pods = call.on("", "v1", "pods", &pod)?;
    let old = registry.get(call.namespace(), &pod).await?;
    let (uid, version) = (
        meta::uid(&binding).to_owned(),
        meta::resource_version(&binding).to_owned(),
    );
    let annotations: Vec<(String, String)> = meta::annotations(&binding)
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    modify(&mut pods, Part::Sub("binding"), options.dry_run, false, old, move |call, live| {
        let storage_error = |what: &str, asked: &str, found: &str| {
            let key = call.registry()?.layout.key(call.namespace(), meta::name(live));
            let why = format!("StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: {what} in precondition: {asked}, {what} in object meta: {found}");
            Err(Status::conflict(call.endpoint.group_resource(), meta::name(live), why))
        };
        if !uid.is_empty() && uid != meta::uid(live) {
            return storage_error("UID", &uid, meta::uid(live));
        }
        if !version.is_empty() && version != meta::resource_version(live) {
            return storage_error("ResourceVersion", &version, meta::resource_version(live));
        }
        let conflict = |why: String| Err(Status::conflict(GroupResource { group: "", resource: "pods/binding" }, meta::name(live), why));
        if !meta::deletion_timestamp(live).is_empty() {
            return conflict(format!("pod {} is being deleted, cannot be assigned to a host", meta::name(live)));
        }
        let host = live.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or("");
        if !host.is_empty() {
            return conflict(format!("pod {} is already assigned to node {}", meta::name(live), triad_machinery::goformat::quote(host)));
        }
        if live.pointer("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
            return conflict(format!("pod {} has non-empty .spec.schedulingGates", meta::name(live)));
        }
        let mut object = live.clone();
        object["spec"]["nodeName"] = node.as_str().into();
        for (key, value) in &annotations {
            object["metadata"]["annotations"][key] = value.as_str().into();
        }
        scheduled(&mut object);
        Ok(object)
    })
    .await?;
    Ok(created(&accepted))
}

/// The Status of a verb that was carried out.
fn created(accepted: &Accepted) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    crate::reply::object(201, &status, crate::reply::status_type(), accepted)
}

/// Sets the condition that says a node was found.
fn scheduled(pod: &mut Value) {
    let now = crate::clock::Clock.now();
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let mut conditions = pod
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    match conditions
        .iter_mut()
        .find(|c| c.get("type") == Some(&json!("PodScheduled")))
    {
        Some(found) if found.get("status") == Some(&json!("True")) => {}
        Some(found) => *found = condition,
        None => conditions.push(condition),
    }
    pod["status"]["conditions"] = conditions.into();
}

/// POST pods/NAME/eviction: deletes a pod if no disruption budget speaks against it.
async fn evict(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let body = call.body.clone();
    let expected = Expected {
        group: "policy",
        version: "v1",
        kind: "Eviction",
        ty: named("policy/v1.Eviction"),
    };
    let eviction = call.decode_body(&body, &expected, options.validation)?;
    if meta::name(&eviction) != call.name() && !meta::name(&eviction).is_empty() {
        return Err(Status::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let mut delete = eviction
        .get("deleteOptions")
        .map_or_else(|| Ok(DeleteOptions::default()), DeleteOptions::from_object)?;
    delete.dry_run |= options.dry_run;
    let registry = call.registry()?.clone();
    let pod = call.fetch().await?.object;
    let phase = pod
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or("");
    if !matches!(phase, "Succeeded" | "Failed" | "Pending")
        && meta::deletion_timestamp(&pod).is_empty()
    {
        spend_budget(call, &pod, delete.dry_run).await?;
    }
    registry
        .delete(call.namespace(), call.name(), &delete)
        .await?;
    Ok(created(&accepted))
}

/// Takes one disruption from the budget that covers the pod.
async fn spend_budget(call: &Call, pod: &Value, dry_run: bool) -> Result<(), Status> {
    let registry = call
        .api
        .endpoints
        .registry("policy", "poddisruptionbudgets")
        .ok_or_else(Status::no_such_resource)?;
    let snapshot = registry.cache.snapshot();
    let scope = registry.layout.scope(call.namespace());
    let covering: Vec<Value> = snapshot
        .range(&scope, None)
        .filter_map(|budget| budget.object(&registry.layout).ok())
        .filter(|budget| {
            budget.pointer("/spec/selector").is_some_and(|selector| {
                LabelSelector::from_object(selector)
                    .is_ok_and(|selector| selector.matches_object(pod))
            })
        })
        .collect();
    let budget = match covering.as_slice() {
        [] => return Ok(()),
        [budget] => budget,
        _ => {
            return Err(Status::plain_error(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let refused = |message: String, seconds: u32| {
        Err(Status::too_many_requests(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            seconds,
        )
        .with_cause(Cause {
            reason: "DisruptionBudget".into(),
            message,
            field: String::new(),
        }))
    };
    let name = meta::name(budget);
    let mut old = registry.get(call.namespace(), name).await?;
    loop {
        let number = |at: &str| old.object.pointer(at).and_then(Value::as_i64).unwrap_or(0);
        if number("/status/observedGeneration") < meta::generation(&old.object) {
            return refused(
                format!("The disruption budget {name} is still being processed by the server."),
                10,
            );
        }
        let allowed = number("/status/disruptionsAllowed");
        if allowed <= 0 {
            return refused(
                format!(
                    "The disruption budget {name} needs {} healthy pods and has {} currently",
                    number("/status/desiredHealthy"),
                    number("/status/currentHealthy")
                ),
                0,
            );
        }
        let mut changed = old.object.clone();
        changed["status"]["disruptionsAllowed"] = json!(allowed - 1);
        changed["status"]["disruptedPods"][meta::name(pod)] = crate::clock::Clock.now().into();
        if dry_run
            || registry
                .replace(&old, changed, Default::default(), false)
                .await?
                .is_some()
        {
            return Ok(());
        }
        old = registry.get(call.namespace(), name).await?;
    }
}

/// Requests that a node must answer: the pod must be there and on a node; dialling nodes is not part of this version.
async fn to_node(call: &mut Call) -> Result<Reply, Status> {
    let pod = call.fetch().await?.object;
    let node = pod
        .pointer("/spec/nodeName")
        .and_then(Value::as_str)
        .unwrap_or("");
    if node.is_empty() && call.info.subresource == "log" {
        // Nothing has run, so nothing was said.
        return Ok(crate::reply::bytes(200, "text/plain", Bytes::new()));
    }
    if node.is_empty() {
        return Err(Status::bad_request(format!(
            "pod {} does not have a host assigned",
            meta::name(&pod)
        )));
    }
    Err(Status::service_unavailable(format!(
        "node {node:?} cannot be reached: this server does not dial nodes"
    )))
}

/// The proxy subresource of services, pods and nodes: what it points to must be there; nothing is dialled in this version.
async fn proxy(call: &mut Call) -> Result<Reply, Status> {
    let name = call.name().to_owned();
    if &*call.endpoint.resource.plural == "services" {
        // NAME, NAME:PORT or SCHEME:NAME:PORT.
        let parts: Vec<&str> = name.split(':').collect();
        let service = if parts.len() == 3 { parts[1] } else { parts[0] };
        return Err(Status::service_unavailable(format!(
            "no endpoints available for service {}",
            triad_machinery::goformat::quote(service)
        )));
    }
    call.registry()?
        .get(call.namespace(), name.split(':').next().unwrap_or(""))
        .await?;
    Err(Status::service_unavailable(
        "this server does not dial nodes and pods",
    ))
}
