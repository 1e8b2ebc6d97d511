//! The flags about tokens of others and about those who have none (kubernetes pkg/kubeapiserver/options/authentication.go).

use super::{Exit, Flags, refuse};
use crate::filters::authenticate::configuration::{Oidc, Options};
use crate::filters::authenticate::webhook;

const OIDC: [&str; 9] = [
    "oidc-ca-file",
    "oidc-client-id",
    "oidc-groups-claim",
    "oidc-groups-prefix",
    "oidc-issuer-url",
    "oidc-required-claim",
    "oidc-signing-algs",
    "oidc-username-claim",
    "oidc-username-prefix",
];

pub(super) fn options(flags: &Flags) -> Result<Options, Exit> {
    let config_file = flags.text("authentication-config").map(Into::into);
    let given = OIDC.iter().any(|name| flags.is_set(name));
    if given && config_file.is_some() {
        return Err(refuse(
            "authentication-config file and oidc-* flags are mutually exclusive".to_owned(),
        ));
    }
    Ok(Options {
        config_file,
        oidc: given.then(|| oidc(flags)).transpose()?,
        anonymous: flags.flag("anonymous-auth"),
        anonymous_given: flags.is_set("anonymous-auth"),
    })
}

fn oidc(flags: &Flags) -> Result<Oidc, Exit> {
    let text = |name: &str| flags.text(name).unwrap_or_default();
    let (issuer, client_id) = (text("oidc-issuer-url"), text("oidc-client-id"));
    if issuer.is_empty() || client_id.is_empty() {
        return Err(refuse(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
                .to_owned(),
        ));
    }
    let required = flags.list("oidc-required-claim").into_iter().map(|pair| {
        let parts = pair
            .split_once('=')
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        parts.ok_or_else(|| refuse(format!("--oidc-required-claim {pair:?}: must be key=value")))
    });
    Ok(Oidc {
        issuer,
        client_id,
        ca_file: flags.file("oidc-ca-file"),
        username_claim: text("oidc-username-claim"),
        username_prefix: text("oidc-username-prefix"),
        groups_claim: text("oidc-groups-claim"),
        groups_prefix: text("oidc-groups-prefix"),
        required_claims: required.collect::<Result<_, _>>()?,
        algorithms: flags.list("oidc-signing-algs"),
    })
}

pub(super) fn webhook(flags: &Flags) -> Result<Option<webhook::Options>, Exit> {
    let Some(file) = flags.text("authentication-token-webhook-config-file") else {
        return Ok(None);
    };
    let name = "authentication-token-webhook-version";
    let version = flags.text(name).unwrap_or_default();
    if !["v1", "v1beta1"].contains(&version.as_str()) {
        return Err(refuse(format!("--{name} {version:?}: v1 or v1beta1")));
    }
    Ok(Some(webhook::Options {
        config_file: file.into(),
        version,
        ttl: flags.duration("authentication-token-webhook-cache-ttl"),
    }))
}
