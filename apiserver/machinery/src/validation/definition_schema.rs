//! Schemas of custom resources: what of OpenAPI they may use (apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go).
//! Called with `validation` or a version's `schema`.

use serde_json::Value;

use super::at::{At, Errors};
use super::definition_rules::{Context, Findings};
use super::{definition_structure, go_value};
use crate::custom;

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
const REASONS: &[&str] = &[
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];
/// What the root may say while status is a subresource, by JSON and Go name.
const AT_ROOT: &[(&str, &str)] = &[
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    (
        "x-kubernetes-preserve-unknown-fields",
        "XPreserveUnknownFields",
    ),
    ("x-kubernetes-validations", "XValidations"),
];

/// Whether some version has no schema.
pub(super) fn missing(spec: &At<'_>) -> bool {
    let given = |at: &At<'_>| at.get("openAPIV3Schema").given();
    !given(&spec.get("validation"))
        && spec
            .get("versions")
            .items()
            .any(|version| !given(&version.get("schema")))
}

/// `findings` takes what is found of the rules.
pub(super) fn whole(at: &At<'_>, status: bool, mut findings: Findings<'_>, errors: &mut Errors) {
    let schema = at.get("openAPIV3Schema");
    if !schema.given() {
        return;
    }
    let before = errors.0.len();
    if status {
        root(&schema, errors);
    }
    if schema.get("nullable").yes() {
        errors.forbidden(
            &schema.get("nullable"),
            "nullable cannot be true at the root",
        );
    }
    let unsupported = definition_structure::unsupported(schema.value);
    let so_far = errors.0.len();
    if unsupported.is_none() {
        definition_structure::structural(&schema, errors);
    }
    if unsupported.is_none() && errors.0.len() == so_far {
        errors
            .0
            .extend(custom::validate_defaults(&schema.path, schema.value));
    }
    let structural = unsupported.is_none() && errors.0.len() == so_far;
    let place = Place {
        root: true,
        defaults: None,
        inside_metadata: false,
        uncorrelated: None,
    };
    let context = structural.then(|| Context::root(schema.value));
    node(&schema, &place, context.as_ref(), &mut findings, errors);
    errors.0.append(&mut findings.errors.0);
    findings.sum(&schema, errors);
    // What cannot be taken apart is told where nothing else is.
    if let Some(problem) = unsupported.filter(|_| errors.0.len() == before) {
        errors.invalid_value(&schema, "", problem);
    }
}

fn root(schema: &At<'_>, errors: &mut Errors) {
    let given = schema.value.as_object().into_iter().flatten();
    for (field, value) in given.filter(|(_, value)| !value.is_null()) {
        if field == "type" && value != "object" {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            return errors.invalid(&schema.get("type"), detail);
        }
        if !AT_ROOT.iter().any(|(name, _)| name == field) {
            let all: Vec<&str> = AT_ROOT.iter().map(|(_, name)| *name).collect();
            let detail = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                all.join(" ")
            );
            let shown = go_value::internal("apiextensions/v1beta1.JSONSchemaProps", schema.value);
            return errors.invalid_value(schema, shown, detail);
        }
    }
}

/// Where in the whole schema a node stands.
#[derive(Clone)]
struct Place {
    root: bool,
    /// Why no default may be set.
    defaults: Option<String>,
    inside_metadata: bool,
    /// The outermost list or map in which an old value cannot be found again.
    uncorrelated: Option<String>,
}

impl Place {
    fn inside(&self) -> Place {
        Place {
            root: false,
            ..self.clone()
        }
    }

    fn uncorrelated(self, at: &At<'_>) -> Place {
        Place {
            uncorrelated: self.uncorrelated.or_else(|| Some(at.path.clone())),
            ..self
        }
    }

    fn without_defaults(&self, why: &str) -> Place {
        Place {
            defaults: Some(why.to_owned()),
            ..self.inside()
        }
    }
}

