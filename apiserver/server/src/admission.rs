//! Admission: policy on objects of any kind, after authorization and before validation (apiserver pkg/admission).
//!
//! Here are the request as plugins see it and what a plugin is; `chain` has them in their order, `lookup` what they look up.

mod asked;
pub(crate) mod certificates;
mod chain;
mod configuration;
mod default_toleration_seconds;
mod dynamic;
mod event_rate_limit;
mod image_policy;
mod ingress_class;
mod known;
mod limit_ranger;
mod lookup;
mod namespace_exists;
mod namespace_lifecycle;
mod namespace_provision;
mod node_restriction;
mod ownership;
mod pod_node_selector;
mod pod_rules;
mod pod_security;
mod pod_tolerations;
mod policy;
mod priority;
pub(crate) mod resource_quota;
#[cfg(test)]
mod rules_tests;
mod runtime_class;
mod service_account;
mod storage_classes;
mod storage_in_use;
mod taint_nodes;
#[cfg(test)]
mod told_tests;
mod topology_labels;
pub(crate) mod webhook;

pub(crate) use asked::Asked;
pub(crate) use chain::Chain;
pub(crate) use lookup::Lookup;

use crate::api::Api;
use crate::audit::Trail;
use crate::handlers::Call;
use crate::handlers::params::DeleteOptions;
use crate::user::User;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::status::{GroupResource, Status};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    /// Being connected to something else through the object.
    Connect,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// What is asked for, by whom.
pub(crate) struct Attributes {
    pub(crate) operation: Operation,
    pub(crate) resource: &'static Resource,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) asked: Asked,
    pub(crate) trail: Trail,
    /// The server itself, for what has to be made first.
    pub(crate) api: Arc<Api>,
}

impl Attributes {
    pub(crate) fn new(call: &Call, operation: Operation, subresource: &str) -> Self {
        Self::asking(call, operation, subresource, Asked::of_query(call))
    }

    /// Of being connected, which is no write.
    pub(crate) fn connecting(call: &Call) -> Self {
        let subresource = call.info.subresource.as_str();
        Self::asking(call, Operation::Connect, subresource, Asked::default())
    }

    /// Of a deletion, whose options may have come in a body.
    pub(crate) fn deleting(call: &Call, options: &DeleteOptions) -> Self {
        let asked = Asked::to_delete(options);
        Self::asking(call, Operation::Delete, "", asked)
    }

    fn asking(call: &Call, operation: Operation, subresource: &str, asked: Asked) -> Self {
        Attributes {
            operation,
            resource: call.endpoint.resource,
            subresource: subresource.to_owned(),
            namespace: call.namespace().to_owned(),
            name: call.name().to_owned(),
            user: call.user.clone(),
            asked,
            trail: call.trail.clone(),
            api: call.api.clone(),
        }
    }

    /// Whoever changes an object may not move it elsewhere.
    fn stays_in_place(&self, object: &Value) -> Result<(), Status> {
        let elsewhere = meta::namespace(object) != self.namespace;
        if self.namespace.is_empty() || self.operation == Operation::Connect || !elsewhere {
            return Ok(());
        }
        Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ))
    }

    /// The version that objects are in here.
    fn stored(&self) -> &'static Resource {
        scheme().stored(self.resource).unwrap_or(self.resource)
    }

    /// An object that was changed in a version that it was shown in, as it is stored.
    fn restored(&self, before: &Value, made: Value, shown: &'static Resource) -> Value {
        let stored = self.stored();
        let mut object = match std::ptr::eq(stored, shown) {
            true => made,
            false => crate::endpoint::convert(made, shown, stored),
        };
        if self.operation == Operation::Create {
            // Not shown, and therefore not said either.
            for field in ["uid", "creationTimestamp"] {
                if let Some(value) = before.pointer(&format!("/metadata/{field}")) {
                    object["metadata"][field] = value.clone();
                }
            }
        }
        object
    }

    pub(crate) fn group_resource(&self) -> GroupResource<'static> {
        GroupResource {
            group: &self.resource.group,
            resource: &self.resource.plural,
        }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.resource.group == group && self.resource.plural == plural
    }

    /// Whether it is about objects of a resource, and not about a part of one.
    fn is_whole(&self, group: &str, plural: &str) -> bool {
        self.is(group, plural) && self.subresource.is_empty()
    }

    fn creates(&self, group: &str, plural: &str) -> bool {
        self.operation == Operation::Create && self.is_whole(group, plural)
    }

    fn forbidden(&self, object: Option<&Value>, why: impl std::fmt::Display) -> Status {
        let name = if self.name.is_empty() {
            object.map_or("", meta::name)
        } else {
            &self.name
        };
        Status::forbidden(self.group_resource(), name, why)
    }
}

/// What a plugin says.
type Verdict = Result<(), Status>;
/// An object as it would be or as it was; none where there is none.
type Seen<'a> = Option<&'a Value>;

/// One plugin. Objects are in the storage version.
trait Plugin: Send + Sync {
    fn name(&self) -> &'static str;

    /// Whether it has a say in such requests.
    fn handles(&self, operation: Operation) -> bool {
        operation != Operation::Connect
    }

    fn admit(&self, _attributes: &Attributes, _object: &mut Value, _old: Seen<'_>) -> Verdict {
        Ok(())
    }

    fn validate(&self, _attributes: &Attributes, _object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        Ok(())
    }

    /// As `validate`, by one that also warns the client.
    fn review(
        &self,
        attributes: &Attributes,
        object: Seen<'_>,
        old: Seen<'_>,
        _warnings: &mut Vec<String>,
    ) -> Verdict {
        self.validate(attributes, object, old)
    }
}
