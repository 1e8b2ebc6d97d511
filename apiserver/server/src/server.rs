//! The composition root: from a Config to a serving, then draining server. What a request goes through is in `chain`, and
//! behind that in `resource`.

mod chain;
mod resource;

pub(crate) use chain::{handle, mutating};

use crate::aggregation::Aggregation;
use crate::api::Api;
use crate::audit::Audit;
use crate::cacher::{Cacher, Feed};
use crate::cluster::certificates::Certificates;
use crate::cluster::join;
use crate::cluster::status::Reporter;
use crate::discovery::Discovery;
use crate::endpoint::{self, Endpoints};
use crate::filters::authenticate::Authenticator;
use crate::filters::authorize::Authorizer;
use crate::filters::flow::FlowControl;
use crate::health::Health;
use crate::kubelet::Kubelets;
use crate::metrics::Metrics;
use crate::openapi::OpenApi;
use crate::options::Config;
use crate::pki::Pki;
use crate::runtime_config::Enabled;
use crate::service_accounts::{Keys, Tokens};
use crate::tls::Serving;
use crate::{admission, aggregation, bootstrap, cluster, controllers, custom, listener};
use anyhow::{Context, Result, anyhow};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use triad_kv::{Election, History, PeerOptions, Store, StoreOptions, durable};
use triad_machinery::validation::Settings;

/// Between two attempts at the system's own objects while the store takes no writes.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(1);

/// Serves until `stop` completes, then drains.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<()> {
    let started = Instant::now();
    durable::make_dirs(&config.data_dir).with_context(|| {
        format!(
            "cannot make the data directory {}",
            config.data_dir.display()
        )
    })?;
    cluster::removal::check(&config)?;
    let joining = join::prepare(&config)
        .await
        .context("cannot join the cluster")?;
    cluster::backup::clear(&config.data_dir);
    let certificates = Arc::new(Certificates::prepare(&config.data_dir.join("pki"))?);
    let own_api = SocketAddr::new(reachable(&config), config.bind.port()).to_string();
    let reporter = Arc::new(Reporter::new(certificates.clone(), own_api));
    let options = store_options(&config, joining, certificates, reporter.clone());
    // The PKI and the store do not need each other: both take their milliseconds at once.
    let (store, pki) = tokio::join!(Store::open(options), async {
        tokio::task::block_in_place(|| Pki::prepare(&config))
    });
    let store = store.context("cannot open the store")?;
    reporter.watch(&store);
    let result = match pki {
        Ok(pki) => {
            tokio::pin!(stop);
            let joined = tokio::select! {
                joined = join::become_member(&config, &store) => joined.map(|()| true),
                () = &mut stop => Ok(false),
            };
            match joined {
                Ok(true) => serve(config, store.clone(), &pki, reporter, started, stop).await,
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    // However it ended, what is in the store's hands is written before the process goes.
    store.shutdown().await;
    result
}

/// Makes the system's own objects. Where the store takes no writes (no majority is within reach) reads and watches are
/// served already, and this goes on until it has succeeded.
async fn bootstrap(api: &Arc<Api>) -> Result<Option<tokio::task::JoinHandle<()>>> {
    match bootstrap::run(api).await {
        Ok(()) => {
            api.health.set_bootstrapped();
            Ok(None)
        }
        Err(status) if status.code < 500 => {
            Err(anyhow!("cannot make the system's own objects: {status}"))
        }
        Err(status) => {
            tracing::warn!(%status, "cannot make the system's own objects yet; trying again");
            let api = api.clone();
            Ok(Some(tokio::spawn(async move {
                while let Err(status) = bootstrap::run(&api).await {
                    tracing::debug!(%status, "cannot make the system's own objects yet");
                    tokio::time::sleep(BOOTSTRAP_PAUSE).await;
                }
                api.health.set_bootstrapped();
            })))
        }
    }
}

fn store_options(
    config: &Config,
    joining: Option<(u64, u64)>,
    tls: Arc<Certificates>,
    answer: Arc<Reporter>,
) -> StoreOptions {
    let mut options = StoreOptions::new(config.data_dir.join("store"), config.node_name.clone());
    options.sync = config.sync;
    options.history = History {
        max_age: config.history_max_age,
        max_bytes: config.history_max_bytes,
    };
    options.held_log_bytes = cluster::backup::held_log_bytes(config);
    options.election = Election {
        timeout_min_ms: config.election.0,
        timeout_max_ms: config.election.1,
    };
    options.peers = Some(PeerOptions {
        listen: config.peer_listen,
        advertise: config.peer_advertise.clone(),
        joining,
        tls,
        answer,
    });
    options
}

/// Where the other members reach this one's API: what it listens on, unless that is every address.
fn reachable(config: &Config) -> IpAddr {
    let bound = Some(config.bind.ip()).filter(|ip| !ip.is_unspecified());
    bound.unwrap_or(config.advertise_address)
}

/// Listens, makes what a cluster has from its first start, serves, drains.
async fn serve(
    config: Config,
    store: Store,
    pki: &Pki,
    reporter: Arc<Reporter>,
    started: Instant,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let listener = TcpListener::bind(config.bind)
        .await
        .with_context(|| format!("cannot listen on {}", config.bind))?;
    let bound = listener
        .local_addr()
        .context("the listener has no address")?;
    let mut client_cas = vec![pki.client_ca.clone()];
    client_cas.extend(
        config
            .request_header
            .as_ref()
            .map(|header| header.ca_file.clone()),
    );
    let tls = Arc::new(Serving::open(&config.transport, &pki.serving, client_cas)?);
    let kubeconfig = pki.write_admin_kubeconfig(&config, bound.port())?;

    let api = Arc::new(build(config, store, pki, reporter, bound)?);
    let feed = tokio::spawn(
        Feed::load(api.cacher.clone())
            .context("cannot load the store's objects")?
            .run(),
    );
    custom::serve(&api).await;
    aggregation::serve(&api);
    let bootstrap = bootstrap(&api).await?;
    let background = controllers::start(&api);

    let limits = listener::Limits::of(&api.config);
    let accepting = listener::serve(listener, Some(tls.clone()), api.clone(), limits);
    let serving = tokio::spawn(async move { tokio::join!(accepting, tls.follow()) });
    let insecure = match api.config.insecure_bind {
        Some(address) => {
            tracing::warn!(%address, "serving plain HTTP WITHOUT AUTHENTICATION: whoever reaches this port may do anything");
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))?;
            Some(tokio::spawn(listener::serve(
                listener,
                None,
                api.clone(),
                limits,
            )))
        }
        None => None,
    };
    tracing::info!(address = %bound, data = %api.config.data_dir.display(), first_start = pki.made, took_ms = started.elapsed().as_millis() as u64, "serving");
    if let Some(path) = kubeconfig {
        tracing::info!(kubeconfig = %path.display(), "admin kubeconfig written; try: kubectl --kubeconfig {} get namespaces", path.display());
    }

    let outcome = tokio::select! {
        () = stop => {
            tracing::info!("stopping: no new requests, open ones are finished");
            Ok(())
        }
        ended = feed => match ended {
            Ok(error) => Err(anyhow!("the store's feed ended: {error}")),
            Err(error) => Err(anyhow!("the store's feed failed: {error}")),
        },
        () = api.store.removed() => Err(cluster::removal::note(&api.config)),
    };
    controllers::presence::leave(&api).await;
    tokio::time::sleep(api.config.shutdown_delay).await;
    api.health.drain();
    api.cacher.wake_watches();
    background.abort();
    if let Some(bootstrap) = bootstrap {
        bootstrap.abort();
    }
    serving.abort();
    if let Some(insecure) = insecure {
        insecure.abort();
    }
    listener::drained(&api).await;
    if let Some(audit) = &api.audit {
        audit.shutdown().await;
    }
    outcome
}

