//! Pod certificate requests: the key must be one that signers take and the request signed with it; a certificate that is issued
//! must be for that key and keep to what was asked (kubernetes pkg/apis/certificates/validation).

use crate::clock::Clock;
use crate::registry::Strategy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use triad_machinery::duration::{format_time, parse_time};
use triad_machinery::status::{FieldError, FieldErrorKind};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509CertificationRequest};
use x509_parser::public_key::PublicKey;

const REQUEST: &str = "spec.stubPKCS10Request";
const CHAIN: &str = "status.certificateChain";
/// Longest request and longest chain, in bytes.
const REQUEST_MAX: usize = 10 * 1024;
const CHAIN_MAX: usize = 100 * 1024;
const ENDED: [&str; 3] = ["Issued", "Denied", "Failed"];
const MINUTE: i64 = 60;
/// Curves by their object identifiers.
const CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];

pub(in crate::registry) struct PodRequests;

impl Strategy for PodRequests {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let given = |field: &str| spec.get(field).is_some();
        if given("pkixPublicKey") || given("proofOfPossession") {
            let why = "not supported by this server; use stubPKCS10Request";
            return vec![FieldError::forbidden("spec.pkixPublicKey", why)];
        }
        let Some(request) = decoded(spec) else {
            let why = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set";
            return vec![bare("spec", why)];
        };
        key_problem(&request).into_iter().collect()
    }

    fn validate_subresource_update(
        &self,
        subresource: &str,
        object: &Value,
        old: &Value,
    ) -> Vec<FieldError> {
        if subresource != "status" {
            return Vec::new();
        }
        let errors = condition_problems(object);
        if !errors.is_empty() {
            return errors;
        }
        let status = |object: &Value| object.get("status").cloned().unwrap_or_default();
        if outcome(old).is_some() {
            let why = "immutable after PodCertificateRequest is issued, denied, or failed";
            return differing(status(object) != status(old), why);
        }
        match outcome(object) {
            Some("Issued") => issued_problems(object, old),
            Some(_) => {
                let status = status(object);
                let more = status
                    .as_object()
                    .is_some_and(|status| status.keys().any(|key| key != "conditions"));
                let why = "non-condition status fields must be empty when denying or failing the PodCertificateRequest";
                differing(more, why)
            }
            None => {
                let why = "status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\"";
                differing(status(object) != status(old), why)
            }
        }
    }
}

fn decoded(spec: &Value) -> Option<Vec<u8>> {
    let text = spec.get("stubPKCS10Request")?.as_str()?;
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

/// An error that shows no value.
fn bare(field: &str, why: &str) -> FieldError {
    FieldError {
        kind: FieldErrorKind::Invalid,
        field: field.to_owned(),
        value: None,
        detail: why.to_owned(),
    }
}

fn differing(differs: bool, why: &str) -> Vec<FieldError> {
    differs.then(|| bare("status", why)).into_iter().collect()
}

/// What is wrong with the key of a request, or with the proof that its holder asks.
fn key_problem(request: &[u8]) -> Option<FieldError> {
    if request.len() > REQUEST_MAX {
        return Some(FieldError::too_long(REQUEST, REQUEST_MAX as i64));
    }
    let invalid = |value: String, why: &str| Some(FieldError::invalid(REQUEST, value, why));
    let Ok((_, request)) = X509CertificationRequest::from_der(request) else {
        return Some(bare(REQUEST, "must be a valid PKCS#10 CSR"));
    };
    let key = &request.certification_request_info.subject_pki;
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let bits = rsa.key_size();
            if !matches!(bits, 3072 | 4096) {
                let why = "RSA keys must have modulus size 3072 or 4096";
                return invalid(format!("{bits}-bit modulus"), why);
            }
        }
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref();
            let curve = curve.and_then(|curve| curve.as_oid().ok());
            let curve = curve.map(|oid| oid.to_id_string()).unwrap_or_default();
            if !CURVES.contains(&curve.as_str()) {
                let why = "elliptic public keys must use curve P256, P384, or P521";
                return invalid(format!("curve {curve}"), why);
            }
        }
        _ if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => {}
        _ => {
            let why = "unknown public key type; supported types are Ed25519, ECDSA, and RSA";
            return Some(bare(REQUEST, why));
        }
    }
    let unproved = request.verify_signature().is_err();
    unproved.then(|| bare(REQUEST, "invalid signature"))
}

fn conditions(object: &Value) -> &[Value] {
    let list = object.pointer("/status/conditions");
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How a request ended.
fn outcome(object: &Value) -> Option<&'static str> {
    let has = |kind: &&str| conditions(object).iter().any(|c| c["type"] == **kind);
    ENDED.into_iter().find(has)
}

