//! Tokens that lie in Secrets of type kubernetes.io/service-account-token: they have no end and no audience, and count only
//! while their Secret holds them (kubernetes pkg/serviceaccount/legacy.go).

use super::{CREDENTIAL_ID, Tokens};
use crate::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use triad_machinery::meta;

const ISSUER: &str = "kubernetes/serviceaccount";
const NAMESPACE: &str = "kubernetes.io/serviceaccount/namespace";
const SECRET: &str = "kubernetes.io/serviceaccount/secret.name";
const ACCOUNT: &str = "kubernetes.io/serviceaccount/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/serviceaccount/service-account.uid";
/// Set on a Secret whose token is no longer to be used.
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// Whether claims are those of such a token.
pub(super) fn issued(claims: &Value) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some(ISSUER)
}

impl Tokens {
    /// A token of an account, for the Secret of that name to hold. The error is for the log.
    pub(crate) fn sign_for_secret(&self, account: &Value, secret: &str) -> Result<String, String> {
        let (namespace, name) = (meta::namespace(account), meta::name(account));
        self.keys.sign(&json!({
            "iss": ISSUER,
            NAMESPACE: namespace,
            SECRET: secret,
            ACCOUNT: name,
            ACCOUNT_UID: meta::uid(account),
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        }))
    }

    /// Who a token stands for; it is meant for this server's own audiences.
    pub(super) fn judge_legacy(
        &self,
        token: &str,
        claims: &Value,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), String> {
        let asked = if audiences.is_empty() {
            &self.audiences
        } else {
            audiences
        };
        let meant = |audience: &&String| self.audiences.contains(audience);
        let matching: Vec<String> = asked.iter().filter(meant).cloned().collect();
        if matching.is_empty() {
            return Err("the token is not meant for the target audiences".to_owned());
        }
        let claim = |name: &str| match claims.get(name).and_then(Value::as_str).unwrap_or("") {
            "" => Err(format!("the claim {name} is missing")),
            text => Ok(text),
        };
        let (namespace, name, uid) = (claim(NAMESPACE)?, claim(ACCOUNT)?, claim(ACCOUNT_UID)?);
        let user = format!("system:serviceaccount:{namespace}:{name}");
        if claim("sub")? != user {
            return Err("sub claim is invalid".to_owned());
        }
        let secret = claim(SECRET)?;
        if self.options.lookup {
            self.check_secret(token, namespace, secret)?;
            self.check_account(namespace, name, uid)?;
        }
        let extra = claims
            .get("jti")
            .and_then(Value::as_str)
            .map(|id| (CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]));
        let groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
        let user = User {
            name: user,
            uid: uid.to_owned(),
            groups,
            extra: BTreeMap::from_iter(extra),
        };
        Ok((user, matching))
    }

    fn check_account(&self, namespace: &str, name: &str, uid: &str) -> Result<(), String> {
        let account = self
            .find(&self.accounts, namespace, name)
            .ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
        if !meta::deletion_timestamp(&account).is_empty() {
            return Err(format!(
                "ServiceAccount {namespace}/{name} has been deleted"
            ));
        }
        if meta::uid(&account) != uid {
            return Err(format!(
                "ServiceAccount UID ({}) does not match claim ({uid})",
                meta::uid(&account)
            ));
        }
        Ok(())
    }

    fn check_secret(&self, token: &str, namespace: &str, name: &str) -> Result<(), String> {
        let invalidated = || "Token has been invalidated".to_owned();
        let (_, secrets) = self
            .bindable
            .iter()
            .find(|(kind, _)| *kind == "Secret")
            .ok_or_else(invalidated)?;
        let secret = self
            .find(secrets, namespace, name)
            .filter(|secret| meta::deletion_timestamp(secret).is_empty())
            .ok_or_else(invalidated)?;
        let held = secret.pointer("/data/token").and_then(Value::as_str);
        if held != Some(&STANDARD.encode(token)) {
            return Err("Token does not match server's copy".to_owned());
        }
        self.usage.note(&secret);
        if meta::label(&secret, INVALID_SINCE).is_some_and(|since| !since.is_empty()) {
            return Err(format!(
                "the token in secret {namespace}/{name} has been marked invalid"
            ));
        }
        Ok(())
    }
}
