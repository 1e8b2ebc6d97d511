//! The objects that a cluster has from its first start, made or brought up to date before the server is ready.
//!
//! `bootstrap/objects.json` holds those that are the same everywhere; the `kubernetes` service, the service
//! CIDR, the APIServices and the authentication ConfigMap follow the configuration. Each is written through the registry
//! like any other object.

use crate::aggregation;
use crate::api::Api;
use crate::controllers::presence;
use crate::handlers::create::in_context;
use crate::pki::first_address;
use crate::registry::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::defaults::apply_defaults;
use triad_machinery::managed_fields;
use triad_machinery::meta;
use triad_machinery::scheme::scheme;
use triad_machinery::status::{Status, reason};

const MANAGER: &str = "kube-apiserver";
/// Who brings along the flow control's objects.
pub(crate) const FLOW_MANAGER: &str = "api-priority-and-fairness-config-producer-v1";
/// How soon a deleted one of the API's own objects is made anew.
const KEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(10);
/// Says since when it is known which tokens in Secrets are used: kube-controller-manager cleans up by it.
const TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";
/// Objects written at a time: enough to fill one log write.
const AT_ONCE: usize = 32;

/// Makes what is missing.
pub(crate) async fn run(api: &Arc<Api>) -> Result<(), Status> {
    let (namespaces, others): (Vec<_>, Vec<_>) = fixed()?
        .into_iter()
        .partition(|object| meta::kind(object) == "Namespace");
    ensure_all(api, namespaces).await?;
    ensure_all(api, others.into_iter().chain(configured(api)).collect()).await?;
    presence::announce(api).await
}

/// The objects that are the same on every server.
pub(crate) fn fixed() -> Result<Vec<Value>, Status> {
    serde_json::from_str(include_str!("bootstrap/objects.json")).map_err(Status::internal)
}

/// Keeps the system's namespaces and the API's own service there for as long as the server runs, as the
/// reference's controllers do.
pub(crate) async fn keep(api: Arc<Api>) {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        if let Err(status) = keep_once(&api).await {
            tracing::warn!(%status, "cannot make the system's namespaces or the kubernetes service anew; trying again");
        }
    }
}

async fn keep_once(api: &Arc<Api>) -> Result<(), Status> {
    let is_namespace = |object: &Value| meta::kind(object) == "Namespace";
    let namespaces = fixed()?.into_iter().filter(is_namespace);
    ensure_all(api, namespaces.collect()).await?;
    let own = configured(api)
        .into_iter()
        .filter(|object| ["kubernetes", TRACKING].contains(&meta::name(object)));
    ensure_all(api, own.collect()).await
}

async fn ensure_all(api: &Arc<Api>, objects: Vec<Value>) -> Result<(), Status> {
    use futures_util::{StreamExt as _, TryStreamExt as _};
    futures_util::stream::iter(objects.into_iter().map(|object| ensure(api, object)))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Makes the object unless one of its name is there.
pub(crate) async fn ensure(api: &Arc<Api>, mut object: Value) -> Result<(), Status> {
    let (group, version) = meta::group_version(meta::api_version(&object));
    let Some(resource) = scheme().resource_of_kind(group, version, meta::kind(&object)) else {
        return Err(Status::internal(format!(
            "the resource table has no {}",
            meta::kind(&object)
        )));
    };
    // A group that --runtime-config switched off gets nothing.
    let Some(registry) = api.endpoints.registry(group, &resource.plural) else {
        return Ok(());
    };
    if registry
        .get_local(meta::namespace(&object), meta::name(&object))?
        .is_some()
    {
        return Ok(());
    }
    create(api, registry, &mut object).await
}

async fn create(api: &Arc<Api>, registry: &Registry, object: &mut Value) -> Result<(), Status> {
    apply_defaults(object, registry.layout.ty);
    let status = object.get("status").cloned();
    if let Some(endpoint) = api.endpoints.get(
        &registry.resource().group,
        &registry.resource().version,
        &registry.resource().plural,
    ) {
        let manager = if &*registry.resource().group == "flowcontrol.apiserver.k8s.io" {
            FLOW_MANAGER
        } else {
            MANAGER
        };
        in_context(&endpoint, manager, "", |context| {
            managed_fields::update(None, object, context)
        });
    }
    registry.fill_system_fields(object);
    let mut object = object.clone();
    let extra = registry.strategy.allocate(api, &mut object, None, false)?;
    registry.before_create(registry.resource(), &mut object)?;
    if let Some(status) = status {
        object["status"] = status;
    }
    match registry.insert(object, extra, false).await {
        Ok(_) => Ok(()),
        // Another server made it meanwhile.
        Err(status) if status.is(reason::ALREADY_EXISTS) => Ok(()),
        Err(status) => Err(status),
    }
}

/// The range of the server's own that services get addresses from.
pub(crate) fn service_range(api: &Api) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [api.config.service_cidr.to_string()]}})
}

fn configured(api: &Api) -> Vec<Value> {
    let config = &api.config;
    let port = i64::from(config.bind.port());
    let node_port = config.kubernetes_service_node_port;
    let service_type = if node_port == 0 {
        "ClusterIP"
    } else {
        "NodePort"
    };
    let mut service_port =
        json!({"name": "https", "port": 443, "protocol": "TCP", "targetPort": port});
    if node_port != 0 {
        service_port["nodePort"] = node_port.into();
    }
    let ip = first_address(&config.service_cidr);
    let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    let mut objects = vec![
        service_range(api),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": ip.to_string(), "clusterIPs": [ip.to_string()], "type": service_type, "sessionAffinity": "None", "ipFamilies": [family], "ipFamilyPolicy": "SingleStack",
                     "internalTrafficPolicy": "Cluster", "ports": [service_port]}}),
        aggregation::trust::config_map(api),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": TRACKING, "namespace": "kube-system"}, "data": {"since": crate::clock::Clock.today()}}),
    ];
    objects.extend(api_services(api));
    objects
}

pub(crate) fn api_services(api: &Api) -> Vec<Value> {
    let mut objects = Vec::new();
    for group in scheme().groups() {
        for version in group.versions.iter().filter(|version| {
            api.endpoints.serves(&group.name, &version.name)
                && group.name != "apiregistration.k8s.io"
        }) {
            let mut spec = json!({"version": &*version.name, "groupPriorityMinimum": group.priority, "versionPriority": version.priority});
            if !group.name.is_empty() {
                spec["group"] = (&*group.name).into();
            }
            objects.push(json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": {"name": format!("{}.{}", version.name, group.name), "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
                "spec": spec,
                "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Local", "message": "Local APIServices are always available", "lastTransitionTime": crate::clock::Clock.now()}]}}));
        }
    }
    objects
}
