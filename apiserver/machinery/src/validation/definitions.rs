//! Custom resource definitions (apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go), all but the compilation
//! of rules. They are judged in the internal form, which is that of v1beta1: what all versions say alike stands once.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::definition_rules::{Before, Findings};
use super::{definition_parts, definition_schema, formats, go_value};
use crate::names;

const APPROVAL: &str = "api-approved.kubernetes.io";

const WARNING_MAX: usize = 256;

/// The internal form of a definition.
pub(super) fn internal(object: &At<'_>) -> Value {
    let mut form = object.value.clone();
    if let Some(map) = form.as_object_mut() {
        crate::conversion::apiextensions::v1_to_v1beta1(map);
    }
    form
}

pub(crate) fn create(object: &At<'_>, errors: &mut Errors) {
    let form = internal(object);
    let object = &At::root(&form);
    let spec = object.get("spec");
    named(object, &spec, errors);
    self::spec(&spec, true, &Before::default(), errors);
    status(object, errors);
    approval(object, None, errors);
    preserved(&spec, errors);
}

pub(crate) fn update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (form, before) = (internal(object), internal(old));
    let (object, old) = (&At::root(&form), &At::root(&before));
    let (spec, before) = (object.get("spec"), old.get("spec"));
    let asked_schema = !definition_schema::missing(&before);
    let kept = Before::of(&spec, &before);
    self::spec(&spec, asked_schema, &kept, errors);
    let names = |spec: &At<'_>, name: &str| -> String { spec.get("names").get(name).text().into() };
    if established(old) {
        errors.immutable(&spec.get("scope"), &before.get("scope"));
        if names(&spec, "kind") != names(&before, "kind") {
            errors.invalid(&spec.get("names").get("kind"), formats::IMMUTABLE);
        }
    }
    errors.immutable(&spec.get("group"), &before.get("group"));
    if names(&spec, "plural") != names(&before, "plural") {
        errors.invalid(&spec.get("names").get("plural"), formats::IMMUTABLE);
    }
    status(object, errors);
    approval(object, Some(old), errors);
    if !before.get("preserveUnknownFields").yes() {
        preserved(&spec, errors);
    }
}

fn established(object: &At<'_>) -> bool {
    let conditions = object.get("status").get("conditions");
    conditions.items().any(|condition| {
        condition.get("type").text() == "Established" && condition.get("status").text() == "True"
    })
}

/// The name says what is defined. (Its form is judged with the metadata.)
fn named(object: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    let metadata = object.get("metadata");
    let plural = spec.get("names").get("plural").text();
    let wanted = format!("{plural}.{}", spec.get("group").text());
    for field in ["generateName", "name"] {
        let name = metadata.get(field);
        if !name.empty() && name.text() != wanted {
            errors.invalid(&name, "must be spec.names.plural+\".\"+spec.group");
        }
    }
}

fn spec(spec: &At<'_>, asked_schema: bool, before: &Before, errors: &mut Errors) {
    group(&spec.get("group"), errors);
    let scope = spec.get("scope");
    if errors.need(&scope) {
        errors.one_of(&scope, &["Cluster", "Namespaced"]);
    }
    let versions = spec.get("versions");
    let shared = spec.get("validation").get("openAPIV3Schema").given();
    for version in versions.items().filter(|_| !shared) {
        let schema = version.get("schema").get("openAPIV3Schema");
        let preserved = spec.get("preserveUnknownFields").yes();
        if !schema.given() && asked_schema {
            errors.required(&schema, "");
        } else if !schema.given() && !preserved && version.get("served").yes() {
            errors.required(&schema, "because otherwise all fields are pruned");
        }
    }
    for version in versions.items() {
        self::version(&version, spec, before, errors);
    }
    said_once(spec, &versions, errors);
    flags(spec, &versions, errors);
    let names = spec.get("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        errors.need(&names.get(field));
    }
    self::names(&names, errors);
    let status = with_status(&spec.get("subresources"))
        || versions
            .items()
            .any(|version| with_status(&version.get("subresources")));
    let unchanged = before.unchanged(spec.get("version").text());
    let findings = Findings::new(before, unchanged);
    definition_schema::whole(&spec.get("validation"), status, findings, errors);
    definition_parts::subresources(&spec.get("subresources"), errors);
    definition_parts::columns(&spec.get("additionalPrinterColumns"), errors);
    definition_parts::selectable(
        &spec.get("selectableFields"),
        &spec.get("validation"),
        errors,
    );
    definition_parts::conversion(&spec.get("conversion"), errors);
}

