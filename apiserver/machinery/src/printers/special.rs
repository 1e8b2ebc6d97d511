//! The names by which `columns.txt` calls cells that are functions.

use std::fmt;

use serde_json::Value;

use super::path::Path;
use super::{network, node, pod, policy, volume, workload};
use crate::codec::protobuf::Pick;

/// A cell in Rust: an object and the time in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Special {
    name: &'static str,
    function: fn(&Value, i64) -> Value,
    /// The paths it reads, between spaces; what ends with `[]` it counts.
    reads: &'static str,
}

impl Special {
    pub(super) fn show(self, object: &Value, now: i64) -> Value {
        (self.function)(object, now)
    }

    /// Adds what it reads of an object.
    pub(super) fn read(self, pick: &mut Pick) {
        let paths = self.reads.split(' ');
        paths.for_each(|path| Path::parse(path).read(pick, false));
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
        .find(|(known, ..)| *known == name)
        .map(|(name, function, reads)| Special {
            name,
            function: *function,
            reads,
        })
}

type Entry = (&'static str, fn(&Value, i64) -> Value, &'static str);

const SPECIALS: &[Entry] = &[
    ("address_parent", network::address_parent, "spec.parentRef"),
    (
        "apiservice_available",
        policy::available,
        "status.conditions",
    ),
    ("apiservice_service", policy::service_of, "spec.service"),
    (
        "autoscaler_targets",
        workload::targets,
        "spec.metrics status.currentMetrics spec.targetCPUUtilizationPercentage status.currentCPUUtilizationPercentage",
    ),
    (
        "claim_access_modes",
        volume::claim_access_modes,
        "spec.volumeName status.accessModes",
    ),
    (
        "claim_capacity",
        volume::claim_capacity,
        "spec.volumeName status.capacity",
    ),
    (
        "claim_class",
        volume::class,
        "metadata.annotations spec.storageClassName",
    ),
    (
        "claim_state",
        workload::claim_state,
        "metadata.deletionTimestamp status.allocation status.reservedFor[]",
    ),
    ("component_error", node::component_error, "conditions"),
    ("component_message", node::component_message, "conditions"),
    ("component_status", node::component_status, "conditions"),
    ("crd_established", policy::established, "status.conditions"),
    (
        "crd_versions",
        policy::crd_versions,
        "spec.versions[].name spec.versions[].served spec.versions[].storage",
    ),
    ("cronjob_suspend", workload::suspend, "spec.suspend"),
    (
        "default_class_name",
        network::default_class_name,
        "metadata.name metadata.annotations",
    ),
    ("driver_audiences", volume::audiences, "spec.tokenRequests"),
    (
        "effective_default_name",
        volume::name,
        "metadata.name metadata.annotations metadata.creationTimestamp",
    ),
    (
        "endpoints",
        network::endpoints,
        "subsets[].addresses[].ip subsets[].ports[].port",
    ),
    (
        "event_count",
        policy::event_count,
        "series count deprecatedCount",
    ),
    (
        "event_last_seen",
        policy::last_seen,
        "series lastTimestamp deprecatedLastTimestamp firstTimestamp deprecatedFirstTimestamp eventTime",
    ),
    (
        "event_object",
        policy::event_object,
        "involvedObject regarding",
    ),
    (
        "event_source",
        policy::event_source,
        "source deprecatedSource reportingComponent reportingController reportingInstance",
    ),
    (
        "flow_schema_dangling",
        policy::dangling,
        "status.conditions",
    ),
    (
        "ingress_address",
        network::ingress_address,
        "status.loadBalancer",
    ),
    (
        "ingress_class_parameters",
        network::class_parameters,
        "spec.parameters",
    ),
    ("ingress_hosts", network::ingress_hosts, "spec.rules[].host"),
    ("ingress_ports", network::ingress_ports, "spec.tls[]"),
    (
        "job_completions",
        workload::job_completions,
        "status.succeeded spec.completions spec.parallelism",
    ),
    (
        "job_duration",
        workload::job_duration,
        "status.startTime status.completionTime",
    ),
    (
        "job_status",
        workload::job_status,
        "metadata.deletionTimestamp status.conditions[].type status.conditions[].status",
    ),
    (
        "migration_resource",
        policy::migration_resource,
        "spec.resource",
    ),
    (
        "migration_status",
        policy::migration_status,
        "status.conditions",
    ),
    ("node_external_ip", node::external_ip, "status.addresses"),
    ("node_internal_ip", node::internal_ip, "status.addresses"),
    (
        "node_kernel",
        node::kernel,
        "status.nodeInfo.kernelVersion status.nodeInfo.architecture",
    ),
    ("node_roles", node::roles, "metadata.labels"),
    (
        "node_status",
        node::status,
        "status.conditions[].type status.conditions[].status spec.unschedulable",
    ),
    ("param_kind", policy::param_kind, "spec.paramKind"),
    ("param_ref", policy::param_ref, "spec.paramRef"),
    (
        "pod_certificate_state",
        policy::pod_certificate_state,
        "status.conditions[].type",
    ),
    (
        "pod_group_policy",
        workload::group_policy,
        "spec.schedulingPolicy",
    ),
    (
        "pod_group_status",
        workload::group_status,
        "status.conditions",
    ),
    (
        "pod_readiness_gates",
        pod::readiness_gates,
        "spec.readinessGates status.conditions[].type status.conditions[].status",
    ),
    ("pod_ready", pod::ready, pod::SUMMARY),
    ("pod_restarts", pod::restarts, pod::SUMMARY),
    ("pod_status", pod::status, pod::SUMMARY),
    (
        "quota_limits",
        volume::quota_limits,
        "status.hard status.used",
    ),
    (
        "quota_requests",
        volume::quota_requests,
        "status.hard status.used",
    ),
    (
        "request_condition",
        policy::request_condition,
        "status.conditions[].type status.certificate",
    ),
    (
        "request_duration",
        policy::request_duration,
        "spec.expirationSeconds",
    ),
    (
        "revision_controller",
        workload::revision_controller,
        "metadata.ownerReferences",
    ),
    (
        "service_external_ip",
        network::external_ip,
        "spec.type spec.externalIPs spec.externalName status.loadBalancer",
    ),
    ("service_ports", network::service_ports, "spec.ports"),
    (
        "slice_endpoints",
        network::slice_endpoints,
        "endpoints[].addresses",
    ),
    (
        "slice_ports",
        network::slice_ports,
        "ports[].port ports[].name",
    ),
    (
        "storage_versions",
        policy::storage_versions,
        "status.storageVersions",
    ),
    ("subject_accounts", policy::accounts, "subjects"),
    ("subject_groups", policy::groups, "subjects"),
    ("subject_users", policy::users, "subjects"),
    (
        "volume_access_modes",
        volume::access_modes,
        "spec.accessModes",
    ),
    ("volume_claim", volume::claim_of, "spec.claimRef"),
    (
        "volume_class",
        volume::class,
        "metadata.annotations spec.storageClassName",
    ),
    (
        "volume_phase",
        volume::phase,
        "metadata.deletionTimestamp status.phase",
    ),
];
