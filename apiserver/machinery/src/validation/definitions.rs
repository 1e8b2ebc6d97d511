//! Custom resource definitions (apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go), all but the compilation
//! of rules. They are judged in the internal form, which is that of v1beta1: what all versions say alike stands once.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::{definition_schema, formats, go_value, webhooks};
use crate::names;

const COLUMN_TYPES: &[&str] = &["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: &[&str] = &[
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];
const APPROVAL: &str = "api-approved.kubernetes.io";
const SELECTABLE_MAX: usize = 8;
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
    self::spec(&spec, true, errors);
    status(object, errors);
    approval(object, None, errors);
    preserved(&spec, errors);
}

pub(crate) fn update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (form, before) = (internal(object), internal(old));
    let (object, old) = (&At::root(&form), &At::root(&before));
    let (spec, before) = (object.get("spec"), old.get("spec"));
    let asked_schema = !definition_schema::missing(&before);
    self::spec(&spec, asked_schema, errors);
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

fn spec(spec: &At<'_>, asked_schema: bool, errors: &mut Errors) {
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
        self::version(&version, spec, errors);
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
    definition_schema::whole(&spec.get("validation"), status, errors);
    subresources(&spec.get("subresources"), errors);
    columns(&spec.get("additionalPrinterColumns"), errors);
    selectable(
        &spec.get("selectableFields"),
        &spec.get("validation"),
        errors,
    );
    conversion(&spec.get("conversion"), errors);
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

fn version(at: &At<'_>, spec: &At<'_>, errors: &mut Errors) {
    dns1035(&at.get("name"), errors);
    let warning = at.get("deprecationWarning");
    for problem in warning_problems(at.get("deprecated").yes(), &warning) {
        errors.invalid(&warning, problem);
    }
    let own = at.get("subresources");
    let status = with_status(&own) || with_status(&spec.get("subresources"));
    definition_schema::whole(&at.get("schema"), status, errors);
    subresources(&own, errors);
    columns(&at.get("additionalPrinterColumns"), errors);
    selectable(&at.get("selectableFields"), &at.get("schema"), errors);
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

fn columns(at: &At<'_>, errors: &mut Errors) {
    for column in at.items() {
        errors.need(&column.get("name"));
        let (kind, format, path) = (
            column.get("type"),
            column.get("format"),
            column.get("JSONPath"),
        );
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        if kind.empty() {
            errors.required(&kind, &types);
        } else if !COLUMN_TYPES.contains(&kind.text()) {
            errors.invalid(&kind, types);
        }
        if !format.empty() && !COLUMN_FORMATS.contains(&format.text()) {
            errors.invalid(
                &format,
                format!("must be one of {}", COLUMN_FORMATS.join(",")),
            );
        }
        if errors.need(&path) {
            simple_path(&path, errors);
        }
    }
}

/// Says whether it is one.
fn simple_path(at: &At<'_>, errors: &mut Errors) -> bool {
    let right = at.text().starts_with('.');
    if !right {
        errors.invalid(at, "must be a simple json path starting with .");
    }
    right
}

fn subresources(at: &At<'_>, errors: &mut Errors) {
    let scale = at.get("scale");
    if !scale.given() {
        return;
    }
    for (field, front) in [
        ("specReplicasPath", ".spec"),
        ("statusReplicasPath", ".status"),
    ] {
        let path = scale.get(field);
        if errors.need(&path)
            && simple_path(&path, errors)
            && !path.text().starts_with(&format!("{front}."))
        {
            errors.invalid(&path, format!("should be a json path under {front}"));
        }
    }
    let labels = scale.get("labelSelectorPath");
    let right = [".spec.", ".status."]
        .iter()
        .any(|front| labels.text().starts_with(front));
    if !labels.empty() && simple_path(&labels, errors) && !right {
        errors.invalid(
            &labels,
            "should be a json path under either .spec or .status",
        );
    }
}

fn selectable(at: &At<'_>, validation: &At<'_>, errors: &mut Errors) {
    if at.empty() {
        return;
    }
    let schema = validation.get("openAPIV3Schema");
    if !schema.given() {
        let detail = "may only be set when validations.schema is included";
        return errors.invalid_value(at, "", detail);
    }
    let mut seen = HashSet::new();
    for field in at.items() {
        let path = field.get("jsonPath");
        if !errors.need(&path) {
            continue;
        }
        let found = match definition_schema::field(&schema, path.text(), false) {
            Ok(found) => found,
            Err(problem) => {
                errors.invalid(&path, format!("is an invalid path: {problem}"));
                continue;
            }
        };
        if path.text().split('.').nth(1) == Some("metadata") {
            errors.invalid(&path, "must not point to fields in metadata");
        }
        if !matches!(found.get("type").text(), "string" | "boolean" | "integer") {
            errors.invalid(&path, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.");
        }
        if !seen.insert(path.text()) {
            errors.duplicate(&path);
        }
    }
    if seen.len() > SELECTABLE_MAX {
        errors.too_many(at, seen.len(), SELECTABLE_MAX);
    }
}

fn conversion(at: &At<'_>, errors: &mut Errors) {
    const ONLY_WEBHOOK: &str = "should not be set when strategy is not set to Webhook";
    if !at.given() {
        return;
    }
    let (strategy, config, versions) = (
        at.get("strategy"),
        at.get("webhookClientConfig"),
        at.get("conversionReviewVersions"),
    );
    errors.need_one_of(&strategy, &["None", "Webhook"]);
    if strategy.text() != "Webhook" {
        if config.given() {
            errors.forbidden(&config, ONLY_WEBHOOK);
        }
        if !versions.empty() {
            errors.forbidden(&versions, ONLY_WEBHOOK);
        }
        return;
    }
    let (url, service) = (config.get("url"), config.get("service"));
    match (config.given(), url.given(), service.given()) {
        (false, ..) => errors.required(&config, "required when strategy is set to Webhook"),
        (true, true, false) => webhooks::url(&url, errors),
        (true, false, true) => webhooks::service(&service, errors),
        _ => errors.required(&config, "exactly one of url or service is required"),
    }
    review_versions(&versions, errors);
}

fn review_versions(at: &At<'_>, errors: &mut Errors) {
    if !errors.need(at) {
        return;
    }
    let mut seen = HashSet::new();
    for version in at.items() {
        if seen.insert(version.text()) {
            errors.each(&version, names::dns1035_label(version.text()));
        } else {
            errors.invalid(&version, "duplicate version");
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        errors.invalid(at, "must include at least one of v1, v1beta1");
    }
}

fn status(object: &At<'_>, errors: &mut Errors) {
    let status = object.get("status");
    names(&status.get("acceptedNames"), errors);
    let stored = status.get("storedVersions");
    let versions = object.get("spec").get("versions");
    if stored.empty() {
        return errors.invalid_value(
            &stored,
            serde_json::json!([]),
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
