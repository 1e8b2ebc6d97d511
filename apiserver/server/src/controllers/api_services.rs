//! Says on each API service whether it can be used (kube-aggregator pkg/controllers/status). Part of the server itself.
//!
//! Of one that another server answers, everything up to its endpoints is judged here; asking that server is the
//! aggregation's part, which this version lacks: until then such a service counts as not reached.

use super::status::Resource;
use crate::api::Api;
use crate::registry::apiregistration::api_services::local;
use crate::registry::conditions::Condition;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::status::Status;

const MANAGER: &str = "kube-apiserver";
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What an API service's availability depends on.
struct Surroundings {
    services: Vec<Value>,
    slices: Vec<Value>,
}

/// Follows API services, services and endpoint slices for as long as the server runs.
pub(super) async fn run(api: Arc<Api>) {
    let resource = |group, plural| Resource::new(&api, (group, "v1", plural), MANAGER);
    let (Some(own), Some(services), Some(slices)) = (
        resource("apiregistration.k8s.io", "apiservices"),
        resource("", "services"),
        resource("discovery.k8s.io", "endpointslices"),
    ) else {
        return;
    };
    if let Err(status) = register(&api, &own).await {
        tracing::warn!(%status, "cannot bring the server's own API services in order");
    }
    loop {
        let (revision, all) = own.list();
        let remote = all
            .iter()
            .any(|object| object.pointer("/spec/service").is_some());
        // Without a remote one nothing else matters, and is not read.
        let (mut services_at, mut slices_at) = (revision, revision);
        let mut around = Surroundings {
            services: Vec::new(),
            slices: Vec::new(),
        };
        if remote {
            (services_at, around.services) = services.list();
            (slices_at, around.slices) = slices.list();
        }
        let mut failed = false;
        for object in &all {
            let name = meta::name(object);
            let set = |object: &mut Value| judge(object, &around).set(object);
            if !set(&mut object.clone()) {
                continue;
            }
            if let Err(status) = own.update_status("", name, set).await {
                tracing::warn!(api_service = name, %status, "cannot write the condition; trying again");
                failed = true;
            }
        }
        tokio::select! {
            () = own.changed(revision) => {}
            () = services.changed(services_at), if remote => {}
            () = slices.changed(slices_at), if remote => {}
            () = tokio::time::sleep(RETRY), if failed => {}
        }
    }
}

/// Once, at start: API services that a server registers itself say what this one would say, and those of versions that it no
/// longer serves go (kube-aggregator pkg/controllers/autoregister).
async fn register(api: &Arc<Api>, own: &Resource) -> Result<(), Status> {
    let wanted = crate::bootstrap::api_services(api);
    let (_, all) = own.list();
    for object in all.iter().filter(|object| is_ours(object)) {
        let name = meta::name(object);
        match wanted.iter().find(|wanted| meta::name(wanted) == name) {
            Some(wanted) => {
                let revise = |live: &mut Value| {
                    let differs = live["spec"] != wanted["spec"];
                    live["spec"] = wanted["spec"].clone();
                    differs
                };
                own.update(name, revise).await?;
            }
            None => own.delete(name).await?,
        }
    }
    Ok(())
}

fn is_ours(object: &Value) -> bool {
    meta::labels(object)
        .any(|label| label == ("kube-aggregator.kubernetes.io/automanaged", "onstart"))
}

fn judge(object: &Value, around: &Surroundings) -> Condition {
    let Some(reference) = object.pointer("/spec/service") else {
        return local();
    };
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or("");
    let (namespace, name) = (text("namespace"), text("name"));
    let port = reference.get("port").and_then(Value::as_i64).unwrap_or(443);
    let shown = format!("service/{name} in {}", quote(namespace));
    let no = |reason, message| Condition::new("Available", false, reason, message);
    let here = |other: &&Value| meta::namespace(other) == namespace;
    let Some(service) = around
        .services
        .iter()
        .filter(here)
        .find(|service| meta::name(service) == name)
    else {
        return no("ServiceNotFound", format!("{shown} is not present"));
    };
    if service
        .pointer("/spec/type")
        .is_none_or(|kind| kind == "ClusterIP")
    {
        let ports = service.pointer("/spec/ports").and_then(Value::as_array);
        let mut ports = ports.into_iter().flatten();
        let Some(found) = ports.find(|p| p["port"] == port) else {
            return no(
                "ServicePortError",
                format!("{shown} is not listening on port {port}"),
            );
        };
        let port_name = found.get("name").and_then(Value::as_str).unwrap_or("");
        let slices: Vec<&Value> = around
            .slices
            .iter()
            .filter(here)
            .filter(|slice| {
                let label = slice.pointer("/metadata/labels/kubernetes.io~1service-name");
                label.is_some_and(|label| label == name)
            })
            .collect();
        if slices.is_empty() {
            return no(
                "EndpointsNotFound",
                format!("cannot find endpointslices for {shown}"),
            );
        }
        if !slices.iter().any(|slice| has_endpoint(slice, port_name)) {
            let message = format!(
                "endpointslices for {shown} have no addresses with port name {}",
                quote(port_name)
            );
            return no("MissingEndpoints", message);
        }
    }
    no(
        "FailedDiscoveryCheck",
        format!("{shown} was not asked: this server does not call aggregated API servers"),
    )
}

/// Whether a slice has an endpoint that takes requests on a port of this name.
fn has_endpoint(slice: &Value, port_name: &str) -> bool {
    let list = |field: &str| {
        let list = slice.get(field).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let named = |port: &Value| port.get("name").and_then(Value::as_str).unwrap_or("") == port_name;
    let serves = |endpoint: &Value| {
        let addresses = endpoint.get("addresses").and_then(Value::as_array);
        endpoint.pointer("/conditions/serving") != Some(&Value::Bool(false))
            && endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false))
            && addresses.is_some_and(|addresses| !addresses.is_empty())
    };
    list("ports").any(named) && list("endpoints").any(serves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let object = json!({"metadata": {"name": "v1.a.io"}, "spec": {"service": {"namespace": "n", "name": "s", "port": 443}}});
        let mut around = Surroundings {
            services: Vec::new(),
            slices: Vec::new(),
        };
        let reason = |around: &Surroundings| judge(&object, around).reason;
        assert_eq!(reason(&around), "ServiceNotFound");
        let service = |port: i64| json!({"metadata": {"namespace": "n", "name": "s"}, "spec": {"type": "ClusterIP", "ports": [{"port": port, "name": "https"}]}});
        around.services = vec![service(80)];
        assert_eq!(reason(&around), "ServicePortError");
        around.services = vec![service(443)];
        assert_eq!(reason(&around), "EndpointsNotFound");
        let slice = |endpoints: Value| {
            json!({"metadata": {"namespace": "n", "name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
            "ports": [{"name": "https", "port": 443}], "endpoints": endpoints})
        };
        around.slices = vec![slice(json!([]))];
        assert_eq!(reason(&around), "MissingEndpoints");
        around.slices = vec![slice(json!([{"addresses": ["10.0.0.1"]}]))];
        assert_eq!(reason(&around), "FailedDiscoveryCheck");
        assert_eq!(judge(&json!({"spec": {}}), &around).reason, "Local");
    }
}