fn condition_problems(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut known = 0;
    for (at, condition) in conditions(object).iter().enumerate() {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or("");
        let path = |field: &str| format!("status.conditions[{at}].{field}");
        if !ENDED.contains(&text("type")) {
            errors.push(FieldError::not_supported(
                path("type"),
                text("type"),
                &ENDED,
            ));
            continue;
        }
        known += 1;
        if known > 1 {
            let why = "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"";
            errors.push(FieldError::invalid(path("type"), text("type"), why));
        }
        if text("status") != "True" {
            errors.push(FieldError::not_supported(
                path("status"),
                text("status"),
                &["True"],
            ));
        }
    }
    for (at, condition) in conditions(object).iter().enumerate() {
        for field in ["lastTransitionTime", "reason"] {
            if condition.get(field).is_none() {
                let path = format!("status.conditions[{at}].{field}");
                errors.push(FieldError::required(path, "must be set"));
            }
        }
    }
    errors
}

/// What is wrong with a certificate that a signer issued; the first thing found.
fn issued_problems(object: &Value, old: &Value) -> Vec<FieldError> {
    let chain = object.pointer("/status/certificateChain");
    let chain = chain.and_then(Value::as_str).unwrap_or("");
    if chain.len() > CHAIN_MAX {
        return vec![FieldError::too_long(CHAIN, CHAIN_MAX as i64)];
    }
    let refuse = |why: &str| vec![FieldError::invalid(CHAIN, chain, why)];
    let blocks: Vec<_> = x509_parser::pem::Pem::iter_from_buffer(chain.as_bytes())
        .map_while(Result::ok)
        .collect();
    let Some(leaf) = blocks.first() else {
        return refuse("issued certificate chain must contain at least one certificate");
    };
    if blocks.iter().any(|block| block.label != "CERTIFICATE") {
        return refuse("issued certificate chain must consist entirely of CERTIFICATE PEM blocks");
    }
    let Ok((_, leaf)) = X509Certificate::from_der(&leaf.contents) else {
        return refuse("leaf certificate does not parse as valid X.509");
    };
    let asked = decoded(&old["spec"]).unwrap_or_default();
    let Ok((_, asked)) = X509CertificationRequest::from_der(&asked) else {
        return vec![bare(REQUEST, "must be a valid PKCS#10 CSR")];
    };
    if asked
        .certification_request_info
        .subject_pki
        .subject_public_key
        != leaf.public_key().subject_public_key
    {
        return refuse("leaf certificate was not issued to the requested public key");
    }
    let times = time_problems(object, &leaf);
    if !times.is_empty() {
        return times;
    }
    let whole = |block: &x509_parser::pem::Pem| X509Certificate::from_der(&block.contents).is_ok();
    if blocks.iter().all(whole) {
        Vec::new()
    } else {
        refuse("intermediate certificate does not parse as valid X.509")
    }
}

