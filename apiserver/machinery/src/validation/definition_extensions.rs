//! What the extensions of a schema may say: how lists and maps are merged, which rules hold, and the paths that rules name
//! (apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go).

use super::at::{At, Errors};

const REASONS: &[&str] = &[
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

pub(super) fn extensions(at: &At<'_>, errors: &mut Errors) {
    let (kind, preserve) = (
        at.get("type"),
        at.get("x-kubernetes-preserve-unknown-fields"),
    );
    if preserve.given() && !preserve.yes() {
        errors.invalid(&preserve, "must be true or undefined");
    }
    for (field, wanted) in [
        ("x-kubernetes-map-type", "object"),
        ("x-kubernetes-list-type", "array"),
    ] {
        let marker = at.get(field);
        let detail = format!("must be {wanted} if {field} is specified");
        if marker.given() && kind.empty() {
            errors.required(&kind, &detail);
        } else if marker.given() && kind.text() != wanted {
            errors.invalid(&kind, detail);
        } else if field == "x-kubernetes-list-type" && marker.text() == "set" {
            atomic_items(&at.get("items"), errors);
        }
        let values: &[&str] = match wanted {
            "object" => &["atomic", "granular"],
            _ => &["atomic", "set", "map"],
        };
        if marker.given() {
            errors.one_of(&marker, values);
        }
    }
}

/// Items of a set are compared whole.
fn atomic_items(items: &At<'_>, errors: &mut Errors) {
    const DETAIL: &str = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let (list, map) = (
        items.get("x-kubernetes-list-type"),
        items.get("x-kubernetes-map-type"),
    );
    match items.get("type").text() {
        "array" if list.given() && list.text() != "atomic" => errors.invalid(&list, DETAIL),
        "object" if map.text() != "atomic" => {
            errors.invalid_value(&map, list.value.clone(), DETAIL);
        }
        _ => {}
    }
}

pub(super) fn list_map(at: &At<'_>, errors: &mut Errors) {
    const KEYED: &str = "must be map if x-kubernetes-list-map-keys is non-empty";
    let (keys, list) = (
        at.get("x-kubernetes-list-map-keys"),
        at.get("x-kubernetes-list-type"),
    );
    if !keys.empty() && !list.given() {
        errors.required(&list, KEYED);
    } else if !keys.empty() && list.text() != "map" {
        errors.invalid(&list, KEYED);
    }
    if list.text() != "map" {
        return;
    }
    if keys.empty() {
        errors.required(&keys, "must not be empty if x-kubernetes-list-type is map");
    }
    let items = at.get("items");
    if !items.given() {
        return errors.required(
            &items,
            "must have a schema if x-kubernetes-list-type is map",
        );
    }
    if items.value.is_array() {
        let detail = "must only have a single schema if x-kubernetes-list-type is map";
        return errors.invalid(&items, detail);
    }
    let kind = items.get("type");
    if kind.text() != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        return errors.invalid_value(&kind, kind.text(), detail);
    }
    let mut seen = Vec::new();
    for key in keys.strings() {
        let property = items.get("properties").key(key);
        if !property.given() {
            errors.invalid(&keys, "entries must all be names of item properties");
        } else if matches!(property.get("type").text(), "array" | "object") {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.invalid_value(&property.get("type"), kind.text(), detail);
        }
        if seen.contains(&key) {
            errors.invalid(&keys, "must not contain duplicate entries");
        }
        seen.push(key);
    }
}

pub(super) fn rules(at: &At<'_>, errors: &mut Errors) {
    for rule in at.get("x-kubernetes-validations").items() {
        let (text, message, reason, path) = (
            rule.get("rule"),
            rule.get("message"),
            rule.get("reason"),
            rule.get("fieldPath"),
        );
        let lines = |at: &At<'_>| at.text().trim().contains(['\n', '\r']);
        if text.text().trim().is_empty() {
            errors.required(&text, "rule is not specified");
        } else if !message.empty() && message.text().trim().is_empty() {
            errors.invalid(&message, "must be non-empty if specified");
        } else if lines(&message) {
            errors.invalid(&message, "must not contain line breaks");
        } else if lines(&text) && message.text().trim().is_empty() {
            errors.required(
                &message,
                "message must be specified if rule contains line breaks",
            );
        }
        let expression = rule.get("messageExpression");
        if !expression.empty() && expression.text().trim().is_empty() {
            errors.required(
                &expression,
                "messageExpression must be non-empty if specified",
            );
        }
        if reason.given() {
            errors.one_of(&reason, REASONS);
        }
        if path.empty() {
            continue;
        }
        if path.text().trim().is_empty() {
            errors.invalid(&path, "must be non-empty if specified");
        }
        if path.text().contains(['\n', '\r']) {
            errors.invalid(&path, "must not contain line breaks");
        }
        if field(at, path.text(), true).is_err() {
            errors.invalid(&path, "must be a valid path");
        }
    }
}

/// The schema of the field that a path such as `.spec.a['b']` leads to (pkg/apiserver/schema/cel/validation.go, ValidFieldPath).
pub(super) fn field<'a>(schema: &At<'a>, path: &str, brackets: bool) -> Result<At<'a>, String> {
    let mut at = schema.clone();
    let mut rest = path;
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[', ']']).unwrap_or(after.len());
            let (step, next) = after.split_at(end);
            (name, rest) = (step.to_owned(), next);
        } else if let Some(after) = rest.strip_prefix('[') {
            if !brackets {
                return Err("array notation is not allowed".into());
            }
            let end = after.find(']').ok_or("unexpected end of JSON path")?;
            let (step, next) = after.split_at(end);
            let quoted = step
                .strip_prefix('\'')
                .and_then(|step| step.strip_suffix('\''));
            let inside = quoted.ok_or(format!("expected single quoted string but got {step}"))?;
            (name, rest) = (inside.to_owned(), &next[1..]);
        } else {
            let end = rest.find(['.', '[', ']']).filter(|end| *end > 0);
            let token =
                &rest[..end.unwrap_or(rest.len().min(rest.find(']').map_or(rest.len(), |_| 1)))];
            return Err(format!("expected [ or . but got: {token}"));
        }
        let (properties, more) = (at.get("properties"), at.get("additionalProperties"));
        at = match (properties.given(), more.value.is_object()) {
            (true, _) if properties.key(&name).given() => properties.key(&name),
            (false, true) => more,
            _ => return Err("does not refer to a valid field".into()),
        };
    }
    Ok(at)
}
