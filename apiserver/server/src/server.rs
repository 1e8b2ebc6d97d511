//! The composition root: from a Config to a serving, then draining server; and the filter chain, read top-down.

use crate::api::Api;
use crate::cacher::{Cacher, Feed};
use crate::cluster::certificates::Certificates;
use crate::cluster::join;
use crate::cluster::status::Reporter;
use crate::discovery::Discovery;
use crate::endpoint::{self, Endpoints};
use crate::filters::authenticate::{Authenticator, Peer};
use crate::filters::authorize::{Attributes, Authorizer, Decision};
use crate::filters::flow::FlowControl;
use crate::filters::request_info::RequestInfo;
use crate::handlers::Call;
use crate::health::Health;
use crate::metrics::{Labels, Metrics};
use crate::negotiate::{Accepted, Offer, accept};
use crate::openapi::OpenApi;
use crate::options::Config;
use crate::pki::Pki;
use crate::query::Query;
use crate::reply::{self, Reply};
use crate::routes::{self, Action};
use crate::runtime_config::Enabled;
use crate::service_accounts::{Keys, Tokens};
use crate::user::User;
use crate::{admission, body_limit, bootstrap, cluster, controllers, debug, listener, paths, tls};
use anyhow::{Context, Result, anyhow};
use http::header::{CACHE_CONTROL, WARNING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use hyper::body::Incoming;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use triad_kv::{Election, History, PeerOptions, Store, StoreOptions, durable};
use triad_machinery::status::{GroupResource, Status};
use triad_machinery::validation::Settings;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// An Audit-Id given by the client is cut to this many bytes.
const AUDIT_ID_MAX: usize = 64;
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
    let tls = Arc::new(tls::server_config(
        &pki.serving,
        &client_cas,
        config.http2,
        config.tls_min_13,
    )?);
    let kubeconfig = pki.write_admin_kubeconfig(&config, bound.port())?;

    let api = Arc::new(build(config, store, pki, reporter, bound)?);
    let feed = tokio::spawn(
        Feed::load(api.cacher.clone())
            .context("cannot load the store's objects")?
            .run(),
    );
    let bootstrap = bootstrap(&api).await?;
    let background = controllers::start(&api);

    let limits = listener::Limits {
        http2_max_streams: api.config.http2_max_streams,
    };
    let serving = tokio::spawn(listener::serve(listener, Some(tls), api.clone(), limits));
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
    let lookup = admission::Lookup::new(&cacher).ok_or_else(missing)?;
    let authorizer = Arc::new(Authorizer::new(&cacher, config.authorization.clone())?);
    let advertised = SocketAddr::new(config.advertise_address, bound.port()).to_string();
    let keys = Keys::load(&pki.account_key, &config.service_account_key_files)?;
    let tokens = Tokens::new(
        keys,
        config.service_account_issuers.clone(),
        config.api_audiences.clone(),
        &cacher,
    )
    .ok_or_else(missing)?;
    let backer = cluster::backup::Backer::new(&config.backups)?;
    Ok(Api {
        backer,
        authenticator: Authenticator::new(&pki.client_ca, tokens, &config)?,
        flow: FlowControl::new(&cacher).ok_or_else(missing)?,
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
        reporter,
        root_ca: pki.root_ca()?,
        endpoints,
        cacher,
        store,
        config,
    })
}

/// One request from its head to its answer.
pub(crate) async fn handle(api: Arc<Api>, peer: Arc<Peer>, request: Request<Incoming>) -> Reply {
    let (mut head, body) = request.into_parts();
    let started = Instant::now();
    let query = Query::parse(head.uri.query().unwrap_or(""));
    let info = RequestInfo::new(head.method.as_str(), head.uri.path(), &query);
    let audit_id = audit_id(&head.headers);
    let mut extra = HeaderMap::new();
    let mut reply = chain(&api, &peer, &mut head, body, &query, &info, &mut extra).await;
    reply::compress(&head.headers, &mut reply);
    if head.method == Method::HEAD {
        reply::headers_only(&mut reply);
    }
    let headers = reply.headers_mut();
    headers.insert(AUDIT_ID, audit_id);
    headers.extend(extra);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    }
    count(&api, &info, reply.status().as_u16(), started);
    reply
}

/// The filters in order. Who: authentication, impersonation. How much: flow control. May they: authorization.
/// The body is read only after that.
async fn chain(
    api: &Arc<Api>,
    peer: &Peer,
    head: &mut http::request::Parts,
    body: Incoming,
    query: &Query,
    info: &RequestInfo,
    extra: &mut HeaderMap,
) -> Reply {
    if info.path.starts_with(join::PATHS) {
        // Nobody can be authenticated who has nothing of the cluster yet: the token is the proof.
        return join::answer(api, head, body).await;
    }
    let user = if peer.trusted {
        User {
            name: "system:unsecured".to_owned(),
            groups: vec![
                crate::user::MASTERS.to_owned(),
                crate::user::AUTHENTICATED.to_owned(),
            ],
            ..User::default()
        }
    } else {
        match api.authenticator.authenticate(peer, &mut head.headers) {
            Ok(user) => user,
            Err(_) => return refuse(&head.headers, query, &Status::unauthorized()),
        }
    };
    let user = match crate::filters::impersonate::impersonate(&api.authorizer, user, &head.headers)
    {
        Ok(user) => user,
        Err(status) => return refuse(&head.headers, query, &status),
    };
    api.flow.classify(&user, info, extra);
    match api.authorizer.decide(&user, &Attributes::of(info)).await {
        Decision::Allow(_) => {}
        Decision::Deny(why) | Decision::NoOpinion(why) => {
            let mut reply = refuse(&head.headers, query, &forbidden(&user, info, &why));
            reply.headers_mut().insert(
                "x-content-type-options",
                HeaderValue::from_static("nosniff"),
            );
            return reply;
        }
    }
    if !info.is_resource && api.config.profiling && info.path.starts_with("/debug/") {
        let reply = debug_page(head, body, info).await;
        return match reply {
            Ok(Some(reply)) => reply,
            Ok(None) => reply::page_not_found(),
            Err(status) => refuse(&head.headers, query, &status),
        };
    }
    if info.path.starts_with(cluster::admin::PATHS) {
        return cluster::admin::answer(api, head, query, body).await;
    }
    if !info.is_resource {
        return match paths::answer(api, head, query, info).await {
            Ok(reply) => reply,
            Err(status) => refuse(&head.headers, query, &status),
        };
    }
    resource(api, head, body, query, info, user).await
}

