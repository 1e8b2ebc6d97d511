//! NodeRestriction: a kubelet writes its own node and the objects of the pods on it, and into them only what is its to say
//! (kubernetes plugin/pkg/admission/noderestriction). Off unless it is asked for, as upstream.

mod pods;
mod requests;

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use crate::cacher::ResourceCache;
use crate::filters::authorize::{Authorizer, node};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::pod::text;
use triad_machinery::status::{GroupResource, Status};

const LEASES: &str = "kube-node-lease";

pub(super) struct NodeRestriction {
    pub(super) lookup: Arc<Lookup>,
    pub(super) authorizer: Arc<Authorizer>,
}

impl Plugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, old: Seen<'_>) -> Verdict {
        self.check(attributes, object, old)
    }

    /// What is deleted passes no change before.
    fn validate(&self, attributes: &Attributes, _object: Seen<'_>, old: Seen<'_>) -> Verdict {
        if attributes.operation != Operation::Delete {
            return Ok(());
        }
        self.check(attributes, &Value::Null, old)
    }
}

impl NodeRestriction {
    fn check(&self, at: &Attributes, new: &Value, old: Option<&Value>) -> Result<(), Status> {
        let Some(node) = node::identity(&at.user) else {
            return Ok(());
        };
        let request = Request { node, at, new, old };
        if node.is_empty() {
            let why = format!(
                "could not determine node from user {}",
                quote(&at.user.name)
            );
            return request.refuse(why);
        }
        match (&*at.resource.group, &*at.resource.plural) {
            ("", "pods") => self.pod(&request),
            ("", "nodes") => own_node(&request),
            ("", "persistentvolumeclaims") => claim_status(&request),
            ("", "serviceaccounts") => self.token(&request),
            ("certificates.k8s.io", "podcertificaterequests") => self.pod_certificate(&request),
            ("coordination.k8s.io", "leases") => lease(&request),
            ("storage.k8s.io", "csinodes") => csi_node(&request),
            ("resource.k8s.io", "resourceslices") => slice(&request),
            ("certificates.k8s.io", "certificatesigningrequests") => requests::own_name(&request),
            _ => Ok(()),
        }
    }

    /// An object that a request speaks of; upstream's listers name the kind in the singular.
    fn named(
        &self,
        cache: &ResourceCache,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Value, Status> {
        self.lookup.find(cache, namespace, name).ok_or_else(|| {
            let resource = GroupResource {
                group: "",
                resource: kind,
            };
            Status::not_found(resource, name)
        })
    }

    fn pod_named(&self, namespace: &str, name: &str) -> Result<Value, Status> {
        self.named(&self.lookup.pods, "pod", namespace, name)
    }
}

/// A node's request.
struct Request<'a> {
    node: &'a str,
    at: &'a Attributes,
    /// Null for deletions.
    new: &'a Value,
    old: Option<&'a Value>,
}

impl Request<'_> {
    fn refuse(&self, why: impl std::fmt::Display) -> Result<(), Status> {
        let object = (!self.new.is_null()).then_some(self.new);
        Err(self.at.forbidden(object, why))
    }

    fn refuse_if(&self, wrong: bool, why: impl FnOnce(String) -> String) -> Result<(), Status> {
        if wrong {
            return self.refuse(why(format!("node {}", quote(self.node))));
        }
        Ok(())
    }

    fn creates(&self) -> bool {
        self.at.operation == Operation::Create
    }

    /// The name in the request, or that of the object that is made.
    fn object_name(&self) -> &str {
        if self.creates() {
            meta::name(self.new)
        } else {
            &self.at.name
        }
    }

    fn operation(&self) -> &'static str {
        self.at.operation.as_str()
    }
}

fn own_node(request: &Request<'_>) -> Result<(), Status> {
    let Request { node, at, new, old } = *request;
    // A name drawn at creation is never the node's.
    let asked = if at.name.is_empty() {
        meta::name(new)
    } else {
        &at.name
    };
    request.refuse_if(asked != node, |who| {
        format!("{who} is not allowed to modify node {}", quote(asked))
    })?;
    let source = &new["spec"]["configSource"];
    match (at.operation, old) {
        (Operation::Create, _) => {
            request.refuse_if(!source.is_null(), |who| {
                format!("{who} is not allowed to create pods with a non-nil configSource")
            })?;
            let labels = forbidden_labels(new, &Value::Null);
            request.refuse_if(!labels.is_empty(), |who| {
                format!(
                    "{who} is not allowed to set the following labels: {}",
                    labels.join(", ")
                )
            })
        }
        (Operation::Update, Some(old)) => {
            let changed = !source.is_null() && *source != old["spec"]["configSource"];
            request.refuse_if(changed, |who| {
                format!("{who} is not allowed to update configSource to a new non-nil configSource")
            })?;
            request.refuse_if(new["spec"]["taints"] != old["spec"]["taints"], |who| {
                format!("{who} is not allowed to modify taints")
            })?;
            let owners = |object: &Value| object["metadata"]["ownerReferences"].clone();
            request.refuse_if(owners(new) != owners(old), |who| {
                format!("{who} is not allowed to modify ownerReferences")
            })?;
            let labels = forbidden_labels(new, old);
            request.refuse_if(!labels.is_empty(), |_| {
                format!("is not allowed to modify labels: {}", labels.join(", "))
            })
        }
        _ => Ok(()),
    }
}

