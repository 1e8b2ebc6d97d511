//! One object on its way from a backup into a cluster: where the API has it, what of it is sent, and whether it is there already.

use std::fmt;

use serde_json::{Map, Value};
use triad_machinery::meta;
use triad_machinery::scheme::{Resource, scheme};

use crate::stored;

/// What the server gives an object by itself.
const SERVERS: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "selfLink",
];

pub(super) struct Found {
    object: Value,
    /// The path of all of its kind where it lies.
    list: String,
}

/// An owner as the object names it.
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) uid: String,
    /// Where the API has it; none for what has no kind that is known here.
    pub(super) path: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Replaced,
    Unchanged,
    Refused(String),
    /// Refused since it is not what it was a moment ago.
    Conflict(String),
}

impl Outcome {
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Created => 0,
            Self::Replaced => 1,
            Self::Unchanged => 2,
            Self::Refused(_) | Self::Conflict(_) => 3,
        }
    }

    pub(super) fn text(&self, done: bool) -> String {
        let word = match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => return "unchanged".into(),
            Self::Refused(why) | Self::Conflict(why) => return format!("refused: {why}"),
        };
        if done {
            word.into()
        } else {
            format!("would be {word}")
        }
    }
}

impl Found {
    /// None for what has no name: such objects are the server's own.
    pub(super) fn new(key: &str, mut object: Value) -> Option<Self> {
        let namespace = meta::namespace(&object).to_owned();
        if meta::name(&object).is_empty() {
            return None;
        }
        let list = match stored::resource(&object) {
            Some(resource) => list_path(resource, &namespace),
            None => {
                // A custom resource's key is /registry/GROUP/PLURAL/...
                let plural = key.split('/').nth(3)?;
                paths(meta::api_version(&object), plural, &namespace)
            }
        };
        strip(&mut object);
        Some(Self { object, list })
    }

    /// Namespaces and definitions before what lies in them.
    pub(super) fn rank(&self) -> u8 {
        match meta::kind(&self.object) {
            "Namespace" => 0,
            "CustomResourceDefinition" => 1,
            "ServiceAccount" | "Secret" | "ConfigMap" => 2,
            _ => 3,
        }
    }

