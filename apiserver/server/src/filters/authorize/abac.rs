//! ABAC: a file of policies, one JSON object a line, read at start (kubernetes pkg/auth/authorizer/abac).

use super::{Attributes, Decision};
use crate::user::{AUTHENTICATED, User};
use serde_json::Value;
use std::path::Path;

pub(super) struct Abac(Vec<Policy>);

#[derive(Default, Debug, PartialEq, Eq)]
struct Policy {
    user: String,
    group: String,
    readonly: bool,
    api_group: String,
    resource: String,
    namespace: String,
    path: String,
}

impl Abac {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| {
            format!(
                "cannot read --authorization-policy-file {}: {error}",
                path.display()
            )
        })?;
        Self::parse(&text).map_err(|(line, why)| {
            format!(
                "error reading policy file {}, line {line}: {why}",
                path.display()
            )
        })
    }

    /// The error has the number of its line.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut policies = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let policy: Value = serde_json::from_str(trimmed)
                .map_err(|error| (number + 1, format!("{line}: {error}")))?;
            policies
                .push(Policy::read(&policy).map_err(|why| (number + 1, format!("{line}: {why}")))?);
        }
        Ok(Abac(policies))
    }

    pub(super) fn authorize(&self, user: &User, asked: &Attributes) -> Decision {
        match self.0.iter().any(|policy| policy.allows(user, asked)) {
            true => Decision::Allow(String::new()),
            false => Decision::NoOpinion("No policy matched.".to_owned()),
        }
    }
}

impl Policy {
    fn read(policy: &Value) -> Result<Self, String> {
        let Some(version) = policy.get("apiVersion").and_then(Value::as_str) else {
            return Ok(Self::unversioned(policy));
        };
        let kind = policy.get("kind").and_then(Value::as_str).unwrap_or("");
        if version != "abac.authorization.kubernetes.io/v1beta1" || kind != "Policy" {
            return Err(format!(
                "no kind {kind:?} is registered for version {version:?}"
            ));
        }
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let text = |field: &str| spec[field].as_str().unwrap_or("").to_owned();
        let mut read = Policy {
            user: text("user"),
            group: text("group"),
            readonly: spec["readonly"] == true,
            api_group: text("apiGroup"),
            resource: text("resource"),
            namespace: text("namespace"),
            path: text("nonResourcePath"),
        };
        // Everyone means everyone who has proved something.
        if read.user == "*" || read.group == "*" {
            (read.user, read.group) = (String::new(), AUTHENTICATED.to_owned());
        }
        Ok(read)
    }

    /// The form before there were versions: what is not said is anything.
    fn unversioned(policy: &Value) -> Self {
        let text = |field: &str| policy[field].as_str().unwrap_or("").to_owned();
        let any = |text: String| {
            if text.is_empty() {
                "*".to_owned()
            } else {
                text
            }
        };
        let (mut user, mut group) = (text("user"), text("group"));
        if user.is_empty() && group.is_empty() || user == "*" || group == "*" {
            (user, group) = (String::new(), AUTHENTICATED.to_owned());
        }
        let (resource, namespace) = (text("resource"), text("namespace"));
        let path = if resource.is_empty() && namespace.is_empty() {
            "*".to_owned()
        } else {
            String::new()
        };
        Policy {
            user,
            group,
            readonly: policy["readonly"] == true,
            api_group: "*".to_owned(),
            resource: any(resource),
            namespace: any(namespace),
            path,
        }
    }

    fn allows(&self, user: &User, asked: &Attributes) -> bool {
        let reads = ["get", "list", "watch"].contains(&asked.verb.as_str());
        self.is_for(user)
            && (reads || !self.readonly)
            && if asked.resource_request {
                self.covers(asked)
            } else {
                self.covers_path(&asked.path)
            }
    }

    fn is_for(&self, user: &User) -> bool {
        let named = !self.user.is_empty() || !self.group.is_empty();
        named
            && (self.user.is_empty() || self.user == user.name)
            && (self.group.is_empty() || user.in_group(&self.group))
    }

    fn covers(&self, asked: &Attributes) -> bool {
        let is = |own: &str, wanted: &str| own == "*" || own == wanted;
        is(&self.namespace, &asked.namespace)
            && is(&self.resource, &asked.resource)
            && is(&self.api_group, &asked.group)
    }

    fn covers_path(&self, path: &str) -> bool {
        self.path == "*"
            || self.path == path
            || self
                .path
                .strip_suffix('*')
                .is_some_and(|prefix| path.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, groups: &[&str]) -> User {
        User {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        }
    }

    fn asks(verb: &str, group: &str, resource: &str, namespace: &str) -> Attributes {
        Attributes {
            verb: verb.to_owned(),
            resource_request: true,
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            ..Attributes::default()
        }
    }

    fn path(verb: &str, path: &str) -> Attributes {
        Attributes {
            verb: verb.to_owned(),
            path: path.to_owned(),
            ..Attributes::default()
        }
    }

    const FILE: &str = r#"# who may what
{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"user": "alice", "namespace": "*", "resource": "*", "apiGroup": "*", "nonResourcePath": "*"}}
{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"group": "readers", "readonly": true, "namespace": "projects", "resource": "pods", "nonResourcePath": "/healthz*"}}

{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"user": "*", "nonResourcePath": "/version"}}
{"user": "old", "resource": "pods"}"#;

    #[test]
    fn policies_allow_what_they_say_and_nothing_else() {
        let abac = Abac::parse(FILE).unwrap_or_else(|error| panic!("{error:?}"));
        let may = |user: &User, asked: &Attributes| {
            matches!(abac.authorize(user, asked), Decision::Allow(_))
        };
        let (alice, reader) = (
            user("alice", &[AUTHENTICATED]),
            user("r", &["readers", AUTHENTICATED]),
        );
        assert!(
            may(&alice, &asks("delete", "apps", "deployments", "x"))
                && may(&alice, &path("post", "/any"))
        );
        assert!(
            may(&reader, &asks("list", "", "pods", "projects"))
                && may(&reader, &path("get", "/healthz/etcd"))
        );
        for (verb, group, resource, namespace) in [
            ("create", "", "pods", "projects"),
            ("get", "", "pods", "other"),
            ("get", "apps", "pods", "projects"),
            ("get", "", "secrets", "projects"),
        ] {
            assert!(
                !may(&reader, &asks(verb, group, resource, namespace)),
                "{verb} {group}/{resource} in {namespace}"
            );
        }
        assert!(
            may(&user("old", &[]), &asks("create", "apps", "pods", "x"))
                && !may(&user("old", &[]), &path("get", "/x"))
        );
        assert!(
            may(&reader, &path("get", "/version"))
                && !may(&User::anonymous(), &path("get", "/version"))
        );
        assert_eq!(
            abac.authorize(&User::anonymous(), &path("get", "/x")),
            Decision::NoOpinion("No policy matched.".to_owned())
        );
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = Abac::parse("{\"user\": \"a\"}\n{oops")
            .map(drop)
            .expect_err("refused");
        assert_eq!(error.0, 2);
        let error = Abac::parse(r#"{"apiVersion": "v9", "kind": "Policy"}"#)
            .map(drop)
            .expect_err("refused");
        assert!(
            error
                .1
                .ends_with("no kind \"Policy\" is registered for version \"v9\""),
            "{}",
            error.1
        );
    }
}
