//! Objects that admission looks up for every write, kept as trees as long as the cache has them in that revision: namespaces, service
//! accounts, classes. A copy of a tree shares what it holds, so looking one up copies nothing.

use crate::cacher::{Cached, ResourceCache};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use triad_kv::Revision;

/// Trees that are kept; when there are more, all are forgotten and made again as they are asked for.
const MOST: usize = 512;

#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Arc<str>, (Revision, Value)>>);

impl Known {
    /// The tree of a cached object.
    pub(super) fn object(&self, cache: &ResourceCache, cached: &Cached) -> Option<Value> {
        if let Some((revision, object)) = self.0.lock().get(&cached.key)
            && *revision == cached.revision
        {
            return Some(object.clone());
        }
        let object = cached.object(&cache.layout).ok()?;
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(cached.key.clone(), (cached.revision, object.clone()));
        Some(object)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Server;
    use serde_json::{Value, json};
    use triad_machinery::status::reason;

    const NS: &str = "n";

    async fn pull_secret_of_a_new_pod(server: &Server, name: &str) -> Value {
        // What was written just now is in the cache after this.
        server.api.cacher.barrier().await.expect("level");
        let spec = json!({"serviceAccountName": "a", "containers": [{"name": "c", "image": "i"}]});
        let pod = json!({"metadata": {"name": name}, "spec": spec});
        let pod = server.create("pods", NS, pod).await;
        pod["spec"]["imagePullSecrets"][0]["name"].clone()
    }

    /// Trees that are kept are those of now: after changes, and after another object has taken a name.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_is_seen_by_the_next_write() {
        let server = Server::start("none").await;
        server
            .create("namespaces", "", json!({"metadata": {"name": NS}}))
            .await;
        let account = |secret: &str| json!({"metadata": {"name": "a"}, "imagePullSecrets": [{"name": secret}]});
        server.create("serviceaccounts", NS, account("one")).await;
        assert_eq!(pull_secret_of_a_new_pod(&server, "first").await, "one");
        assert_eq!(pull_secret_of_a_new_pod(&server, "again").await, "one");
        let patch = json!({"imagePullSecrets": [{"name": "two"}]});
        server.patch("serviceaccounts", NS, "a", patch).await;
        assert_eq!(pull_secret_of_a_new_pod(&server, "second").await, "two");
        server
            .delete("serviceaccounts", NS, "a", "Background")
            .await;
        server.create("serviceaccounts", NS, account("three")).await;
        assert_eq!(pull_secret_of_a_new_pod(&server, "third").await, "three");

        let labels =
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
        server.patch("namespaces", "", NS, labels).await;
        server.api.cacher.barrier().await.expect("level");
        let spec = json!({"containers": [{"name": "c", "image": "i"}], "serviceAccountName": "a"});
        let pod = json!({"metadata": {"name": "fourth"}, "spec": spec});
        let refused = server.try_create("pods", NS, pod).await;
        assert!(refused.is_err_and(|status| status.is(reason::FORBIDDEN)));
    }
}
