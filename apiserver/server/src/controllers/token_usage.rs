//! Labels the Secrets whose tokens are used with the day. Part of the API server itself, on every member: each sees the uses
//! that it lets in.

use super::client::{Client, Target};
use crate::api::Api;
use std::sync::Arc;
use triad_machinery::status::reason;

pub(super) async fn run(api: Arc<Api>) {
    let Some(mut used) = api.authenticator.tokens.usage.take() else {
        return;
    };
    let Some(secrets) = api.endpoints.registry("", "secrets") else {
        return;
    };
    let client = Client::new(&api);
    while let Some(used) = used.recv().await {
        let target = Target::new(secrets, &used.namespace, &used.name);
        match client.patch(target, &used.patch).await {
            Err(status) if !status.is(reason::NOT_FOUND) && !status.is(reason::CONFLICT) => {
                tracing::warn!(namespace = used.namespace, name = used.name, %status, "cannot say that a token was used");
            }
            _ => {}
        }
    }
}
