//! Service accounts: of the secrets named, only the names are kept (kubernetes pkg/registry/core/serviceaccount).

use crate::registry::Strategy;
use serde_json::{Value, json};

pub(in crate::registry) struct ServiceAccounts;

fn names_only(object: &mut Value) {
    for secret in object
        .get_mut("secrets")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        *secret = match secret.get("name") {
            Some(name) => json!({"name": name}),
            None => json!({}),
        };
    }
}

impl Strategy for ServiceAccounts {
    fn prepare_for_create(&self, object: &mut Value) {
        names_only(object);
    }

    fn prepare_for_update(&self, object: &mut Value, _old: &Value) {
        names_only(object);
    }
}
