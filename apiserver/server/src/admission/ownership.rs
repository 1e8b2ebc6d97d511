//! OwnerReferencesPermissionEnforcement and DenyServiceExternalIPs: two rules against taking what is others' (kubernetes
//! plugin/pkg/admission/gc, network/denyserviceexternalips). Off unless they are asked for, and so are AlwaysAdmit and AlwaysDeny.

use super::{Attributes, Operation, Plugin, Seen, Verdict};
use crate::filters::authorize::{self, Authorizer, Decision};
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta::{self, OwnerRef};
use triad_machinery::scheme::scheme;

/// Only who may delete an object gives it owners, and only who may set an owner's finalizers has it wait.
pub(super) struct OwnerReferences(pub(super) Arc<Authorizer>);

impl OwnerReferences {
    fn ask(&self, attributes: &Attributes, asked: authorize::Attributes) -> Result<(), String> {
        match self.0.authorize(&attributes.user, &asked) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) | Decision::NoOpinion(why) => Err(why),
        }
    }
}

impl Plugin for OwnerReferences {
    fn name(&self) -> &'static str {
        "OwnerReferencesPermissionEnforcement"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        let Some(object) = object else {
            return Ok(());
        };
        let owners = |object: &Value| {
            object
                .pointer("/metadata/ownerReferences")
                .cloned()
                .unwrap_or_default()
        };
        let none = |owners: &Value| owners.as_array().is_none_or(Vec::is_empty);
        let (new, before) = (owners(object), old.map(owners).unwrap_or_default());
        // The registry sees to it that a pod's status changes no owners.
        let of_status = attributes.is("", "pods") && attributes.subresource == "status";
        if of_status || new == before || none(&new) && none(&before) {
            return Ok(());
        }
        let resource = attributes.resource;
        let asked = authorize::Attributes {
            resource_request: true,
            group: resource.group.to_string(),
            version: resource.version.to_string(),
            ..authorize::Attributes::default()
        };
        if attributes.operation != Operation::Create {
            let deletes = authorize::Attributes {
                verb: "delete".to_owned(),
                resource: resource.plural.to_string(),
                namespace: attributes.namespace.clone(),
                subresource: attributes.subresource.clone(),
                name: attributes.name.clone(),
                ..asked
            };
            self.ask(attributes, deletes).map_err(|why| {
                let why =
                    format!("cannot set an ownerRef on a resource you can't delete: {why}, <nil>");
                attributes.forbidden(Some(object), why)
            })?;
        }
        let blocked = |owner: &OwnerRef<'_>| {
            let same = |other: OwnerRef<'_>| other.uid == owner.uid && other.block_owner_deletion;
            old.is_some_and(|old| meta::owner_references(old).any(same))
        };
        let blocking = meta::owner_references(object)
            .filter(|owner| owner.block_owner_deletion && !blocked(owner));
        let blocking: Vec<OwnerRef<'_>> = blocking.collect();
        // Who may finalize anything need not be asked about each, of which some may not be known here.
        let anything = authorize::Attributes {
            verb: "update".to_owned(),
            resource_request: true,
            group: "*".to_owned(),
            version: "*".to_owned(),
            resource: "*".to_owned(),
            subresource: "finalizers".to_owned(),
            name: "*".to_owned(),
            ..authorize::Attributes::default()
        };
        if blocking.is_empty() || self.ask(attributes, anything).is_ok() {
            return Ok(());
        }
        for owner in blocking {
            let (group, version) = meta::group_version(owner.api_version);
            let Some(kind) = scheme().resource_of_kind(group, version, owner.kind) else {
                let (version, kind) = (owner.api_version, owner.kind);
                let why = format!(
                    "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {version} Kind {kind}: no matches for kind {kind:?} in version {version:?}"
                );
                return Err(attributes.forbidden(Some(object), why));
            };
            let finalizes = authorize::Attributes {
                verb: "update".to_owned(),
                resource_request: true,
                group: kind.group.to_string(),
                version: kind.version.to_string(),
                resource: kind.plural.to_string(),
                subresource: "finalizers".to_owned(),
                namespace: if kind.namespaced {
                    attributes.namespace.clone()
                } else {
                    String::new()
                },
                name: owner.name.to_owned(),
                ..authorize::Attributes::default()
            };
            self.ask(attributes, finalizes).map_err(|why| {
                let why = format!("cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: {why}, <nil>");
                attributes.forbidden(Some(object), why)
            })?;
        }
        Ok(())
    }
}

/// Services take no addresses that are not given to them.
pub(super) struct DenyServiceExternalIps;

impl Plugin for DenyServiceExternalIps {
    fn name(&self) -> &'static str {
        "DenyServiceExternalIPs"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        if !attributes.is_whole("", "services") {
            return Ok(());
        }
        let addresses = |service: Option<&Value>| -> Vec<Value> {
            let list = service.and_then(|service| service.pointer("/spec/externalIPs")?.as_array());
            list.cloned().unwrap_or_default()
        };
        let known = addresses(old);
        if addresses(object)
            .iter()
            .all(|address| known.contains(address))
        {
            return Ok(());
        }
        Err(attributes.forbidden(object, "Use of external IPs is denied by admission control"))
    }
}

/// Lets everything pass.
pub(super) struct AlwaysAdmit;

impl Plugin for AlwaysAdmit {
    fn name(&self) -> &'static str {
        "AlwaysAdmit"
    }
}

/// Lets nothing pass.
pub(super) struct AlwaysDeny;

impl Plugin for AlwaysDeny {
    fn name(&self) -> &'static str {
        "AlwaysDeny"
    }

    fn handles(&self, _operation: Operation) -> bool {
        true
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        Err(attributes.forbidden(
            Some(object),
            "admission control is denying all modifications",
        ))
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        Err(attributes.forbidden(
            object.or(old),
            "admission control is denying all modifications",
        ))
    }
}
