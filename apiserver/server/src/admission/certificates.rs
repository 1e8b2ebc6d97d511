//! Who may approve, sign and attest for which signer, and which subjects may be asked for (kubernetes
//! plugin/pkg/admission/certificates): CertificateApproval, CertificateSigning, ClusterTrustBundleAttest,
//! CertificateSubjectRestriction.

use super::{Attributes, Operation, Plugin, Seen, Verdict};
use crate::filters::authorize::{self, Authorizer, Decision};
use crate::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::goformat::quote;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
/// The signer of client certificates for this server, which must not make anyone a master.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Whether a user may do something in a signer's name, or in that of all signers of its domain.
pub(crate) fn may(authorizer: &Authorizer, user: &User, verb: &str, signer: &str) -> bool {
    let domain = signer.split('/').next().unwrap_or("");
    [signer.to_owned(), format!("{domain}/*")]
        .into_iter()
        .any(|name| {
            let attributes = authorize::Attributes {
                verb: verb.to_owned(),
                resource_request: true,
                group: GROUP.to_owned(),
                resource: "signers".to_owned(),
                name,
                ..Default::default()
            };
            matches!(authorizer.authorize(user, &attributes), Decision::Allow(_))
        })
}

fn signer(object: Option<&Value>) -> &str {
    let name = object.and_then(|object| object.pointer("/spec/signerName"));
    name.and_then(Value::as_str).unwrap_or("")
}

pub(super) struct Approval(pub(super) Arc<Authorizer>);

impl Plugin for Approval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        if !attributes.is(GROUP, REQUESTS) || attributes.subresource != "approval" {
            return Ok(());
        }
        let signer = signer(old);
        if may(&self.0, &attributes.user, "approve", signer) {
            return Ok(());
        }
        let why = format!(
            "user not permitted to approve requests with signerName {}",
            quote(signer)
        );
        Err(attributes.forbidden(object, why))
    }
}

pub(super) struct Signing(pub(super) Arc<Authorizer>);

impl Plugin for Signing {
    fn name(&self) -> &'static str {
        "CertificateSigning"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        if !attributes.is(GROUP, REQUESTS) || attributes.subresource != "status" {
            return Ok(());
        }
        let part = |object: Option<&Value>, field: &str| {
            let status = object?.get("status")?;
            status.get(field).cloned()
        };
        let same = |field: &str| part(object, field) == part(old, field);
        let signer = signer(old);
        if same("certificate") && same("conditions")
            || may(&self.0, &attributes.user, "sign", signer)
        {
            return Ok(());
        }
        let why = format!(
            "user not permitted to sign requests with signerName {}",
            quote(signer)
        );
        Err(attributes.forbidden(object, why))
    }
}

pub(super) struct TrustBundleAttest(pub(super) Arc<Authorizer>);

impl Plugin for TrustBundleAttest {
    fn name(&self) -> &'static str {
        "ClusterTrustBundleAttest"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        let deletes = attributes.operation == Operation::Delete;
        if !attributes.is(GROUP, "clustertrustbundles") || deletes {
            return Ok(());
        }
        let signer = signer(object);
        // The garbage collector needs no signer's rights for what it does.
        let collected =
            old.is_some_and(|old| object.is_some_and(|object| same_but_collection(object, old)));
        if signer.is_empty() || collected || may(&self.0, &attributes.user, "attest", signer) {
            return Ok(());
        }
        let why = format!(
            "user not permitted to attest for signerName {}",
            quote(signer)
        );
        Err(attributes.forbidden(object, why))
    }
}

/// Whether nothing but finalizers and owners differ.
fn same_but_collection(object: &Value, old: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = triad_machinery::meta::metadata_mut(&mut object) {
            for field in [
                "finalizers",
                "ownerReferences",
                "managedFields",
                "resourceVersion",
            ] {
                metadata.shift_remove(field);
            }
        }
        object
    };
    rest(object) == rest(old)
}

pub(super) struct SubjectRestriction;

impl Plugin for SubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let own = attributes.is_whole(GROUP, REQUESTS);
        if !own || attributes.operation != Operation::Create || signer(object) != CLIENT_SIGNER {
            return Ok(());
        }
        let request = object.and_then(|object| object.pointer("/spec/request")?.as_str());
        match organizations(request.unwrap_or("")) {
            None => {
                let why = "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST";
                Err(attributes.forbidden(object, why))
            }
            Some(groups) if groups.iter().any(|group| group == crate::user::MASTERS) => {
                let why = format!(
                    "use of {CLIENT_SIGNER} signer with {} group is not allowed",
                    crate::user::MASTERS
                );
                Err(attributes.forbidden(object, why))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The organizations of a request's subject; none where it is no request.
fn organizations(request: &str) -> Option<Vec<String>> {
    let pem = STANDARD.decode(request).ok()?;
    let (_, block) = x509_parser::pem::parse_x509_pem(&pem).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    let names = subject
        .iter_organization()
        .filter_map(|name| name.as_str().ok());
    Some(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn a_requests_groups_are_read() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        let pem = params
            .serialize_request(&key)
            .expect("a request")
            .pem()
            .expect("PEM");
        assert_eq!(
            organizations(&STANDARD.encode(pem)),
            Some(vec!["system:masters".to_owned()])
        );
        assert_eq!(organizations("bm9wZQ=="), None);
    }
}
