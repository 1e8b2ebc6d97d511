//! Stored values, read without a server: what kind of object a value is, and whether it is the one that its key names.

use serde_json::Value;
use triad_machinery::codec::json::Gvk;
use triad_machinery::codec::{Strictness, json, protobuf};
use triad_machinery::conversion;
use triad_machinery::meta;
use triad_machinery::schema::schema;
use triad_machinery::scheme::{Resource, scheme};

/// Objects lie under this; other keys are the server's own.
pub const ROOT: &str = "/registry/";
/// What upstream puts before a value that it encrypts (apiserver/pkg/storage/value).
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// A stored value.
#[derive(Debug)]
pub enum Stored {
    /// An object, as its JSON with kind and apiVersion.
    Object(Box<Value>),
    /// Encrypted at rest, by the provider named.
    Encrypted(String),
    /// An object of a kind that is not in the schema table.
    Unknown(String),
    /// A mark of the server's own: an allocated port, for one.
    Mark,
}

/// Reads a value.
///
/// # Errors
/// Why it is no whole object.
pub fn read(key: &str, value: &[u8]) -> Result<Stored, String> {
    if let Some(rest) = value.strip_prefix(ENCRYPTED) {
        let provider = rest.split(|byte| *byte == b':').next().unwrap_or_default();
        return Ok(Stored::Encrypted(
            String::from_utf8_lossy(provider).into_owned(),
        ));
    }
    if !key.starts_with(ROOT) || (key.starts_with("/registry/ranges/") && !is_enveloped(value)) {
        return Ok(Stored::Mark);
    }
    if value.first() == Some(&b'{') {
        let object: Value =
            serde_json::from_slice(value).map_err(|e| format!("its JSON does not decode: {e}"))?;
        if object["kind"].as_str().is_none_or(str::is_empty) {
            return Err("it is JSON without a kind".into());
        }
        return Ok(Stored::Object(Box::new(object)));
    }
    enveloped(value)
}

fn is_enveloped(value: &[u8]) -> bool {
    value.starts_with(b"k8s\0")
}

fn enveloped(value: &[u8]) -> Result<Stored, String> {
    let envelope =
        protobuf::open(value).map_err(|e| format!("its envelope does not decode: {e}"))?;
    let (api_version, kind) = (&envelope.type_meta.api_version, &envelope.type_meta.kind);
    let (group, version) = meta::group_version(api_version);
    let Some(root) = schema().kind(group, version, kind) else {
        return Ok(Stored::Unknown(format!("{api_version} {kind}")));
    };
    let decoded = protobuf::decode_enveloped(&envelope, root)
        .map_err(|e| format!("it does not decode as {api_version} {kind}: {e}"))?;
    let mut object = json::to_json_value(&decoded, root);
    let fields = object
        .as_object_mut()
        .ok_or_else(|| format!("{api_version} {kind} is no object"))?;
    fields.insert("apiVersion".into(), api_version.as_str().into());
    fields.insert("kind".into(), kind.as_str().into());
    Ok(Stored::Object(Box::new(object)))
}

/// A built-in object as this server keeps it: some lie in etcd as JSON (definitions, API services), some in another version of their
/// group. `None` for what stays as it is.
///
/// # Errors
/// Why it does not decode as its kind, or has no form in the stored version.
pub fn server_form(key: &str, value: &[u8], object: &Value) -> Result<Option<Vec<u8>>, String> {
    let (api_version, kind) = (meta::api_version(object), meta::kind(object));
    let (group, version) = meta::group_version(api_version);
    let Some(from) = schema().kind(group, version, kind) else {
        return Ok(None);
    };
    let kept = scheme()
        .resource_of_key(key)
        .filter(|kept| *kept.kind == *kind);
    let to = kept.and_then(Resource::type_id).unwrap_or(from);
    if to == from && is_enveloped(value) {
        return Ok(None);
    }
    let named =
        |e: &dyn std::fmt::Display| format!("it does not decode as {api_version} {kind}: {e}");
    let tree = if is_enveloped(value) {
        protobuf::decode(value, from).map_err(|e| named(&e))?
    } else {
        let decoded = json::decode(value, from, Strictness::Ignore);
        decoded.map_err(|e| named(&e))?.value
    };
    let tree = conversion::convert(tree, from, to).map_err(|e| e.to_string())?;
    let api_version = if to == from {
        api_version.to_owned()
    } else {
        kept.map(Resource::group_version).unwrap_or_default()
    };
    let gvk = Gvk {
        api_version: &api_version,
        kind,
    };
    Ok(Some(protobuf::encode(&tree, to, Some(gvk))))
}

/// Why an object is not the one that its key names; `None` when it is.
#[must_use]
pub fn misplaced(key: &str, object: &Value) -> Option<String> {
    let (namespace, name) = (meta::namespace(object), meta::name(object));
    if name.is_empty() {
        // Objects that the server keeps for itself have none (upstream's master leases, range allocations).
        return None;
    }
    let end = if namespace.is_empty() {
        format!("/{name}")
    } else {
        format!("/{namespace}/{name}")
    };
    (!key.ends_with(&end)).then(|| format!("it holds the object {}", &end[1..]))
}