async fn debug_page(
    head: &http::request::Parts,
    body: Incoming,
    info: &RequestInfo,
) -> Result<Option<Reply>, Status> {
    let body = if debug::takes_body(&head.method, &info.path) {
        body_limit::read(body).await?
    } else {
        bytes::Bytes::new()
    };
    Ok(debug::answer(&head.method, &info.path, &body))
}

fn forbidden(user: &User, info: &RequestInfo, why: &str) -> Status {
    let why = Attributes::of(info).refusal(user, why);
    Status::forbidden(
        GroupResource {
            group: &info.group,
            resource: &info.resource,
        },
        &info.name,
        why,
    )
}

async fn resource(
    api: &Arc<Api>,
    head: &mut http::request::Parts,
    body: Incoming,
    query: &Query,
    info: &RequestInfo,
    user: User,
) -> Reply {
    if api
        .endpoints
        .get(&info.group, &info.version, &info.resource)
        .is_none()
        && !api.endpoints.serves_group(&info.group)
    {
        return reply::page_not_found();
    }
    let route = match routes::find(api, &head.method, info, &head.headers) {
        Ok(route) => route,
        Err(status) => return refuse(&head.headers, query, &status),
    };
    let body = if route.action.reads_body() {
        match body_limit::read(body).await {
            Ok(body) => body,
            Err(status) => return refuse(&head.headers, query, &status),
        }
    } else {
        bytes::Bytes::new()
    };
    let deprecation = route.endpoint.deprecation_warning();
    let mut call = Call {
        api: api.clone(),
        endpoint: route.endpoint,
        info: info.clone(),
        query: query.clone(),
        headers: std::mem::take(&mut head.headers),
        user,
        body,
        warnings: Vec::new(),
        patched: None,
    };
    let accept_headers = call.headers.clone();
    let mut warnings: Vec<String> = deprecation.into_iter().collect();
    let result = if route.action == Action::Watch {
        routes::open_watch(call).await
    } else {
        let result = within(api, route.action, routes::dispatch(&mut call, route.action)).await;
        warnings.append(&mut call.warnings);
        result
    };
    head.headers = accept_headers;
    let mut reply = result.unwrap_or_else(|status| refuse(&head.headers, query, &status));
    warnings.dedup();
    for warning in &warnings {
        reply::add_warning(&mut reply, warning);
    }
    debug_assert!(
        reply.headers().get_all(WARNING).iter().count() == warnings.len() || warnings.is_empty()
    );
    reply
}

/// Bounds a request's time; what it has done by then may have happened.
async fn within(
    api: &Api,
    action: Action,
    work: impl Future<Output = Result<Reply, Status>>,
) -> Result<Reply, Status> {
    match tokio::time::timeout(api.config.request_timeout, work).await {
        Ok(result) => result,
        Err(_) => {
            tracing::warn!(?action, "a request took longer than --request-timeout");
            Err(Status::timeout(
                "request did not complete within the allotted timeout",
                0,
            ))
        }
    }
}

/// A status in the form the client takes, else as indented JSON.
fn refuse(headers: &HeaderMap, query: &Query, status: &Status) -> Reply {
    match accept(headers, query, Offer::Plain) {
        Ok(accepted) => reply::status(
            status,
            &Accepted {
                convert: None,
                ..accepted
            },
        ),
        Err(_) => reply::raw_status(status),
    }
}

fn audit_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers
        .get(&AUDIT_ID)
        .filter(|value| !value.is_empty())
        .and_then(|value| value.to_str().ok());
    given
        .and_then(|text| HeaderValue::from_str(&text[..text.len().min(AUDIT_ID_MAX)]).ok())
        .unwrap_or_else(|| {
            HeaderValue::from_str(&uuid::Uuid::new_v4().to_string())
                .unwrap_or(HeaderValue::from_static("none"))
        })
}

fn count(api: &Api, info: &RequestInfo, code: u16, started: Instant) {
    let Some(endpoint) = api
        .endpoints
        .get(&info.group, &info.version, &info.resource)
    else {
        return;
    };
    let resource = endpoint.resource;
    let verb = match info.verb.as_str() {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "other",
    };
    let scope = if !info.name.is_empty() {
        "resource"
    } else if !info.namespace.is_empty() {
        "namespace"
    } else {
        "cluster"
    };
    let labels = Labels {
        verb,
        group: &resource.group,
        version: &resource.version,
        resource: &resource.plural,
        scope,
    };
    api.metrics
        .request(labels, code, started.elapsed(), verb == "WATCH");
}

/// Whether a method changes something, for the gauge of requests in flight.
pub(crate) fn mutating(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
