//! Writes routes as a Swagger 2.0 document (kube-openapi pkg/builder, pkg/validation/spec). Parameters that recur are written
//! once and referred to, under names made from a hash of what they say.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value, json};

use super::definitions::Definitions;
use super::route::{Location, Param, PathRoutes, Route, by_path, code_text};
use super::v3::{METHODS, add_extensions};

/// These parameters stay where they are: the name says which kind, and clients look for the others in each operation.
const NEVER_SHARED: [&str; 3] = ["name", "fieldValidation", "dryRun"];

/// What routes add to a Swagger document: paths, definitions and parameters that are shared, each by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct V2Part {
    pub paths: Map<String, Value>,
    pub definitions: Map<String, Value>,
    pub parameters: Map<String, Value>,
}

/// What these routes add; `finish` says which of the definitions.
pub(super) fn part<'a>(
    routes: &[Route],
    definitions: Definitions<'a>,
    finish: impl FnOnce(Definitions<'a>) -> Map<String, Value>,
) -> V2Part {
    let mut writer = Writer {
        definitions,
        shared: BTreeMap::new(),
        references: HashMap::new(),
    };
    let mut paths = Map::new();
    for (path, routes) in by_path(routes) {
        paths.insert(path.to_owned(), writer.path_item(&routes));
    }
    V2Part {
        paths,
        definitions: finish(writer.definitions),
        parameters: writer.shared.into_iter().collect(),
    }
}

/// The document of all that; without anything, what stands around it.
pub(super) fn document(version: &str, part: V2Part) -> Value {
    let bearer = json!({"description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header"});
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": part.paths,
        "definitions": part.definitions,
        "parameters": part.parameters,
        "securityDefinitions": {"BearerToken": bearer},
        "security": [{"BearerToken": []}],
    })
}

struct Writer<'a> {
    definitions: Definitions<'a>,
    shared: BTreeMap<String, Value>,
    /// The references to parameters that were written before: every operation has a dozen of the same.
    references: HashMap<Param, Value>,
}

impl Writer<'_> {
    fn path_item(&mut self, path: &PathRoutes<'_>) -> Value {
        let mut out = Map::new();
        for method in METHODS {
            if let Some((route, params)) =
                path.routes.iter().find(|(route, _)| route.method == method)
            {
                let operation = self.operation(route, params);
                out.insert(method.into(), operation);
            }
        }
        if !path.common.is_empty() {
            out.insert(
                "parameters".into(),
                path.common.iter().map(|p| self.parameter(p)).collect(),
            );
        }
        out.into()
    }

    fn operation(&mut self, route: &Route, params: &[&Param]) -> Value {
        let mut out = Map::new();
        out.insert("description".into(), (&*route.description).into());
        if !route.consumes.is_empty() {
            out.insert("consumes".into(), json!(route.consumes));
        }
        out.insert("produces".into(), json!(route.produces));
        out.insert("schemes".into(), json!(["https"]));
        out.insert("tags".into(), json!([route.tag]));
        out.insert("operationId".into(), (&*route.id).into());
        let parameters = self.parameters(route, params);
        if !parameters.is_empty() {
            out.insert("parameters".into(), parameters.into());
        }
        let mut responses = Map::new();
        for (code, model) in &route.responses {
            let schema = self.definitions.model(model);
            responses.insert(
                code.to_string(),
                json!({"description": code_text(*code), "schema": schema}),
            );
        }
        responses.insert("401".into(), json!({"description": code_text(401)}));
        out.insert("responses".into(), responses.into());
        add_extensions(route, &mut out);
        out.into()
    }

    /// By name; the body is one of them.
    fn parameters(&mut self, route: &Route, params: &[&Param]) -> Vec<Value> {
        let mut out: Vec<(&str, Value)> = params
            .iter()
            .map(|p| (&*p.name, self.parameter(p)))
            .collect();
        if let Some(body) = &route.body {
            let schema = self.definitions.model(&body.model);
            let reference = schema["$ref"].as_str().unwrap_or("");
            // Bodies of one kind only are not shared.
            let generic = reference.starts_with("#/definitions/io.k8s.apimachinery");
            let mut value = json!({"name": "body", "in": "body"});
            if body.required {
                value["required"] = true.into();
            }
            value["schema"] = schema.clone();
            let value = if generic {
                self.share("body", value)
            } else {
                value
            };
            out.push(("body", value));
        }
        out.sort_by_key(|(name, _)| *name);
        out.into_iter().map(|(_, value)| value).collect()
    }

    fn parameter(&mut self, param: &Param) -> Value {
        if let Some(reference) = self.references.get(param) {
            return reference.clone();
        }
        let mut out = Map::new();
        out.insert("uniqueItems".into(), true.into());
        out.insert("type".into(), param.ty.into());
        if !param.description.is_empty() {
            out.insert("description".into(), (&*param.description).into());
        }
        out.insert("name".into(), (&*param.name).into());
        out.insert("in".into(), param.location.name().into());
        if param.location == Location::Path {
            out.insert("required".into(), true.into());
        }
        let value = Value::Object(out);
        if NEVER_SHARED.contains(&&*param.name) {
            value
        } else {
            let reference = self.share(&param.name, value);
            self.references.insert(param.clone(), reference.clone());
            reference
        }
    }

    /// Keeps a parameter among the shared ones and refers to it.
    fn share(&mut self, name: &str, value: Value) -> Value {
        let name = format!("{name}-{}", short_hash(&value.to_string()));
        let reference = json!({"$ref": format!("#/parameters/{name}")});
        self.shared.insert(name, value);
        reference
    }
}

/// Eight characters of FNV-1 (64 bits).
fn short_hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
    });
    URL_SAFE.encode(&hash.to_be_bytes()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_parameters_bear_upstreams_names() {
        let namespace = r#"{"uniqueItems":true,"type":"string","description":"object name and auth scope, such as for teams and projects","name":"namespace","in":"path","required":true}"#;
        assert_eq!(short_hash(namespace), "vgWSWtn3");
        let path = r#"{"uniqueItems":true,"type":"string","description":"path to the resource","name":"path","in":"path","required":true}"#;
        assert_eq!(short_hash(path), "z6Ciiujn");
    }
}
