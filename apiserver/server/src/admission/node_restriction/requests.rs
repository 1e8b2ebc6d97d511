//! What a node asks for in the name of its pods: tokens of their accounts, their certificates, and its own certificates.

use super::{NodeRestriction, Request};
use crate::filters::authorize::{self, Decision};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::pod::{claim_of_volume, is_mirror, items, text};
use triad_machinery::status::Status;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

/// Volumes of the tree that a driver has taken over, and its name (k8s.io/csi-translation-lib plugins).
const MIGRATED: [(&str, &str); 7] = [
    ("awsElasticBlockStore", "ebs.csi.aws.com"),
    ("azureDisk", "disk.csi.azure.com"),
    ("azureFile", "file.csi.azure.com"),
    ("cinder", "cinder.csi.openstack.org"),
    ("gcePersistentDisk", "pd.csi.storage.gke.io"),
    ("portworxVolume", "pxd.portworx.com"),
    ("vsphereVolume", "csi.vsphere.vmware.com"),
];

impl NodeRestriction {
    pub(super) fn token(&self, request: &Request<'_>) -> Result<(), Status> {
        if !request.creates() || request.at.subresource != "token" {
            return Ok(());
        }
        let asked = &request.new["spec"];
        let bound = |field: &str| text(&asked["boundObjectRef"][field]);
        let to_pod =
            bound("apiVersion") == "v1" && bound("kind") == "Pod" && !bound("name").is_empty();
        request.refuse_if(!to_pod, |_| {
            "node requested token not bound to a pod".to_owned()
        })?;
        let uid = bound("uid");
        request.refuse_if(uid.is_empty(), |_| {
            "node requested token with a pod binding without a uid".to_owned()
        })?;
        let pod = self.pod_named(&request.at.namespace, bound("name"))?;
        request.refuse_if(uid != meta::uid(&pod), |_| {
            format!("the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated")
        })?;
        request.refuse_if(text(&pod["spec"]["nodeName"]) != request.node, |_| {
            "node requested token bound to a pod scheduled on a different node".to_owned()
        })?;
        self.audience(request, &pod)
            .or_else(|why| request.refuse(why))
    }

    /// A token is for an audience that a volume of the pod names, or that the node may ask for.
    fn audience(&self, request: &Request<'_>, pod: &Value) -> Result<(), String> {
        let audiences: Vec<&str> = items(&request.new["spec"]["audiences"]).map(text).collect();
        let audience = match audiences[..] {
            [] => "",
            [one] => one,
            _ => return Err("node may only request 0 or 1 audiences".to_owned()),
        };
        let found = self.names_audience(pod, audience);
        if found.map_err(|why| format!("error validating audience {}: {why}", quote(audience)))? {
            return Ok(());
        }
        if self.may(
            request,
            "request-serviceaccounts-token-audience",
            audience,
            &request.at.name,
        ) {
            return Ok(());
        }
        let user = &request.at.user.name;
        Err(format!(
            "{user} is not authorized to request tokens for audience {}",
            quote(audience)
        ))
    }

