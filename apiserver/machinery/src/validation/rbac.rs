//! Roles and bindings (pkg/apis/rbac/validation/validation.go).

use super::at::{At, Errors};
use super::{formats, go_value, same, selectors};
use crate::names;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) fn role(object: &At<'_>, namespaced: bool, errors: &mut Errors) {
    for rule in object.get("rules").items() {
        policy_rule(&rule, namespaced, errors);
    }
    let aggregation = object.get("aggregationRule");
    if !aggregation.given() {
        return;
    }
    let chosen = aggregation.get("clusterRoleSelectors");
    if chosen.empty() {
        errors.required(
            &chosen,
            "at least one clusterRoleSelector required if aggregationRule is non-nil",
        );
    }
    for selector in chosen.items() {
        selectors::label_selector(&selector, errors);
        if crate::selector::label::LabelSelector::from_object(selector.value).is_err() {
            errors.invalid_value(
                &selector,
                serde_json::Value::Null,
                "invalid label selector.",
            );
        }
    }
}

fn policy_rule(at: &At<'_>, namespaced: bool, errors: &mut Errors) {
    let urls = at.get("nonResourceURLs");
    if !urls.empty() {
        if namespaced {
            errors.invalid(&urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"]
            .iter()
            .any(|field| !at.get(field).empty())
        {
            errors.invalid(
                &urls,
                "rules cannot apply to both regular resources and non-resource URLs",
            );
        }
        return;
    }
    for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
        if at.get(field).empty() {
            errors.required(
                &at.get(field),
                &format!("resource rules must supply at least one {what}"),
            );
        }
    }
}

pub(crate) fn binding(object: &At<'_>, namespaced: bool, errors: &mut Errors) {
    let role = object.get("roleRef");
    errors.one_of(&role.get("apiGroup"), &[GROUP]);
    let kinds: &[&str] = if namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    errors.one_of(&role.get("kind"), kinds);
    if !role.get("name").empty() {
        errors.each(
            &role.get("name"),
            names::path_segment(role.get("name").text()),
        );
    }
    for subject in object.get("subjects").items() {
        let (name, group, namespace) = (
            subject.get("name"),
            subject.get("apiGroup"),
            subject.get("namespace"),
        );
        match subject.get("kind").text() {
            "ServiceAccount" => {
                if !name.empty() {
                    formats::subdomain(&name, errors);
                }
                if !group.empty() {
                    errors.unsupported(&group, &[""]);
                }
                if !namespaced {
                    errors.need(&namespace);
                }
            }
            "User" | "Group" => {
                errors.one_of(&group, &[GROUP]);
            }
            _ => errors.unsupported(&subject.get("kind"), &["ServiceAccount", "User", "Group"]),
        }
    }
}

/// What a binding grants stays; who it is granted to may change.
pub(crate) fn binding_update(object: &At<'_>, old: &At<'_>, namespaced: bool, errors: &mut Errors) {
    binding(object, namespaced, errors);
    let (now, then) = (object.get("roleRef"), old.get("roleRef"));
    if namespaced && !same(now.value, then.value) {
        let shown = go_value::internal("rbac/v1.RoleRef", now.value);
        errors.invalid_value(&now, shown, formats::IMMUTABLE);
    }
}
