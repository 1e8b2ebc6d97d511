//! Validation of the built-in kinds on create and update, after metadata has been judged: upstream's rules, field paths, messages
//! and order. Pure: an object goes in, errors come out; called by the registry for every write.
//!
//! One function for each kind, reached by resource; rules that several kinds share stand in files of their own.

mod at;
mod autoscaling;
mod claims;
mod classes;
mod conditions;
mod config;
mod containers;
mod cron;
mod declared;
mod definition_extensions;
mod definition_parts;
mod definition_rules;
mod definition_schema;
mod definition_structure;
mod definition_warnings;
mod definitions;
mod device_capacity;
mod device_slices;
mod device_status;
mod devices;
mod diff;
mod discovery;
mod endpoints;
mod env;
mod events;
mod expressions;
mod extensions;
mod flowcontrol;
mod formats;
mod go_value;
mod indexes;
mod job_policies;
mod job_status;
mod jobs;
mod mounts;
mod networking;
mod nodes;
mod ordered;
mod persistent_volumes;
mod pod_changes;
mod pod_resize;
mod pod_resources;
mod pod_update;
mod pods;
mod policies;
mod probes;
mod projected_volumes;
mod quotas;
mod rbac;
mod resources;
mod scheduling;
mod security;
mod selectors;
mod services;
mod signing;
mod stateful_sets;
mod storage;
mod subresources;
mod volume_drivers;
mod volumes;
mod warnings;
mod webhooks;
mod windows;
mod workloads;

use serde_json::Value;

use crate::status::FieldError;
use at::{At, Errors};
pub use declared::{declared, merged};
pub use formats::strict_ip;
pub(crate) use formats::{parse_cidr, parse_ip};
pub use ordered::ordered;
pub use pods::Settings;
pub use subresources::validate_subresource;
pub use warnings::warnings;

/// Which resource an object is of.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    /// Empty for the core group.
    pub group: &'a str,
    /// `pods`.
    pub resource: &'a str,
    /// The group that the request was made to: events are served by two.
    pub served_group: &'a str,
}

/// Everything wrong with a new object beside its metadata.
pub fn validate(kind: Kind<'_>, object: &Value, settings: &Settings) -> Vec<FieldError> {
    found(|root, errors| {
        own_finalizers(kind, &root(object), errors);
        create(kind, &root(object), settings, errors);
    })
}

/// Makes the place that an object is judged from.
type Root = for<'a> fn(&'a Value) -> At<'a>;

/// All errors that a judge finds. Most objects have none: where they are is worked out only for those that have.
fn found(judge: impl Fn(Root, &mut Errors)) -> Vec<FieldError> {
    let mut errors = Errors::default();
    judge(|object| At::untold(object), &mut errors);
    if errors.0.is_empty() {
        return Vec::new();
    }
    errors = Errors::default();
    judge(|object| At::root(object), &mut errors);
    errors.into_list()
}

/// Groups whose kinds take no finalizer without a domain but Kubernetes' own (ValidateObjectMeta of the core group).
const STRICT_FINALIZERS: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

fn own_finalizers(kind: Kind<'_>, object: &At<'_>, errors: &mut Errors) {
    if kind.resource == "events" || !STRICT_FINALIZERS.contains(&kind.group) {
        return;
    }
    let finalizers = object.get("metadata").get("finalizers");
    for finalizer in finalizers.items() {
        nodes::own_finalizer(&finalizer, errors);
    }
}

