//! Whose tokens count and who may come without any: by flags, or by an AuthenticationConfiguration file, which is followed while
//! the server runs (apiserver pkg/apis/apiserver, pkg/apis/apiserver/validation; kubernetes pkg/kubeapiserver/options/authentication.go).

mod fields;
mod reading;

use super::jwt::Issuer;
use super::jwt::distributed::Resolver;
use super::jwt::keys::IssuerKeys;
use super::jwt::mapping::{Mappings, Source};
use crate::egress::Trust;
use crate::filters::request_info::RequestInfo;
use fields::FORM;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use triad_machinery::status::Status;

/// Issuers that one file may name.
const MOST_ISSUERS: usize = 64;
/// Those that can be verified here; ES512 cannot (P-521).
const ALGORITHMS: [(&str, Algorithm); 8] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
];

/// What flags say of tokens and of those who have none.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub config_file: Option<PathBuf>,
    pub oidc: Option<Oidc>,
    pub anonymous: bool,
    /// It was said, and may not be said again in a file.
    pub anonymous_given: bool,
}

/// One issuer, as flags describe it.
#[derive(Clone, Debug, Default)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    pub ca_file: Option<PathBuf>,
    pub username_claim: String,
    pub username_prefix: String,
    pub groups_claim: String,
    pub groups_prefix: String,
    pub required_claims: Vec<(String, String)>,
    pub algorithms: Vec<String>,
}

/// What is in force.
pub(super) struct Configured {
    pub(super) issuers: Vec<Issuer>,
    pub(super) anonymous: Anonymous,
}

/// Who may come without proof.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Anonymous {
    Everywhere,
    Nowhere,
    /// To these paths.
    At(Vec<String>),
}

impl Anonymous {
    pub(super) fn allows(&self, info: &RequestInfo) -> bool {
        match self {
            Anonymous::Everywhere => true,
            Anonymous::Nowhere => false,
            Anonymous::At(paths) => paths.contains(&info.path),
        }
    }

    fn of_flag(allowed: bool) -> Self {
        if allowed {
            Anonymous::Everywhere
        } else {
            Anonymous::Nowhere
        }
    }
}

/// By flags alone.
pub(super) fn of_flags(options: &Options) -> Result<Configured, String> {
    let issuers = options.oidc.iter().map(of_oidc);
    Ok(Configured {
        issuers: issuers.collect::<Result<_, _>>()?,
        anonymous: Anonymous::of_flag(options.anonymous),
    })
}

fn of_oidc(oidc: &Oidc) -> Result<Issuer, String> {
    let url = &oidc.issuer;
    if !url.starts_with("https://") {
        return Err(format!("oidc-issuer-url {url:?}: URL scheme must be https"));
    }
    let ca = match &oidc.ca_file {
        None => Vec::new(),
        Some(file) => std::fs::read(file)
            .map_err(|error| format!("oidc-ca-file {}: {error}", file.display()))?,
    };
    let algorithm = |name: &String| {
        let known = ALGORITHMS.iter().find(|(known, _)| known == name);
        known
            .map(|(_, algorithm)| *algorithm)
            .ok_or_else(|| format!("oidc: unsupported signing alg: {name:?}"))
    };
    let claim = |name: &str, prefix: &str| Source::Claim {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
    };
    let prefix = match oidc.username_prefix.as_str() {
        "-" => String::new(),
        // A name of one issuer must not be taken for another's; addresses are unique by themselves.
        "" if oidc.username_claim != "email" => format!("{url}#"),
        given => given.to_owned(),
    };
    let tls = Trust::of_ca(ca).config()?;
    let mappings = Mappings {
        username: claim(&oidc.username_claim, &prefix),
        groups: (!oidc.groups_claim.is_empty())
            .then(|| claim(&oidc.groups_claim, &oidc.groups_prefix)),
        uid: None,
        extra: Vec::new(),
        required: oidc.required_claims.clone(),
        claim_rules: Vec::new(),
        user_rules: Vec::new(),
    };
    Ok(Issuer {
        url: url.clone(),
        audiences: vec![oidc.client_id.clone()],
        algorithms: oidc
            .algorithms
            .iter()
            .map(algorithm)
            .collect::<Result<_, _>>()?,
        distributed: Resolver::of(&mappings, &tls),
        mappings,
        keys: IssuerKeys::new(url, None, tls),
    })
}

/// By a file's text. `own` are the issuers of this server's own tokens, which nobody else may be.
pub(super) fn of_file(
    text: &[u8],
    options: &Options,
    own: &[String],
) -> Result<Configured, String> {
    let config = FORM
        .read(text)
        .map_err(|why| format!("failed to load AuthenticationConfiguration from file: {why}"))?;
    let (read, errors) = reading::read(&config, own);
    if !errors.is_empty() {
        return Err(Status::aggregate(&errors));
    }
    let anonymous = match &config["anonymous"] {
        Value::Null => Anonymous::of_flag(options.anonymous),
        _ if options.anonymous_given => {
            return Err("--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file".to_owned());
        }
        given => anonymous(given),
    };
    Ok(Configured {
        issuers: read,
        anonymous,
    })
}

fn anonymous(given: &Value) -> Anonymous {
    let conditions = given["conditions"].as_array();
    let paths = conditions.into_iter().flatten();
    let paths = paths.filter_map(|condition| condition["path"].as_str());
    let paths: Vec<String> = paths.map(str::to_owned).collect();
    match given["enabled"] == true {
        false => Anonymous::Nowhere,
        true if paths.is_empty() => Anonymous::Everywhere,
        true => Anonymous::At(paths),
    }
}

impl Configured {
    /// Asks all issuers for their keys, in the background.
    pub(super) fn begin(self: &Arc<Self>) {
        for issuer in &self.issuers {
            tokio::spawn(IssuerKeys::find(Arc::downgrade(&issuer.keys)));
        }
    }
}

#[cfg(test)]
mod tests;
