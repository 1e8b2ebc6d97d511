//! What a request asks for, read from method, path and query (apiserver pkg/endpoints/request/requestinfo.go).

use crate::query::Query;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestInfo {
    pub(crate) is_resource: bool,
    pub(crate) path: String,
    /// The verb for authorization: get, list, watch, create, update, patch, delete, deletecollection, or the method in lower case.
    pub(crate) verb: String,
    pub(crate) prefix: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
    /// As they stand in the query, of requests for many objects.
    pub(crate) field_selector: String,
    pub(crate) label_selector: String,
    /// Path segments from the resource on, percent-decoded.
    pub(crate) parts: Vec<String>,
    /// The path had the legacy form /watch/...
    pub(crate) legacy_watch: bool,
}

const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];
/// Verbs that stand in the path before the resource.
const SPECIAL_VERBS: [&str; 2] = ["proxy", "watch"];

impl RequestInfo {
    /// What metrics call the extent of a request (apiserver pkg/endpoints/metrics, CleanScope).
    pub(crate) fn scope(&self) -> &'static str {
        if !self.name.is_empty() || self.verb == "create" {
            "resource"
        } else if !self.namespace.is_empty() {
            "namespace"
        } else if self.is_resource {
            "cluster"
        } else {
            ""
        }
    }

    pub(crate) fn new(method: &str, path: &str, query: &Query) -> Self {
        let mut info = RequestInfo {
            path: path.to_owned(),
            verb: method.to_ascii_lowercase(),
            ..Default::default()
        };
        let decoded: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(percent_decode)
            .collect();
        let mut parts: &[String] = &decoded;
        if parts.len() < 3 || (parts[0] != "api" && parts[0] != "apis") {
            return info;
        }
        info.prefix = parts[0].clone();
        parts = &parts[1..];
        if info.prefix == "apis" {
            if parts.len() < 3 {
                return info;
            }
            info.group = parts[0].clone();
            parts = &parts[1..];
        }
        info.is_resource = true;
        info.version = parts[0].clone();
        parts = &parts[1..];
        if SPECIAL_VERBS.contains(&parts[0].as_str()) {
            if parts.len() < 2 {
                info.is_resource = false;
                return info;
            }
            info.verb = parts[0].clone();
            info.legacy_watch = parts[0] == "watch";
            parts = &parts[1..];
        } else {
            info.verb = match method {
                "POST" => "create",
                "GET" | "HEAD" => "get",
                "PUT" => "update",
                "PATCH" => "patch",
                "DELETE" => "delete",
                _ => "",
            }
            .to_owned();
        }
        if parts[0] == "namespaces" && parts.len() > 1 {
            info.namespace = parts[1].clone();
            if parts.len() > 2 && !NAMESPACE_SUBRESOURCES.contains(&parts[2].as_str()) {
                parts = &parts[2..];
            }
        }
        info.parts = parts.to_vec();
        info.resource = parts[0].clone();
        if let Some(name) = parts.get(1) {
            info.name = name.clone();
        }
        if let Some(subresource) = parts.get(2) {
            info.subresource = subresource.clone();
        }
        if info.name.is_empty() && info.verb == "get" {
            info.verb = if watch_requested(query) {
                "watch"
            } else {
                "list"
            }
            .to_owned();
        }
        if info.name.is_empty() && info.verb == "delete" {
            info.verb = "deletecollection".to_owned();
        }
        if matches!(info.verb.as_str(), "list" | "watch" | "deletecollection") {
            let selector = |name| query.get(name).unwrap_or_default().to_owned();
            info.field_selector = selector("fieldSelector");
            info.label_selector = selector("labelSelector");
            // A list or watch by name is authorized by that name.
            if let (true, Some(name)) = (info.name.is_empty(), exact_name(&info.field_selector)) {
                info.name = name;
            }
        }
        info
    }

    /// The name as it stands in the path; a list's comes from its field selector.
    pub(crate) fn path_name(&self) -> Option<&str> {
        self.parts.get(1).map(String::as_str)
    }
}

/// Upstream's conversion of the query to a bool: present without a value counts.
pub(crate) fn watch_requested(query: &Query) -> bool {
    query
        .get("watch")
        .is_some_and(triad_machinery::codec::query::is_true)
}

fn exact_name(selector: &str) -> Option<String> {
    let mut names = selector.split(',').filter_map(|term| {
        let (field, value) = term.split_once("==").or_else(|| term.split_once('='))?;
        (field == "metadata.name" && !value.is_empty()).then(|| value.to_owned())
    });
    names.next()
}

/// Encodes as %XX what is neither alphanumeric nor among those that may stand.
pub(crate) fn percent_encode(text: &str, may_stand: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || may_stand.contains(&byte) {
            true => out.push(byte as char),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decodes %XX; anything else stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, want: &str) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let info = RequestInfo::new(method, path, &Query::parse(query));
        let got = format!(
            "{} {} {}/{}/{} ns={} name={} sub={}",
            info.is_resource,
            info.verb,
            info.group,
            info.version,
            info.resource,
            info.namespace,
            info.name,
            info.subresource
        );
        assert_eq!(got, want, "{method} {path}");
    }

    #[test]
    fn paths() {
        check(
            "GET",
            "/api/v1/namespaces",
            "true list /v1/namespaces ns= name= sub=",
        );
        check(
            "GET",
            "/api/v1/namespaces/a",
            "true get /v1/namespaces ns=a name=a sub=",
        );
        check(
            "PUT",
            "/api/v1/namespaces/a/finalize",
            "true update /v1/namespaces ns=a name=a sub=finalize",
        );
        check(
            "GET",
            "/api/v1/namespaces/a/pods?watch=1",
            "true watch /v1/pods ns=a name= sub=",
        );
        check(
            "GET",
            "/api/v1/namespaces/a/pods?watch=false",
            "true list /v1/pods ns=a name= sub=",
        );
        check(
            "GET",
            "/api/v1/watch/namespaces/a/pods/x",
            "true watch /v1/pods ns=a name=x sub=",
        );
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            "true deletecollection apps/v1/deployments ns=a name= sub=",
        );
        check(
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            "true patch apps/v1/deployments ns=a name=d sub=scale",
        );
        check(
            "GET",
            "/api/v1/nodes?fieldSelector=metadata.name=n1",
            "true list /v1/nodes ns= name=n1 sub=",
        );
        check("GET", "/apis/apps", "false get // ns= name= sub=");
        check("OPTIONS", "/api/v1/pods", "true  /v1/pods ns= name= sub=");
    }
}
