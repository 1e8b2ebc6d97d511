//! Reviews of access: may somebody do something (kubernetes pkg/registry/authorization, pkg/apis/authorization/validation).

use crate::filters::authorize::{Attributes, Decision};
use crate::handlers::Call;
use crate::user::User;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use triad_machinery::pod::texts;
use triad_machinery::selector::field::Term;
use triad_machinery::selector::{FieldSelector, LabelSelector};
use triad_machinery::status::{FieldError, GroupKind, Status};
use triad_machinery::{meta, names};

/// Whose access is asked about, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The caller's own (SelfSubjectAccessReview).
    Own,
    /// Anyone's (SubjectAccessReview).
    Any,
    /// Anyone's in the review's namespace (LocalSubjectAccessReview).
    Local,
}

/// Fills in a review's status.
pub(super) fn answer(call: &mut Call, mut review: Value, form: Form) -> Result<Value, Status> {
    let errors = validate(&review, form);
    if !errors.is_empty() {
        // Upstream names no kind here.
        let kind = GroupKind {
            group: "authorization.k8s.io",
            kind: "",
        };
        return Err(Status::invalid(kind, "", &errors));
    }
    let spec = &review["spec"];
    let user = match form {
        Form::Own => call.user.clone(),
        Form::Any | Form::Local => User {
            name: text(spec, "user").to_owned(),
            uid: text(spec, "uid").to_owned(),
            groups: texts(&spec["groups"]),
            extra: extra(spec),
        },
    };
    let decision = call.api.authorizer.authorize(&user, &attributes(spec));
    review["status"] = match decision {
        Decision::Allow(reason) if reason.is_empty() => json!({"allowed": true}),
        Decision::Allow(reason) => json!({"allowed": true, "reason": reason}),
        Decision::Deny(reason) => json!({"allowed": false, "denied": true, "reason": reason}),
        Decision::NoOpinion(reason) if reason.is_empty() => json!({"allowed": false}),
        Decision::NoOpinion(reason) => json!({"allowed": false, "reason": reason}),
    };
    Ok(review)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}

fn attributes(spec: &Value) -> Attributes {
    let Some(asked) = spec.get("resourceAttributes") else {
        let asked = spec.get("nonResourceAttributes").unwrap_or(&Value::Null);
        return Attributes {
            verb: text(asked, "verb").to_owned(),
            path: text(asked, "path").to_owned(),
            ..Attributes::default()
        };
    };
    let field = |name: &str| text(asked, name).to_owned();
    Attributes {
        verb: field("verb"),
        resource_request: true,
        group: field("group"),
        version: field("version"),
        resource: field("resource"),
        subresource: field("subresource"),
        namespace: field("namespace"),
        name: field("name"),
        field_selector: fields(&asked["fieldSelector"]),
        label_selector: labels(&asked["labelSelector"]),
        ..Attributes::default()
    }
}

fn extra(spec: &Value) -> BTreeMap<String, Vec<String>> {
    let given = spec.get("extra").and_then(Value::as_object);
    let pairs = given.into_iter().flatten();
    pairs
        .map(|(key, _)| (key.to_lowercase(), texts(&spec["extra"][key])))
        .collect()
}

/// Only what pins or excludes one value can be said of a field; the rest limits nothing (kubernetes
/// pkg/registry/authorization/util).
fn fields(selector: &Value) -> FieldSelector {
    let raw = text(selector, "rawSelector");
    if !raw.is_empty() {
        return FieldSelector::parse(raw).unwrap_or_default();
    }
    let requirements = selector.get("requirements").and_then(Value::as_array);
    let term = |requirement: &Value| {
        let [value] = <[String; 1]>::try_from(texts(&requirement["values"])).ok()?;
        let equal = match text(requirement, "operator") {
            "In" => true,
            "NotIn" => false,
            _ => return None,
        };
        let field = text(requirement, "key").to_owned();
        Some(Term {
            field,
            value,
            equal,
        })
    };
    let terms = requirements.into_iter().flatten().filter_map(term);
    FieldSelector {
        terms: terms.collect(),
    }
}

fn labels(selector: &Value) -> LabelSelector {
    let raw = text(selector, "rawSelector");
    if !raw.is_empty() {
        return LabelSelector::parse(raw).unwrap_or_default();
    }
    let expressions =
        json!({"matchExpressions": selector.get("requirements").cloned().unwrap_or_default()});
    LabelSelector::from_object(&expressions).unwrap_or_default()
}

fn validate(review: &Value, form: Form) -> Vec<FieldError> {
    let spec = review.get("spec").unwrap_or(&Value::Null);
    let (of_resource, of_path) = (
        spec.get("resourceAttributes"),
        spec.get("nonResourceAttributes"),
    );
    let mut errors = Vec::new();
    let subject = !text(spec, "user").is_empty() || !texts(&spec["groups"]).is_empty();
    if form != Form::Own && !subject {
        let why = "at least one of user or group must be specified";
        errors.push(FieldError::invalid("spec.user", "", why));
    }
    if let Some(asked) = of_resource {
        selectors(asked, &mut errors);
    }
    identity(review, form, &mut errors);
    if form == Form::Local {
        local(review, of_resource, of_path, &mut errors);
    }
    if of_resource.is_some() == of_path.is_some() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        // The type's own rule, which upstream judges after the written ones.
        errors.push(FieldError::invalid("spec", shown_path(of_path), why));
    }
    errors
}

/// Non-resource attributes as Go shows them.
fn shown_path(asked: Option<&Value>) -> Value {
    asked.map_or(
        Value::Null,
        |asked| json!({"Path": text(asked, "path"), "Verb": text(asked, "verb")}),
    )
}

