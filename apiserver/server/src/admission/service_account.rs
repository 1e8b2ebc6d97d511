//! ServiceAccount: a pod runs as an account that exists, with its image pull secrets and its token mounted
//! (kubernetes plugin/pkg/admission/serviceaccount).

use super::{Attributes, Lookup, Operation, Plugin};
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::names::SUFFIX_ALPHABET;
use triad_machinery::status::Status;

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME: &str = "kube-api-access-";
/// Seconds that a mounted token lives; the kubelet asks for a new one before that.
const TOKEN_SECONDS: i64 = 3607;

pub(super) struct ServiceAccount {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn admit(
        &self,
        attributes: &Attributes,
        pod: &mut Value,
        _old: Option<&Value>,
    ) -> Result<(), Status> {
        if !attributes.is("", "pods")
            || !attributes.subresource.is_empty()
            || attributes.operation != Operation::Create
        {
            return Ok(());
        }
        // Mirror pods are the kubelet's own and must not use what the API keeps.
        if meta::annotation(pod, "kubernetes.io/config.mirror").is_some() {
            return self.check_mirror(attributes, pod);
        }
        if pod
            .pointer("/spec/serviceAccountName")
            .and_then(Value::as_str)
            .unwrap_or("")
            .is_empty()
        {
            pod["spec"]["serviceAccountName"] = json!("default");
        }
        let name = pod["spec"]["serviceAccountName"]
            .as_str()
            .unwrap_or("default")
            .to_owned();
        pod["spec"]["serviceAccount"] = json!(name);
        let Some(account) =
            self.lookup
                .find(&self.lookup.service_accounts, &attributes.namespace, &name)
        else {
            let why = format!(
                "error looking up service account {}/{name}: serviceaccount {name:?} not found",
                attributes.namespace
            );
            return Err(attributes.forbidden(Some(pod), why));
        };
        let mounts = [
            pod.pointer("/spec/automountServiceAccountToken"),
            account.get("automountServiceAccountToken"),
        ];
        if mounts
            .into_iter()
            .flatten()
            .next()
            .and_then(Value::as_bool)
            .unwrap_or(true)
        {
            mount_token(pod);
        }
        if pod
            .pointer("/spec/imagePullSecrets")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
            && let Some(secrets) = account
                .get("imagePullSecrets")
                .filter(|secrets| secrets.as_array().is_some_and(|list| !list.is_empty()))
        {
            pod["spec"]["imagePullSecrets"] = secrets.clone();
        }
        Ok(())
    }
}

impl ServiceAccount {
    fn check_mirror(&self, attributes: &Attributes, pod: &Value) -> Result<(), Status> {
        if pod
            .pointer("/spec/serviceAccountName")
            .and_then(Value::as_str)
            .is_some_and(|name| !name.is_empty())
        {
            return Err(
                attributes.forbidden(Some(pod), "a mirror pod may not reference service accounts")
            );
        }
        let projected = pod
            .pointer("/spec/volumes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|volume| {
                volume
                    .pointer("/projected/sources")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .any(|source| source.get("serviceAccountToken").is_some())
            });
        if projected {
            Err(attributes.forbidden(
                Some(pod),
                "a mirror pod may not use ServiceAccountToken volume projections",
            ))
        } else {
            Ok(())
        }
    }
}

fn mount_token(pod: &mut Value) {
    let volumes = pod
        .pointer("/spec/volumes")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let name_of = |value: &Value| {
        value
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let existing = volumes
        .iter()
        .map(name_of)
        .find(|name| name.starts_with(VOLUME));
    let name = existing.clone().unwrap_or_else(|| {
        let suffix: String = (0..5)
            .map(|_| char::from(SUFFIX_ALPHABET[rand::random_range(0..SUFFIX_ALPHABET.len())]))
            .collect();
        format!("{VOLUME}{suffix}")
    });
    let mut used = false;
    for list in ["initContainers", "containers"] {
        let Some(containers) = pod
            .pointer_mut(&format!("/spec/{list}"))
            .and_then(Value::as_array_mut)
        else {
            continue;
        };
        for container in containers {
            let mounts = container
                .get("volumeMounts")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            if mounts
                .iter()
                .any(|mount| mount.get("mountPath") == Some(&json!(MOUNT_PATH)))
            {
                continue;
            }
            used = true;
            container["volumeMounts"] = mounts
                .into_iter()
                .chain([json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH})])
                .collect();
        }
    }
    if used && existing.is_none() {
        let volume = json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}});
        pod["spec"]["volumes"] = volumes.into_iter().chain([volume]).collect();
    }
}
