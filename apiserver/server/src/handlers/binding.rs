//! POST pods/NAME/binding and POST bindings: puts a pod on a node, once (kubernetes pkg/registry/core/pod/storage/storage.go).

use super::Call;
use super::params::WriteOptions;
use super::subresource::{admit, carried_out, created};
use crate::negotiate::Offer;
use crate::registry::Stored;
use crate::registry::assign;
use crate::reply::{Reply, named};
use serde_json::Value;
use triad_machinery::goformat::quote;
use triad_machinery::schema::schema;
use triad_machinery::status::{FieldError, GroupResource, OBJECT_MODIFIED, Status};
use triad_machinery::{managed_fields, meta, names};

/// How often a binding is tried again when others write the pod meanwhile.
const ATTEMPTS: u32 = 32;

pub(super) async fn bind(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let mut binding = call.decode_named("", "Binding", &[], options.validation)?;
    let manager = call.manager(&options.field_manager);
    let context = managed_fields::Context {
        schema: schema(),
        type_id: named("core/v1.Binding"),
        api_version: "v1",
        kind: "Binding",
        manager: &manager,
        subresource: "binding",
        now: &crate::clock::Clock.now(),
        reset_fields: &managed_fields::ResetFields::default(),
        versions: &managed_fields::OneVersion,
        custom: None,
    };
    managed_fields::update(None, &mut binding, &context);
    admit(call, "binding", &mut binding).await?;
    let pod = meta::name(&binding).to_owned();
    if !call.name().is_empty() && pod != call.name() {
        return Err(Status::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    if pod.is_empty() {
        return Err(Status::bad_request("Name parameter required."));
    }
    let errors = validate(&binding["target"]);
    if !errors.is_empty() {
        return Err(Status::plain_error(Status::aggregate(&errors)));
    }
    carried_out(call, "binding", &binding).await?;
    store(call, &pod, &binding, options.dry_run).await?;
    Ok(created(&accepted))
}

fn validate(target: &Value) -> Vec<FieldError> {
    let text = |field: &str| target[field].as_str().unwrap_or("");
    let (kind, node) = (text("kind"), text("name"));
    let to_node = kind.is_empty() || kind == "Node";
    let mut errors = Vec::new();
    if !to_node {
        let known = &["Node", "<empty>"];
        errors.push(FieldError::not_supported("target.kind", kind, known));
    }
    if node.is_empty() {
        errors.push(FieldError::required("target.name", ""));
    } else if to_node {
        let problems = names::dns1123_subdomain(node).into_iter();
        errors.extend(problems.map(|problem| FieldError::invalid("target.name", node, problem)));
    }
    errors
}

async fn store(call: &Call, pod: &str, binding: &Value, dry_run: bool) -> Result<(), Status> {
    let registry = call
        .api
        .endpoints
        .registry("", "pods")
        .ok_or_else(Status::no_such_resource)?;
    for _ in 0..ATTEMPTS {
        let old = registry.get(call.namespace(), pod).await?;
        let key = || registry.layout.key(call.namespace(), pod);
        preconditions(&old, binding, key)?;
        refuse(&old.object)?;
        let mut object = old.object.clone();
        let node = binding["target"]["name"].as_str().unwrap_or("");
        assign(&mut object, node, binding);
        let written = registry.replace(&old, object, Default::default(), dry_run);
        if written.await?.is_some() {
            return Ok(());
        }
    }
    Err(Status::conflict(
        registry.group_resource(),
        pod,
        OBJECT_MODIFIED,
    ))
}

/// A binding may say which pod it means, and in which state.
fn preconditions(old: &Stored, binding: &Value, key: impl Fn() -> String) -> Result<(), Status> {
    let asked = [
        ("UID", meta::uid(binding), meta::uid(&old.object)),
        (
            "ResourceVersion",
            meta::resource_version(binding),
            meta::resource_version(&old.object),
        ),
    ];
    for (what, asked, found) in asked {
        if !asked.is_empty() && asked != found {
            let pods = GroupResource {
                group: "",
                resource: "pods",
            };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: {what} in precondition: {asked}, {what} in object meta: {found}",
                key()
            );
            return Err(Status::conflict(pods, meta::name(&old.object), why));
        }
    }
    Ok(())
}

/// What keeps a pod from being put on a node.
fn refuse(pod: &Value) -> Result<(), Status> {
    let name = meta::name(pod);
    let host = pod.pointer("/spec/nodeName").and_then(Value::as_str);
    let gates = pod
        .pointer("/spec/schedulingGates")
        .and_then(Value::as_array);
    let why = if !meta::deletion_timestamp(pod).is_empty() {
        format!("pod {name} is being deleted, cannot be assigned to a host")
    } else if let Some(host) = host.filter(|host| !host.is_empty()) {
        format!("pod {name} is already assigned to node {}", quote(host))
    } else if gates.is_some_and(|gates| !gates.is_empty()) {
        format!("pod {name} has non-empty .spec.schedulingGates")
    } else {
        return Ok(());
    };
    let resource = GroupResource {
        group: "",
        resource: "pods/binding",
    };
    Err(Status::conflict(resource, name, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_target_is_a_node_with_a_nodes_name() {
        let fields = |target: Value| -> Vec<String> {
            let errors = validate(&target).into_iter();
            errors.map(|error| error.field).collect()
        };
        assert!(fields(json!({"name": "n"})).is_empty());
        assert!(fields(json!({"kind": "Node", "name": "n"})).is_empty());
        assert_eq!(fields(json!({"name": "a_b"})), ["target.name"]);
        assert_eq!(
            fields(json!({"kind": "Pod"})),
            ["target.kind", "target.name"]
        );
    }

    #[test]
    fn a_pod_is_put_on_a_node_once() {
        let refused = |pod: Value| refuse(&pod).map_err(|status| status.code);
        assert_eq!(refused(json!({"spec": {}})), Ok(()));
        assert_eq!(refused(json!({"spec": {"nodeName": "n"}})), Err(409));
        let gated = json!({"spec": {"schedulingGates": [{"name": "a"}]}});
        assert_eq!(refused(gated), Err(409));
    }
}
