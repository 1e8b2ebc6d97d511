//! ServiceAccount: a pod runs as an account that exists, with its image pull secrets and its token mounted
//! (kubernetes plugin/pkg/admission/serviceaccount).

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use crate::registry::ENFORCE_MOUNTABLE_SECRETS;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::names::SUFFIX_ALPHABET;
use triad_machinery::pod::{Through, is_mirror, items, secrets_of_container, text};
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

    fn admit(&self, attributes: &Attributes, pod: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.creates("", "pods") {
            return Ok(());
        }
        // Mirror pods are the kubelet's own and must not use what the API keeps.
        if is_mirror(pod) {
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

    /// Where an account says so, its pods may use no secrets but those that it names.
    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let kinds: &[(&str, &str)] = match (attributes.operation, attributes.subresource.as_str()) {
            _ if !attributes.is("", "pods") => return Ok(()),
            (Operation::Create, "") => &[
                ("initContainers", "init container"),
                ("containers", "container"),
            ],
            (Operation::Update, "ephemeralcontainers") => {
                &[("ephemeralContainers", "ephemeral container")]
            }
            _ => return Ok(()),
        };
        let Some(pod) = object.filter(|pod| !is_mirror(pod)) else {
            return Ok(());
        };
        let name = text(&pod["spec"]["serviceAccountName"]);
        let accounts = &self.lookup.service_accounts;
        let account = self.lookup.find(accounts, &attributes.namespace, name);
        let enforced = account.filter(|account| {
            let asked = meta::annotation(account, ENFORCE_MOUNTABLE_SECRETS);
            asked.is_some_and(|asked| TRUE.contains(&asked))
        });
        let Some(account) = enforced else {
            return Ok(());
        };
        let creates = attributes.operation == Operation::Create;
        secret_of_a_container(pod, &account, kinds)
            .or_else(|| creates.then(|| secret_of_the_pod(pod, &account)).flatten())
            .map_or(Ok(()), |why| Err(attributes.forbidden(Some(pod), why)))
    }
}

/// What is true in an annotation (strconv.ParseBool).
const TRUE: [&str; 6] = ["1", "t", "T", "TRUE", "true", "True"];

fn names(account: &Value, list: &str, name: &str) -> bool {
    items(&account[list]).any(|secret| secret["name"] == name)
}

/// A volume's secret comes before those of containers, and pull secrets after them.
fn secret_of_a_container(pod: &Value, account: &Value, kinds: &[(&str, &str)]) -> Option<String> {
    let whose = meta::name(account);
    let unless_named = |what: String, secret: &str| {
        (!names(account, "secrets", secret)).then(|| {
            format!(
                "{what} secret.secretName=\"{secret}\" is not allowed because service account {whose} does not reference that secret"
            )
        })
    };
    let mut used = Vec::new();
    if kinds.iter().any(|(list, _)| *list == "containers") {
        for volume in items(&pod["spec"]["volumes"]) {
            if let Some(secret) = volume["secret"]["secretName"].as_str() {
                used.push(("volume with".to_owned(), secret));
            }
        }
    }
    for (list, kind) in kinds {
        for container in items(&pod["spec"][*list]) {
            let name = text(&container["name"]);
            for (through, secret) in secrets_of_container(container) {
                let through = match through {
                    Through::Variable(variable) => format!("envVar {variable}"),
                    Through::Source => "envFrom".to_owned(),
                };
                used.push((format!("{kind} {name} with {through} referencing"), secret));
            }
        }
    }
    used.into_iter()
        .find_map(|(what, secret)| unless_named(what, secret))
}

fn secret_of_the_pod(pod: &Value, account: &Value) -> Option<String> {
    let secrets = items(&pod["spec"]["imagePullSecrets"]).map(|secret| text(&secret["name"]));
    let mut others = secrets
        .enumerate()
        .filter(|(_, secret)| !names(account, "imagePullSecrets", secret));
    others.next().map(|(at, secret)| {
        let whose = meta::name(account);
        format!(
            "imagePullSecrets[{at}].name=\"{secret}\" is not allowed because service account {whose} does not reference that imagePullSecret"
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_account_that_says_so_lends_only_the_secrets_that_it_names() {
        let server = Server::start_with("none", &[]).await;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "strict", "namespace": "default", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
            "secrets": [{"name": "own"}], "imagePullSecrets": [{"name": "pull"}]});
        server.create("serviceaccounts", "default", account).await;
        let pod = |name: &str, spec: Value| {
            let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
                "spec": {"serviceAccountName": "strict", "containers": [{"name": "c", "image": "i"}]}});
            for (field, value) in spec.as_object().into_iter().flatten() {
                pod["spec"][field] = value.clone();
            }
            pod
        };
        let volume =
            |secret: &str| json!({"volumes": [{"name": "v", "secret": {"secretName": secret}}]});
        server
            .create("pods", "default", pod("fine", volume("own")))
            .await;
        let variable = json!({"containers": [{"name": "c", "image": "i", "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]}]});
        let source = json!({"initContainers": [{"name": "i", "image": "i", "envFrom": [{"secretRef": {"name": "other"}}]}]});
        let cases = [
            (
                volume("other"),
                "volume with secret.secretName=\"other\" is not allowed because service account strict does not reference that secret",
            ),
            (
                variable,
                "container c with envVar E referencing secret.secretName=\"other\" is not allowed because service account strict does not reference that secret",
            ),
            (
                source,
                "init container i with envFrom referencing secret.secretName=\"other\" is not allowed because service account strict does not reference that secret",
            ),
            (
                json!({"imagePullSecrets": [{"name": "pull"}, {"name": "other"}]}),
                "imagePullSecrets[1].name=\"other\" is not allowed because service account strict does not reference that imagePullSecret",
            ),
        ];
        for (spec, why) in cases {
            let refused = server
                .try_create("pods", "default", pod("refused", spec))
                .await
                .unwrap_err();
            assert_eq!(
                refused.message,
                format!("pods \"refused\" is forbidden: {why}")
            );
        }
    }
}
