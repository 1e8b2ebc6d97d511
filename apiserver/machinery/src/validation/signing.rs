//! Certificate signing requests and trust bundles (pkg/apis/certificates/validation/validation.go). Certificates themselves are
//! not parsed.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::{diff, go_value, projected_volumes, same};

const LEGACY: &str = "kubernetes.io/legacy-unknown";
const DECISIONS: &[&str] = &["Approved", "Denied"];

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(crate) fn request(object: &At<'_>, errors: &mut Errors) {
    judge(object, &Tolerated::default(), errors);
}

fn judge(object: &At<'_>, tolerated: &Tolerated, errors: &mut Errors) {
    let spec = object.get("spec");
    let (request, usages) = (spec.get("request"), spec.get("usages"));
    let bytes = crate::codec::base64::decode(request.text()).unwrap_or_default();
    if !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE REQUEST-----") {
        let shown = if request.given() {
            request.value.clone()
        } else {
            serde_json::Value::Null
        };
        errors.invalid_value(
            &request,
            shown,
            "PEM block type must be CERTIFICATE REQUEST",
        );
    }
    errors.need(&usages);
    if !tolerated.unknown_usages {
        for usage in usages.items() {
            errors.one_of(&usage, USAGES);
        }
    }
    let mut seen = HashSet::new();
    for usage in usages.items().filter(|_| !tolerated.usages_twice) {
        if !seen.insert(usage.text()) {
            errors.duplicate(&usage);
        }
    }
    let signer = spec.get("signerName");
    if signer.text() == LEGACY && !tolerated.legacy_signer {
        errors.invalid(
            &signer,
            "the legacy signerName is not allowed via this API version",
        );
    } else {
        projected_volumes::signer_name(&signer, errors);
    }
    let seconds = spec.get("expirationSeconds");
    if seconds.given() && seconds.int() < 600 {
        errors.invalid(
            &seconds,
            "may not specify a duration less than 600 seconds (10 minutes)",
        );
    }
    conditions(&object.get("status").get("conditions"), tolerated, errors);
}

/// What is wrong with the stored request may stay so.
#[derive(Default)]
struct Tolerated {
    unknown_usages: bool,
    usages_twice: bool,
    legacy_signer: bool,
    twice: bool,
    unnamed: bool,
}

impl Tolerated {
    fn of(old: &At<'_>) -> Self {
        let (spec, list) = (old.get("spec"), old.get("status").get("conditions"));
        let usages = spec.get("usages").strings();
        let kinds: Vec<&str> = list
            .items()
            .map(|condition| condition.get("type").text())
            .collect();
        let differ = |texts: &[&str]| texts.iter().collect::<HashSet<_>>().len() == texts.len();
        Tolerated {
            unknown_usages: !usages.iter().all(|usage| USAGES.contains(usage)),
            usages_twice: !differ(&usages),
            legacy_signer: spec.get("signerName").text() == LEGACY,
            twice: !differ(&kinds),
            unnamed: kinds.contains(&""),
        }
    }
}

fn conditions(at: &At<'_>, tolerated: &Tolerated, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for condition in at.items() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        if !tolerated.unnamed {
            errors.need(&kind);
        }
        let decides = DECISIONS.contains(&kind.text()) || kind.text() == "Failed";
        let values: &[&str] = if decides {
            &["True"]
        } else {
            &["False", "True", "Unknown"]
        };
        errors.need_one_of(&status, values);
        if !seen.insert(kind.text()) && !tolerated.twice {
            errors.duplicate(&kind);
        }
    }
}

/// Which part of a request an update may write.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Writes {
    Neither,
    Approval,
    Certificate,
}

pub(crate) fn update(object: &At<'_>, old: &At<'_>, writes: Writes, errors: &mut Errors) {
    judge(object, &Tolerated::of(old), errors);
    let list = object.get("status").get("conditions");
    let of = |object: &At<'_>, kind: &str| -> Vec<Value> {
        let conditions = object.get("status").get("conditions");
        let found = conditions.items().filter(|c| c.get("type").text() == kind);
        found.map(|condition| condition.value.clone()).collect()
    };
    for kind in ["Approved", "Denied", "Failed"] {
        if of(object, kind).len() < of(old, kind).len() {
            errors.forbidden(
                &list,
                format!("updates may not remove a condition of type \"{kind}\""),
            );
        }
    }
    for kind in DECISIONS.iter().filter(|_| writes != Writes::Approval) {
        let (now, then) = (of(object, kind), of(old, kind));
        if now.len() > then.len() {
            errors.forbidden(
                &list,
                format!("updates may not add a condition of type \"{kind}\""),
            );
        } else if now.len() == then.len() && now != then {
            let shown = |list: &[Value]| {
                let ty = "certificates/v1.CertificateSigningRequestCondition";
                go_value::internal_list(ty, &Value::from(list))
            };
            let difference = diff::unified(&shown(&then), &shown(&now));
            let detail =
                format!("updates may not modify a condition of type \"{kind}\"\n{difference}");
            errors.forbidden(&list, detail);
        }
    }
    let now = object.get("status").get("certificate");
    let then = old.get("status").get("certificate");
    if !same(now.value, then.value) {
        if writes != Writes::Certificate {
            errors.forbidden(&now, "updates may not set certificate content");
        } else if !then.empty() {
            errors.forbidden(&now, "updates may not modify existing certificate content");
        }
    }
}

pub(crate) fn trust_bundle(object: &At<'_>, errors: &mut Errors) {
    let (signer, bundle) = (
        object.get("spec").get("signerName"),
        object.get("spec").get("trustBundle"),
    );
    if !signer.empty() {
        projected_volumes::signer_name(&signer, errors);
    }
    if !bundle.text().contains("-----BEGIN ") {
        errors.invalid_value(
            &bundle,
            "<value omitted>",
            "at least one trust anchor must be provided",
        );
    }
}

pub(crate) fn trust_bundle_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    trust_bundle(object, errors);
    errors.immutable(
        &object.get("spec").get("signerName"),
        &old.get("spec").get("signerName"),
    );
}