/// The resource that an object belongs to, in the version it is in; none for custom resources.
#[must_use]
pub fn resource(object: &Value) -> Option<&'static Resource> {
    let (group, version) = meta::group_version(meta::api_version(object));
    scheme().resource_of_kind(group, version, meta::kind(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config_map(name: &str) -> Vec<u8> {
        let root = schema().kind("", "v1", "ConfigMap").unwrap();
        let gvk = Gvk {
            api_version: "v1",
            kind: "ConfigMap",
        };
        let object = json!({"metadata": {"name": name, "namespace": "n"}, "data": {"a": "b"}});
        protobuf::encode(&object, root, Some(gvk))
    }

    #[test]
    fn an_object_comes_back_and_every_cut_is_found() {
        let whole = config_map("c");
        let key = "/registry/configmaps/n/c";
        let Ok(Stored::Object(object)) = read(key, &whole) else {
            panic!("it is an object");
        };
        assert_eq!(
            (meta::kind(&object), &object["data"]["a"]),
            ("ConfigMap", &json!("b"))
        );
        assert_eq!(misplaced(key, &object), None);
        assert!(misplaced("/registry/configmaps/n/d", &object).is_some());
        assert!(misplaced("/registry/configmaps/m/c", &object).is_some());
        assert!(read(key, &whole[..whole.len() - 12]).is_err());
        assert!(read(key, b"").is_err() && read(key, b"junk").is_err());
    }

    #[test]
    fn built_in_objects_in_json_get_their_envelope_and_custom_ones_stay() {
        let service = json!({"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "metadata": {"name": "v1.", "creationTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}});
        let value = service.to_string();
        let key = "/registry/apiregistration.k8s.io/apiservices/v1.";
        let form = server_form(key, value.as_bytes(), &service)
            .unwrap()
            .unwrap();
        let Ok(Stored::Object(object)) = read(key, &form) else {
            panic!("it is an object");
        };
        assert_eq!(object["spec"]["groupPriorityMinimum"], 18000);
        assert_eq!(
            object["metadata"]["creationTimestamp"],
            "2026-01-02T03:04:05Z"
        );
        assert_eq!(misplaced(key, &object), None);
        assert_eq!(server_form(key, &form, &object), Ok(None));
        let custom = json!({"kind": "Thing", "apiVersion": "example.com/v1"});
        let value = custom.to_string();
        let key_of_custom = "/registry/example.com/things/t";
        let form = server_form(key_of_custom, value.as_bytes(), &custom);
        assert_eq!(form, Ok(None));
        let wrong =
            json!({"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "spec": 7});
        assert!(server_form(key, wrong.to_string().as_bytes(), &wrong).is_err());
        // As upstream stores it: what all versions share stands at the top in v1beta1.
        let definition = json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1beta1", "metadata": {"name": "things.example.com"},
            "spec": {"group": "example.com", "version": "v1", "names": {"plural": "things", "kind": "Thing"}, "scope": "Namespaced",
                "validation": {"openAPIV3Schema": {"type": "object"}}, "versions": [{"name": "v1", "served": true, "storage": true}]}});
        let key = "/registry/apiextensions.k8s.io/customresourcedefinitions/things.example.com";
        let form = server_form(key, definition.to_string().as_bytes(), &definition)
            .unwrap()
            .unwrap();
        let kept = scheme().resource_of_key(key).unwrap();
        let tree = protobuf::decode(&form, kept.type_id().unwrap()).unwrap();
        let served = schema()
            .kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
            .unwrap();
        let shown = conversion::convert(tree, kept.type_id().unwrap(), served).unwrap();
        assert_eq!(
            shown["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"],
            "object"
        );
    }

    #[test]
    fn other_values_are_told_apart() {
        let enc = read("/registry/secrets/n/s", b"k8s:enc:aescbc:v1:key1:\x01\x02");
        assert!(matches!(enc, Ok(Stored::Encrypted(provider)) if provider == "aescbc"));
        let custom = read("/registry/example.com/things/n/t", br#"{"kind":"Thing"}"#);
        assert!(matches!(custom, Ok(Stored::Object(_))));
        assert!(read("/registry/example.com/things/n/t", b"{}").is_err());
        assert!(matches!(
            read("/registry/ranges/nodeports/30000", b"x"),
            Ok(Stored::Mark)
        ));
        let mut unknown = config_map("c");
        let at = unknown.windows(9).position(|w| w == b"ConfigMap").unwrap();
        unknown[at] = b'X';
        assert!(
            matches!(read("/registry/x/n/c", &unknown), Ok(Stored::Unknown(kind)) if kind == "v1 XonfigMap")
        );
    }
}
