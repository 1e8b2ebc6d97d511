//! Impersonation: acting as another user, each part of whom must be allowed (apiserver pkg/endpoints/filters/impersonation.go).

use super::authorize::{Attributes, Authorizer, Decision};
use crate::user::{AUTHENTICATED, UNAUTHENTICATED, User};
use http::HeaderMap;
use triad_machinery::status::{GroupResource, Status};

/// The user that the request acts as, where the Impersonate-* headers name one.
pub(crate) fn impersonate(
    authorizer: &Authorizer,
    caller: &User,
    headers: &HeaderMap,
) -> Result<Option<User>, Status> {
    let all = |name: &str| -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let name = all("impersonate-user")
        .into_iter()
        .next()
        .unwrap_or_default();
    let uid = all("impersonate-uid")
        .into_iter()
        .next()
        .unwrap_or_default();
    let groups = all("impersonate-group");
    let extra: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(header, value)| {
            let key = header.as_str().strip_prefix("impersonate-extra-")?;
            Some((
                super::request_info::percent_decode(key),
                value.to_str().ok()?.to_owned(),
            ))
        })
        .collect();
    if name.is_empty() {
        if groups.is_empty() && extra.is_empty() && uid.is_empty() {
            return Ok(None);
        }
        return Err(Status::internal(
            "requested impersonation without impersonating a user",
        ));
    }
    let check = |resource: &str, group: &str, namespace: &str, name: &str, subresource: &str| {
        let asked = Attributes {
            verb: "impersonate".to_owned(),
            resource_request: true,
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        };
        match authorizer.authorize(caller, &asked) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) | Decision::NoOpinion(why) => Err(Status::forbidden(
                GroupResource { group, resource },
                name,
                asked.refusal(caller, &why),
            )),
        }
    };
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
        .map(|(ns, n)| (ns.to_owned(), n.to_owned()));
    match &account {
        Some((namespace, account)) => check("serviceaccounts", "", namespace, account, "")?,
        None => check("users", "", "", &name, "")?,
    }
    for group in &groups {
        check("groups", "", "", group, "")?;
    }
    for (key, value) in &extra {
        check("userextras", "authentication.k8s.io", "", value, key)?;
    }
    if !uid.is_empty() {
        check("uids", "authentication.k8s.io", "", &uid, "")?;
    }
    let mut user = User {
        name,
        uid,
        groups,
        ..User::default()
    };
    for (key, value) in extra {
        user.extra.entry(key).or_default().push(value);
    }
    if let (Some((namespace, _)), true) = (&account, user.groups.is_empty()) {
        user.groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
    }
    if user.name == crate::user::ANONYMOUS {
        if !user.in_group(UNAUTHENTICATED) {
            user.groups.push(UNAUTHENTICATED.to_owned());
        }
    } else if !user.in_group(AUTHENTICATED) && !user.in_group(UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    Ok(Some(user))
}