fn group(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(at) {
        return;
    }
    let problems = names::dns1123_subdomain(at.text());
    if !problems.is_empty() {
        errors.invalid(at, problems.join(","));
    } else if !at.text().contains('.') {
        errors.invalid(at, "should be a domain with at least one dot");
    }
}

fn with_status(subresources: &At<'_>) -> bool {
    subresources.get("status").given()
}

fn dns1035(at: &At<'_>, errors: &mut Errors) {
    let problems = names::dns1035_label(at.text());
    if !problems.is_empty() {
        errors.invalid(at, problems.join(","));
    }
}

fn version(at: &At<'_>, spec: &At<'_>, before: &Before, errors: &mut Errors) {
    dns1035(&at.get("name"), errors);
    let warning = at.get("deprecationWarning");
    for problem in warning_problems(at.get("deprecated").yes(), &warning) {
        errors.invalid(&warning, problem);
    }
    let own = at.get("subresources");
    let status = with_status(&own) || with_status(&spec.get("subresources"));
    let findings = Findings::new(before, before.unchanged(at.get("name").text()));
    definition_schema::whole(&at.get("schema"), status, findings, errors);
    definition_parts::subresources(&own, errors);
    definition_parts::columns(&at.get("additionalPrinterColumns"), errors);
    definition_parts::selectable(&at.get("selectableFields"), &at.get("schema"), errors);
}

