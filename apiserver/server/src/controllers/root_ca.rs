//! Each namespace has the certificates that its pods trust the server by (kubernetes pkg/controller/certificates/
//! rootcacertpublisher).

use super::client::{Client, Target};
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use super::{active, unless_ending};
use crate::api::Api;
use crate::registry::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::meta;

const NAME: &str = "kube-root-ca.crt";
const FILE: &str = "ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
/// The reference's own words: what the annotation says is compared, so that two publishers agree.
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
/// Places in the sources.
const NAMESPACES: usize = 0;

pub(super) struct RootCertificates {
    sources: [Arc<Registry>; 2],
    client: Client,
    /// PEM.
    certificates: String,
}

impl RootCertificates {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        let registry = |plural| api.endpoints.registry("", plural).cloned();
        Some(RootCertificates {
            sources: [registry("namespaces")?, registry("configmaps")?],
            client: Client::new(api),
            certificates: api.root_ca.clone()?,
        })
    }
}

impl Controller for RootCertificates {
    /// A namespace's name.
    type Key = Box<str>;

    fn name(&self) -> &'static str {
        "root-ca-cert-publisher"
    }

    fn sources(&self) -> &[Arc<Registry>] {
        &self.sources
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Box<str>>) {
        let Some(object) = change.object() else {
            return;
        };
        if change.source == NAMESPACES {
            if change.after.is_some() {
                work.add(object.name().into());
            }
        } else if change.before.is_some() && object.name() == NAME {
            work.add(object.namespace().into());
        }
    }

    async fn sync(&self, namespace: &Box<str>) -> Result<Vec<Box<str>>, Trouble> {
        let [namespaces, maps] = &self.sources;
        if !active(namespaces, namespace)? {
            return Ok(Vec::new());
        }
        let data = json!({FILE: self.certificates});
        let Some(stored) = maps.get_local(namespace, NAME)? else {
            let map = json!({"metadata": {"name": NAME, "namespace": namespace, "annotations": {DESCRIPTION: DESCRIPTION_TEXT}}, "data": data});
            unless_ending(self.client.create(maps, namespace, &map).await)?;
            return Ok(Vec::new());
        };
        let described =
            meta::annotation(&stored.object, DESCRIPTION).is_some_and(|t| !t.is_empty());
        if stored.object.get("data") == Some(&data) && described {
            return Ok(Vec::new());
        }
        let mut map = stored.object;
        map["data"] = data;
        map["metadata"]["annotations"][DESCRIPTION] = Value::from(DESCRIPTION_TEXT);
        let target = Target::new(maps, namespace, NAME);
        unless_ending(self.client.update(target, &map).await)?;
        Ok(Vec::new())
    }
}
