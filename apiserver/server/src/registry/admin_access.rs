//! Who asks for devices with an administrator's access must do so in a namespace that is labelled for it
//! (kubernetes pkg/registry/resource).

use super::Registry;
use super::before::Part;
use serde_json::Value;
use triad_machinery::meta;
use triad_machinery::status::{FieldError, GroupResource, Status};

const LABEL: &str = "resource.kubernetes.io/admin-access";
const STATUS_PATH: &str = "status.allocation.devices.results";
/// Upstream writes the same path for claims and for templates of claims.
const SPEC_PATH: &str = "spec.devices.requests";

impl Registry {
    /// Specs never change: they are judged when they are new.
    pub(super) fn judge_access(&self, object: &Value) -> Option<FieldError> {
        let resource = self.resource();
        let list = match (&*resource.group, &*resource.plural) {
            ("resource.k8s.io", "resourceclaims") => "/spec/devices/requests",
            ("resource.k8s.io", "resourceclaimtemplates") => "/spec/spec/devices/requests",
            _ => return None,
        };
        let index = first(object, list, "/exactly/adminAccess")?;
        self.refuse_access(object, format!("{SPEC_PATH}[{index}].adminAccess"))
    }

    /// What was allocated with that access once stays so.
    pub(super) fn judge_access_change(
        &self,
        part: Part<'_>,
        object: &Value,
        old: &Value,
    ) -> Option<FieldError> {
        const LIST: &str = "/status/allocation/devices/results";
        let resource = self.resource();
        let claim = resource.group == "resource.k8s.io" && resource.plural == "resourceclaims";
        if !claim || part != Part::Sub("status") || first(old, LIST, "/adminAccess").is_some() {
            return None;
        }
        let index = first(object, LIST, "/adminAccess")?;
        self.refuse_access(object, format!("{STATUS_PATH}[{index}].adminAccess"))
    }

    fn refuse_access(&self, object: &Value, path: String) -> Option<FieldError> {
        let name = meta::namespace(object);
        let Some(namespace) = self.namespace(name) else {
            let resource = GroupResource {
                group: "",
                resource: "namespaces",
            };
            let missing = Status::not_found(resource, name);
            let why = format!(
                "could not retrieve namespace to verify admin access: {}",
                missing.message
            );
            return Some(FieldError::internal(path, why));
        };
        let label = namespace
            .get("metadata")
            .and_then(|metadata| metadata.get("labels"))
            .and_then(|labels| labels.get(LABEL));
        if label.and_then(Value::as_str) == Some("true") {
            return None;
        }
        let why = format!(
            "admin access to devices requires the `{LABEL}: true` label on the containing namespace"
        );
        Some(FieldError::forbidden(path, why))
    }
}

/// The first item of a list that has a field set to true.
fn first(object: &Value, list: &str, field: &str) -> Option<usize> {
    let items = object.pointer(list)?.as_array()?;
    items
        .iter()
        .position(|item| item.pointer(field) == Some(&Value::Bool(true)))
}
