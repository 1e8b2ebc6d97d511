//! Operation ids and tags: what an operation does, then where, `listAppsV1NamespacedDeployment`
//! (apiserver pkg/endpoints/openapi/openapi.go). Clients are generated from these names.

/// The id and the tag of an operation. `verb` is the id's beginning in small letters, `what` the rest.
pub(super) fn operation_id(verb: &str, what: &str, path: &str) -> (String, String) {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    // The core group lies outside /apis.
    let core = parts.first() == Some(&"api");
    if core {
        parts.splice(..1, ["apis", "core"]);
    }
    let mut id = verb.to_owned();
    let tag = match parts.as_slice() {
        ["apis", group, rest @ ..] => {
            let group = group.strip_suffix(".k8s.io").unwrap_or(group);
            id.push_str(&camel_case(group, true));
            let mut tag = camel_case(group, false);
            if let Some(version) = rest.first() {
                id.push_str(&camel_case(version, true));
                tag.push('_');
                tag.push_str(&camel_case(version, false));
            }
            tag
        }
        _ => camel_case(parts[0], false),
    };
    id.push_str(&camel_case(what, true));
    (id, tag)
}

/// Only letters, digits and `_`; what follows anything else becomes a capital.
fn camel_case(text: &str, mut capital: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        if c.is_alphabetic() || c == '_' || (i != 0 && c.is_numeric()) {
            if capital {
                out.extend(c.to_uppercase());
            } else {
                out.push(c);
            }
            capital = false;
        } else {
            capital = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_verb_group_version_and_kind() {
        let id = |verb, what, path| {
            let (id, tag) = operation_id(verb, what, path);
            format!("{id} {tag}")
        };
        assert_eq!(
            id("list", "NamespacedDeployment", "/apis/apps/v1/x"),
            "listAppsV1NamespacedDeployment apps_v1"
        );
        assert_eq!(
            id("connect", "GetNamespacedPodExec", "/api/v1/x"),
            "connectCoreV1GetNamespacedPodExec core_v1"
        );
        assert_eq!(
            id(
                "delete",
                "collectionFlowSchema",
                "/apis/flowcontrol.apiserver.k8s.io/v1/x"
            ),
            "deleteFlowcontrolApiserverV1CollectionFlowSchema flowcontrolApiserver_v1"
        );
        assert_eq!(id("get", "APIVersions", "/api/"), "getCoreAPIVersions core");
        assert_eq!(id("get", "APIVersions", "/apis/"), "getAPIVersions apis");
        assert_eq!(
            id("get", "CodeVersion", "/version/"),
            "getCodeVersion version"
        );
        assert_eq!(
            id(
                "get",
                "ServiceAccountIssuerOpenIDConfiguration",
                "/.well-known/openid-configuration/"
            ),
            "getServiceAccountIssuerOpenIDConfiguration WellKnown"
        );
    }
}