fn warning_problems(deprecated: bool, warning: &At<'_>) -> Vec<String> {
    let text = warning.text();
    if !warning.given() {
        return Vec::new();
    }
    if !deprecated {
        return vec!["can only be set for deprecated versions".into()];
    }
    let mut problems = Vec::new();
    if text.len() > WARNING_MAX {
        problems.push(format!("must be <= {WARNING_MAX} characters long"));
    }
    if text.is_empty() {
        problems.push("must not be an empty string".into());
    }
    if let Some((place, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
        problems.push(format!("must only contain printable UTF-8 characters; non-printable character found at index {place}"));
    }
    problems
}

/// What can be said for all versions is not said for each.
fn said_once(spec: &At<'_>, versions: &At<'_>, errors: &mut Errors) {
    const FIELDS: &[(&str, &str, &str)] = &[
        ("validation", "schema", "schemas"),
        ("subresources", "subresources", "subresources"),
        (
            "additionalPrinterColumns",
            "additionalPrinterColumns",
            "additionalPrinterColumns",
        ),
    ];
    for (whole, each, shown) in FIELDS {
        let said = versions.items().any(|version| !version.get(each).empty());
        if !spec.get(whole).empty() && said {
            let detail = format!("top-level and per-version {shown} are mutually exclusive");
            errors.forbidden(&spec.get(whole), detail);
        }
    }
}

fn flags(spec: &At<'_>, versions: &At<'_>, errors: &mut Errors) {
    let mut told = |detail: &str| {
        let ty = "apiextensions/v1beta1.CustomResourceDefinitionVersion";
        errors.invalid_value(
            versions,
            go_value::internal_list(ty, versions.value),
            detail,
        );
    };
    let mut seen = HashSet::new();
    if !versions
        .items()
        .all(|version| seen.insert(version.get("name").text()))
    {
        told("must contain unique version names");
    }
    let stored = versions
        .items()
        .filter(|version| version.get("storage").yes());
    if stored.count() != 1 {
        told("must have exactly one version marked as storage version");
    }
    let first = spec.get("version");
    if first.empty() {
        return;
    }
    dns1035(&first, errors);
    if versions.count() > 0 && versions.index(0).get("name").text() != first.text() {
        errors.invalid(&first, "must match the first version in spec.versions");
    }
}

fn names(at: &At<'_>, errors: &mut Errors) {
    for field in ["plural", "singular"] {
        if !at.get(field).empty() {
            dns1035(&at.get(field), errors);
        }
    }
    for field in ["kind", "listKind"] {
        let name = at.get(field);
        let problems = names::dns1035_label(&name.text().to_lowercase());
        if !name.empty() && !problems.is_empty() {
            let detail = "may have mixed case, but should otherwise match: ";
            errors.invalid(&name, format!("{detail}{}", problems.join(",")));
        }
    }
    at.get("shortNames")
        .items()
        .for_each(|name| dns1035(&name, errors));
    let list = at.get("listKind");
    if !list.empty() && list.text() == at.get("kind").text() {
        errors.invalid(&list, "kind and listKind may not be the same");
    }
    at.get("categories")
        .items()
        .for_each(|name| dns1035(&name, errors));
}

fn status(object: &At<'_>, errors: &mut Errors) {
    let status = object.get("status");
    names(&status.get("acceptedNames"), errors);
    let stored = status.get("storedVersions");
    let versions = object.get("spec").get("versions");
    if stored.empty() {
        return errors.invalid_value(
            &stored,
            stored.value.clone(),
            "must have at least one stored version",
        );
    }
    let known: Vec<&str> = stored.strings();
    for version in versions
        .items()
        .filter(|version| version.get("storage").yes())
    {
        let name = version.get("name").text();
        if !known.contains(&name) {
            errors.invalid(&stored, format!("must have the storage version {name}"));
        }
    }
    for version in stored.items() {
        let name = version.text();
        if !versions
            .items()
            .any(|served| served.get("name").text() == name)
        {
            errors.invalid(&version, format!("missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"));
        }
    }
}

pub(crate) fn status_update(object: &At<'_>, errors: &mut Errors) {
    names(&object.get("status").get("acceptedNames"), errors);
}

#[derive(PartialEq)]
enum Approval {
    Missing,
    Given,
    Invalid,
}

/// Groups of the community need somebody's approval, named in an annotation.
fn approval(object: &At<'_>, old: Option<&At<'_>>, errors: &mut Errors) {
    let group = object.get("spec").get("group").text();
    let ours = |domain: &str| group == domain || group.ends_with(&format!(".{domain}"));
    if !ours("k8s.io") && !ours("kubernetes.io") {
        return;
    }
    let annotation = |object: &At<'_>| {
        let all = object.get("metadata").get("annotations");
        all.value
            .get(APPROVAL)
            .and_then(|v| v.as_str())
            .unwrap_or("")
            .to_owned()
    };
    let text = annotation(object);
    let state = approval_state(&text);
    if old.is_some_and(|old| approval_state(&annotation(old)) == state) {
        return;
    }
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let at = object.get("metadata").get("annotations").key(APPROVAL);
    match state {
        Approval::Given => {}
        Approval::Missing => {
            let detail =
                format!("protected groups must have approval annotation \"{APPROVAL}\", {SEE}");
            errors.required(&at, &detail);
        }
        Approval::Invalid => {
            let detail = format!(
                "protected groups must have approval annotation \"{APPROVAL}\" with either a URL or a reason starting with \"unapproved\", {SEE}"
            );
            errors.invalid_value(&at, text, detail);
        }
    }
}

fn approval_state(text: &str) -> Approval {
    let host = text
        .split_once("://")
        .map(|(scheme, rest)| (scheme, rest.split('/').next()));
    match host {
        _ if text.is_empty() => Approval::Missing,
        _ if text.starts_with("unapproved") => Approval::Given,
        Some((scheme, Some(host))) if !scheme.is_empty() && !host.is_empty() => Approval::Given,
        _ => Approval::Invalid,
    }
}

fn preserved(spec: &At<'_>, errors: &mut Errors) {
    let flag = spec.get("preserveUnknownFields");
    if flag.yes() {
        errors.invalid(&flag, "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead");
    }
}
