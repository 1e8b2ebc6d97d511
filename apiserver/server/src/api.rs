//! The server's shared state: what every handler may reach. Built once by server.rs.

use crate::admission::Chain;
use crate::aggregation::Aggregation;
use crate::audit::Audit;
use crate::cacher::Cacher;
use crate::cluster::backup::Backer;
use crate::cluster::status::Reporter;
use crate::controllers::presence::Presence;
use crate::discovery::Discovery;
use crate::endpoint::Endpoints;
use crate::filters::authenticate::Authenticator;
use crate::filters::authorize::Authorizer;
use crate::filters::flow::FlowControl;
use crate::health::Health;
use crate::kubelet::Kubelets;
use crate::metrics::Metrics;
use crate::openapi::OpenApi;
use crate::options::Config;
use crate::pki::front_proxy::FrontProxy;
use std::sync::Arc;
use triad_kv::Store;

pub(crate) struct Api {
    pub(crate) config: Config,
    /// The CA that client certificates are checked against.
    pub(crate) client_ca_file: std::path::PathBuf,
    /// The CA that signed the serving pair, when it is our own.
    pub(crate) serving_ca_file: Option<std::path::PathBuf>,
    /// What this server shows to aggregated servers.
    pub(crate) front_proxy: FrontProxy,
    pub(crate) reporter: Arc<Reporter>,
    /// The certificates (PEM) that clients inside the cluster trust this server by, where they are known.
    pub(crate) root_ca: Option<String>,
    pub(crate) store: Store,
    pub(crate) backer: Backer,
    pub(crate) cacher: Arc<Cacher>,
    pub(crate) endpoints: Endpoints,
    pub(crate) aggregation: Aggregation,
    pub(crate) kubelets: Kubelets,
    pub(crate) authenticator: Authenticator,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) flow: FlowControl,
    pub(crate) admission: Chain,
    /// None where nothing is audited.
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) discovery: Discovery,
    pub(crate) openapi: OpenApi,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) presence: Presence,
}
