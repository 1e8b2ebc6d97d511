//! API services, storage migrations, signing requests and trust bundles (kube-aggregator pkg/apis/apiregistration/validation,
//! pkg/apis/storagemigration/validation, pkg/apis/certificates/validation). Certificates themselves are not parsed.

use std::collections::HashSet;

use super::at::{At, Errors};
use super::{formats, go_value, projected_volumes, same};
use crate::names;

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

pub(crate) fn api_service(object: &At<'_>, errors: &mut Errors) {
    let (name, spec) = (object.get("metadata").get("name"), object.get("spec"));
    let (group, version) = (spec.get("group"), spec.get("version"));
    let wanted = format!("{}.{}", version.text(), group.text());
    if !name.empty() && name.text() != wanted && names::path_segment(name.text()).is_empty() {
        errors.invalid(
            &name,
            format!(
                "must be `spec.version+\".\"+spec.group`: {}",
                crate::goformat::quote(&wanted)
            ),
        );
    }
    if group.empty() && version.text() != "v1" {
        errors.required(
            &group,
            "only v1 may have an empty group and it better be legacy kube",
        );
    }
    if !group.empty() {
        formats::subdomain(&group, errors);
    }
    errors.each(&version, names::dns1035_label(version.text()));
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let at = spec.get(field);
        if at.int() <= 0 || at.int() > most {
            errors.invalid_int(&at, format!("must be positive and less than {most}"));
        }
    }
    let (service, bundle, skip) = (
        spec.get("service"),
        spec.get("caBundle"),
        spec.get("insecureSkipTLSVerify"),
    );
    if !service.given() {
        if !bundle.empty() {
            let bytes = bundle.text().trim_end_matches('=').len() * 3 / 4;
            errors.invalid_value(
                &bundle,
                format!("{bytes} bytes"),
                "local APIServices may not have a caBundle",
            );
        }
        if skip.yes() {
            errors.invalid(
                &skip,
                "local APIServices may not have insecureSkipTLSVerify",
            );
        }
        return;
    }
    errors.need(&service.get("namespace"));
    errors.need(&service.get("name"));
    let problems = formats::port(service.get("port").int());
    if !problems.is_empty() {
        errors.invalid_int(
            &service.get("port"),
            format!("port is not valid: {}", problems.join(", ")),
        );
    }
    if skip.yes() && !bundle.empty() {
        errors.invalid(&skip, "may not be true if caBundle is present");
    }
}

pub(crate) fn migration(object: &At<'_>, errors: &mut Errors) {
    let resource = object.get("spec").get("resource");
    let (name, group) = (resource.get("resource"), resource.get("group"));
    if name.empty() {
        errors.required(&name, "resource is required to be set");
    } else {
        joined(&name, names::dns1035_label(name.text()), errors);
    }
    if !group.empty() {
        joined(&group, names::dns1123_subdomain(group.text()), errors);
    }
}

fn joined(at: &At<'_>, problems: Vec<String>, errors: &mut Errors) {
    if !problems.is_empty() {
        errors.invalid(at, problems.join(","));
    }
}

pub(crate) fn migration_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    migration(object, errors);
    let (now, then) = (object.get("spec"), old.get("spec"));
    if !same(now.value, then.value) {
        let shown =
            go_value::internal("storagemigration/v1.StorageVersionMigrationSpec", now.value);
        errors.invalid_value(&now, shown, formats::IMMUTABLE);
    }
}

pub(crate) fn signing_request(object: &At<'_>, errors: &mut Errors) {
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
    for usage in usages.items() {
        errors.one_of(&usage, USAGES);
    }
    let mut seen = HashSet::new();
    for usage in usages.items() {
        if !seen.insert(usage.text()) {
            errors.duplicate(&usage);
        }
    }
    let signer = spec.get("signerName");
    if signer.text() == "kubernetes.io/legacy-unknown" {
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