fn create(kind: Kind<'_>, at: &At<'_>, settings: &Settings, errors: &mut Errors) {
    match (kind.group, kind.resource) {
        ("", "pods") => pods::create(at, settings, errors),
        ("", "podtemplates") => pods::template(&at.get("template"), settings, errors),
        ("", "persistentvolumes") => persistent_volumes::volume(at, errors),
        ("", "persistentvolumeclaims") => claims::claim(at, errors),
        ("", "replicationcontrollers") => workloads::replication_controller(at, settings, errors),
        ("", "services") => services::service(at, errors),
        ("", "endpoints") => endpoints::endpoints(at, None, errors),
        ("", "configmaps") => config::config_map(at, errors),
        ("", "secrets") => config::secret(at, errors),
        ("", "limitranges") => quotas::limit_range(at, errors),
        ("", "resourcequotas") => quotas::quota(at, errors),
        ("", "nodes") => nodes::node(at, errors),
        ("", "namespaces") => nodes::namespace(at, errors),
        ("", "events") => events::create(at, kind.served_group == "events.k8s.io", errors),
        ("apps", "deployments") => workloads::deployment(at, settings, errors),
        ("apps", "replicasets") => workloads::replica_set(at, settings, errors),
        ("apps", "statefulsets") => stateful_sets::stateful_set(at, settings, errors),
        ("apps", "daemonsets") => workloads::daemon_set(at, settings, errors),
        ("apps", "controllerrevisions") => workloads::controller_revision(at, errors),
        ("batch", "jobs") => jobs::create(at, settings, errors),
        ("batch", "cronjobs") => jobs::cron_job(at, None, settings, errors),
        ("networking.k8s.io", "networkpolicies") => networking::network_policy(at, errors),
        ("networking.k8s.io", "ingresses") => networking::ingress_create(at, errors),
        ("networking.k8s.io", "ingressclasses") => networking::ingress_class(at, errors),
        ("networking.k8s.io", "ipaddresses") => networking::ip_address(at, errors),
        ("networking.k8s.io", "servicecidrs") => networking::service_cidr(at, errors),
        ("rbac.authorization.k8s.io", "roles") => rbac::role(at, true, errors),
        ("rbac.authorization.k8s.io", "clusterroles") => rbac::role(at, false, errors),
        ("rbac.authorization.k8s.io", "rolebindings") => rbac::binding(at, true, errors),
        ("rbac.authorization.k8s.io", "clusterrolebindings") => rbac::binding(at, false, errors),
        ("autoscaling", "horizontalpodautoscalers") => autoscaling::autoscaler(at, errors),
        ("policy", "poddisruptionbudgets") => autoscaling::disruption_budget(at, errors),
        ("discovery.k8s.io", "endpointslices") => discovery::endpoint_slice(at, None, errors),
        ("storage.k8s.io", "storageclasses") => storage::class(at, errors),
        ("storage.k8s.io", "volumeattributesclasses") => storage::attributes_class(at, errors),
        ("storage.k8s.io", "volumeattachments") => storage::attachment(at, errors),
        ("storage.k8s.io", "csinodes") => storage::csi_node(at, errors),
        ("storage.k8s.io", "csidrivers") => storage::csi_driver(at, errors),
        ("storage.k8s.io", "csistoragecapacities") => storage::capacity(at, errors),
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => flowcontrol::schema(at, errors),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => {
            flowcontrol::level(at, errors)
        }
        ("coordination.k8s.io", "leases") => classes::lease(at, errors),
        ("node.k8s.io", "runtimeclasses") => classes::runtime_class(at, errors),
        ("scheduling.k8s.io", "priorityclasses") => classes::priority_class(at, errors),
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations",
        ) => webhooks::configuration(at, None, errors),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => {
            policies::validating(at, None, errors)
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => {
            policies::mutating(at, None, errors)
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => {
            policies::binding(at, true, errors)
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings") => {
            policies::binding(at, false, errors)
        }
        ("resource.k8s.io", "resourceclaims") => devices::claim(at, errors),
        ("resource.k8s.io", "resourceclaimtemplates") => devices::claim_template(at, errors),
        ("resource.k8s.io", "deviceclasses") => devices::class(at, None, errors),
        ("resource.k8s.io", "resourceslices") => device_slices::slice(at, None, errors),
        ("resource.k8s.io", "devicetaintrules") => devices::taint_rule(at, errors),
        ("apiextensions.k8s.io", "customresourcedefinitions") => definitions::create(at, errors),
        ("apiregistration.k8s.io", "apiservices") => extensions::api_service(at, errors),
        ("storagemigration.k8s.io", "storageversionmigrations") => {
            extensions::migration(at, errors)
        }
        ("certificates.k8s.io", "certificatesigningrequests") => signing::request(at, errors),
        ("certificates.k8s.io", "clustertrustbundles") => signing::trust_bundle(at, errors),
        ("certificates.k8s.io", "podcertificaterequests") => {
            extensions::pod_certificate_request(at, errors)
        }
        _ => {}
    }
}

/// Everything wrong with a changed object beside its metadata.
pub fn validate_update(
    kind: Kind<'_>,
    object: &Value,
    old: &Value,
    settings: &Settings,
) -> Vec<FieldError> {
    found(|root, errors| {
        own_finalizers(kind, &root(object), errors);
        update(kind, &root(object), &root(old), settings, errors);
    })
}

fn update(kind: Kind<'_>, at: &At<'_>, old: &At<'_>, settings: &Settings, errors: &mut Errors) {
    match (kind.group, kind.resource) {
        ("", "pods") => pod_update::update(at, old, settings, errors),
        ("", "persistentvolumes") => persistent_volumes::volume_update(at, old, errors),
        ("", "persistentvolumeclaims") => claims::update(at, old, errors),
        ("", "services") => services::update(at, old, errors),
        ("", "endpoints") => endpoints::endpoints(at, Some(old), errors),
        ("", "configmaps") => config::config_map_update(at, old, errors),
        ("", "secrets") => config::secret_update(at, old, errors),
        ("", "resourcequotas") => quotas::quota_update(at, old, errors),
        ("", "nodes") => nodes::node_update(at, old, errors),
        ("", "namespaces") => {}
        ("", "events") => events::update(at, old, kind.served_group == "events.k8s.io", errors),
        ("apps", "deployments" | "replicasets") => {
            create(kind, at, settings, errors);
            workloads::selector_update(at, old, errors);
        }
        ("apps", "daemonsets") => {
            workloads::selector_update(at, old, errors);
            create(kind, at, settings, errors);
        }
        ("apps", "statefulsets") => {
            create(kind, at, settings, errors);
            stateful_sets::stateful_set_update(at, old, errors);
        }
        ("apps", "controllerrevisions") => workloads::controller_revision_update(at, old, errors),
        ("batch", "jobs") => jobs::update(at, old, settings, errors),
        ("batch", "cronjobs") => jobs::cron_job(at, Some(old), settings, errors),
        ("networking.k8s.io", "ingresses") => networking::ingress(at, errors),
        ("networking.k8s.io", "ingressclasses") => {
            networking::ingress_class_update(at, old, errors)
        }
        ("networking.k8s.io", "ipaddresses") => {}
        ("networking.k8s.io", "servicecidrs") => networking::service_cidr_update(at, old, errors),
        ("rbac.authorization.k8s.io", "rolebindings") => {
            rbac::binding_update(at, old, true, errors)
        }
        ("rbac.authorization.k8s.io", "clusterrolebindings") => {
            rbac::binding_update(at, old, false, errors)
        }
        ("discovery.k8s.io", "endpointslices") => discovery::endpoint_slice(at, Some(old), errors),
        ("storage.k8s.io", "storageclasses") => {}
        ("storage.k8s.io", "volumeattributesclasses") => {
            storage::attributes_class_update(at, old, errors)
        }
        ("storage.k8s.io", "csinodes") => storage::csi_node_update(at, old, errors),
        ("storage.k8s.io", "csidrivers") => storage::csi_driver_update(at, old, errors),
        ("storage.k8s.io", "csistoragecapacities") => storage::capacity_update(at, old, errors),
        ("node.k8s.io", "runtimeclasses") => {}
        ("scheduling.k8s.io", "priorityclasses") => classes::priority_class_update(at, old, errors),
        ("resource.k8s.io", "resourceclaims") => {}
        ("resource.k8s.io", "resourceclaimtemplates") => {
            devices::claim_template_update(at, old, errors)
        }
        ("resource.k8s.io", "deviceclasses") => devices::class(at, Some(old), errors),
        ("resource.k8s.io", "resourceslices") => device_slices::slice(at, Some(old), errors),
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations",
        ) => webhooks::configuration(at, Some(old), errors),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => {
            policies::validating(at, Some(old), errors)
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => {
            policies::mutating(at, Some(old), errors)
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            definitions::update(at, old, errors)
        }
        ("storagemigration.k8s.io", "storageversionmigrations") => {
            extensions::migration_update(at, old, errors)
        }
        ("certificates.k8s.io", "certificatesigningrequests") => {
            signing::update(at, old, signing::Writes::Neither, errors)
        }
        ("certificates.k8s.io", "clustertrustbundles") => {
            signing::trust_bundle_update(at, old, errors)
        }
        ("certificates.k8s.io", "podcertificaterequests") => {
            extensions::pod_certificate_request_update(at, old, errors)
        }
        _ => create(kind, at, settings, errors),
    }
}

/// What is wrong with a service's cluster addresses and families alone, as it is judged before any are allocated.
pub fn service_addresses(service: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    services::addresses(&At::root(service).get("spec"), &mut errors);
    errors.into_list()
}

/// Equal as upstream's Semantic.DeepEqual has it: absent, null, empty and (in objects) zero are the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.is_copy_of(b) => true,
        (Value::Object(a), Value::Object(b)) => {
            let null = &Value::Null;
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter()
                .all(|key| same(a.get(key).unwrap_or(null), b.get(key).unwrap_or(null)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Null, other) | (other, Value::Null) => match other {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.values().all(|value| same(value, &Value::Null)),
            Value::String(text) => text.is_empty(),
            _ => false,
        },
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
