//! The names by which `columns.txt` calls cells that are functions.

use std::fmt;

use serde_json::Value;

use super::{network, node, pod, policy, volume, workload};

/// A cell in Rust: an object and the time in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Special {
    name: &'static str,
    function: fn(&Value, i64) -> Value,
}

impl Special {
    pub(super) fn show(self, object: &Value, now: i64) -> Value {
        (self.function)(object, now)
    }
}

impl fmt::Debug for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.name)
    }
}

pub(super) fn find(name: &str) -> Option<Special> {
    SPECIALS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(name, function)| Special {
            name,
            function: *function,
        })
}

type Entry = (&'static str, fn(&Value, i64) -> Value);

const SPECIALS: &[Entry] = &[
    ("address_parent", network::address_parent),
    ("apiservice_available", policy::available),
    ("apiservice_service", policy::service_of),
    ("autoscaler_targets", workload::targets),
    ("claim_access_modes", volume::claim_access_modes),
    ("claim_capacity", volume::claim_capacity),
    ("claim_class", volume::class),
    ("claim_state", workload::claim_state),
    ("component_error", node::component_error),
    ("component_message", node::component_message),
    ("component_status", node::component_status),
    ("crd_established", policy::established),
    ("crd_versions", policy::crd_versions),
    ("cronjob_suspend", workload::suspend),
    ("default_class_name", network::default_class_name),
    ("driver_audiences", volume::audiences),
    ("effective_default_name", volume::name),
    ("endpoints", network::endpoints),
    ("event_count", policy::event_count),
    ("event_last_seen", policy::last_seen),
    ("event_object", policy::event_object),
    ("event_source", policy::event_source),
    ("flow_schema_dangling", policy::dangling),
    ("ingress_address", network::ingress_address),
    ("ingress_class_parameters", network::class_parameters),
    ("ingress_hosts", network::ingress_hosts),
    ("ingress_ports", network::ingress_ports),
    ("job_completions", workload::job_completions),
    ("job_duration", workload::job_duration),
    ("job_status", workload::job_status),
    ("migration_resource", policy::migration_resource),
    ("migration_status", policy::migration_status),
    ("node_external_ip", node::external_ip),
    ("node_internal_ip", node::internal_ip),
    ("node_kernel", node::kernel),
    ("node_roles", node::roles),
    ("node_status", node::status),
    ("param_kind", policy::param_kind),
    ("param_ref", policy::param_ref),
    ("pod_certificate_state", policy::pod_certificate_state),
    ("pod_group_policy", workload::group_policy),
    ("pod_group_status", workload::group_status),
    ("pod_readiness_gates", pod::readiness_gates),
    ("pod_ready", pod::ready),
    ("pod_restarts", pod::restarts),
    ("pod_status", pod::status),
    ("quota_limits", volume::quota_limits),
    ("quota_requests", volume::quota_requests),
    ("request_condition", policy::request_condition),
    ("request_duration", policy::request_duration),
    ("revision_controller", workload::revision_controller),
    ("service_external_ip", network::external_ip),
    ("service_ports", network::service_ports),
    ("slice_endpoints", network::slice_endpoints),
    ("slice_ports", network::slice_ports),
    ("storage_versions", policy::storage_versions),
    ("subject_accounts", policy::accounts),
    ("subject_groups", policy::groups),
    ("subject_users", policy::users),
    ("volume_access_modes", volume::access_modes),
    ("volume_claim", volume::claim_of),
    ("volume_class", volume::class),
    ("volume_phase", volume::phase),
];
