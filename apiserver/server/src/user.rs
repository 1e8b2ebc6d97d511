//! Who makes a request: the result of authentication, as kube-apiserver's user.Info.

use std::collections::BTreeMap;
use triad_machinery::names;
use triad_machinery::status::FieldError;

pub(crate) const ANONYMOUS: &str = "system:anonymous";
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The key of extra that tells which credential it was, for audit events (apiserver pkg/authentication/user).
pub(crate) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
pub(crate) const MASTERS: &str = "system:masters";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub(crate) fn anonymous() -> Self {
        User {
            name: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..User::default()
        }
    }

    pub(crate) fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Adds the group that everyone with a proven identity is in.
    pub(crate) fn authenticated(mut self) -> Self {
        if !self.in_group(AUTHENTICATED) && !self.in_group(UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }
}

/// What is wrong with a key of extra that must be a domain and a path (apimachinery pkg/util/validation IsDomainPrefixedPath).
pub(crate) fn extra_key_problems(key: &str, path: &str) -> Vec<FieldError> {
    let wrong = |why: String| FieldError::invalid(path, key, why);
    if key.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let parts = key.split_once('/');
    let Some((domain, rest)) =
        parts.filter(|(domain, rest)| !domain.is_empty() && !rest.is_empty())
    else {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return vec![wrong(why.to_owned())];
    };
    let problems = names::dns1123_subdomain(domain).into_iter();
    let mut problems: Vec<FieldError> = problems.map(wrong).collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:@/".contains(c);
    if !rest.chars().all(fits) {
        problems.push(wrong(format!(
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+'): {rest}"
        )));
    }
    problems
}
