//! What kubelets may: their own objects, and what the pods on their node lead to (kubernetes
//! plugin/pkg/auth/authorizer/node/node_authorizer.go). What a node may write into them is admission's NodeRestriction.

mod follow;
mod graph;

use super::rules::Rule;
use super::{Attributes, Decision};
use crate::cacher::Cacher;
use crate::user::User;
use follow::Followed;
use graph::{Kind, Vertex};
use serde_json::Value;
use triad_machinery::meta;

const PREFIX: &str = "system:node:";
const GROUP: &str = "system:nodes";
const LEASES: &str = "kube-node-lease";

/// The node that a user stands for (kubernetes pkg/auth/nodeidentifier); empty where it does not say which.
pub(crate) fn identity(user: &User) -> Option<&str> {
    let node = user.name.strip_prefix(PREFIX)?;
    user.in_group(GROUP).then_some(node)
}

pub(super) struct NodeAuthorizer {
    followed: Followed,
    /// For what is no matter of single objects.
    rules: Vec<Rule>,
}

impl NodeAuthorizer {
    pub(super) fn new(cacher: &Cacher) -> Option<Self> {
        let fixed = crate::bootstrap::fixed().ok()?;
        let role = fixed.iter().find(|object| {
            meta::kind(object) == "ClusterRole" && meta::name(object) == "system:node"
        })?;
        let rules = role.get("rules").and_then(Value::as_array)?;
        Some(NodeAuthorizer {
            followed: Followed::new(cacher)?,
            rules: rules.iter().map(Rule::new).collect(),
        })
    }

    pub(super) fn authorize(&self, user: &User, asked: &Attributes) -> Decision {
        let Some(node) = identity(user) else {
            return Decision::NoOpinion(String::new());
        };
        if node.is_empty() {
            let name = triad_machinery::goformat::quote(&user.name);
            return Decision::NoOpinion(format!("unknown node for user {name}"));
        }
        let judged = match (asked.group.as_str(), asked.resource.as_str()) {
            _ if !asked.resource_request => self.by_rules(asked),
            ("", "secrets") => self.read(node, Kind::Secret, asked),
            ("", "configmaps") => self.read(node, Kind::ConfigMap, asked),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => {
                self.claim_status(node, asked)
            }
            ("", "persistentvolumeclaims") => self.get(node, Kind::Claim, asked),
            ("", "persistentvolumes") => self.get(node, Kind::Volume, asked),
            ("resource.k8s.io", "resourceclaims") => self.get(node, Kind::ResourceClaim, asked),
            ("storage.k8s.io", "volumeattachments") => self.get(node, Kind::Attachment, asked),
            ("", "serviceaccounts") => self.account(node, asked),
            ("coordination.k8s.io", "leases") => lease(node, asked),
            ("storage.k8s.io", "csinodes") => csi_node(node, asked),
            ("resource.k8s.io", "resourceslices") => self.slice(node, asked),
            ("", "nodes") => own_node(node, asked),
            ("", "pods") => self.pod(node, asked),
            ("certificates.k8s.io", "podcertificaterequests") => {
                self.certificate_request(node, asked)
            }
            _ => self.by_rules(asked),
        };
        match judged {
            Ok(()) => Decision::Allow(String::new()),
            Err(why) => Decision::NoOpinion(why),
        }
    }

    fn by_rules(&self, asked: &Attributes) -> Judged {
        let allowed = self.rules.iter().any(|rule| rule.allows(asked));
        unless(!allowed, "")
    }

    /// Whether a pod of the node leads to the object.
    fn related(&self, node: &str, kind: Kind, asked: &Attributes) -> Judged {
        unless(asked.name.is_empty(), "No Object name found")?;
        self.reaches(node, kind, asked)
    }

    fn reaches(&self, node: &str, kind: Kind, asked: &Attributes) -> Judged {
        let vertex = Vertex::new(kind, &asked.namespace, &asked.name);
        if self.followed.reaches(&vertex, node) {
            return Ok(());
        }
        Err(format!(
            "no relationship found between node '{node}' and this object"
        ))
    }

    fn get(&self, node: &str, kind: Kind, asked: &Attributes) -> Judged {
        unless(
            asked.verb != "get",
            "can only get individual resources of this type",
        )?;
        unless(!asked.subresource.is_empty(), "cannot get subresource")?;
        self.related(node, kind, asked)
    }

    /// Single objects may be listed and watched, too: the request's field selector has named one then.
    fn read(&self, node: &str, kind: Kind, asked: &Attributes) -> Judged {
        unless(
            !["get", "list", "watch"].contains(&asked.verb.as_str()),
            "can only read resources of this type",
        )?;
        unless(!asked.subresource.is_empty(), "cannot read subresource")?;
        unless(
            asked.namespace.is_empty(),
            "can only read namespaced object of this type",
        )?;
        self.related(node, kind, asked)
    }

