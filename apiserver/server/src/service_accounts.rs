//! Tokens of service accounts: signed on request, bound to their account and to a pod, node or secret, checked against the
//! store at every use (KEP-1205; kubernetes pkg/serviceaccount).

mod keys;
mod legacy;
#[cfg(test)]
mod tests;
mod told;
mod usage;

pub(crate) use keys::Keys;
pub(crate) use told::Told;

use crate::cacher::{Cacher, ResourceCache};
use crate::clock::Clock;
use crate::options::{EXTENDABLE_SECONDS, ServiceAccounts};
use crate::user::{CREDENTIAL_ID, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use told::{Use, Uses};
use triad_kv::Store;
use triad_machinery::meta;

/// A year, for tokens whose holders are only warned.
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;
/// Says in audit events that a token should have been read anew.
const STALE: &str = "authentication.k8s.io/stale-token";

/// Signs and checks tokens.
pub(crate) struct Tokens {
    keys: Keys,
    options: ServiceAccounts,
    audiences: Vec<String>,
    store: Store,
    accounts: Arc<ResourceCache>,
    /// What a token may be bound to: kind, and where such objects lie.
    bindable: Vec<(&'static str, Arc<ResourceCache>)>,
    /// Which Secrets' tokens were used today.
    pub(crate) usage: usage::Usage,
    pub(crate) uses: Uses,
}

/// What a token is bound to beside its account.
pub(crate) struct Bound<'a> {
    pub(crate) kind: &'a str,
    pub(crate) object: &'a Value,
    /// The node that a pod is on, which is told and not checked.
    pub(crate) node: Option<Value>,
}

/// How long a token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) seconds: i64,
    /// From then on it is said that it should have been read anew.
    pub(crate) warn_after: Option<i64>,
}

impl Tokens {
    /// `audiences` are those of this server; without any they are the issuers.
    pub(crate) fn new(
        keys: Keys,
        options: ServiceAccounts,
        audiences: Vec<String>,
        cacher: &Cacher,
    ) -> Option<Self> {
        let cache = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        let audiences = if audiences.is_empty() {
            options.issuers.clone()
        } else {
            audiences
        };
        let bindable = vec![
            ("Pod", cache("pods")?),
            ("Node", cache("minions")?),
            ("Secret", cache("secrets")?),
        ];
        Some(Tokens {
            keys,
            options,
            audiences,
            store: cacher.store().clone(),
            accounts: cache("serviceaccounts")?,
            bindable,
            usage: usage::Usage::new(),
            uses: Uses::default(),
        })
    }

    pub(crate) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    pub(crate) fn issuer(&self) -> &str {
        self.options.issuers.first().map_or("", String::as_str)
    }

    /// How long a token lives that is asked for so many seconds.
    pub(crate) fn life(&self, asked: i64, of_pod: bool, audiences: &[String]) -> Life {
        let own = || {
            audiences
                .iter()
                .all(|audience| self.audiences.contains(audience))
        };
        let extended = self.options.extends && of_pod && asked == EXTENDABLE_SECONDS && own();
        Life {
            seconds: if extended { EXTENDED_SECONDS } else { asked },
            warn_after: extended.then_some(asked),
        }
    }

