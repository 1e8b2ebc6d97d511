//! What is judged of an object that is written through one of its subresources.

use serde_json::Value;

use super::at::{At, Errors};
use super::{
    Kind, Settings, autoscaling, claims, definitions, device_status, devices, extensions,
    flowcontrol, found, job_status, networking, nodes, pod_changes, pod_resize, policies, quotas,
    services, signing, storage, workloads,
};
use crate::status::FieldError;

/// Everything wrong with an object written through one of its subresources.
pub fn validate_subresource(
    kind: Kind<'_>,
    subresource: &str,
    object: &Value,
    old: &Value,
    settings: &Settings,
) -> Vec<FieldError> {
    found(|root, errors| {
        let places = (&root(object), &root(old));
        through_subresource(kind, subresource, places, settings, errors);
    })
}

fn through_subresource(
    kind: Kind<'_>,
    subresource: &str,
    (at, before): (&At<'_>, &At<'_>),
    settings: &Settings,
    found: &mut Errors,
) {
    const SCALED: &[&str] = &[
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    let (status, was) = (at.get("status"), before.get("status"));
    match (kind.group, kind.resource, subresource) {
        ("", "pods", "status") => pod_changes::status(at, before, found),
        ("", "pods", "resize") => pod_resize::resize(at, before, settings, found),
        ("", "pods", "ephemeralcontainers") => {
            pod_changes::ephemeral_containers(at, before, settings, found)
        }
        ("", "namespaces", "finalize") => nodes::namespace_finalize(at, found),
        ("", "resourcequotas", "status") => quotas::quota_status(at, found),
        ("", "nodes", "status") => nodes::node_update(at, before, found),
        ("", "replicationcontrollers", "status") | ("apps", "replicasets", "status") => {
            workloads::status_counts(
                &status,
                SCALED,
                &SCALED[1..4],
                "cannot be greater than readyReplicas",
                found,
            );
        }
        ("apps", "deployments", "status") => {
            let counts = [
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "terminatingReplicas",
                "collisionCount",
            ];
            workloads::status_counts(
                &status,
                &counts,
                &counts[2..5],
                "cannot be greater than readyReplicas",
                found,
            );
            workloads::collisions(&status, &was, found);
        }
        ("apps", "statefulsets", "status") => {
            let counts = [
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "availableReplicas",
                "observedGeneration",
                "collisionCount",
            ];
            workloads::status_counts(
                &status,
                &counts,
                &counts[1..5],
                "cannot be greater than status.readyReplicas",
                found,
            );
            workloads::collisions(&status, &was, found);
        }
        ("apps", "daemonsets", "status") => {
            let counts = [
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "observedGeneration",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
                "collisionCount",
            ];
            workloads::status_counts(&status, &counts, &[], "", found);
            workloads::collisions(&status, &was, found);
        }
        ("networking.k8s.io", "ingresses", "status") => {
            networking::balancer_status(&status.get("loadBalancer"), found)
        }
        ("", "services", "status") => services::status(at, found),
        ("autoscaling", _, "status") => autoscaling::autoscaler_status(&status, found),
        ("policy", _, "status") => autoscaling::disruption_budget_status(&status, found),
        ("storage.k8s.io", "volumeattachments", "status") => {
            storage::attachment_status(&status, found)
        }
        ("certificates.k8s.io", "certificatesigningrequests", "status") => {
            signing::update(at, before, signing::Writes::Certificate, found)
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            signing::update(at, before, signing::Writes::Approval, found)
        }
        ("batch", "jobs", "status") => job_status::update(at, before, found),
        ("", "namespaces", "status") => nodes::namespace_status(at, found),
        ("", "persistentvolumeclaims", "status") => claims::status(at, found),
        ("storagemigration.k8s.io", "storageversionmigrations", "status") => {
            extensions::migration_status(at, before, found)
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicies", "status") => {
            policies::validating_status(&status, found)
        }
        ("resource.k8s.io", "resourceclaims", "status") => device_status::status(at, before, found),
        ("resource.k8s.io", "devicetaintrules", "status") => {
            devices::taint_rule_status(&status, found)
        }
        ("apiextensions.k8s.io", _, "status") => definitions::status_update(at, found),
        ("flowcontrol.apiserver.k8s.io", _, "status") => flowcontrol::conditions(&status, found),
        ("apps" | "", _, "scale") => found.not_negative(&at.get("spec").get("replicas")),
        _ => {}
    }
}
