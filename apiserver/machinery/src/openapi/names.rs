//! What types are called in OpenAPI, and the group-version-kinds that they stand for.

use serde_json::{Value, json};

use crate::schema::{Schema, TypeId};

/// `io.k8s.api.apps.v1.Deployment`: the Go package, its domain reversed, and the type.
pub(super) fn definition(schema: &Schema, id: TypeId) -> String {
    let go = &schema.package_of(id).go;
    let (domain, path) = go.split_once('/').unwrap_or((go, ""));
    let mut parts: Vec<&str> = domain.rsplit('.').collect();
    parts.extend(path.split('/').filter(|part| !part.is_empty()));
    parts.push(&schema.get(id).go_name);
    parts.join(".")
}

/// The kinds that every group-version knows: each lists the core group's and those of the group-versions told.
const EVERYWHERE: [&str; 2] = ["meta/v1.DeleteOptions", "meta/v1.WatchEvent"];
/// The kinds that have no version of their own.
const UNVERSIONED: [&str; 5] = [
    "meta/v1.Status",
    "meta/v1.APIVersions",
    "meta/v1.APIGroup",
    "meta/v1.APIGroupList",
    "meta/v1.APIResourceList",
];

/// The value of x-kubernetes-group-version-kind; none for types that are no kinds.
pub(super) fn kinds(schema: &Schema, id: TypeId, group_versions: &[(&str, &str)]) -> Option<Value> {
    let ty = schema.get(id);
    let entry = |group: &str, version: &str| json!({"group": group, "kind": &*ty.go_name, "version": version});
    if UNVERSIONED.contains(&&*ty.name) {
        return Some(json!([entry("", "v1")]));
    }
    if EVERYWHERE.contains(&&*ty.name) {
        let mut all = vec![entry("", "v1")];
        let others = group_versions.iter().filter(|gv| **gv != ("", "v1"));
        all.extend(others.map(|(group, version)| entry(group, version)));
        return Some(all.into());
    }
    let (group, version) = schema.package_of(id).group_version.as_ref()?;
    (ty.registered && !ty.name.starts_with("meta/")).then(|| json!([entry(group, version)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema;

    #[test]
    fn packages_become_domains_reversed() {
        let name = |ty: &str| definition(schema(), schema().type_named(ty).expect(ty));
        assert_eq!(name("core/v1.Pod"), "io.k8s.api.core.v1.Pod");
        assert_eq!(
            name("meta/v1.ObjectMeta"),
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        );
        assert_eq!(
            name("resource.Quantity"),
            "io.k8s.apimachinery.pkg.api.resource.Quantity"
        );
    }
}