/// A review has no identity; only its managers are let pass, and a local one's namespace.
fn identity(review: &Value, form: Form, errors: &mut Vec<FieldError>) {
    let said = |key: &str| !(key == "managedFields" || form == Form::Local && key == "namespace");
    let metadata = meta::metadata(review);
    if metadata.is_some_and(|metadata| metadata.keys().any(|key| said(key))) {
        let why = if form == Form::Local {
            "must be empty except for namespace"
        } else {
            "must be empty"
        };
        let shown = metadata.cloned().unwrap_or_else(Map::new);
        errors.push(FieldError::invalid("metadata", Value::Object(shown), why));
    }
}

fn local(
    review: &Value,
    of_resource: Option<&Value>,
    of_path: Option<&Value>,
    errors: &mut Vec<FieldError>,
) {
    let namespace = of_resource.map(|asked| text(asked, "namespace"));
    if let Some(namespace) = namespace.filter(|asked| *asked != meta::namespace(review)) {
        let why = "must match metadata.namespace";
        let at = "spec.resourceAttributes.namespace";
        errors.push(FieldError::invalid(at, namespace, why));
    }
    if of_path.is_some() {
        let why = "disallowed on this kind of request";
        let at = "spec.nonResourceAttributes";
        errors.push(FieldError::invalid(at, shown_path(of_path), why));
    }
}

/// The selectors that a list or watch is asked about with.
fn selectors(asked: &Value, errors: &mut Vec<FieldError>) {
    for (field, of_labels) in [("fieldSelector", false), ("labelSelector", true)] {
        let Some(selector) = asked.get(field) else {
            continue;
        };
        let path = format!("spec.resourceAttributes.{field}");
        let raw = text(selector, "rawSelector");
        let requirements = selector.get("requirements").and_then(Value::as_array);
        let requirements = requirements.map_or(&[][..], Vec::as_slice);
        match (raw.is_empty(), requirements.is_empty()) {
            (false, false) => errors.push(FieldError::invalid(
                format!("{path}.rawSelector"),
                raw,
                "may not specified at the same time as requirements",
            )),
            (true, true) => errors.push(FieldError::required(
                format!("{path}.requirements"),
                format!("when {path} is specified, requirements or rawSelector is required"),
            )),
            _ => {}
        }
        for (at, requirement) in requirements.iter().enumerate() {
            let path = format!("{path}.requirements[{at}]");
            self::requirement(requirement, of_labels, &path, errors);
        }
    }
}

/// One requirement; operators that are not known are let pass (apimachinery pkg/apis/meta/v1/validation).
fn requirement(requirement: &Value, of_labels: bool, path: &str, errors: &mut Vec<FieldError>) {
    let (key, values) = (text(requirement, "key"), texts(&requirement["values"]));
    if key.is_empty() && !of_labels {
        errors.push(FieldError::required(
            format!("{path}.key"),
            "must be specified",
        ));
    }
    let at = format!("{path}.values");
    match text(requirement, "operator") {
        "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
            at,
            "must be specified when `operator` is 'In' or 'NotIn'",
        )),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
            at,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        _ => {}
    }
    if !of_labels {
        return;
    }
    for problem in names::label_key(key) {
        errors.push(FieldError::invalid(format!("{path}.key"), key, problem));
    }
    for (at, value) in values.iter().enumerate() {
        for problem in names::label_value(value) {
            let at = format!("{path}.values[{at}]");
            errors.push(FieldError::invalid(at, value.as_str(), problem));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(review: &Value, form: Form) -> Vec<String> {
        let errors = validate(review, form);
        errors.iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn exactly_one_kind_of_attributes_is_asked_for() {
        let both = json!({"spec": {"user": "u", "resourceAttributes": {}, "nonResourceAttributes": {"path": "/x"}}});
        assert_eq!(paths(&both, Form::Any), ["spec"]);
        let none = json!({"metadata": {"name": "a"}, "spec": {}});
        assert_eq!(paths(&none, Form::Any), ["spec.user", "metadata", "spec"]);
        assert_eq!(
            paths(&json!({"spec": {"nonResourceAttributes": {}}}), Form::Own),
            [""; 0]
        );
    }

    #[test]
    fn a_local_review_stays_in_its_namespace() {
        let review = |asked: &str| json!({"metadata": {"namespace": "n"}, "spec": {"user": "u", "resourceAttributes": {"namespace": asked}}});
        assert_eq!(paths(&review("n"), Form::Local), [""; 0]);
        assert_eq!(
            paths(&review("m"), Form::Local),
            ["spec.resourceAttributes.namespace"]
        );
        let path = json!({"metadata": {"namespace": "n"}, "spec": {"user": "u", "nonResourceAttributes": {"path": "/"}}});
        assert_eq!(paths(&path, Form::Local), ["spec.nonResourceAttributes"]);
    }

    #[test]
    fn selectors_are_said_in_one_way_and_complete() {
        let review =
            |selector: Value| json!({"spec": {"resourceAttributes": {"labelSelector": selector}}});
        let at = "spec.resourceAttributes.labelSelector";
        let twice =
            json!({"rawSelector": "a=b", "requirements": [{"key": "a b", "operator": "In"}]});
        let wanted = [
            ".rawSelector",
            ".requirements[0].values",
            ".requirements[0].key",
        ];
        assert_eq!(
            paths(&review(twice), Form::Own),
            wanted.map(|end| format!("{at}{end}"))
        );
        assert_eq!(
            paths(&review(json!({})), Form::Own),
            [format!("{at}.requirements")]
        );
    }
}