    /// The longest that a token may live.
    pub(crate) fn max_seconds(&self) -> i64 {
        self.options.max_seconds.unwrap_or(i64::MAX)
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A signed token of an account, and the name of this credential in audit events. The error is for the log and a 500.
    pub(crate) fn sign(
        &self,
        account: &Value,
        audiences: &[String],
        life: Life,
        bound: Option<&Bound<'_>>,
    ) -> Result<(String, String), String> {
        let now = Clock.unix_seconds();
        let (namespace, name) = (meta::namespace(account), meta::name(account));
        let mut kubernetes = json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": meta::uid(account)}});
        if let Some(bound) = bound {
            let named =
                |object: &Value| json!({"name": meta::name(object), "uid": meta::uid(object)});
            kubernetes[bound.kind.to_lowercase()] = named(bound.object);
            if let Some(node) = &bound.node {
                kubernetes["node"] = named(node);
            }
        }
        if let Some(seconds) = life.warn_after {
            kubernetes["warnafter"] = json!(now + seconds);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let claims = json!({
            "aud": audiences,
            "exp": now + life.seconds,
            "iat": now,
            "iss": self.issuer(),
            "jti": id,
            "kubernetes.io": kubernetes,
            "nbf": now,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        Ok((self.keys.sign(&claims)?, credential(&id)))
    }

    /// Who a token stands for and which of the asked audiences it is meant for. None: no token of ours. An error says
    /// why a token of ours does not count. What is to be said of its use is added to `told`.
    pub(crate) fn check(
        &self,
        token: &str,
        audiences: &[String],
        told: &mut Told,
    ) -> Option<Result<(User, Vec<String>), String>> {
        let claims = self.keys.verify(token)?;
        if legacy::issued(&claims) {
            return Some(self.judge_legacy(token, &claims, audiences, told));
        }
        // Only what lies in a Secret, and ends with it, may be without an end.
        claims.get("exp")?;
        if !claims
            .get("iss")
            .and_then(Value::as_str)
            .is_some_and(|issuer| self.options.issuers.iter().any(|ours| ours == issuer))
        {
            return None;
        }
        Some(self.judge(&claims, audiences, told))
    }

    fn judge(
        &self,
        claims: &Value,
        audiences: &[String],
        told: &mut Told,
    ) -> Result<(User, Vec<String>), String> {
        let text = |at: &str| claims.pointer(at).and_then(Value::as_str).unwrap_or("");
        let meant: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let asked = if audiences.is_empty() {
            &self.audiences
        } else {
            audiences
        };
        let matching: Vec<String> = asked
            .iter()
            .filter(|audience| meant.contains(&audience.as_str()))
            .cloned()
            .collect();
        if matching.is_empty() {
            return Err(format!(
                "token audiences {} is invalid for the target audiences {}",
                go_list(&meant),
                go_list(asked)
            ));
        }
        let (namespace, name) = (
            text("/kubernetes.io/namespace"),
            text("/kubernetes.io/serviceaccount/name"),
        );
        let account = self
            .find(&self.accounts, namespace, name)
            .ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
        if meta::uid(&account) != text("/kubernetes.io/serviceaccount/uid") {
            return Err(format!(
                "service account UID ({}) does not match claim ({})",
                meta::uid(&account),
                text("/kubernetes.io/serviceaccount/uid")
            ));
        }
        let mut extra =
            BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![credential(text("/jti"))])]);
        for (kind, cache) in &self.bindable {
            let field = kind.to_lowercase();
            let Some(bound) = claims.pointer(&format!("/kubernetes.io/{field}")) else {
                continue;
            };
            let part = |key: &str| {
                bound
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or("")
                    .to_owned()
            };
            let scope = if *kind == "Node" { "" } else { namespace };
            // A pod's node is told, and may be gone.
            if *kind != "Node" || claims.pointer("/kubernetes.io/pod").is_none() {
                let object = self
                    .find(cache, scope, &part("name"))
                    .ok_or_else(|| format!("{field}s {:?} not found", part("name")))?;
                if meta::uid(&object) != part("uid") {
                    return Err(format!(
                        "{field} UID ({}) does not match service account {field} ref claim ({})",
                        meta::uid(&object),
                        part("uid")
                    ));
                }
            }
            if *kind != "Secret" {
                extra.insert(
                    format!("authentication.kubernetes.io/{field}-name"),
                    vec![part("name")],
                );
                extra.insert(
                    format!("authentication.kubernetes.io/{field}-uid"),
                    vec![part("uid")],
                );
            }
        }
        self.tell_of_age(claims, told);
        let groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
        let user = User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: meta::uid(&account).to_owned(),
            groups,
            extra,
        };
        Ok((user, matching))
    }

    /// Of a token that lives longer than was asked for: whether its holder should have read a new one (KEP-1205).
    fn tell_of_age(&self, claims: &Value, told: &mut Told) {
        let warn_after = claims.pointer("/kubernetes.io/warnafter");
        let warn_after = warn_after.and_then(Value::as_i64).unwrap_or(0);
        if warn_after == 0 {
            return;
        }
        let late = Clock.unix_seconds() - warn_after;
        if late <= 0 {
            return self.uses.count(Use::Valid);
        }
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("");
        let said = format!("subject: {subject}, seconds after warning threshold: {late}");
        told.annotations.push((STALE, said));
        self.uses.count(Use::Stale);
    }

    /// Where objects of a kind lie that tokens can be bound to.
    pub(crate) fn bindable(&self, kind: &str) -> bool {
        self.bindable.iter().any(|(known, _)| *known == kind)
    }

    /// The object that a request wants its token bound to.
    pub(crate) fn bound_object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let (_, cache) = self.bindable.iter().find(|(known, _)| *known == kind)?;
        self.find(cache, if kind == "Node" { "" } else { namespace }, name)
    }

    fn find(&self, cache: &ResourceCache, namespace: &str, name: &str) -> Option<Value> {
        let key = cache.layout.key(namespace, name);
        if let Some(cached) = cache.get(&key) {
            return cached.object(&cache.layout).ok();
        }
        // The cache may be a moment behind.
        let entry = self.store.get(key.as_bytes(), None).ok()??;
        cache.layout.decode(&entry.value, entry.mod_revision).ok()
    }
}

/// How a token is named in audit events.
fn credential(id: &str) -> String {
    format!("JTI={id}")
}

/// A list as Go prints one with %q.
fn go_list(items: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = items
        .iter()
        .map(|item| triad_machinery::goformat::quote(item.as_ref()))
        .collect();
    format!("[{}]", quoted.join(" "))
}
