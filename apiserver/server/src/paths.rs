//! Everything that is not a resource: discovery, OpenAPI, version, health, metrics, and the index of paths.

use crate::api::Api;
use crate::filters::request_info::RequestInfo;
use crate::query::Query;
use crate::reply::{self, Reply};
use crate::version;
use http::Method;
use http::request::Parts;
use serde_json::json;
use triad_machinery::status::Status;

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

pub(crate) async fn answer(
    api: &Api,
    head: &Parts,
    query: &Query,
    info: &RequestInfo,
) -> Result<Reply, Status> {
    let path = info.path.as_str();
    let customs = &api.endpoints.customs;
    if let Some(reply) = api.health.answer(path, query) {
        return Ok(reply);
    }
    if let Some(reply) = api.openapi.answer(
        customs,
        &api.aggregation.others(),
        &head.method,
        path,
        &head.headers,
        query,
    ) {
        return Ok(reply);
    }
    match path {
        "/" => return Ok(index(api)),
        "/version" | "/version/" => {
            if head.method != Method::GET {
                return Err(Status::method_not_allowed());
            }
            crate::negotiate::route_accepts(&head.headers, &["application/json"])?;
            return Ok(pretty_json(&version::document()));
        }
        "/metrics" if head.method == Method::DELETE => {
            return Ok(reply::bytes(
                200,
                "text/plain; charset=utf-8",
                "metrics reset\n",
            ));
        }
        "/metrics" | "/metrics/slis" => {
            let mut page = api.metrics.render(&api.store);
            crate::audit::render(api.audit.as_ref(), &mut page);
            api.flow.render(&mut page);
            api.authenticator.tokens.uses.render(&mut page);
            return Ok(reply::bytes(200, METRICS_TYPE, page));
        }
        "/.well-known/openid-configuration" => {
            crate::negotiate::route_accepts(&head.headers, &["application/json"])?;
            let tokens = &api.authenticator.tokens;
            let own = || {
                let (address, port) = (api.config.advertise_address, api.config.bind.port());
                format!("https://{address}:{port}/openid/v1/jwks")
            };
            let given = api.config.service_accounts.jwks_uri.clone();
            let jwks = given.unwrap_or_else(own);
            let document = json!({"issuer": tokens.issuer(), "jwks_uri": jwks, "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": tokens.keys().algorithms()});
            return Ok(public(reply::bytes(
                200,
                "application/json",
                document.to_string(),
            )));
        }
        "/openid/v1/jwks" => {
            crate::negotiate::route_accepts(&head.headers, &["application/jwk-set+json"])?;
            let keys = api.authenticator.tokens.keys().jwks();
            return Ok(public(reply::bytes(
                200,
                "application/jwk-set+json",
                keys.to_string(),
            )));
        }
        "/statusz" | "/flagz" => {
            crate::negotiate::route_accepts(&head.headers, &["text/plain"])?;
            return Ok(reply::bytes(
                200,
                "text/plain; charset=utf-8",
                zpage(api, path),
            ));
        }
        _ => {}
    }
    match api
        .discovery
        .answer(api, &head.method, path, &head.headers, query)
    {
        Some(answer) => answer,
        None => Ok(reply::page_not_found()),
    }
}

/// Keys change rarely: others may keep the answer for an hour.
fn public(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("public, max-age=3600"),
    );
    reply
}

/// The z-pages for people (KEP-4827, KEP-4828).
fn zpage(api: &Api, path: &str) -> String {
    let head = format!(
        "triad{path}\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n\n"
    );
    if path == "/statusz" {
        let store = api.store.metrics();
        return format!(
            "{head}Version: {}\nRevision: {}\nCompacted: {}\nApplied index: {}\n",
            version::GIT_VERSION,
            store.revision,
            store.compacted,
            store.applied_index
        );
    }
    format!(
        "{head}bind-address={}\ndata-dir={}\nnode-name={}\nservice-cluster-ip-range={}\n",
        api.config.bind,
        api.config.data_dir.display(),
        api.config.node_name,
        api.config.service_cidr
    )
}

/// The paths that are served, as upstream's index shows them.
fn index(api: &Api) -> Reply {
    let fixed = [
        "/.well-known/openid-configuration",
        "/apis/",
        "/flagz",
        "/metrics",
        "/metrics/slis",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/statusz",
        "/version",
    ];
    let mut paths: Vec<String> = fixed
        .map(str::to_owned)
        .into_iter()
        .chain(crate::health::paths())
        .collect();
    for endpoint in api.endpoints.all() {
        let resource = endpoint.resource;
        if resource.group.is_empty() {
            paths.push("/api".to_owned());
            paths.push(format!("/api/{}", resource.version));
        } else {
            paths.push("/apis".to_owned());
            paths.push(format!("/apis/{}", resource.group));
            paths.push(format!("/apis/{}/{}", resource.group, resource.version));
        }
    }
    paths.sort();
    paths.dedup();
    pretty_json(&json!({"paths": paths}))
}

fn pretty_json(document: &serde_json::Value) -> Reply {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    reply::bytes(200, "application/json", text)
}
