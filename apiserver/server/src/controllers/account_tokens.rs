//! Secrets of type kubernetes.io/service-account-token hold a token of their account; they go with it, and an account does
//! not name one that is gone (kubernetes pkg/controller/serviceaccount, tokens_controller.go).

use super::client::{Client, Target};
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use crate::api::Api;
use crate::registry::Registry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::status::{Status, reason};

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// Places in the sources.
const ACCOUNTS: usize = 0;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// An account that is gone.
    AccountGone { namespace: Box<str>, uid: Box<str> },
    /// A token's secret that is there.
    Secret { namespace: Box<str>, name: Box<str> },
    /// A token's secret that is gone, and the account that it was of.
    SecretGone {
        namespace: Box<str>,
        name: Box<str>,
        account: Box<str>,
        account_uid: Box<str>,
    },
}

pub(super) struct AccountTokens {
    sources: [Arc<Registry>; 2],
    client: Client,
    api: Arc<Api>,
}

impl AccountTokens {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        let registry = |plural| api.endpoints.registry("", plural).cloned();
        Some(AccountTokens {
            sources: [registry("serviceaccounts")?, registry("secrets")?],
            client: Client::new(api),
            api: api.clone(),
        })
    }

    fn account_gone(&self, namespace: &str, uid: &str) -> Vec<Key> {
        let secrets = &self.sources[1];
        let scope = secrets.layout.scope(namespace);
        let snapshot = secrets.cache.snapshot();
        let tokens = snapshot
            .range(&scope, None)
            .filter(|secret| secret.field("type") == TYPE);
        let of_account = tokens.filter(|secret| {
            let object = secret.object(&secrets.layout);
            object.is_ok_and(|object| annotation(&object, ACCOUNT_UID) == uid)
        });
        of_account
            .map(|secret| Key::Secret {
                namespace: namespace.into(),
                name: secret.name().into(),
            })
            .collect()
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<(), Trouble> {
        let [accounts, secrets] = &self.sources;
        let Some(secret) = secrets.get_local(namespace, name)? else {
            return Ok(());
        };
        let secret = secret.object;
        if secret.get("type").and_then(Value::as_str) != Some(TYPE) {
            return Ok(());
        }
        let account = match accounts
            .get(namespace, annotation(&secret, ACCOUNT_NAME))
            .await
        {
            Ok(account) => Some(account.object),
            Err(status) if status.is(reason::NOT_FOUND) => None,
            Err(status) => return Err(status.into()),
        };
        let uid = annotation(&secret, ACCOUNT_UID);
        let account = account.filter(|account| uid.is_empty() || uid == meta::uid(account));
        let target = Target::new(secrets, namespace, name);
        let done = match account {
            Some(account) => self.fill(target, secret, &account).await,
            None => {
                let options = json!({"preconditions": {"uid": meta::uid(&secret)}});
                self.client.delete(target, options).await
            }
        };
        overtaken_is_fine(done)
    }

    /// Puts into a secret what is missing.
    async fn fill(
        &self,
        target: Target<'_>,
        mut secret: Value,
        account: &Value,
    ) -> Result<(), Status> {
        let has = |field: &str| {
            let value = secret.get("data").and_then(|data| data.get(field));
            value.and_then(Value::as_str).unwrap_or("").to_owned()
        };
        let mut missing: Vec<(&str, String)> = Vec::new();
        if let Some(ca) = &self.api.root_ca
            && has("ca.crt") != STANDARD.encode(ca)
        {
            missing.push(("ca.crt", STANDARD.encode(ca)));
        }
        if has("namespace").is_empty() {
            missing.push(("namespace", STANDARD.encode(target.namespace)));
        }
        if has("token").is_empty() {
            let tokens = &self.api.authenticator.tokens;
            let token = tokens
                .sign_for_secret(account, target.name)
                .map_err(Status::internal)?;
            missing.push(("token", STANDARD.encode(token)));
        }
        if missing.is_empty() {
            return Ok(());
        }
        for (field, value) in missing {
            secret["data"][field] = value.into();
        }
        secret["metadata"]["annotations"][ACCOUNT_NAME] = meta::name(account).into();
        secret["metadata"]["annotations"][ACCOUNT_UID] = meta::uid(account).into();
        self.client.update(target, &secret).await
    }

    /// Takes the name of a secret that is gone from its account.
    async fn unreference(
        &self,
        namespace: &str,
        secret: &str,
        account: &str,
        account_uid: &str,
    ) -> Result<(), Trouble> {
        let [accounts, secrets] = &self.sources;
        // Made anew meanwhile.
        if secrets.get_local(namespace, secret)?.is_some() {
            return Ok(());
        }
        let Some(stored) = accounts.get_local(namespace, account)? else {
            return Ok(());
        };
        let mut object = stored.object;
        if !account_uid.is_empty() && account_uid != meta::uid(&object) {
            return Ok(());
        }
        let Some(named) = object.get_mut("secrets").and_then(Value::as_array_mut) else {
            return Ok(());
        };
        let before = named.len();
        named.retain(|reference| reference.get("name").and_then(Value::as_str) != Some(secret));
        if named.len() == before {
            return Ok(());
        }
        let target = Target::new(accounts, namespace, account);
        match self.client.update(target, &object).await {
            Err(status) if !status.is(reason::NOT_FOUND) => Err(status.into()),
            _ => Ok(()),
        }
    }
}

impl Controller for AccountTokens {
    type Key = Key;

    fn name(&self) -> &'static str {
        "serviceaccount-token"
    }

    fn sources(&self) -> &[Arc<Registry>] {
        &self.sources
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Key>) {
        let Some(object) = change.object() else {
            return;
        };
        if change.source == ACCOUNTS {
            if change.after.is_none() {
                work.add(Key::AccountGone {
                    namespace: object.namespace().into(),
                    uid: object.lineage().uid.clone(),
                });
            }
        } else if object.field("type") == TYPE {
            let namespace = object.namespace().into();
            let name = object.name().into();
            if change.after.is_some() {
                work.add(Key::Secret { namespace, name });
            } else if let Ok(secret) = object.object(&self.sources[1].layout) {
                work.add(Key::SecretGone {
                    namespace,
                    name,
                    account: annotation(&secret, ACCOUNT_NAME).into(),
                    account_uid: annotation(&secret, ACCOUNT_UID).into(),
                });
            }
        }
    }

    async fn sync(&self, key: &Key) -> Result<Vec<Key>, Trouble> {
        match key {
            Key::AccountGone { namespace, uid } => return Ok(self.account_gone(namespace, uid)),
            Key::Secret { namespace, name } => self.secret(namespace, name).await?,
            Key::SecretGone {
                namespace,
                name,
                account,
                account_uid,
            } => {
                self.unreference(namespace, name, account, account_uid)
                    .await?;
            }
        }
        Ok(Vec::new())
    }
}

fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    meta::annotation(object, key).unwrap_or("")
}

/// Another changed or deleted the object: its own event brings it back here.
fn overtaken_is_fine(result: Result<(), Status>) -> Result<(), Trouble> {
    match result {
        Err(status) if !status.is(reason::NOT_FOUND) && !status.is(reason::CONFLICT) => {
            Err(status.into())
        }
        _ => Ok(()),
    }
}
