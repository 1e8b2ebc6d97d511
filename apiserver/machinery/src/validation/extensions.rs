//! API services and storage migrations (kube-aggregator pkg/apis/apiregistration/validation,
//! pkg/apis/storagemigration/validation).

use super::at::{At, Errors};
use super::{conditions, formats, go_value, same};
use crate::names;

pub(crate) fn api_service(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (group, version) = (spec.get("group"), spec.get("version"));
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

pub(crate) fn migration_status(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (status, was) = (object.get("status"), old.get("status"));
    let (version, before) = (status.get("resourceVersion"), was.get("resourceVersion"));
    if !version.empty() && !version.text().bytes().all(|b| b.is_ascii_digit()) {
        let detail = format!("resource version is not well formed: {}", version.text());
        errors.invalid(&version, detail);
    }
    let list = status.get("conditions");
    conditions::all(&list, errors);
    if !before.empty() && before.text() != version.text() {
        errors.invalid(&version, formats::IMMUTABLE);
    }
    let is = |status: &At<'_>, kind: &str| {
        status.get("conditions").items().any(|condition| {
            condition.get("type").text() == kind && condition.get("status").text() == "True"
        })
    };
    let mut refuse = |detail: &str| errors.invalid_value(&list, list.value.clone(), detail);
    if is(&status, "Succeeded") && is(&status, "Failed") {
        refuse("Both success and failed conditions cannot be true at the same time");
    }
    if is(&was, "Succeeded") && !is(&status, "Succeeded") {
        refuse("Success condition cannot be set to false once it is true");
    }
    if is(&was, "Failed") && !is(&status, "Failed") {
        refuse("Failed condition cannot be set to false once it is true");
    }
}

/// The expiration that may be asked for, in seconds: of Kubernetes' own signers, and of others.
const EXPIRATIONS: (i64, i64, i64) = (3600, 86_400, 91 * 86_400);

/// All but the key, which takes more than looking at text (kubernetes pkg/apis/certificates/validation).
pub(crate) fn pod_certificate_request(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let signer = spec.get("signerName");
    super::projected_volumes::signer_name(&signer, errors);
    let annotations = spec.get("unverifiedUserAnnotations");
    for (key, _) in annotations.entries() {
        domain_prefixed(&annotations, &key.to_lowercase(), errors);
    }
    for (name, uid) in [
        ("podName", "podUID"),
        ("serviceAccountName", "serviceAccountUID"),
        ("nodeName", "nodeUID"),
    ] {
        let (name, uid) = (spec.get(name), spec.get(uid));
        for problem in names::dns1123_subdomain(name.text()) {
            errors.invalid_value(&name, name.text(), problem);
        }
        if uid.empty() {
            errors.invalid_value(&uid, "", "must not be empty");
        }
        if uid.text().len() > 128 {
            errors.too_long(&uid, 128);
        }
    }
    let seconds = spec.get("maxExpirationSeconds");
    if !seconds.given() {
        return errors.required(&seconds, "must be set");
    }
    let (least, own, others) = EXPIRATIONS;
    let domain = signer.text().split('/').next().unwrap_or("");
    let ours = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
    let most = if ours { own } else { others };
    if !(least..=most).contains(&seconds.int()) {
        errors.invalid_int(&seconds, format!("must be in the range [{least}, {most}]"));
    }
}

fn domain_prefixed(at: &At<'_>, key: &str, errors: &mut Errors) {
    if key.is_empty() {
        return errors.required(at, "");
    }
    let problems = names::label_key(key);
    if problems.is_empty() && !key.contains('/') {
        let why = "must be a domain-prefixed key (such as \"acme.io/foo\")";
        errors.invalid_value(at, key, why);
    }
    for problem in problems {
        errors.invalid_value(at, key, problem);
    }
}

pub(crate) fn pod_certificate_request_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (now, then) = (object.get("spec"), old.get("spec"));
    if !same(now.value, then.value) {
        let shown = go_value::internal("certificates/v1beta1.PodCertificateRequestSpec", now.value);
        errors.invalid_value(&now, shown, formats::IMMUTABLE);
    }
}
