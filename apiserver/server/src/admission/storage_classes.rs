//! DefaultStorageClass: a claim that names no class gets the default one. PersistentVolumeClaimResize: a claim grows only where its
//! class allows it (kubernetes plugin/pkg/admission/storage).

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::quantity::Quantity;

/// What named a class before there was a field.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULTS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

pub(super) struct DefaultStorageClass {
    pub(super) lookup: Arc<Lookup>,
}

fn is_claim(attributes: &Attributes, operation: Operation) -> bool {
    attributes.is_whole("", "persistentvolumeclaims") && attributes.operation == operation
}

/// The class that a claim names; none where it leaves the choice.
fn class(claim: &Value) -> Option<&str> {
    let annotated = meta::annotation(claim, CLASS);
    annotated.or_else(|| claim["spec"]["storageClassName"].as_str())
}

impl DefaultStorageClass {
    /// Of several, the one made last, then the first by name.
    fn default(&self) -> Option<String> {
        let cache = &self.lookup.storage_classes;
        let classes = cache.snapshot();
        let objects = classes.all();
        let defaults = objects
            .filter_map(|class| class.object(&cache.layout).ok())
            .filter(|class| {
                DEFAULTS
                    .iter()
                    .any(|mark| meta::annotation(class, mark) == Some("true"))
            });
        let made = |class: &Value| {
            let made = class["metadata"]["creationTimestamp"].as_str();
            (
                Reverse(made.unwrap_or_default().to_owned()),
                meta::name(class).to_owned(),
            )
        };
        defaults
            .map(|class| made(&class))
            .min()
            .map(|(_, name)| name)
    }
}

impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn admit(&self, attributes: &Attributes, claim: &mut Value, _old: Seen<'_>) -> Verdict {
        if is_claim(attributes, Operation::Create)
            && class(claim).is_none()
            && let Some(default) = self.default()
        {
            claim["spec"]["storageClassName"] = json!(default);
        }
        Ok(())
    }
}

pub(super) struct PersistentVolumeClaimResize {
    pub(super) lookup: Arc<Lookup>,
}

impl PersistentVolumeClaimResize {
    fn may_grow(&self, claim: &Value, old: &Value) -> bool {
        let name = class(claim).unwrap_or_default();
        let same = !name.is_empty() && class(old) == Some(name);
        let found = same.then(|| self.lookup.find(&self.lookup.storage_classes, "", name));
        found
            .flatten()
            .is_some_and(|class| class["allowVolumeExpansion"] == true)
    }
}

impl Plugin for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, old: Seen<'_>) -> Verdict {
        let (Some(claim), Some(old)) = (object, old) else {
            return Ok(());
        };
        let size = |claim: &Value| {
            let size = claim["spec"]["resources"]["requests"]["storage"].as_str();
            size.and_then(|size| Quantity::parse(size).ok())
                .unwrap_or_else(Quantity::zero)
        };
        if !is_claim(attributes, Operation::Update) || size(claim) <= size(old) {
            return Ok(());
        }
        if old["status"]["phase"] != "Bound" {
            let why = "Only bound persistent volume claims can be expanded";
            return Err(attributes.forbidden(Some(claim), why));
        }
        if !self.may_grow(claim, old) {
            let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
            return Err(attributes.forbidden(Some(claim), why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[tokio::test(flavor = "multi_thread")]
    async fn claims_get_the_latest_default_and_grow_where_they_may() {
        let server = Server::start_with("none", &[]).await;
        let class = |name: &str, growing: bool| {
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "p", "allowVolumeExpansion": growing,
                "metadata": {"name": name, "annotations": {DEFAULTS[0]: "true"}}})
        };
        let claim = |name: &str| {
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        };
        let made = server
            .create("persistentvolumeclaims", "default", claim("none"))
            .await;
        assert_eq!(made["spec"].get("storageClassName"), None);
        server
            .create("storageclasses.storage.k8s.io", "", class("b", false))
            .await;
        server
            .create("storageclasses.storage.k8s.io", "", class("a", false))
            .await;
        let both = |s: &Server| {
            s.api
                .cacher
                .by_prefix("/registry/storageclasses/")
                .unwrap()
                .snapshot()
                .objects
                .len()
                == 2
        };
        server
            .eventually("the classes are in the cache", both)
            .await;
        let made = server
            .create("persistentvolumeclaims", "default", claim("some"))
            .await;
        let name = made["spec"]["storageClassName"].as_str().unwrap();
        assert!(["a", "b"].contains(&name), "{made}");

        let resize = |claim: &'static str| {
            let server = &server;
            async move {
                let larger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
                let target = crate::controllers::client::Target::new(
                    server.registry("persistentvolumeclaims"),
                    "default",
                    claim,
                );
                server.client.patch(target, &larger).await
            }
        };
        let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
        server
            .patch_status("persistentvolumeclaims", "default", "some", bound)
            .await;
        let refused = resize("some").await.unwrap_err();
        assert!(refused.message.contains("must support resize"), "{refused}");
        let growing = json!({"allowVolumeExpansion": true});
        server
            .patch("storageclasses.storage.k8s.io", "", name, growing)
            .await;
        let grows = |s: &Server| {
            s.get("storageclasses.storage.k8s.io", "", name)
                .is_some_and(|c| c["allowVolumeExpansion"] == true)
        };
        server.eventually("the class allows it", grows).await;
        resize("some").await.unwrap();
    }
}