    pub(super) fn list(&self) -> String {
        self.list.clone()
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.list, meta::name(&self.object))
    }

    pub(super) fn namespace(&self) -> &str {
        meta::namespace(&self.object)
    }

    pub(super) fn is_namespace(&self) -> Option<String> {
        let namespace = meta::kind(&self.object) == "Namespace";
        namespace.then(|| meta::name(&self.object).to_owned())
    }

    pub(super) fn body(&self) -> Value {
        self.object.clone()
    }

    /// The object in the place of one that is there: that very one, so that nothing newer is lost unseen.
    pub(super) fn replacing(&self, live: &Value) -> Value {
        let mut body = self.object.clone();
        meta::set(&mut body, "resourceVersion", meta::resource_version(live));
        meta::set(&mut body, "uid", meta::uid(live));
        body
    }

    /// Whether an object that is there says the same; what the server gives it and its status do not count.
    pub(super) fn equals(&self, live: &Value) -> bool {
        let mut live = live.clone();
        strip(&mut live);
        comparable(&live) == comparable(&self.object)
    }

    pub(super) fn owners(&self) -> Vec<Owner> {
        let references = meta::at(&self.object, &["metadata", "ownerReferences"]);
        let references = references.and_then(Value::as_array).into_iter().flatten();
        references
            .map(|reference| {
                let word = |field: &str| reference[field].as_str().unwrap_or_default();
                let (group, version) = meta::group_version(word("apiVersion"));
                let resource = scheme().resource_of_kind(group, version, word("kind"));
                let list = resource.map(|resource| list_path(resource, self.namespace()));
                Owner {
                    name: format!("{}/{}", word("kind"), word("name")),
                    uid: word("uid").to_owned(),
                    path: list.map(|list| format!("{list}/{}", word("name"))),
                }
            })
            .collect()
    }

    /// Leaves an owner out.
    pub(super) fn leave(&mut self, uid: &str) {
        let Some(metadata) = meta::metadata_mut(&mut self.object) else {
            return;
        };
        if let Some(Value::Array(references)) = metadata.get_mut("ownerReferences") {
            references.retain(|reference| reference["uid"] != uid);
            if references.is_empty() {
                metadata.shift_remove("ownerReferences");
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = (meta::kind(&self.object), meta::name(&self.object));
        match self.namespace() {
            "" => write!(f, "{kind}/{name}"),
            namespace => write!(f, "{kind}/{namespace}/{name}"),
        }
    }
}

fn list_path(resource: &Resource, namespace: &str) -> String {
    let namespace = if resource.namespaced { namespace } else { "" };
    paths(&resource.group_version(), &resource.plural, namespace)
}

fn paths(api_version: &str, plural: &str, namespace: &str) -> String {
    let root = if api_version.contains('/') {
        "/apis"
    } else {
        "/api"
    };
    if namespace.is_empty() {
        format!("{root}/{api_version}/{plural}")
    } else {
        format!("{root}/{api_version}/namespaces/{namespace}/{plural}")
    }
}

fn strip(object: &mut Value) {
    if let Some(metadata) = meta::metadata_mut(object) {
        for field in SERVERS {
            metadata.shift_remove(field);
        }
    }
}

/// The object without its status, and without what means the same when it is absent.
fn comparable(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten();
    let spoken = fields.filter(|(name, _)| *name != "status");
    let kept = spoken.map(|(name, value)| (name.clone(), value.clone()));
    without_empty(&Value::Object(kept.collect()))
}

fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .map(|(name, value)| (name, without_empty(value)))
                .filter(|(_, value)| !is_empty(value));
            let mut kept: Vec<_> = kept.map(|(name, value)| (name.clone(), value)).collect();
            kept.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(kept))
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7",
            "creationTimestamp": "t", "managedFields": [{}], "labels": {"a": "b"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1"},
                {"apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "2"}]},
            "spec": {"x": 1}, "status": {"phase": "Running"}})
    }

    #[test]
    fn what_the_server_gives_is_left_to_it() {
        let found = Found::new("/registry/pods/n/p", pod()).unwrap();
        assert_eq!(found.path(), "/api/v1/namespaces/n/pods/p");
        let body = found.body();
        assert_eq!(meta::uid(&body), "");
        assert_eq!(body["metadata"]["labels"]["a"], "b");
        assert!(body["metadata"].get("managedFields").is_none());
        let replacing =
            found.replacing(&json!({"metadata": {"uid": "new", "resourceVersion": "9"}}));
        assert_eq!(
            (meta::uid(&replacing), meta::resource_version(&replacing)),
            ("new", "9")
        );
    }

    #[test]
    fn another_status_or_version_is_no_difference_and_another_label_is() {
        let found = Found::new("/registry/pods/n/p", pod()).unwrap();
        let mut live = pod();
        live["status"]["phase"] = "Failed".into();
        live["metadata"]["resourceVersion"] = "99".into();
        live["metadata"]["annotations"] = json!({});
        assert!(found.equals(&live));
        live["metadata"]["labels"]["a"] = "c".into();
        assert!(!found.equals(&live));
    }

    #[test]
    fn owners_are_named_with_their_paths_and_can_be_left_out() {
        let mut found = Found::new("/registry/pods/n/p", pod()).unwrap();
        let owners = found.owners();
        let paths: Vec<Option<&str>> = owners.iter().map(|o| o.path.as_deref()).collect();
        assert_eq!(
            paths,
            [Some("/apis/apps/v1/namespaces/n/replicasets/r"), None]
        );
        found.leave("1");
        assert_eq!(found.owners().len(), 1);
        found.leave("2");
        assert!(found.body()["metadata"].get("ownerReferences").is_none());
    }

    #[test]
    fn custom_resources_and_those_of_the_whole_cluster_have_their_paths() {
        let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "n"}});
        let found = Found::new("/registry/example.com/things/n/t", thing).unwrap();
        assert_eq!(found.path(), "/apis/example.com/v1/namespaces/n/things/t");
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}});
        let found = Found::new("/registry/clusterroles/r", role).unwrap();
        assert_eq!(
            found.path(),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/r"
        );
        assert_eq!(found.to_string(), "ClusterRole/r");
    }
}