    fn claim_status(&self, node: &str, asked: &Attributes) -> Judged {
        unless(
            !["update", "patch"].contains(&asked.verb.as_str()),
            "can only get/update/patch this type",
        )?;
        self.related(node, Kind::Claim, asked)
    }

    fn account(&self, node: &str, asked: &Attributes) -> Judged {
        if asked.verb == "get" && asked.subresource.is_empty() {
            return self.read(node, Kind::ServiceAccount, asked);
        }
        unless(
            asked.verb != "create" || asked.name.is_empty(),
            "can only create tokens for individual service accounts",
        )?;
        unless(
            asked.subresource != "token",
            "can only create token subresource of serviceaccount",
        )?;
        self.reaches(node, Kind::ServiceAccount, asked)
    }

    fn slice(&self, node: &str, asked: &Attributes) -> Judged {
        unless(
            !asked.subresource.is_empty(),
            "cannot authorize ResourceSlice subresources",
        )?;
        match asked.verb.as_str() {
            // Whose it is, admission looks at.
            "create" => Ok(()),
            "get" | "update" | "patch" | "delete" => self.related(node, Kind::Slice, asked),
            "watch" | "list" | "deletecollection" => unless(
                !asked.selects("spec.nodeName", node),
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => Err("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection".to_owned()),
        }
    }

    fn pod(&self, node: &str, asked: &Attributes) -> Judged {
        match (asked.subresource.as_str(), asked.verb.as_str()) {
            ("", "get") => self.get(node, Kind::Pod, asked),
            ("", "list" | "watch") if asked.selects("spec.nodeName", node) => Ok(()),
            ("", "list" | "watch") if !asked.name.is_empty() => {
                self.related(node, Kind::Pod, asked)
            }
            ("", "list" | "watch") => {
                Err("can only list/watch pods with spec.nodeName field selector".to_owned())
            }
            // Which ones, admission looks at.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Ok(())
            }
            _ => Err(String::new()),
        }
    }

    fn certificate_request(&self, node: &str, asked: &Attributes) -> Judged {
        unless(
            !asked.subresource.is_empty(),
            "nodes may not access the status subresource of PodCertificateRequests",
        )?;
        match asked.verb.as_str() {
            "create" => Ok(()),
            "get" => self.related(node, Kind::CertificateRequest, asked),
            "list" | "watch" => unless(
                !asked.selects("spec.nodeName", node),
                "can only list/watch podcertificaterequests with nodeName field selector",
            ),
            verb => Err(format!("nodes may not {verb} podcertificaterequests")),
        }
    }
}

/// Allowed, or why there is no opinion.
type Judged = Result<(), String>;

fn unless(wrong: bool, why: &str) -> Judged {
    if wrong { Err(why.to_owned()) } else { Ok(()) }
}

/// What a node does to objects of its own name.
const OWN: [&str; 5] = ["get", "create", "update", "patch", "delete"];

fn lease(node: &str, asked: &Attributes) -> Judged {
    unless(
        !OWN.contains(&asked.verb.as_str()),
        "can only get, create, update, patch, or delete a node lease",
    )?;
    unless(
        asked.namespace != LEASES,
        "can only access leases in the \"kube-node-lease\" system namespace",
    )?;
    // The name of what is created is not known yet; admission looks at it.
    unless(
        asked.verb != "create" && asked.name != node,
        "can only access node lease with the same name as the requesting node",
    )
}

fn csi_node(node: &str, asked: &Attributes) -> Judged {
    match asked.subresource.as_str() {
        "" => unless(
            !OWN.contains(&asked.verb.as_str()),
            "can only get, create, update, patch, or delete a CSINode",
        )?,
        "status" => return Err("CSINode status access requires CSIVolumeHealth feature".to_owned()),
        _ => return Err("cannot authorize CSINode subresources".to_owned()),
    }
    unless(
        asked.verb != "create" && asked.name != node,
        "can only access CSINode with the same name as the requesting node",
    )
}

fn own_node(node: &str, asked: &Attributes) -> Judged {
    match (asked.subresource.as_str(), asked.verb.as_str()) {
        // Whether it is its own, admission looks at.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") => match asked.name.as_str() {
            name if name == node => Ok(()),
            "" => Err(format!(
                "node '{node}' cannot read all nodes, only its own Node object"
            )),
            other => Err(format!(
                "node '{node}' cannot read '{other}', only its own Node object"
            )),
        },
        _ => Err(String::new()),
    }
}

#[cfg(test)]
mod tests;
