//! A server in a test's own process: the whole of it but the listener, on empty data of its own. Requests go the way of the
//! controllers' own, and are therefore admitted, validated and stored like any client's.

pub(crate) mod behind;
pub(crate) mod loopback;
pub(crate) mod node;
pub(crate) mod raw;

use crate::api::Api;
use crate::bootstrap;
use crate::cacher::Feed;
use crate::cluster::certificates::Certificates;
use crate::cluster::status::Reporter;
use crate::controllers::client::{Client, Target};
use crate::controllers::{self, Running};
use crate::options::{Config, Flags};
use crate::pki::Pki;
use crate::registry::Registry;
use crate::server;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use triad_kv::{Store, StoreOptions};
use triad_machinery::status::Status;

/// How long `eventually` waits before it fails the test.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) api: Arc<Api>,
    pub(crate) client: Client,
    feed: JoinHandle<triad_kv::Error>,
    running: Option<Running>,
    store: Store,
    dir: Arc<TempDir>,
}

impl Drop for Server {
    /// As a server ends: nothing may be left that writes when the test's process goes.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
        self.feed.abort();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(self.store.shutdown()));
    }
}

impl Server {
    /// Starts with empty data and the controllers named.
    pub(crate) async fn start(controllers: &str) -> Self {
        Self::start_with(controllers, &[]).await
    }

    /// With more flags.
    pub(crate) async fn start_with(controllers: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::open(Arc::new(dir), controllers, more).await
    }

    /// With users of its own, one `TOKEN,NAME,UID,GROUPS` in a line, and no controllers.
    pub(crate) async fn start_for(users: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("users.csv");
        std::fs::write(&file, users).expect("written");
        let flag = format!("--token-auth-file={}", file.display());
        Self::open(Arc::new(dir), "none", &[&[&*flag], more].concat()).await
    }

    /// Ends and starts again on the same data.
    pub(crate) async fn restart(self, controllers: &str) -> Self {
        let dir = self.dir.clone();
        drop(self);
        Self::open(dir, controllers, &[]).await
    }

    async fn open(dir: Arc<TempDir>, controllers: &str, more: &[&str]) -> Self {
        let args = [
            format!("--data-dir={}", dir.path().display()),
            format!("--controllers={controllers}"),
            "--unsafe-no-fsync".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
        ];
        let args = args
            .into_iter()
            .chain(more.iter().map(|flag| (*flag).to_owned()));
        let flags = Flags::parse("test", args.map(OsString::from));
        let flags = flags.unwrap_or_else(|exit| panic!("{}", exit.text));
        let config = Config::new(&flags, false).unwrap_or_else(|exit| panic!("{}", exit.text));
        let mut options = StoreOptions::new(dir.path().join("store"), "test".to_owned());
        options.sync = false;
        let store = Store::open(options).await.expect("the store opens");
        let pki = Pki::prepare(&config).expect("the PKI is made");
        let bound = ([127, 0, 0, 1], 0).into();
        let certificates = Certificates::prepare(&dir.path().join("pki")).expect("certificates");
        let reporter = Reporter::new(Arc::new(certificates), "127.0.0.1:0".into());
        let api = server::build(config, store.clone(), &pki, Arc::new(reporter), bound);
        let api = api.expect("the server is built");
        let api = Arc::new(api);
        let feed = Feed::load(api.cacher.clone()).expect("the caches are filled");
        let feed = tokio::spawn(feed.run());
        crate::custom::serve(&api).await;
        crate::aggregation::serve(&api);
        bootstrap::run(&api).await.expect("bootstrapped");
        Server {
            running: Some(controllers::start(&api)),
            client: Client::new(&api),
            api,
            feed,
            store,
            dir,
        }
    }

    /// The registry of `plural` or `plural.group`.
    pub(crate) fn registry(&self, resource: &str) -> &Arc<Registry> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let registry = self.api.endpoints.registry(group, plural);
        registry.unwrap_or_else(|| panic!("no resource {resource}"))
    }

    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let stored = self.registry(resource).get_local(namespace, name);
        stored.expect("readable").map(|stored| stored.object)
    }

    pub(crate) async fn try_create(
        &self,
        resource: &str,
        namespace: &str,
        object: Value,
    ) -> Result<(), Status> {
        let registry = self.registry(resource);
        let created = self.client.create(registry, namespace, &object).await;
        self.caches_follow().await;
        created
    }

    /// Waits until the caches, which admission and controllers look into, show what was written.
    async fn caches_follow(&self) {
        self.api.cacher.wait_for(self.store.revision()).await;
    }

    /// Creates an object; as it was stored.
    pub(crate) async fn create(&self, resource: &str, namespace: &str, object: Value) -> Value {
        let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
        let created = self.try_create(resource, namespace, object).await;
        created.unwrap_or_else(|status| panic!("{resource} {name}: {status}"));
        self.get(resource, namespace, &name).expect("just created")
    }

    pub(crate) async fn patch(&self, resource: &str, namespace: &str, name: &str, patch: Value) {
        let target = Target::new(self.registry(resource), namespace, name);
        let patched = self.client.patch(target, &patch).await;
        self.caches_follow().await;
        patched.unwrap_or_else(|status| panic!("{resource} {name}: {status}"));
    }

    pub(crate) async fn patch_status(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: Value,
    ) {
        let target = Target::new(self.registry(resource), namespace, name).status();
        let patched = self.client.patch(target, &patch).await;
        self.caches_follow().await;
        patched.unwrap_or_else(|status| panic!("{resource} {name}: {status}"));
    }

    pub(crate) async fn delete(&self, resource: &str, namespace: &str, name: &str, policy: &str) {
        let target = Target::new(self.registry(resource), namespace, name);
        let options = json!({"propagationPolicy": policy, "gracePeriodSeconds": 0});
        let deleted = self.client.delete(target, options).await;
        self.caches_follow().await;
        deleted.unwrap_or_else(|status| panic!("{resource} {name}: {status}"));
    }

    /// Waits until something is as it should be.
    pub(crate) async fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "in vain: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Looks for a while whether something stays as it should be.
    pub(crate) async fn stays(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {
            assert!(holds(self), "no longer: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}