/// Labels of Kubernetes' own domains that kubelets may set on their nodes (k8s.io/kubelet pkg/apis/well_known_labels.go).
const KUBELET_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

/// Which labels were added, changed or taken away that are not a node's to touch, sorted.
fn forbidden_labels(new: &Value, old: &Value) -> Vec<String> {
    let changed = |a: &Value, b: &Value| -> Vec<String> {
        let differs = |(key, value): &(&str, &str)| meta::label(b, key) != Some(value);
        let labels = meta::labels(a).filter(differs);
        labels.map(|(key, _)| key.to_owned()).collect()
    };
    let keys: BTreeSet<String> = changed(new, old)
        .into_iter()
        .chain(changed(old, new))
        .collect();
    keys.into_iter()
        .filter(|key| forbidden_label(key))
        .collect()
}

fn forbidden_label(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let within = |home: &str| {
        domain == home
            || domain
                .strip_suffix(home)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let own = KUBELET_LABELS.contains(&key)
        || within("kubelet.kubernetes.io")
        || within("node.kubernetes.io");
    within("node-restriction.kubernetes.io")
        || (within("kubernetes.io") || within("k8s.io")) && !own
}

fn claim_status(request: &Request<'_>) -> Result<(), Status> {
    if request.at.subresource != "status" {
        return request.refuse("may only update PVC status");
    }
    let (Operation::Update, Some(old)) = (request.at.operation, request.old) else {
        return request.refuse(format!(
            "unexpected operation {}",
            quote(request.operation())
        ));
    };
    /// What a kubelet resizes, and what nobody sets by hand.
    const FREE: [(&str, &[&str]); 2] = [
        (
            "status",
            &[
                "capacity",
                "conditions",
                "allocatedResourceStatuses",
                "allocatedResources",
            ],
        ),
        ("metadata", &["resourceVersion", "managedFields"]),
    ];
    let rest = |object: &Value| {
        let mut object = object.clone();
        for (part, fields) in FREE {
            let part = object.get_mut(part).and_then(Value::as_object_mut);
            if let Some(part) = part {
                part.retain(|field, _| !fields.contains(&field.as_str()));
            }
        }
        object
    };
    let (new, old) = (rest(request.new), rest(old));
    let empty = |value: &Value| value.as_object().is_none_or(serde_json::Map::is_empty);
    let differing: Vec<&str> = ["metadata", "spec", "status"]
        .into_iter()
        .filter(|part| new[*part] != old[*part] && !(empty(&new[*part]) && empty(&old[*part])))
        .collect();
    request.refuse_if(!differing.is_empty(), |who| {
        format!(
            "{who} is not allowed to update fields other than status.quantity and status.conditions: {} differs",
            differing.join(", ")
        )
    })
}

fn lease(request: &Request<'_>) -> Result<(), Status> {
    request.refuse_if(request.at.namespace != LEASES, |_| {
        format!(
            "can only access leases in the {} system namespace",
            quote(LEASES)
        )
    })?;
    request.refuse_if(request.object_name() != request.node, |_| {
        "can only access node lease with the same name as the requesting node".to_owned()
    })
}

fn csi_node(request: &Request<'_>) -> Result<(), Status> {
    request.refuse_if(request.object_name() != request.node, |_| {
        "can only access CSINode with the same name as the requesting node".to_owned()
    })?;
    request.refuse_if(request.at.subresource == "status", |_| {
        "CSIVolumeHealth feature gate is disabled".to_owned()
    })
}

fn slice(request: &Request<'_>) -> Result<(), Status> {
    let (of, verb) = match request.at.operation {
        Operation::Create => (request.new, "create"),
        // A deletion of many is judged one by one.
        Operation::Delete => match request.old {
            Some(old) => (old, "delete"),
            None => return Ok(()),
        },
        Operation::Update | Operation::Connect => return Ok(()),
    };
    request.refuse_if(text(&of["spec"]["nodeName"]) != request.node, |_| {
        format!("can only {verb} ResourceSlice with the same NodeName as the requesting node")
    })
}

#[cfg(test)]
mod tests;
