//! Services: cluster addresses and node ports, taken in the same transaction that stores the service (kubernetes
//! pkg/registry/core/service).
//!
//! An address in use is an IPAddress object of that name, a node port in use is a key of its own; both go with the service.

mod addresses;
mod band;
mod families;
mod ports;
pub(crate) mod repair;

use crate::api::Api;
use crate::registry::Strategy;
use crate::registry::before::{remove, replace_from};
use crate::registry::strategy::Extra;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::pod::texts;
use triad_machinery::status::{FieldError, GroupKind, Status};

#[derive(Default)]
pub(in crate::registry) struct Services;

impl Strategy for Services {
    fn prepare_for_create(&self, object: &mut Value) {
        drop_from_names(object);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value) {
        drop_what_the_type_lacks(object, old);
        drop_from_names(object);
    }

    fn allocate(
        &self,
        api: &Api,
        object: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Extra, Status> {
        match old {
            None => {
                let one = text(object, "clusterIP").to_owned();
                if !one.is_empty() && object["spec"].get("clusterIPs").is_none() {
                    object["spec"]["clusterIPs"] = json!([one]);
                }
            }
            Some(old) => keep_allocated(object, old),
        }
        families::fill(api, object, old)?;
        let mut extra = Extra::default();
        addresses::allocate(api, object, old, dry_run, &mut extra)?;
        ports::allocate(api, object, old, dry_run, &mut extra)?;
        Ok(extra)
    }

    fn release(&self, object: &Value) -> Extra {
        let mut extra = Extra::default();
        addresses::release(addresses::of(object), &mut extra);
        ports::release(ports::of(object), &mut extra);
        extra
    }
}

/// A field of the spec.
fn text<'a>(service: &'a Value, field: &str) -> &'a str {
    let value = service.get("spec").and_then(|spec| spec.get(field));
    value.and_then(Value::as_str).unwrap_or("")
}

/// Whether this type of service has a cluster address, be it `None`.
fn needs_address(service: &Value) -> bool {
    text(service, "type") != "ExternalName"
}

fn needs_node_port(service: &Value) -> bool {
    matches!(text(service, "type"), "NodePort" | "LoadBalancer")
}

/// Whether a load balancer asks the nodes which of them have endpoints.
fn needs_health_check(service: &Value) -> bool {
    text(service, "type") == "LoadBalancer" && text(service, "externalTrafficPolicy") == "Local"
}

/// What a service had and no longer has.
fn lost<T: PartialEq>(held: Vec<T>, kept: &[T]) -> impl Iterator<Item = T> {
    held.into_iter().filter(|one| !kept.contains(one))
}

fn same(a: &Value, b: &Value, field: &str) -> bool {
    a["spec"].get(field) == b["spec"].get(field)
}

fn invalid(service: &Value, error: FieldError) -> Status {
    invalid_all(service, &[error])
}

fn invalid_all(service: &Value, errors: &[FieldError]) -> Status {
    let kind = GroupKind {
        group: "",
        kind: "Service",
    };
    Status::invalid(kind, meta::name(service), errors)
}

/// What was allocated stays where an update leaves it out.
fn keep_allocated(object: &mut Value, old: &Value) {
    if needs_address(object) && needs_address(old) {
        for field in ["clusterIP", "clusterIPs"] {
            if object["spec"].get(field).is_none() {
                replace_from(&mut object["spec"], &old["spec"], field);
            }
        }
    }
    // A client that knows one of the two fields alone changes both with it.
    let (one, before) = (text(object, "clusterIP").to_owned(), text(old, "clusterIP"));
    if one != before && same(object, old, "clusterIPs") {
        if one.is_empty() {
            remove(&mut object["spec"], "clusterIPs");
        } else {
            object["spec"]["clusterIPs"] = json!([one]);
        }
    }
    if needs_node_port(object) && needs_node_port(old) {
        ports::keep(object, old);
    }
    if needs_health_check(object)
        && needs_health_check(old)
        && object["spec"].get("healthCheckNodePort").is_none()
    {
        replace_from(&mut object["spec"], &old["spec"], "healthCheckNodePort");
    }
}

/// A service that is a mere name has no traffic of its own (defaultOnReadInternalTrafficPolicy).
fn drop_from_names(object: &mut Value) {
    if text(object, "type") == "ExternalName" {
        remove(&mut object["spec"], "internalTrafficPolicy");
    }
}

/// Fields that came with the type a service had go with it, where the client only repeats them (strategy.go's
/// dropTypeDependentFields).
fn drop_what_the_type_lacks(object: &mut Value, old: &Value) {
    let drop_same = |object: &mut Value, fields: &[&str]| {
        if fields.iter().all(|field| same(object, old, field)) {
            for field in fields {
                remove(&mut object["spec"], field);
            }
        }
    };
    if needs_address(old) && !needs_address(object) {
        drop_same(object, &["clusterIP", "clusterIPs"]);
        drop_same(object, &["ipFamilies"]);
        drop_same(object, &["ipFamilyPolicy"]);
    }
    if needs_node_port(old) && !needs_node_port(object) {
        ports::drop_repeated(object, old);
    }
    if needs_health_check(old) && !needs_health_check(object) {
        drop_same(object, &["healthCheckNodePort"]);
    }
    let balanced = |service: &Value| text(service, "type") == "LoadBalancer";
    if balanced(old) && !balanced(object) {
        drop_same(object, &["allocateLoadBalancerNodePorts"]);
        drop_same(object, &["loadBalancerClass"]);
    }
    let external = |service: &Value| {
        needs_node_port(service)
            || needs_address(service) && !texts(&service["spec"]["externalIPs"]).is_empty()
    };
    if external(old) && !external(object) {
        drop_same(object, &["externalTrafficPolicy"]);
    }
    if !balanced(object)
        && let Some(status) = object.get_mut("status")
    {
        remove(status, "loadBalancer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_with_the_type_goes_with_it() {
        let old = json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.5", "clusterIPs": ["10.0.0.5"], "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 30001, "allocateLoadBalancerNodePorts": true, "ports": [{"port": 80, "nodePort": 30000}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}});
        let mut new = old.clone();
        new["spec"]["type"] = "ClusterIP".into();
        Services.prepare_for_update(&mut new, &old);
        let wanted = json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.5", "clusterIPs": ["10.0.0.5"], "ports": [{"port": 80}]}, "status": {}});
        assert_eq!(new, wanted);
    }

    #[test]
    fn an_update_that_leaves_numbers_out_keeps_them() {
        let old = json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.5", "clusterIPs": ["10.0.0.5"],
            "ports": [{"name": "a", "port": 80, "nodePort": 30000}, {"name": "b", "port": 81, "nodePort": 30001}]}});
        let mut new = json!({"spec": {"type": "NodePort", "ports": [{"name": "b", "port": 82}, {"name": "c", "port": 83, "nodePort": 30000}, {"name": "a", "port": 80}]}});
        keep_allocated(&mut new, &old);
        assert_eq!(new["spec"]["clusterIPs"], json!(["10.0.0.5"]));
        let ports: Vec<_> = new["spec"]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|port| port.get("nodePort").cloned())
            .collect();
        assert_eq!(
            ports,
            [Some(json!(30001)), Some(json!(30000)), None],
            "a port that another entry asks for now is not kept twice"
        );
    }
}
