//! Service accounts: of the secrets named, only the names are kept (kubernetes pkg/registry/core/serviceaccount).

use crate::registry::Strategy;
use serde_json::{Value, json};
use triad_machinery::meta;

/// Keeps an account's pods to the secrets that it names.
pub(crate) const ENFORCE_MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";

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

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let asks = |account: &Value| meta::annotation(account, ENFORCE_MOUNTABLE_SECRETS).is_some();
        if !asks(object) || old.is_some_and(asks) {
            return Vec::new();
        }
        vec![format!(
            "metadata.annotations[{ENFORCE_MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_begins_to_enforce_mountable_secrets_is_warned() {
        let asking = json!({"metadata": {"annotations": {ENFORCE_MOUNTABLE_SECRETS: "false"}}});
        let plain = json!({"metadata": {}});
        let warned = |object, old| ServiceAccounts.warnings(object, old).len();
        assert_eq!(warned(&asking, None), 1);
        assert_eq!(warned(&asking, Some(&plain)), 1);
        assert_eq!(warned(&asking, Some(&asking)), 0);
        assert_eq!(warned(&plain, Some(&asking)), 0);
    }
}
