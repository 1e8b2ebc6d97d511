//! Impersonation: acting as another user, each part of whom must be allowed (apiserver pkg/endpoints/filters/impersonation).
//!
//! There are ways to be allowed, the narrower ones first; the last is the verb `impersonate` alone (KEP-5284).

mod modes;

use super::authorize::{Attributes, Authorizer};
use crate::user::User;
use http::{HeaderMap, HeaderName, HeaderValue};
use modes::MODES;
use std::collections::BTreeMap;
use triad_machinery::goformat::quote;
use triad_machinery::status::Status;

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

/// Whom a request acts as.
pub(crate) struct Acting {
    pub(crate) user: User,
    /// The verb that allowed it, where that was one of the narrower ones.
    pub(crate) constraint: Option<String>,
}

/// The user that the request acts as, where the Impersonate-* headers name one; they go no further. `asked` is what is asked for.
pub(crate) async fn impersonate(
    authorizer: &Authorizer,
    caller: &User,
    headers: &mut HeaderMap,
    asked: impl FnOnce() -> Attributes,
) -> Result<Option<Acting>, Status> {
    let Some(wanted) = wanted(headers)? else {
        return Ok(None);
    };
    let asked = asked();
    let mut first = None;
    for mode in &MODES {
        match mode.check(authorizer, caller, &wanted, &asked).await {
            Some(Ok(acting)) => return Ok(Some(acting)),
            Some(Err(status)) => _ = first.get_or_insert(status),
            None => {}
        }
    }
    Err(first.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
}

/// The user whom headers name, as they name them.
fn wanted(headers: &mut HeaderMap) -> Result<Option<User>, Status> {
    let all = |name: &str| -> Result<Vec<String>, Status> {
        headers.get_all(name).iter().map(text).collect()
    };
    let first = |name: &str| headers.get(name).map(text).transpose();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (header, value) in headers.iter() {
        if let Some(key) = header.as_str().strip_prefix(EXTRA) {
            let key = super::request_info::percent_decode(key);
            extra.entry(key).or_default().push(text(value)?);
        }
    }
    let user = User {
        name: first(USER)?.unwrap_or_default(),
        uid: first(UID)?.unwrap_or_default(),
        groups: all(GROUP)?,
        extra,
    };
    if !user.name.is_empty() {
        forget(headers);
        return Ok(Some(user));
    }
    match user == User::default() {
        true => Ok(None),
        false => Err(Status::bad_request(format!(
            "requested {} without impersonating a user name",
            in_go(&user)
        ))),
    }
}

/// What cannot be read is refused: the request would be done as the caller, who may do more.
fn text(value: &HeaderValue) -> Result<String, Status> {
    let text = super::header_text(value).map(str::to_owned);
    text.ok_or_else(|| Status::bad_request("an Impersonate-* header is not UTF-8"))
}

fn forget(headers: &mut HeaderMap) {
    let own = |name: &&HeaderName| {
        let name = name.as_str();
        [USER, UID, GROUP].contains(&name) || name.starts_with(EXTRA)
    };
    let names: Vec<HeaderName> = headers.keys().filter(own).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// A user as Go prints one with %#v.
fn in_go(user: &User) -> String {
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        format!("[]string{{{}}}", quoted.join(", "))
    };
    let groups = match user.groups.as_slice() {
        [] => "[]string(nil)".to_owned(),
        groups => list(groups),
    };
    let extra: Vec<String> = user
        .extra
        .iter()
        .map(|(key, values)| format!("{}:{}", quote(key), list(values)))
        .collect();
    let extra = match extra.is_empty() {
        true => "(nil)".to_owned(),
        false => format!("{{{}}}", extra.join(", ")),
    };
    format!(
        "&user.DefaultInfo{{Name:\"\", UID:{}, Groups:{groups}, Extra:map[string][]string{extra}}}",
        quote(&user.uid)
    )
}

#[cfg(test)]
mod tests;
