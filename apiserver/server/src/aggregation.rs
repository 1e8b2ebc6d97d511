//! API aggregation (kube-aggregator): groups and versions that APIServices give to other servers. Requests for them are passed on,
//! their documents are shown beside this server's own, and whether each can be used is found out.
//!
//! `follow` keeps the table of APIServices level with what is stored, on every member by itself.

mod availability;
mod contents;
mod documents;
mod headers;
mod legacy;
mod others;
mod own;
mod relay;
mod remote;
mod swagger;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
mod upgrade;

pub(crate) use availability::watch_over;
pub(crate) use documents::{Documents, follow as follow_documents};
pub(crate) use others::Others;
pub(crate) use relay::{Relayed, relay};
pub(crate) use swagger::Swagger;
pub(crate) use table::{ApiService, Table};

use crate::api::Api;
use crate::cacher::{Cached, Cacher, ResourceCache};
use crate::egress::service::{Address, Reference, by_cluster_ip, by_endpoint};
use crate::filters::request_info::percent_decode;
use crate::options::Aggregation as Options;
use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use remote::Identity;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use triad_kv::Revision;

/// How often the client certificate's files are looked at (apiserver pkg/server/dynamiccertificates).
const LOOK_AT_FILES: Duration = Duration::from_secs(60);

pub(crate) struct Aggregation {
    options: Options,
    /// Files of the certificate that this server shows to others.
    pair: Option<(PathBuf, PathBuf)>,
    identity: Mutex<Identity>,
    table: ArcSwap<Table>,
    /// What other servers say that they serve.
    documents: ArcSwap<Documents>,
    /// Counts the tables and documents.
    generation: watch::Sender<u64>,
    api_services: Arc<ResourceCache>,
    services: Arc<ResourceCache>,
    slices: Arc<ResourceCache>,
    /// What this cluster is called on the way of a request.
    pseudonym: String,
}

impl Aggregation {
    /// `pair`: the files of the client certificate; `cluster`: the number of the cluster.
    pub(crate) fn new(
        cacher: &Arc<Cacher>,
        options: Options,
        pair: Option<(PathBuf, PathBuf)>,
        cluster: u64,
    ) -> Result<Self> {
        let cache = |prefix: &str| {
            let cache = cacher.by_prefix(prefix).cloned();
            cache.with_context(|| format!("the resource table lacks {prefix}"))
        };
        let aggregation = Aggregation {
            identity: Mutex::new(read_pair(pair.as_ref())?),
            options,
            pair,
            table: ArcSwap::default(),
            documents: ArcSwap::default(),
            generation: watch::channel(0).0,
            api_services: cache("/registry/apiregistration.k8s.io/apiservices/")?,
            services: cache("/registry/services/specs/")?,
            slices: cache("/registry/endpointslices/")?,
            pseudonym: format!("triad-{cluster:016x}"),
        };
        Ok(aggregation)
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    pub(crate) fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells when the table or the documents are others.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The APIService that gives a path to another server.
    fn route(&self, path: &str) -> Option<Arc<ApiService>> {
        let table = self.table.load();
        if table.all_local() {
            return None;
        }
        let mut parts = path.split('/').skip(1);
        let (group, version) = match parts.next()? {
            "apis" => (percent_decode(parts.next()?), percent_decode(parts.next()?)),
            "api" => (String::new(), "v1".to_owned()),
            _ => return None,
        };
        table.remote(&group, &version).cloned()
    }

    /// Where a service is dialled.
    fn resolve(&self, reference: &Reference) -> Result<Address, String> {
        let key = self
            .services
            .layout
            .key(&reference.namespace, &reference.name);
        let service = self.services.get(&key);
        let service = service.ok_or_else(|| reference.not_found())?;
        let service = service.object(&self.services.layout)?;
        match self.options.by_endpoint {
            true => by_endpoint(&service, &self.slices_of(reference), reference.port),
            false => by_cluster_ip(&service, reference.port),
        }
    }

    /// The endpoint slices of a service.
    pub(crate) fn slices_of(&self, reference: &Reference) -> Vec<Value> {
        let slices = self.slices_at(reference).into_iter();
        slices
            .filter_map(|slice| slice.object(&self.slices.layout).ok())
            .collect()
    }

    fn slices_at(&self, reference: &Reference) -> Vec<Arc<Cached>> {
        let snapshot = self.slices.snapshot();
        let prefix = format!("{}{}/", self.slices.layout.prefix, reference.namespace);
        let all = snapshot.range(&prefix, None).filter(|slice| {
            slice.label("kubernetes.io/service-name") == Some(reference.name.as_str())
        });
        all.cloned().collect()
    }

    /// Takes in what is stored now; the revision that it was looked at. `anew`: nothing of the table before is kept.
    fn round(&self, anew: bool) -> Revision {
        let before = match anew {
            true => Arc::default(),
            false => self.table.load_full(),
        };
        let table = Table::read(&self.api_services, &before, &self.identity.lock());
        let Some(table) = table else {
            return before.revision;
        };
        let revision = table.revision;
        self.table.store(Arc::new(table));
        self.moved();
        revision
    }

    /// Whoever shows tables or documents shows them anew.
    fn moved(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Reads the client certificate anew; whether it is another one, which means other connections.
    fn look_at_files(&self) -> bool {
        match read_pair(self.pair.as_ref()) {
            Ok(pair) if *self.identity.lock() == pair => false,
            Ok(pair) => {
                *self.identity.lock() = pair;
                tracing::info!("another client certificate is shown to aggregated servers now");
                true
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the client certificate for aggregated servers; the one before stays");
                false
            }
        }
    }
}

fn read_pair(pair: Option<&(PathBuf, PathBuf)>) -> Result<Identity> {
    let Some((certificate, key)) = pair else {
        return Ok(None);
    };
    let read = |file: &PathBuf| {
        std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
    };
    Ok(Some((read(certificate)?, read(key)?)))
}

/// The APIService that gives a path to another server, documents of OpenAPI included.
pub(crate) fn led_away(api: &Api, path: &str) -> Option<Arc<ApiService>> {
    let Some(name) = path.strip_prefix("/openapi/v3/") else {
        return api.aggregation.route(path);
    };
    let own = api.openapi.has_v3(&api.endpoints.customs, name);
    (!own).then(|| api.aggregation.open_api_route(name))?
}

/// Serves what is registered now; called before the first request is taken.
pub(crate) fn serve(api: &Api) {
    api.aggregation.round(false);
}

/// Follows the APIServices for as long as the server runs.
pub(crate) async fn follow(api: Arc<Api>) {
    let aggregation = &api.aggregation;
    let mut look = tokio::time::interval(LOOK_AT_FILES);
    let mut anew = false;
    loop {
        let revision = aggregation.round(anew);
        tokio::select! {
            () = api.cacher.changed(&aggregation.api_services, revision) => anew = false,
            _ = look.tick() => anew = aggregation.look_at_files(),
        }
    }
}