/// What the status says of the certificate's validity.
fn time_problems(object: &Value, leaf: &X509Certificate<'_>) -> Vec<FieldError> {
    let told = |field: &str| {
        let text = object.get("status")?.get(field)?.as_str()?;
        parse_time(text).map(|(seconds, _)| seconds)
    };
    let mut missing = Vec::new();
    let consistent = "must be present and consistent with the issued certificate";
    for (field, why) in [
        ("notBefore", consistent),
        ("notAfter", consistent),
        (
            "beginRefreshAt",
            "must be present and in the range [notbefore+10min, notafter-10min]",
        ),
    ] {
        if told(field).is_none() {
            missing.push(FieldError::required(format!("status.{field}"), why));
        }
    }
    let (Some(from), Some(until), Some(refresh)) =
        (told("notBefore"), told("notAfter"), told("beginRefreshAt"))
    else {
        return missing;
    };
    let refuse = |field: &str, shown: Value, why: &str| {
        vec![FieldError::invalid(format!("status.{field}"), shown, why)]
    };
    let time = |seconds: i64| json!(format_time(seconds));
    let (begins, ends) = (
        leaf.validity().not_before.timestamp(),
        leaf.validity().not_after.timestamp(),
    );
    let most = object.pointer("/spec/maxExpirationSeconds");
    let most = most.and_then(Value::as_i64).unwrap_or(0);
    let lifetime = ends - begins;
    if from != begins {
        let why = "must be set to the NotBefore time encoded in the leaf certificate";
        return refuse("notBefore", time(from), why);
    }
    if (from - Clock.unix_seconds()).abs() >= 5 * MINUTE {
        let why = "must be set to within 5 minutes of kube-apiserver's current time";
        return refuse("notBefore", time(from), why);
    }
    if until != ends {
        let why = "must be set to the NotAfter time encoded in the leaf certificate";
        return refuse("notAfter", time(until), why);
    }
    // Go shows a duration as its nanoseconds.
    let shown = json!(lifetime * 1_000_000_000);
    if lifetime < 60 * MINUTE {
        let why = "leaf certificate lifetime must be >= 1 hour";
        return refuse("certificateChain", shown, why);
    }
    if lifetime > most {
        let why =
            format!("leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})");
        return refuse("certificateChain", shown, &why);
    }
    if refresh < from + 10 * MINUTE {
        let why = "must be at least 10 minutes after status.notBefore";
        return refuse("beginRefreshAt", time(refresh), why);
    }
    if refresh > until - 10 * MINUTE {
        let why = "must be at least 10 minutes before status.notAfter";
        return refuse("beginRefreshAt", time(refresh), why);
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn request(key: &KeyPair) -> Value {
        let signed = CertificateParams::default().serialize_request(key);
        let der = signed.expect("a request").der().to_vec();
        json!({"metadata": {"name": "a"}, "spec": {"stubPKCS10Request": STANDARD.encode(der), "maxExpirationSeconds": 86400}})
    }

    fn with(mut object: Value, status: Value) -> Value {
        object["status"] = status;
        object
    }

    fn condition(kind: &str) -> Value {
        json!({"type": kind, "status": "True", "reason": "R", "lastTransitionTime": "2024-01-01T00:00:00Z"})
    }

    #[test]
    fn a_request_must_prove_its_key() {
        let key = KeyPair::generate().expect("a key");
        let good = request(&key);
        assert_eq!(PodRequests.validate(&good), []);
        let mut der = decoded(&good["spec"]).expect("bytes");
        let last = der.len() - 1;
        der[last] ^= 1;
        let forged = json!({"spec": {"stubPKCS10Request": STANDARD.encode(der)}});
        assert_eq!(PodRequests.validate(&forged)[0].detail, "invalid signature");
        let nonsense = json!({"spec": {"stubPKCS10Request": "bm9wZQ=="}});
        assert_eq!(
            PodRequests.validate(&nonsense)[0].detail,
            "must be a valid PKCS#10 CSR"
        );
    }

    #[test]
    fn an_ended_request_stays_as_it_is() {
        let key = KeyPair::generate().expect("a key");
        let open = request(&key);
        let judge =
            |new: &Value, old: &Value| PodRequests.validate_subresource_update("status", new, old);
        let denied = with(open.clone(), json!({"conditions": [condition("Denied")]}));
        assert_eq!(judge(&denied, &open), []);
        assert_eq!(judge(&open, &denied).len(), 1);
        let both = with(
            open.clone(),
            json!({"conditions": [condition("Denied"), condition("Failed")]}),
        );
        assert_eq!(judge(&both, &open).len(), 1);
        let chain = with(open.clone(), json!({"certificateChain": "x"}));
        assert_eq!(
            judge(&chain, &open).len(),
            1,
            "a chain comes with the condition Issued"
        );
    }

    #[test]
    fn a_certificate_is_for_the_key_that_asked() {
        let (key, other) = (
            KeyPair::generate().expect("a key"),
            KeyPair::generate().expect("a key"),
        );
        let open = request(&key);
        let now = Clock.unix_seconds();
        let time = |seconds: i64| {
            rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds as u64)
        };
        let issue = |key: &KeyPair, seconds: i64| {
            let mut params = CertificateParams::default();
            (params.not_before, params.not_after) = (time(now), time(now + seconds));
            let chain = params.self_signed(key).expect("a certificate").pem();
            with(
                open.clone(),
                json!({"conditions": [condition("Issued")], "certificateChain": chain, "notBefore": format_time(now),
                "notAfter": format_time(now + seconds), "beginRefreshAt": format_time(now + seconds / 2)}),
            )
        };
        let judge = |new: &Value| {
            let errors = PodRequests.validate_subresource_update("status", new, &open);
            errors.first().map(|error| error.detail.clone())
        };
        assert_eq!(judge(&issue(&key, 7200)), None);
        let stranger = "leaf certificate was not issued to the requested public key";
        assert_eq!(judge(&issue(&other, 7200)).as_deref(), Some(stranger));
        assert_eq!(
            judge(&issue(&key, 1800)).as_deref(),
            Some("leaf certificate lifetime must be >= 1 hour")
        );
    }
}