pub(crate) fn build(
    config: Config,
    store: Store,
    pki: &Pki,
    reporter: Arc<Reporter>,
    bound: SocketAddr,
) -> Result<Api> {
    let cacher = Cacher::new(store.clone(), endpoint::layouts());
    let cacher = Arc::new(cacher.with_ring_bytes(config.event_ring_bytes));
    let enabled = Enabled::new(&config.runtime_config).map_err(|exit| anyhow!(exit.text))?;
    let endpoints = Endpoints::new(
        &cacher,
        |resource| enabled.serves(resource),
        config.max_object_bytes,
        config.event_ttl,
        Settings {
            allow_privileged: config.allow_privileged,
        },
    );
    let missing = || anyhow!("the resource table lacks a resource that the server itself needs");
    let lookup = admission::Lookup::new(&cacher, &endpoints.customs).ok_or_else(missing)?;
    let authorizer = Arc::new(Authorizer::new(&cacher, config.authorization.clone())?);
    let advertised = SocketAddr::new(config.advertise_address, bound.port()).to_string();
    let keys = Keys::load(&pki.account_key, &config.service_accounts.key_files)?;
    let tokens = Tokens::new(
        keys,
        config.service_accounts.clone(),
        config.api_audiences.clone(),
        &cacher,
    )
    .ok_or_else(missing)?;
    let aggregation = Aggregation::new(
        &cacher,
        config.aggregation.clone(),
        pki.front_proxy.pair.clone(),
        store.identity().context("the store is down")?.cluster,
    )?;
    let audit = Audit::new(&config.audit)?;
    let backer = cluster::backup::Backer::new(&config.backups)?;
    Ok(Api {
        audit,
        backer,
        authenticator: Authenticator::new(&pki.client_ca, tokens, &config)?,
        flow: FlowControl::new(&cacher, config.in_flight, config.request_timeout)
            .ok_or_else(missing)?,
        admission: admission::Chain::new(lookup, authorizer.clone(), &config)
            .map_err(|exit| anyhow!(exit.text))?,
        authorizer,
        discovery: Discovery::new(&endpoints, advertised),
        openapi: OpenApi::new(&endpoints),
        health: Health::new(store.clone()),
        metrics: Metrics::default(),
        presence: controllers::presence::Presence::default(),
        client_ca_file: pki.client_ca.clone(),
        serving_ca_file: pki.serving_ca.clone(),
        aggregation,
        kubelets: Kubelets::new(&config.kubelet)?,
        front_proxy: pki.front_proxy.clone(),
        reporter,
        root_ca: pki.root_ca()?,
        endpoints,
        cacher,
        store,
        config,
    })
}
