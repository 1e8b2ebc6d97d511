//! A node's pods: mirror pods come from it and refer to nothing, status and eviction are of pods on it.

use super::{NodeRestriction, Operation, Request};
use serde_json::Value;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::pod::{self, items, text};
use triad_machinery::status::Status;

const MIRROR: &str = "kubernetes.io/config.mirror";

impl NodeRestriction {
    pub(super) fn pod(&self, request: &Request<'_>) -> Result<(), Status> {
        match request.at.subresource.as_str() {
            "" => match request.at.operation {
                Operation::Create => self.mirror(request),
                Operation::Delete => self.deletion(request),
                Operation::Update | Operation::Connect => request.refuse(format!(
                    "unexpected operation {}, node {} can only create and delete mirror pods",
                    quote(request.operation()),
                    quote(request.node)
                )),
            },
            "status" => status(request),
            "eviction" => self.eviction(request),
            other => request.refuse(format!(
                "unexpected pod subresource {}, only 'status' and 'eviction' are allowed",
                quote(other)
            )),
        }
    }

    fn mirror(&self, request: &Request<'_>) -> Result<(), Status> {
        let pod = request.new;
        request.refuse_if(meta::annotation(pod, MIRROR).is_none(), |who| {
            format!(
                "pod does not have {} annotation, {who} can only create mirror pods",
                quote(MIRROR)
            )
        })?;
        request.refuse_if(text(&pod["spec"]["nodeName"]) != request.node, |who| {
            format!("{who} can only create pods with spec.nodeName set to itself")
        })?;
        let owners = pod["metadata"]["ownerReferences"].as_array();
        match owners.map_or(&[][..], Vec::as_slice) {
            [owner] => self.owner(request, owner)?,
            owners => request.refuse_if(true, |who| match owners {
                [] => format!("{who} can only create pods with an owner reference set to itself"),
                _ => format!(
                    "{who} can only create pods with a single owner reference set to itself"
                ),
            })?,
        }
        let refers = refers_to(pod).map_err(|why| {
            request.at.forbidden(
                Some(pod),
                format!("error checking mirror pod for API references: {why}"),
            )
        })?;
        request.refuse_if(refers.is_some(), |who| {
            format!(
                "{who} can not create pods that reference {}",
                refers.unwrap_or_default()
            )
        })
    }

    fn owner(&self, request: &Request<'_>, owner: &Value) -> Result<(), Status> {
        let own =
            owner["apiVersion"] == "v1" && owner["kind"] == "Node" && owner["name"] == request.node;
        request.refuse_if(!own, |who| {
            format!("{who} can only create pods with an owner reference set to itself")
        })?;
        request.refuse_if(owner["controller"] != true, |who| {
            format!("{who} can only create pods with a controller owner reference set to itself")
        })?;
        request.refuse_if(owner["blockOwnerDeletion"] == true, |who| {
            format!("{who} must not set blockOwnerDeletion on an owner reference")
        })?;
        let node = self.named(&self.lookup.nodes, "node", "", request.node)?;
        let (given, uid) = (text(&owner["uid"]), meta::uid(&node));
        request.refuse_if(given != uid, |_| {
            format!(
                "node {} UID mismatch: expected {given} got {uid}",
                request.node
            )
        })
    }

    fn deletion(&self, request: &Request<'_>) -> Result<(), Status> {
        let pod = self.pod_named(&request.at.namespace, &request.at.name)?;
        request.refuse_if(text(&pod["spec"]["nodeName"]) != request.node, |who| {
            format!("{who} can only delete pods with spec.nodeName set to itself")
        })
    }

    fn eviction(&self, request: &Request<'_>) -> Result<(), Status> {
        if !request.creates() {
            return request.refuse(format!("unexpected operation {}", request.operation()));
        }
        let asked = [request.at.name.as_str(), meta::name(request.new)];
        let Some(name) = asked.into_iter().find(|name| !name.is_empty()) else {
            return request.refuse("could not determine pod from request data");
        };
        let pod = self.pod_named(&request.at.namespace, name)?;
        request.refuse_if(text(&pod["spec"]["nodeName"]) != request.node, |_| {
            format!(
                "node {} can only evict pods with spec.nodeName set to itself",
                request.node
            )
        })
    }
}

