//! What a kind may do differently. Every method has a default that does nothing; the regular rules (generation, status
//! kept apart, names) are applied around it from the resource table.

use super::{
    apiextensions, apiregistration, apps, autoscaling, batch, certificates, core, discovery,
    resource as dra,
};
use crate::api::Api;
use crate::user::User;
use bytes::Bytes;
use serde_json::Value;
use triad_kv::{Change, Compare, Condition, Txn};
use triad_machinery::scheme::Resource;
use triad_machinery::status::{FieldError, Status};

/// What stands in a conflict that a kind's own keys caused (an address taken meanwhile): the caller tries again.
pub(super) const EXTRA_CONFLICT: &str =
    "a resource that the object needs was taken by another; please try again";

/// Further compares and changes that go into the same transaction as the object.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) compares: Vec<Compare>,
    pub(crate) changes: Vec<Change>,
}

impl Extra {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes a key that nobody must have.
    pub(super) fn take(&mut self, key: Bytes, value: Bytes) {
        self.compares.push(Compare {
            key: key.clone(),
            condition: Condition::Absent,
        });
        self.changes.push(Change::Put {
            key,
            value,
            ttl_seconds: None,
        });
    }

    /// Gives a key back.
    pub(super) fn release(&mut self, key: Bytes) {
        self.changes.push(Change::Delete { key });
    }

    pub(super) fn join(self, txn: &mut Txn) {
        txn.compares.extend(self.compares);
        txn.changes.extend(self.changes);
    }
}

pub(crate) trait Strategy: Send + Sync {
    /// Changes a decoded object of a request before anything else sees it.
    fn normalise(&self, _object: &mut Value) {}

    /// Takes from an object what its bare metadata does not show: what only stands for a field that is gone.
    fn strip_for_metadata(&self, _object: &mut Value) {}

    /// Whether it takes anything: then metadata is shown by way of a tree.
    fn hides_metadata(&self) -> bool {
        false
    }

    /// Writes down who made a new object, where the kind keeps that.
    fn attribute_to(&self, _object: &mut Value, _user: &User) {}

    /// Whether status may come with a new object (nodes register with theirs).
    fn keeps_status_on_create(&self) -> bool {
        false
    }

    /// Whether a change outside spec counts for generation too.
    fn counts_for_generation(&self, _object: &Value, _old: &Value) -> bool {
        false
    }

    /// Whether the kind ends by itself, without a grace period of zero on record (namespaces).
    fn ends_by_itself(&self) -> bool {
        false
    }

    /// Changes a new object before it is validated; status is empty already where the kind has a status subresource.
    fn prepare_for_create(&self, _object: &mut Value) {}

    /// Changes an update before it is validated; status is the old one already, generation is handled.
    fn prepare_for_update(&self, _object: &mut Value, _old: &Value) {}

    /// Changes an update of a subresource that writes the object itself (status and the like).
    fn prepare_for_subresource_update(
        &self,
        _subresource: &str,
        _object: &mut Value,
        _old: &Value,
    ) {
    }

    fn validate(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    fn validate_update(&self, _object: &Value, _old: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    fn validate_subresource_update(
        &self,
        _subresource: &str,
        _object: &Value,
        _old: &Value,
    ) -> Vec<FieldError> {
        Vec::new()
    }

    /// Warnings about a new or changed object.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// Takes what the object needs from elsewhere (addresses, ports), in the object's own transaction. A dry run shows
    /// numbers of the right form without a search.
    fn allocate(
        &self,
        _api: &Api,
        _object: &mut Value,
        _old: Option<&Value>,
        _dry_run: bool,
    ) -> Result<Extra, Status> {
        Ok(Extra::default())
    }

    /// Gives back what `allocate` took, when the object goes.
    fn release(&self, _object: &Value) -> Extra {
        Extra::default()
    }

    /// The grace period of a deletion in seconds; None: the object goes at once.
    fn graceful(&self, _object: &Value, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// A change made when a deletion with grace begins.
    fn begin_deletion(&self, _object: &mut Value) {}

    /// Begins a deletion in the kind's own way: what it changes is all that happens until the object's finalizers are done.
    fn begin_own_deletion(&self, _object: &mut Value) -> bool {
        false
    }

    /// How a failed precondition of a deletion is told where the kind judges it itself.
    fn own_precondition(&self) -> Option<&'static str> {
        None
    }

    /// Whether a deletion may happen at all.
    fn check_deletion(&self, _object: &Value) -> Result<(), Status> {
        Ok(())
    }

    /// Warnings about a deletion; `chosen` says whether the client said what happens to dependents.
    fn deletion_warnings(&self, _chosen: bool) -> Vec<String> {
        Vec::new()
    }

    /// Whether the object has more to lose than its finalizers (a namespace's spec.finalizers).
    fn held(&self, _object: &Value) -> bool {
        false
    }
}

/// A kind about which nothing is special.
struct Regular;

impl Strategy for Regular {}

/// The strategy of a resource; most are regular.
pub(crate) fn for_resource(resource: &Resource) -> Box<dyn Strategy> {
    match (&*resource.group, &*resource.plural) {
        ("", "namespaces") => Box::new(core::namespaces::Namespaces),
        ("", "nodes") => Box::new(core::nodes::Nodes),
        ("", "persistentvolumeclaims") => Box::new(core::volumes::Claims),
        ("", "persistentvolumes") => Box::new(core::volumes::Volumes),
        ("", "pods") => Box::new(core::pods::Pods),
        ("", "secrets") => Box::new(core::secrets::Secrets),
        ("", "serviceaccounts") => Box::new(core::service_accounts::ServiceAccounts),
        ("", "services") => Box::new(core::services::Services),
        ("", "limitranges") => Box::new(core::limit_ranges::LimitRanges),
        ("certificates.k8s.io", "certificatesigningrequests") => {
            Box::new(certificates::signing_requests::SigningRequests)
        }
        ("certificates.k8s.io", "podcertificaterequests") => {
            Box::new(certificates::pod_requests::PodRequests)
        }
        ("autoscaling", "horizontalpodautoscalers") => Box::new(autoscaling::Autoscalers),
        ("apps", "daemonsets") => Box::new(apps::daemon_sets::DaemonSets),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            Box::new(apiextensions::definitions::Definitions)
        }
        ("apiregistration.k8s.io", "apiservices") => {
            Box::new(apiregistration::api_services::ApiServices)
        }
        ("discovery.k8s.io", "endpointslices") => {
            Box::new(discovery::endpoint_slices::EndpointSlices)
        }
        ("resource.k8s.io", "devicetaintrules") => Box::new(dra::taint_rules::TaintRules),
        ("resource.k8s.io", "resourceclaims") => Box::new(dra::claims::Claims),
        ("batch", "jobs") => Box::new(batch::jobs::Jobs),
        ("apps", "deployments") => Box::new(apps::deployments::Deployments),
        _ => Box::new(Regular),
    }
}
