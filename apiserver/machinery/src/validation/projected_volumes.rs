//! Projected and downward API volumes (pkg/apis/core/validation/validation.go, validateProjectionSources).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{env, formats, selectors, volumes};
use crate::names;

const CLASH: &str = "conflicting duplicate paths";
const KEY_TYPES: &[&str] = &[
    "RSA3072",
    "RSA4096",
    "ECDSAP256",
    "ECDSAP384",
    "ECDSAP521",
    "ED25519",
];
/// 24 hours and 91 days, in seconds.
const KUBERNETES_MAX_EXPIRATION: i64 = 24 * 60 * 60;
const MAX_EXPIRATION: i64 = 91 * 24 * 60 * 60;

pub(crate) fn downward_api(at: &At<'_>, errors: &mut Errors) {
    formats::file_mode(&at.get("defaultMode"), errors);
    formats::user_id(&at.get("defaultUser"), errors);
    for file in at.get("items").items() {
        downward_file(&file.shown_at(&at.path), errors);
    }
}

fn downward_file(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("path"));
    formats::free_path(&at.get("path"), errors);
    let (field, resource) = (at.get("fieldRef"), at.get("resourceFieldRef"));
    if field.given() {
        env::field_ref(&field, env::VOLUME_FIELDS, errors);
        if resource.given() {
            errors.invalid_value(
                at,
                "resource",
                "fieldRef and resourceFieldRef can not be specified simultaneously",
            );
        }
    } else if resource.given() {
        env::resource_ref(&resource, true, errors);
    } else {
        errors.required(at, "one of fieldRef and resourceFieldRef is required");
    }
    formats::file_mode(&at.get("mode"), errors);
    formats::user_id(&at.get("user"), errors);
}

pub(crate) fn projected(at: &At<'_>, errors: &mut Errors) {
    formats::file_mode(&at.get("defaultMode"), errors);
    formats::user_id(&at.get("defaultUser"), errors);
    let mut paths = Paths {
        taken: HashSet::new(),
        at,
    };
    for source in at.get("sources").items() {
        let mut found = 0;
        for kind in ["secret", "configMap"] {
            let one = source.get(kind);
            if one.given() {
                found += 1;
                items(&one, &mut paths, errors);
            }
        }
        let downward = source.get("downwardAPI");
        if downward.given() {
            found += 1;
            for file in downward.get("items").items() {
                downward_file(&file.shown_at(&downward.path), errors);
                paths.take(file.get("path").text(), None, errors);
            }
        }
        let token = source.get("serviceAccountToken");
        if token.given() {
            found += 1;
            service_account_token(at, &token, errors);
        }
        let bundle = source.get("clusterTrustBundle");
        if bundle.given() {
            found += 1;
            trust_bundle(&bundle, &mut paths, errors);
        }
        let certificate = source.get("podCertificate");
        if certificate.given() {
            found += 1;
            pod_certificate(&certificate, &mut paths, errors);
        }
        if found > 1 {
            errors.forbidden(
                &source,
                "may not specify more than 1 volume type per source",
            );
        }
    }
}

/// The files that the sources of one volume make.
struct Paths<'a, 'b> {
    taken: HashSet<&'a str>,
    at: &'b At<'a>,
}

impl<'a> Paths<'a, '_> {
    /// Notes a path; a second one of that name is an error, which shows `shown` where given.
    fn take(&mut self, path: &'a str, shown: Option<&str>, errors: &mut Errors) {
        if !path.is_empty() && !self.taken.insert(path) {
            errors.invalid_value(self.at, shown.unwrap_or(path), CLASH);
        }
    }
}

fn items<'a>(at: &At<'a>, paths: &mut Paths<'a, '_>, errors: &mut Errors) {
    errors.need(&at.get("name"));
    for item in at.get("items").items() {
        volumes::key_to_path(&item, errors);
        paths.take(item.get("path").text(), Some(at.get("name").text()), errors);
    }
}

fn service_account_token(volume: &At<'_>, at: &At<'_>, errors: &mut Errors) {
    let seconds = at.get("expirationSeconds");
    if !seconds.given() {
        errors.required(&seconds, "");
    } else if seconds.int() < 600 {
        errors.invalid(&seconds, "may not specify a duration less than 10 minutes");
    } else if seconds.int() > 1 << 32 {
        errors.invalid(
            &seconds,
            "may not specify a duration larger than 2^32 seconds",
        );
    }
    let path = at.get("path").shown_at(format!("{}.path", volume.path));
    if errors.need(&path) {
        formats::free_path(&path, errors);
    }
    formats::user_id(&at.get("user"), errors);
}

