//! Schemas of custom resources: what of OpenAPI they may use (apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go).
//! Called with `validation` or a version's `schema`.

use serde_json::Value;

use super::at::{At, Errors};
use super::definition_extensions::{extensions, list_map, rules};
use super::definition_rules::{Context, Findings};
use super::{definition_structure, go_value};
use crate::custom;

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
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
