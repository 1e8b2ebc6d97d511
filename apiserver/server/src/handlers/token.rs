//! POST serviceaccounts/NAME/token: a token for the account (kubernetes pkg/registry/core/serviceaccount/storage/token.go).

use super::Call;
use super::params::WriteOptions;
use super::subresource::{admit, carried_out};
use crate::negotiate::Offer;
use crate::reply::{self, Reply, named};
use crate::service_accounts::Bound;
use serde_json::{Value, json};
use triad_machinery::defaults::apply_defaults;
use triad_machinery::schema::schema;
use triad_machinery::status::{FieldError, GroupKind, GroupResource, Status};
use triad_machinery::{managed_fields, meta};

/// Says in audit events by which name the token will be known in others.
const ISSUED: &str = "authentication.kubernetes.io/issued-credential-id";
const MIN_SECONDS: i64 = 10 * 60;
const MAX_SECONDS: i64 = 1 << 32;

pub(crate) async fn create(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let ty = named("authentication/v1.TokenRequest");
    let group = "authentication.k8s.io";
    let mut request = call.decode_named(group, "TokenRequest", &[], options.validation)?;
    apply_defaults(&mut request, ty);
    admit(call, "token", &mut request).await?;
    let account = call.fetch().await?.object;
    validate(&request, &account)?;
    let manager = call.manager(&options.field_manager);
    managed_fields::update(
        None,
        &mut request,
        &managed_fields::Context {
            schema: schema(),
            type_id: ty,
            api_version: "authentication.k8s.io/v1",
            kind: "TokenRequest",
            manager: &manager,
            subresource: "token",
            now: &crate::clock::Clock.now(),
            reset_fields: &managed_fields::ResetFields::default(),
            versions: &managed_fields::OneVersion,
            custom: None,
        },
    );
    let text = |at: &str| {
        request
            .pointer(at)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let (kind, name) = (
        text("/spec/boundObjectRef/kind"),
        text("/spec/boundObjectRef/name"),
    );
    let object = if kind.is_empty() {
        None
    } else {
        let uid = text("/spec/boundObjectRef/uid");
        Some(bound_object(call, &kind, &name, &uid)?)
    };
    let mut audiences: Vec<String> = request
        .pointer("/spec/audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if audiences.is_empty() {
        audiences = call.api.authenticator.tokens.audiences().to_vec();
    }
    request["spec"]["audiences"] = json!(audiences);
    for field in ["name", "namespace", "uid"] {
        request["metadata"][field] = account["metadata"][field].clone();
    }
    let now = crate::clock::Clock.unix_seconds();
    meta::set(
        &mut request,
        "creationTimestamp",
        &crate::clock::Clock.now(),
    );
    carried_out(call, "token", &request).await?;
    let seconds = shortened(call, &mut request);
    let tokens = &call.api.authenticator.tokens;
    let node = object
        .as_ref()
        .filter(|_| kind == "Pod")
        .and_then(|pod| node_of(call, pod));
    let bound = object.as_ref().map(|object| Bound {
        kind: &kind,
        object,
        node,
    });
    let life = tokens.life(seconds, kind == "Pod", &audiences);
    let (token, credential) = tokens
        .sign(&account, &audiences, life, bound.as_ref())
        .map_err(Status::internal)?;
    call.trail.annotate(ISSUED, credential);
    request["status"] = json!({"token": token, "expirationTimestamp": triad_machinery::duration::format_time(now + seconds)});
    Ok(reply::object(201, &request, ty, &accepted))
}

/// The seconds that a token is asked for, no more than --service-account-max-token-expiration.
fn shortened(call: &mut Call, request: &mut Value) -> i64 {
    let asked = request["spec"]["expirationSeconds"]
        .as_i64()
        .unwrap_or(3600);
    let most = call.api.authenticator.tokens.max_seconds();
    if asked > most {
        let told = format!("requested expiration of {asked} seconds shortened to {most} seconds");
        call.warnings.push(told);
        request["spec"]["expirationSeconds"] = json!(most);
    }
    asked.min(most)
}

/// The node of a pod; one that is not there is known by its name alone.
fn node_of(call: &Call, pod: &Value) -> Option<Value> {
    let name = pod["spec"]["nodeName"]
        .as_str()
        .filter(|name| !name.is_empty())?;
    let found = call.api.authenticator.tokens.bound_object("Node", "", name);
    Some(found.unwrap_or_else(|| json!({"metadata": {"name": name}})))
}

fn validate(request: &Value, account: &Value) -> Result<(), Status> {
    let refuse = |name: &str, error: FieldError| {
        Err(Status::invalid(
            GroupKind {
                group: "authentication.k8s.io",
                kind: "TokenRequest",
            },
            name,
            &[error],
        ))
    };
    for (field, what) in [
        ("name", "must match the service account name if specified"),
        (
            "namespace",
            "must match the service account namespace if specified",
        ),
    ] {
        let given = request
            .pointer(&format!("/metadata/{field}"))
            .and_then(Value::as_str)
            .unwrap_or("");
        if !given.is_empty() && account["metadata"][field] != given {
            return refuse(
                meta::name(account),
                FieldError::invalid(format!("metadata.{field}"), given, what),
            );
        }
    }
    let seconds = request
        .pointer("/spec/expirationSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(3600);
    if seconds < MIN_SECONDS {
        return refuse(
            "",
            FieldError::invalid(
                "spec.expirationSeconds",
                seconds,
                "may not specify a duration less than 10 minutes",
            ),
        );
    }
    if seconds > MAX_SECONDS {
        return refuse(
            "",
            FieldError::invalid(
                "spec.expirationSeconds",
                seconds,
                "may not specify a duration larger than 2^32 seconds",
            ),
        );
    }
    Ok(())
}

/// What the token is to be bound to, which must be there.
fn bound_object(call: &Call, kind: &str, name: &str, asked: &str) -> Result<Value, Status> {
    let tokens = &call.api.authenticator.tokens;
    if !tokens.bindable(kind) {
        return Err(Status::bad_request(format!(
            "cannot bind token to object of type /v1, Kind={kind}"
        )));
    }
    let plural = format!("{}s", kind.to_lowercase());
    let object = tokens
        .bound_object(kind, call.namespace(), name)
        .ok_or_else(|| {
            Status::not_found(
                GroupResource {
                    group: "",
                    resource: &plural,
                },
                name,
            )
        })?;
    if !asked.is_empty() && asked != meta::uid(&object) {
        let why = format!(
            "the UID in the bound object reference ({asked}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict(
            GroupResource {
                group: "",
                resource: kind,
            },
            name,
            why,
        ));
    }
    Ok(object)
}

#[cfg(test)]
mod tests;