fn status(request: &Request<'_>) -> Result<(), Status> {
    let (Operation::Update, Some(old)) = (request.at.operation, request.old) else {
        return request.refuse(format!(
            "unexpected operation {}",
            quote(request.operation())
        ));
    };
    let new = request.new;
    request.refuse_if(text(&old["spec"]["nodeName"]) != request.node, |who| {
        format!("{who} can only update pod status for pods with spec.nodeName set to itself")
    })?;
    let labels = |pod: &Value| {
        let labels: std::collections::BTreeMap<String, String> = meta::labels(pod)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        labels
    };
    request.refuse_if(labels(old) != labels(new), |who| {
        format!("{who} cannot update labels through pod status")
    })?;
    /// What the scheduler and the claim controller have written.
    const OTHERS: [(&str, &str); 3] = [
        ("resourceClaimStatuses", "resource claim statues"),
        (
            "extendedResourceClaimStatus",
            "extended resource claim status",
        ),
        (
            "nodeAllocatableResourceClaimStatuses",
            "node allocatable resource claim statuses",
        ),
    ];
    OTHERS.into_iter().try_for_each(|(field, shown)| {
        request.refuse_if(old["status"][field] != new["status"][field], |who| {
            format!("{who} cannot update {shown}")
        })
    })
}

/// Volume sources that ask nothing of the API.
const PLAIN_SOURCES: [&str; 23] = [
    "awsElasticBlockStore",
    "azureDisk",
    "cephfs",
    "cinder",
    "downwardAPI",
    "emptyDir",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
    "name",
];
const API_SOURCES: [(&str, &str); 7] = [
    ("configMap", "configmaps (via configmap volumes)"),
    ("secret", "secrets (via secret volumes)"),
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    (
        "ephemeral",
        "persistentvolumeclaims (via ephemeral volumes)",
    ),
    ("azureFile", "secrets (via azureFile volumes)"),
];
const PROJECTED: [(&str, &str); 5] = [
    ("configMap", "configmaps (via projected volumes)"),
    ("secret", "secrets (via projected volumes)"),
    (
        "serviceAccountToken",
        "serviceaccounts (via projected volumes)",
    ),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
];

/// Which kind of object a pod refers to (kubernetes pkg/api/pod/util.go HasAPIObjectReference); what is unknown may.
fn refers_to(object: &Value) -> Result<Option<&'static str>, String> {
    let spec = &object["spec"];
    let plain: [(bool, &'static str); 4] = [
        (
            !text(&spec["serviceAccountName"]).is_empty(),
            "serviceaccounts",
        ),
        (!pod::secrets(spec).is_empty(), "secrets"),
        (!pod::config_maps(spec).is_empty(), "configmaps"),
        (
            items(&spec["resourceClaims"]).next().is_some(),
            "resourceclaims",
        ),
    ];
    if let Some((_, found)) = plain.into_iter().find(|(there, _)| *there) {
        return Ok(Some(found));
    }
    for volume in items(&spec["volumes"]) {
        if let Some((_, found)) = API_SOURCES
            .iter()
            .find(|(source, _)| volume.get(source).is_some())
        {
            return Ok(Some(found));
        }
        let name = quote(text(&volume["name"]));
        let Some(projected) = volume.get("projected") else {
            let fields = volume
                .as_object()
                .into_iter()
                .flat_map(|volume| volume.keys());
            let mut sources = fields.filter(|field| *field != "name");
            match sources.next() {
                Some(source) if PLAIN_SOURCES.contains(&source.as_str()) => continue,
                _ => return Err(format!("unknown volume type for volume  {name}")),
            }
        };
        for source in items(&projected["sources"]) {
            if let Some((_, found)) = PROJECTED
                .iter()
                .find(|(field, _)| source.get(field).is_some())
            {
                return Ok(Some(found));
            }
            if source.get("downwardAPI").is_none() {
                return Err(format!("unknown source for projected volume {name}"));
            }
        }
    }
    Ok(None)
}