/// Without a context no rules are compiled.
fn node<'a>(
    at: &At<'a>,
    place: &Place,
    context: Option<&Context<'a>>,
    findings: &mut Findings<'_>,
    errors: &mut Errors,
) {
    if !at.value.is_object() {
        return;
    }
    let before = errors.0.len();
    unusable(at, place, errors);
    if at.get("uniqueItems").yes() {
        let detail =
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.forbidden(&at.get("uniqueItems"), detail);
    }
    children(at, place, context, findings, errors);
    extensions(at, errors);
    list_map(at, errors);
    definition_structure::map_keys(at, errors);
    rules(at, errors);
    // Rules over a schema that is wrong would be found wrong for its sake.
    if let Some(context) = context.filter(|_| errors.0.len() == before) {
        findings.rules(at, context, place.uncorrelated.as_deref());
    }
}

fn unusable(at: &At<'_>, place: &Place, errors: &mut Errors) {
    let kind = at.get("type");
    if !kind.empty() && !TYPES.contains(&kind.text()) {
        errors.unsupported(&kind, TYPES);
    }
    if let (true, Some(why)) = (at.get("default").given(), &place.defaults) {
        errors.forbidden(&at.get("default"), format!("must not be set {why}"));
    }
    for field in ["id", "additionalItems", "patternProperties", "definitions"] {
        if !at.get(field).empty() {
            errors.forbidden(&at.get(field), format!("{field} is not supported"));
        }
    }
    for field in ["dependencies", "$ref"] {
        if at.get(field).given() {
            errors.forbidden(&at.get(field), format!("{field} is not supported"));
        }
    }
    if kind.text() == "null" {
        errors.forbidden(
            &kind,
            "type cannot be set to null, use nullable as an alternative",
        );
    }
    if at
        .get("items")
        .value
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        errors.forbidden(
            &at.get("items"),
            "items must be a schema object and not an array",
        );
    }
    let embedded = at.get("x-kubernetes-embedded-resource");
    if place.inside_metadata && embedded.yes() {
        errors.forbidden(&embedded, "must not be used inside of resource meta");
    }
}

fn children<'a>(
    at: &At<'a>,
    place: &Place,
    context: Option<&Context<'a>>,
    findings: &mut Findings<'_>,
    errors: &mut Errors,
) {
    let (more, properties) = (at.get("additionalProperties"), at.get("properties"));
    if more.given() && !properties.empty() && more.value != &Value::Bool(true) {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.forbidden(&more, detail);
    }
    let inside = if place.inside_metadata {
        place.without_defaults("inside additionalProperties applying to object metadata")
    } else {
        place.inside()
    };
    let within = context.map(|context| context.values(more.value));
    node(&more, &inside, within.as_ref(), findings, errors);
    let resource = place.root || at.get("x-kubernetes-embedded-resource").yes();
    for (name, property) in properties.entries() {
        let mut inside = place.inside();
        if resource && matches!(name, "metadata" | "kind" | "apiVersion") {
            if place.root {
                inside = place.without_defaults(&format!("in top-level {name}"));
            }
            inside.inside_metadata = true;
        }
        let kind = at.get("x-kubernetes-map-type");
        if kind.given() && !matches!(kind.text(), "granular" | "atomic") {
            inside = inside.uncorrelated(at);
        }
        let within = context.map(|context| context.property(name, property.value));
        node(&property, &inside, within.as_ref(), findings, errors);
    }
    parts(at, place, findings, errors);
    let items = at.get("items");
    let inside = match at.get("x-kubernetes-list-type").text() {
        "map" => place.inside(),
        _ => place.inside().uncorrelated(at),
    };
    let within = context.map(|context| context.items(items.value));
    node(&items, &inside, within.as_ref(), findings, errors);
    for item in items.items() {
        node(&item, &inside, None, findings, errors);
    }
    for (_, dependency) in at.get("dependencies").entries() {
        node(&dependency, &place.inside(), None, findings, errors);
    }
}

/// Schemas that say more of the same value. Rules are not looked at there.
fn parts(at: &At<'_>, place: &Place, findings: &mut Findings<'_>, errors: &mut Errors) {
    let inside = place.inside();
    node(&at.get("not"), &inside, None, findings, errors);
    for list in ["allOf", "oneOf", "anyOf"] {
        for item in at.get(list).items() {
            node(&item, &inside, None, findings, errors);
        }
    }
    for (_, definition) in at.get("definitions").entries() {
        node(&definition, &inside, None, findings, errors);
    }
}

fn extensions(at: &At<'_>, errors: &mut Errors) {
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

fn list_map(at: &At<'_>, errors: &mut Errors) {
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

fn rules(at: &At<'_>, errors: &mut Errors) {
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
