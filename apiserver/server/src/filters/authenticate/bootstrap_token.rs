//! Tokens that a new node shows until it has a certificate: each in a Secret of kube-system (kubernetes
//! plugin/pkg/auth/authenticator/token/bootstrap, cluster-bootstrap util/secrets).

use crate::clock::Clock;
use crate::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use triad_machinery::duration::parse_time;
use triad_machinery::meta;

pub(super) const NAMESPACE: &str = "kube-system";
const TYPE: &str = "bootstrap.kubernetes.io/token";
const GROUP: &str = "system:bootstrappers";
/// Characters behind `system:bootstrappers:` in a group.
const LONGEST_GROUP: usize = 256;

/// `ID.SECRET` of a token that looks like one.
fn parts(token: &str) -> Option<(&str, &str)> {
    let fits = |part: &str, length| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        part.len() == length && part.bytes().all(plain)
    };
    let (id, secret) = token.split_once('.')?;
    (fits(id, 6) && fits(secret, 16)).then_some((id, secret))
}

/// The name of the Secret that a token would lie in.
pub(super) fn secret_of(token: &str) -> Option<String> {
    parts(token).map(|(id, _)| format!("bootstrap-token-{id}"))
}

/// Who shows a token, if it is what the Secret says.
pub(super) fn user(token: &str, secret: &Value) -> Option<User> {
    let (id, own) = parts(token)?;
    let data = |key: &str| {
        let text = secret["data"][key].as_str().unwrap_or_default();
        let bytes = STANDARD.decode(text).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    };
    let why = if !meta::deletion_timestamp(secret).is_empty() {
        "it is being deleted"
    } else if secret["type"] != TYPE {
        "it is of another type"
    // Digests are compared, so that the time that takes tells nothing.
    } else if Sha256::digest(data("token-secret")) != Sha256::digest(own) {
        "its token-secret is another"
    } else if data("token-id") != id {
        "its token-id is another"
    } else if expired(&data("expiration")) {
        "it has expired"
    } else if data("usage-bootstrap-authentication") != "true" {
        "it is not for authentication"
    } else if let Some(groups) = groups(&data("auth-extra-groups")) {
        return Some(User {
            name: format!("system:bootstrap:{id}"),
            groups,
            ..User::default()
        });
    } else {
        "its auth-extra-groups are none of bootstrappers"
    };
    tracing::debug!(
        secret = meta::name(secret),
        why,
        "a bootstrap token does not count"
    );
    None
}

/// A time that cannot be read is over.
fn expired(text: &str) -> bool {
    !text.is_empty() && parse_time(text).is_none_or(|(seconds, _)| Clock.unix_seconds() > seconds)
}

fn groups(extra: &str) -> Option<Vec<String>> {
    let mut groups = BTreeSet::from([GROUP.to_owned()]);
    for group in extra.split(',').filter(|_| !extra.is_empty()) {
        let own = group.strip_prefix(GROUP)?.strip_prefix(':')?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let inner = own.bytes().all(|b| plain(b) || b == b':' || b == b'-');
        if own.len() > LONGEST_GROUP || !inner || !own.bytes().last().is_some_and(plain) {
            return None;
        }
        groups.insert(group.to_owned());
    }
    Some(groups.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TOKEN: &str = "abcdef.0123456789abcdef";

    fn secret(more: &[(&str, &str)]) -> Value {
        let mut secret =
            json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": TYPE, "data": {}});
        let plain = [
            ("token-id", "abcdef"),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-authentication", "true"),
        ];
        for (key, value) in plain.iter().chain(more) {
            secret["data"][*key] = STANDARD.encode(value).into();
        }
        secret
    }

    #[test]
    fn a_secret_says_who_bears_its_token() {
        let groups = (
            "auth-extra-groups",
            "system:bootstrappers:kubeadm:default-node-token",
        );
        let known = user(TOKEN, &secret(&[groups])).expect("known");
        assert_eq!(known.name, "system:bootstrap:abcdef");
        assert_eq!(known.groups, [GROUP, groups.1]);
        assert!(user(TOKEN, &secret(&[("expiration", "2999-01-01T00:00:00Z")])).is_some());
        for wrong in [
            ("token-secret", "0123456789abcdee"),
            ("token-id", "abcdee"),
            ("usage-bootstrap-authentication", "yes"),
            ("expiration", "2020-01-01T00:00:00Z"),
            ("expiration", "soon"),
            ("auth-extra-groups", "system:masters"),
            ("auth-extra-groups", "system:bootstrappers:-"),
        ] {
            assert_eq!(user(TOKEN, &secret(&[wrong])), None, "{wrong:?}");
        }
        let mut other = secret(&[]);
        other["type"] = "Opaque".into();
        assert_eq!(user(TOKEN, &other), None);
        for text in [
            "abcdef",
            "ABCDEF.0123456789abcdef",
            "abcdef.short",
            "abcde.0123456789abcdeff",
        ] {
            assert_eq!(secret_of(text), None, "{text}");
        }
    }
}
