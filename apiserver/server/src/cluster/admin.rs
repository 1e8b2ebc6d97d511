//! The paths under /triad/v1/ that triadctl uses. They are authenticated and authorized like any other path that is no
//! resource: RBAC's nonResourceURLs, with the method as the verb.

use super::join::ROLE;
use super::{backup, fingerprint, history, now, tokens};
use crate::api::Api;
use crate::query::Query;
use crate::reply::{self, Reply};
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use triad_kv::{Error, Revision};

pub(crate) const PATHS: &str = "/triad/v1/";
const TOKEN_TIME: &str = "24h";

/// What went wrong: the status and the reason.
pub(super) type Refusal = (u16, String);

pub(crate) async fn answer(
    api: &Api,
    head: &Parts,
    query: &Query,
    body: hyper::body::Incoming,
) -> Reply {
    let body = match crate::body_limit::read(body).await {
        Ok(body) if body.is_empty() => Value::Null,
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(error) => return reply::text(400, format!("the body is no JSON: {error}\n")),
        },
        Err(status) => return reply::raw_status(&status),
    };
    let path = head.uri.path().strip_prefix(PATHS).unwrap_or_default();
    let words: Vec<&str> = path.split('/').collect();
    if let (&Method::GET, ["backups", id, room, file]) = (&head.method, words.as_slice()) {
        return backup::piece(api, id, &format!("{room}/{file}"), query).await;
    }
    let done = match (&head.method, words.as_slice()) {
        (&Method::GET, ["status"]) => status(api).await,
        (&Method::GET, ["tokens"]) => tokens::list(&api.store)
            .map(|tokens| json!({"tokens": tokens}))
            .map_err(refused),
        (&Method::POST, ["tokens"]) => create_token(api, &body).await,
        (&Method::DELETE, ["tokens", id]) => match tokens::revoke(&api.store, id).await {
            Ok(true) => Ok(json!({"revoked": id})),
            Ok(false) => Err((404, format!("there is no token {id}"))),
            Err(error) => Err(refused(error)),
        },
        (&Method::DELETE, ["members", name]) => {
            let removed = api.store.remove_member(name).await;
            removed.map(|()| json!({"removed": name})).map_err(refused)
        }
        (&Method::POST, ["members", name, "transfer"]) => {
            let handed = api.store.transfer(name).await;
            handed.map(|()| json!({"leader": name})).map_err(refused)
        }
        (&Method::POST, ["backups"]) => backup::begin(api)
            .await
            .map_err(|error| (503, format!("{error:#}"))),
        (&Method::DELETE, ["backups", id]) if backup::end(api, id) => Ok(json!({"ended": id})),
        (&Method::GET, ["history", resource]) => history::answer(api, resource, query),
        (&Method::POST, ["compact"]) => compact(api, &body).await,
        _ => return reply::page_not_found(),
    };
    match done {
        Ok(answer) => reply::bytes(200, "application/json", format!("{answer}\n")),
        Err((code, why)) => reply::text(code, format!("{why}\n")),
    }
}

async fn status(api: &Api) -> Result<Value, Refusal> {
    let identity = api.store.identity().map_err(refused)?;
    Ok(json!({
        "cluster": format!("{:016x}", identity.cluster),
        "members": api.reporter.members().await,
        "backups": backup::status(api).map_err(refused)?,
        "archive": api.reporter.leaders_archive().await,
    }))
}

async fn create_token(api: &Api, body: &Value) -> Result<Value, Refusal> {
    let role = body["role"].as_str().unwrap_or(ROLE);
    if role != ROLE {
        return Err((400, format!("there is no role {role:?}, only {ROLE:?}")));
    }
    let Some(ca) = &api.serving_ca_file else {
        return Err((
            409,
            "this member serves with a certificate given by flags: a joining member cannot be told what to trust".into(),
        ));
    };
    let ca = crate::tls::certificates(ca).map_err(|e| (500, format!("{e:#}")))?;
    let time = body["ttl"].as_str().unwrap_or(TOKEN_TIME);
    let seconds = tokens::seconds(time).map_err(|e| (400, format!("{e:#}")))?;
    let (id, secret) = tokens::create(&api.store, role, seconds)
        .await
        .map_err(refused)?;
    let token = tokens::Token {
        endpoints: api.reporter.endpoints().await,
        ca: fingerprint(&ca[0]),
        id: id.clone(),
        secret,
    };
    let expires = now() + u64::from(seconds);
    Ok(json!({"id": id, "role": role, "expires": expires, "token": token.text()}))
}

async fn compact(api: &Api, body: &Value) -> Result<Value, Refusal> {
    let revision = body["revision"]
        .as_u64()
        .ok_or((400, "the body lacks revision".to_owned()))?;
    let done = api.store.compact(Revision(revision)).await;
    done.map(|()| json!({"compacted": revision}))
        .map_err(refused)
}

fn refused(error: Error) -> Refusal {
    let code = match error {
        Error::Compacted { .. } | Error::FutureRevision { .. } | Error::TooLarge { .. } => 400,
        _ => 503,
    };
    (code, error.to_string())
}
