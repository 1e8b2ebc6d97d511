//! Writes routes as an OpenAPI 3.0 document (kube-openapi pkg/builder3, pkg/spec3).

use serde_json::{Map, Value, json};

use super::definitions::Definitions;
use super::route::{Param, PathRoutes, Route, by_path, code_text};

/// In this order a path lists its operations.
pub(super) const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The document of custom kinds, which bears a title of its own.
pub(super) fn custom_document(routes: &[Route], mut definitions: Definitions<'_>) -> Value {
    let paths = paths(routes, &mut definitions);
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
        "paths": paths,
        "components": {"schemas": definitions.finish()},
    })
}

fn paths(routes: &[Route], definitions: &mut Definitions<'_>) -> Map<String, Value> {
    let paths = by_path(routes).into_iter();
    paths
        .map(|(path, routes)| (path.to_owned(), path_item(&routes, definitions)))
        .collect()
}

/// The document of some routes.
pub(super) fn document(version: &str, routes: &[Route], mut definitions: Definitions<'_>) -> Value {
    let paths = paths(routes, &mut definitions);
    let schemas = definitions.finish();
    let mut components = Map::new();
    if !schemas.is_empty() {
        components.insert("schemas".into(), schemas.into());
    }
    let bearer = json!({"type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header"});
    components.insert("securitySchemes".into(), json!({"BearerToken": bearer}));
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version}, "paths": paths, "components": components})
}

fn path_item(path: &PathRoutes<'_>, definitions: &mut Definitions<'_>) -> Value {
    let mut out = Map::new();
    for method in METHODS {
        if let Some((route, params)) = path.routes.iter().find(|(route, _)| route.method == method)
        {
            out.insert(method.into(), operation(route, params, definitions));
        }
    }
    if !path.common.is_empty() {
        out.insert(
            "parameters".into(),
            path.common.iter().map(|p| parameter(p)).collect(),
        );
    }
    out.into()
}

fn operation(route: &Route, params: &[&Param], definitions: &mut Definitions<'_>) -> Value {
    let mut out = Map::new();
    out.insert("tags".into(), json!([route.tag]));
    out.insert("description".into(), (&*route.description).into());
    out.insert("operationId".into(), (&*route.id).into());
    if !params.is_empty() {
        out.insert(
            "parameters".into(),
            params.iter().map(|p| parameter(p)).collect(),
        );
    }
    if let Some(body) = &route.body {
        let schema = definitions.model(&body.model);
        let mut request = Map::new();
        request.insert("content".into(), content(&route.consumes, &schema));
        if body.required {
            request.insert("required".into(), true.into());
        }
        out.insert("requestBody".into(), request.into());
    }
    let mut responses = Map::new();
    for (code, model) in &route.responses {
        let schema = definitions.model(model);
        let response =
            json!({"description": code_text(*code), "content": content(&route.produces, &schema)});
        responses.insert(code.to_string(), response);
    }
    responses.insert("401".into(), json!({"description": code_text(401)}));
    out.insert("responses".into(), responses.into());
    add_extensions(route, &mut out);
    out.into()
}

/// What Kubernetes' own tools go by: the action and the kind.
pub(super) fn add_extensions(route: &Route, out: &mut Map<String, Value>) {
    if let Some(action) = route.action {
        out.insert("x-kubernetes-action".into(), action.into());
    }
    if let Some(kind) = &route.kind {
        let value = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
        out.insert("x-kubernetes-group-version-kind".into(), value);
    }
}

fn content(media: &[&str], schema: &Value) -> Value {
    let mut media = media.to_vec();
    media.sort_unstable();
    let entries = media
        .into_iter()
        .map(|name| (name.to_owned(), json!({"schema": schema})));
    Value::Object(entries.collect())
}

fn parameter(param: &Param) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), (&*param.name).into());
    out.insert("in".into(), param.location.name().into());
    if !param.description.is_empty() {
        out.insert("description".into(), (&*param.description).into());
    }
    if param.location == super::route::Location::Path {
        out.insert("required".into(), true.into());
    }
    out.insert(
        "schema".into(),
        json!({"type": param.ty, "uniqueItems": true}),
    );
    out.into()
}
