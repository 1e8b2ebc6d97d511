//! NamespaceLifecycle: nothing new in a namespace that is absent or ending; the system's namespaces stay
//! (apiserver pkg/admission/plugin/namespace/lifecycle).

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::status::{Cause, GroupResource, Status};

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) struct NamespaceLifecycle {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        self.check(attributes, Some(object))
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        self.check(attributes, object)
    }
}

impl NamespaceLifecycle {
    fn check(&self, attributes: &Attributes, object: Option<&Value>) -> Result<(), Status> {
        let of_namespaces = attributes.is("", "namespaces");
        if attributes.operation == Operation::Delete {
            if of_namespaces && IMMORTAL.contains(&attributes.name.as_str()) {
                return Err(attributes.forbidden(object, "this namespace may not be deleted"));
            }
            return Ok(());
        }
        // Reviews must work for namespaces that are ending, and namespaces are not in one.
        if of_namespaces
            || attributes.namespace.is_empty()
            || attributes.is("authorization.k8s.io", "localsubjectaccessreviews")
        {
            return Ok(());
        }
        let name = &attributes.namespace;
        let Some(namespace) = self.lookup.find(&self.lookup.namespaces, "", name) else {
            return Err(Status::not_found(
                GroupResource {
                    group: "",
                    resource: "namespaces",
                },
                name,
            ));
        };
        let ending = !meta::deletion_timestamp(&namespace).is_empty()
            || namespace.pointer("/status/phase").and_then(Value::as_str) == Some("Terminating");
        if attributes.operation == Operation::Create && ending {
            let cause = Cause {
                reason: "NamespaceTerminating".into(),
                message: format!("namespace {name} is being terminated"),
                field: "metadata.namespace".to_owned(),
            };
            return Err(attributes.forbidden(object, format!("unable to create new content in namespace {name} because it is being terminated")).with_cause(cause));
        }
        Ok(())
    }
}