    fn names_audience(&self, pod: &Value, audience: &str) -> Result<bool, String> {
        let mut errors = Vec::new();
        for volume in items(&pod["spec"]["volumes"]) {
            let mut tokens = items(&volume["projected"]["sources"])
                .filter_map(|source| source.get("serviceAccountToken"));
            if tokens.any(|token| text(&token["audience"]) == audience) {
                return Ok(true);
            }
            let driver = match self.driver_of(pod, volume) {
                Ok(Some(driver)) => driver,
                Ok(None) => continue,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            match self.lookup.find(&self.lookup.csi_drivers, "", &driver) {
                Some(driver) => {
                    let mut tokens = items(&driver["spec"]["tokenRequests"]);
                    if tokens.any(|token| text(&token["audience"]) == audience) {
                        return Ok(true);
                    }
                }
                None => errors.push(format!(
                    "csidriver.storage.k8s.io {} not found",
                    quote(&driver)
                )),
            }
        }
        match errors.as_slice() {
            [] => Ok(false),
            [one] => Err(one.clone()),
            more => Err(format!("[{}]", more.join(", "))),
        }
    }

    /// The driver of a volume, directly or by way of its claim.
    fn driver_of(&self, pod: &Value, volume: &Value) -> Result<Option<String>, String> {
        let driver = |spec: &Value| {
            let own = spec.get("csi").map(|csi| text(&csi["driver"]).to_owned());
            own.or_else(|| {
                let migrated = MIGRATED
                    .iter()
                    .find(|(source, _)| spec.get(source).is_some());
                migrated.map(|(_, driver)| (*driver).to_owned())
            })
        };
        let Some(claim) = claim_of_volume(pod, volume) else {
            return Ok(driver(volume));
        };
        let missing = |kind: &str, name: &str| format!("{kind} {} not found", quote(name));
        let found = self
            .lookup
            .find(&self.lookup.claims, meta::namespace(pod), &claim);
        let found = found.ok_or_else(|| missing("persistentvolumeclaim", &claim))?;
        let name = text(&found["spec"]["volumeName"]);
        let volume = self.lookup.find(&self.lookup.volumes, "", name);
        Ok(driver(
            &volume.ok_or_else(|| missing("persistentvolume", name))?["spec"],
        ))
    }

    fn may(&self, request: &Request<'_>, verb: &str, resource: &str, name: &str) -> bool {
        let asked = authorize::Attributes {
            verb: verb.to_owned(),
            resource_request: true,
            group: request.at.resource.group.to_string(),
            version: request.at.resource.version.to_string(),
            resource: resource.to_owned(),
            namespace: request.at.namespace.clone(),
            name: name.to_owned(),
            ..authorize::Attributes::default()
        };
        matches!(
            self.authorizer.authorize(&request.at.user, &asked),
            Decision::Allow(_)
        )
    }

    pub(super) fn pod_certificate(&self, request: &Request<'_>) -> Result<(), Status> {
        if !request.creates() {
            return request.refuse(format!("unexpected operation {}", request.operation()));
        }
        if !request.at.subresource.is_empty() {
            return request.refuse(format!("unexpected subresource {}", request.at.subresource));
        }
        let spec = &request.new["spec"];
        let (node, namespace) = (text(&spec["nodeName"]), &request.at.namespace);
        request.refuse_if(node != request.node, |_| {
            format!(
                "PodCertificateRequest.Spec.NodeName={}, which is not the requesting node {}",
                quote(node),
                quote(request.node)
            )
        })?;
        let named_in = |what: String, missing: String| {
            Status::plain_error(format!(
                "while retrieving {what} named in the PodCertificateRequest: {missing}"
            ))
        };
        let missing = |kind: &str, name: &str| format!("{kind} {} not found", quote(name));
        let known = self.lookup.find(&self.lookup.nodes, "", node);
        let known = known
            .ok_or_else(|| named_in(format!("node {}", quote(node)), missing("node", node)))?;
        let name = text(&spec["podName"]);
        let full = quote(&format!("{namespace}/{name}"));
        let stale = |what: String| {
            Err(Status::plain_error(format!(
                "PodCertificateRequest for pod {full} {what}"
            )))
        };
        let uid = text(&spec["nodeUID"]);
        if uid != meta::uid(&known) {
            return stale(format!(
                "names node UID {}, inconsistent with the running node ({})",
                quote(uid),
                quote(meta::uid(&known))
            ));
        }
        let pod = self.lookup.find(&self.lookup.pods, namespace, name);
        let pod = pod.ok_or_else(|| named_in(format!("pod {full}"), missing("pod", name)))?;
        let uid = text(&spec["podUID"]);
        if uid != meta::uid(&pod) {
            return stale(format!(
                "contains pod UID ({}) which differs from running pod {}",
                quote(uid),
                quote(meta::uid(&pod))
            ));
        }
        request.refuse_if(text(&pod["spec"]["nodeName"]) != node, |_| {
            format!(
                "pod {full} is not running on node {} named in the PodCertificateRequest",
                quote(node)
            )
        })?;
        let mirror = is_mirror(&pod);
        request.refuse_if(mirror, |_| format!("pod {full} is a mirror pod"))?;
        let (account, of_pod) = (
            text(&spec["serviceAccountName"]),
            text(&pod["spec"]["serviceAccountName"]),
        );
        request.refuse_if(account != of_pod, |_| {
            format!("PodCertificateRequest for pod {full} contains serviceAccountName ({}) that differs from running pod ({})", quote(account), quote(of_pod))
        })?;
        let found = self
            .lookup
            .find(&self.lookup.service_accounts, namespace, account);
        let found = found.ok_or_else(|| {
            let what = format!(
                "service account {}",
                quote(&format!("{namespace}/{account}"))
            );
            named_in(what, missing("serviceaccount", account))
        })?;
        let uid = text(&spec["serviceAccountUID"]);
        if uid != meta::uid(&found) {
            return stale(format!(
                "names service account UID {}, which differs from the running service account ({})",
                quote(uid),
                quote(meta::uid(&found))
            ));
        }
        self.signer(request, &pod, &full)
    }

    fn signer(&self, request: &Request<'_>, pod: &Value, full: &str) -> Result<(), Status> {
        let signer = text(&request.new["spec"]["signerName"]);
        let mut sources = items(&pod["spec"]["volumes"])
            .flat_map(|volume| items(&volume["projected"]["sources"]));
        let account = text(&request.new["spec"]["serviceAccountName"]);
        // A resource's name in a rule has no slash.
        let resource = signer.replace('/', ":");
        if sources.any(|source| {
            text(&source["podCertificate"]["signerName"]) == signer && !signer.is_empty()
        }) || self.may(
            request,
            "request-serviceaccounts-podcertificate-signer",
            &resource,
            account,
        ) {
            return Ok(());
        }
        request.refuse(format!(
            "pod {full} does not mount a podCertificate projected volume for signer {}",
            quote(signer)
        ))
    }
}

/// A node asks for its own certificates only.
pub(super) fn own_name(request: &Request<'_>) -> Result<(), Status> {
    const SIGNERS: [&str; 2] = [
        "kubernetes.io/kubelet-serving",
        "kubernetes.io/kube-apiserver-client-kubelet",
    ];
    let spec = &request.new["spec"];
    if !request.creates() || !SIGNERS.contains(&text(&spec["signerName"])) {
        return Ok(());
    }
    let Some(name) = common_name(text(&spec["request"])) else {
        return request.refuse("unable to parse csr: PEM block type must be CERTIFICATE REQUEST");
    };
    let wanted = format!("system:node:{}", request.node);
    request.refuse_if(name != wanted, |_| {
        format!("can only create a node CSR with CN={wanted}")
    })
}

/// The common name of a request's subject; none where it is no request.
fn common_name(request: &str) -> Option<String> {
    let pem = STANDARD.decode(request).ok()?;
    let (_, block) = x509_parser::pem::parse_x509_pem(&pem).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    let name = subject
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    Some(name.unwrap_or_default().to_owned())
}