fn trust_bundle<'a>(at: &At<'a>, paths: &mut Paths<'a, '_>, errors: &mut Errors) {
    let (name, signer, selector) = (
        at.get("name"),
        at.get("signerName"),
        at.get("labelSelector"),
    );
    match (name.given(), signer.given()) {
        (true, true) => errors.invalid(at, "only one of name and signerName may be used"),
        (true, false) => {
            if name.empty() {
                errors.required(&name, "must be a valid object name");
            }
            for problem in trust_bundle_name(name.text()) {
                errors.invalid(
                    &name,
                    format!("not a valid clustertrustbundlename: {problem}"),
                );
            }
            if selector.given() {
                errors.invalid(
                    &selector,
                    "labelSelector must be unset if name is specified",
                );
            }
        }
        (false, true) => {
            if signer.empty() {
                errors.required(&signer, "must be a valid signer name");
            }
            signer_name(&signer, errors);
            selectors::label_selector(&selector, errors);
        }
        (false, false) => errors.required(at, "either name or signerName must be specified"),
    }
    errors.need(&at.get("path"));
    formats::user_id(&at.get("user"), errors);
    formats::free_path(&at.get("path"), errors);
    let path = at.get("path").text();
    if !paths.taken.insert(path) {
        errors.invalid_value(paths.at, path, CLASH);
    }
}

/// The name of a trust bundle: with a signer, `signer/name` in names is written `signer:name`.
fn trust_bundle_name(name: &str) -> Vec<String> {
    match name.rsplit_once(':') {
        Some((_, own)) => names::dns1123_subdomain(own),
        None => names::dns1123_subdomain(name),
    }
}

fn pod_certificate<'a>(at: &At<'a>, paths: &mut Paths<'a, '_>, errors: &mut Errors) {
    let signer = at.get("signerName");
    signer_name(&signer, errors);
    user_annotations(&at.get("userAnnotations"), errors);
    formats::user_id(&at.get("user"), errors);
    errors.one_of(&at.get("keyType"), KEY_TYPES);
    let seconds = at.get("maxExpirationSeconds");
    if seconds.given() {
        if seconds.int() < 3600 {
            errors.invalid(
                &seconds,
                "if provided, maxExpirationSeconds must be >= 3600",
            );
        }
        let kubernetes = signer
            .text()
            .split('/')
            .next()
            .is_some_and(|d| d == "kubernetes.io" || d.ends_with(".kubernetes.io"));
        let most = if kubernetes {
            KUBERNETES_MAX_EXPIRATION
        } else {
            MAX_EXPIRATION
        };
        if seconds.int() > most {
            errors.invalid(
                &seconds,
                format!("if provided, maxExpirationSeconds must be <= {most}"),
            );
        }
    }
    let mut found = 0;
    for field in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let path = at.get(field);
        if !path.empty() {
            found += 1;
            formats::free_path(&path, errors);
            paths.take(path.text(), None, errors);
        }
    }
    if found == 0 {
        errors.required(
            at,
            "specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
        );
    }
}

/// Annotations that a signer is given: domain-prefixed keys, whatever their case.
pub(crate) fn user_annotations(at: &At<'_>, errors: &mut Errors) {
    const MAX_BYTES: usize = 256 * 1024;
    let mut size = 0;
    for (key, value) in at.entries() {
        size += key.len() + value.text().len();
        let key = key.to_lowercase();
        let mut problems = names::label_key(&key);
        if key.is_empty() {
            errors.required(at, "");
            continue;
        }
        if problems.is_empty() && !key.contains('/') {
            problems.push("must be a domain-prefixed key (such as \"acme.io/foo\")".into());
        }
        for problem in problems {
            errors.invalid_value(at, key.as_str(), problem);
        }
    }
    if size > MAX_BYTES {
        errors.too_long(at, MAX_BYTES);
    }
}

/// `domain/path`, where the path has no more than one empty part (pkg/apis/core/validation, ValidateSignerName).
pub(crate) fn signer_name(at: &At<'_>, errors: &mut Errors) {
    let name = at.text();
    if name.is_empty() {
        errors.required(at, "");
        return;
    }
    let parts: Vec<&str> = name.split('/').collect();
    let [domain, path] = parts.as_slice() else {
        errors.invalid(
            at,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        );
        return;
    };
    if domain.len() > names::SUBDOMAIN_MAX {
        errors.too_long(at, names::SUBDOMAIN_MAX);
    }
    first_bad(at, domain, names::dns1123_label, errors);
    if !domain.contains('.') {
        errors.invalid_value(
            at,
            *domain,
            "should be a domain with at least two segments separated by dots",
        );
    }
    first_bad(at, path, names::dns1123_subdomain, errors);
    if name.len() > 571 {
        errors.too_long(at, 571);
    }
}

/// The problems of the first part between dots that has any.
fn first_bad(at: &At<'_>, whole: &str, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    for part in whole.split('.') {
        let problems = rule(part);
        for problem in &problems {
            errors.invalid_value(
                at,
                whole,
                format!(
                    "validating label {}: {problem}",
                    crate::goformat::quote(part)
                ),
            );
        }
        if !problems.is_empty() {
            break;
        }
    }
}
