//! The validated configuration that the server is built from. Every relation between flags is checked here.

use super::aggregation::Aggregation;
use super::audit::Audit;
use super::authentication;
use super::authorization;
use super::backups::Backups;
use super::browsers::Browsers;
use super::controllers::Controllers;
use super::in_flight::InFlight;
use super::kubelet::Kubelet;
use super::logs;
use super::service_accounts::ServiceAccounts;
use super::transport::Transport;
use super::{Exit, Flags, refuse};
use crate::filters::authenticate::configuration::Options as Authentication;
use crate::filters::authenticate::webhook::Options as TokenWebhook;
use crate::filters::authorize::configuration::Options as Authorization;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything the composition root needs; no flag is read after this is made.
pub struct Config {
    pub bind: SocketAddr,
    pub insecure_bind: Option<SocketAddr>,
    pub advertise_address: IpAddr,
    pub external_hostname: Option<String>,
    pub data_dir: PathBuf,
    pub ephemeral: bool,
    pub sync: bool,
    pub node_name: String,
    /// Where other members reach this one, once there are others.
    pub peer_listen: SocketAddr,
    pub peer_advertise: String,
    /// The token of a cluster to be taken into.
    pub join: Option<String>,
    pub election: (u64, u64),
    pub cert_dir: Option<PathBuf>,
    pub tls_pair: Option<(PathBuf, PathBuf)>,
    pub transport: Transport,
    pub http2_max_streams: u32,
    /// How likely a request over HTTP/2 ends its connection, so that clients spread anew.
    pub goaway_chance: f64,
    pub in_flight: InFlight,
    /// What may pass of a connection to a node, a pod or a service each way; 0 is no limit.
    pub connection_bytes_per_second: u64,
    pub client_ca_file: Option<PathBuf>,
    pub token_auth_file: Option<PathBuf>,
    pub basic_auth_file: Option<PathBuf>,
    pub bootstrap_tokens: bool,
    pub authentication: Authentication,
    pub token_webhook: Option<TokenWebhook>,
    pub request_header: Option<RequestHeader>,
    pub aggregation: Aggregation,
    pub browsers: Browsers,
    pub kubelet: Kubelet,
    pub service_accounts: ServiceAccounts,
    pub api_audiences: Vec<String>,
    pub authorization: Authorization,
    pub service_cidr: IpNet,
    pub node_ports: (u16, u16),
    pub kubernetes_service_node_port: u16,
    pub endpoint_reconciler: bool,
    pub runtime_config: Vec<(String, bool)>,
    pub disabled_admission: Vec<String>,
    pub enabled_admission: Vec<String>,
    /// These plugins and no others, where any is named.
    pub admission_alone: Vec<String>,
    /// What admission plugins are told.
    pub admission_control_config: Option<PathBuf>,
    pub toleration_seconds: (i64, i64),
    pub controllers: Controllers,
    pub event_ttl: Duration,
    pub request_timeout: Duration,
    pub profiling: bool,
    pub min_request_timeout: Duration,
    pub shutdown_delay: Duration,
    pub max_object_bytes: usize,
    pub allow_privileged: bool,
    pub history_max_age: Duration,
    pub history_max_bytes: u64,
    /// What the watch cache keeps of recent changes.
    pub event_ring_bytes: usize,
    pub backups: Backups,
    pub audit: Audit,
    pub logs: crate::logging::Options,
}

/// Authentication by a front proxy: its CA, its names and the headers it sets.
#[derive(Clone)]
pub struct RequestHeader {
    pub ca_file: PathBuf,
    pub allowed_names: Vec<String>,
    pub username_headers: Vec<String>,
    pub group_headers: Vec<String>,
    pub extra_prefixes: Vec<String>,
    pub uid_headers: Vec<String>,
}

impl Config {
    /// `drop_in`: started under the name kube-apiserver, whose data lies under --cert-dir and which has none of the controllers of
    /// kube-controller-manager, unless told otherwise.
    pub fn new(flags: &Flags, drop_in: bool) -> Result<Self, Exit> {
        let bind_ip: IpAddr = flags
            .text("bind-address")
            .and_then(|t| t.parse().ok())
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let port = port(flags, "secure-port")?;
        let insecure_port = self::port(flags, "insecure-port")?;
        let insecure_ip: IpAddr = flags
            .text("insecure-bind-address")
            .and_then(|t| t.parse().ok())
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        if insecure_port != 0 && !insecure_ip.is_loopback() {
            return Err(refuse(format!(
                "--insecure-bind-address {insecure_ip} is not a loopback address; the insecure port has no authentication"
            )));
        }
        let advertise_address = match flags.text("advertise-address").and_then(|t| t.parse().ok()) {
            Some(address) => address,
            // As upstream: an address that others can reach, which loopback is not.
            None if !bind_ip.is_unspecified() && !bind_ip.is_loopback() => bind_ip,
            None => default_route_address(),
        };
        let cidr_text = flags
            .list("service-cluster-ip-range")
            .into_iter()
            .next()
            .unwrap_or_else(|| "10.0.0.0/24".to_owned());
        let service_cidr: IpNet = cidr_text.parse().map_err(|_| {
            refuse(format!(
                "--service-cluster-ip-range {cidr_text:?} is not a CIDR such as 10.0.0.0/24"
            ))
        })?;
        if service_cidr.max_prefix_len() - service_cidr.prefix_len() < 3 {
            return Err(refuse(format!(
                "--service-cluster-ip-range {cidr_text} is too small: it must hold at least 8 addresses"
            )));
        }
        let tls_pair = flags.pair("tls-cert-file", "tls-private-key-file")?;
        let cert_dir = flags
            .is_set("cert-dir")
            .then(|| flags.text("cert-dir"))
            .flatten()
            .map(PathBuf::from);
        let peer_listen = flags.text("peer-listen").unwrap_or_default();
        // `:2380` is every address, as in Go.
        let full = match peer_listen.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => peer_listen.clone(),
        };
        let peer_listen: SocketAddr = full.parse().map_err(|_| {
            refuse(format!(
                "--peer-listen {peer_listen:?} is not an address such as :2380 or 10.0.0.1:2380"
            ))
        })?;
        let ephemeral = flags.flag("ephemeral");
        let data_dir = match (flags.text("data-dir"), &cert_dir) {
            (Some(dir), _) => dir.into(),
            (None, Some(dir)) if drop_in => dir.join("triad"),
            _ => default_data_dir(),
        };
        Ok(Config {
            bind: SocketAddr::new(bind_ip, port),
            insecure_bind: (insecure_port != 0)
                .then(|| SocketAddr::new(insecure_ip, insecure_port)),
            advertise_address,
            external_hostname: flags.text("external-hostname"),
            data_dir,
            ephemeral,
            sync: !ephemeral && !flags.flag("unsafe-no-fsync"),
            node_name: flags.text("node-name").unwrap_or_else(host_name),
            peer_listen,
            peer_advertise: flags.text("peer-advertise").unwrap_or_else(|| {
                let ip = Some(peer_listen.ip()).filter(|ip| !ip.is_unspecified());
                SocketAddr::new(ip.unwrap_or(advertise_address), peer_listen.port()).to_string()
            }),
            join: flags.text("join"),
            election: election(flags)?,
            cert_dir,
            tls_pair,
            transport: Transport::new(flags)?,
            goaway_chance: goaway_chance(flags)?,
            in_flight: InFlight::new(flags)?,
            connection_bytes_per_second: connection_bytes(flags)?,
            http2_max_streams: u32::try_from(flags.integer("http2-max-streams-per-connection"))
                .ok()
                .filter(|n| *n > 0)
                .unwrap_or(100),
            client_ca_file: flags.file("client-ca-file"),
            token_auth_file: flags.file("token-auth-file"),
            basic_auth_file: flags.file("basic-auth-file"),
            bootstrap_tokens: flags.flag("enable-bootstrap-token-auth"),
            authentication: authentication::options(flags)?,
            token_webhook: authentication::webhook(flags)?,
            request_header: flags
                .text("requestheader-client-ca-file")
                .map(|ca| RequestHeader {
                    ca_file: ca.into(),
                    allowed_names: flags.list("requestheader-allowed-names"),
                    username_headers: flags.list("requestheader-username-headers"),
                    group_headers: flags.list("requestheader-group-headers"),
                    extra_prefixes: flags.list("requestheader-extra-headers-prefix"),
                    uid_headers: flags.list("requestheader-uid-headers"),
                }),
            aggregation: Aggregation::new(flags)?,
            browsers: Browsers::new(flags)?,
            kubelet: Kubelet::new(flags)?,
            service_accounts: ServiceAccounts::new(flags)?,
            api_audiences: flags.list("api-audiences"),
            authorization: authorization::options(flags)?,
            service_cidr,
            node_ports: node_ports(flags)?,
            kubernetes_service_node_port: self::port(flags, "kubernetes-service-node-port")?,
            endpoint_reconciler: match flags.text("endpoint-reconciler-type").as_deref() {
                None | Some("lease") | Some("master-count") => true,
                Some("none") => false,
                Some(other) => {
                    return Err(refuse(format!(
                        "--endpoint-reconciler-type {other:?} must be one of: master-count, lease, none"
                    )));
                }
            },
            runtime_config: runtime_config(flags)?,
            disabled_admission: flags.list("disable-admission-plugins"),
            enabled_admission: flags.list("enable-admission-plugins"),
            admission_alone: admission_alone(flags)?,
            admission_control_config: flags.file("admission-control-config-file"),
            toleration_seconds: (
                flags.integer("default-not-ready-toleration-seconds"),
                flags.integer("default-unreachable-toleration-seconds"),
            ),
            controllers: match drop_in && !flags.is_set("controllers") {
                // The program of that name has none: they come with another program, or are not wanted.
                true => Controllers::new(vec!["none".to_owned()])?,
                false => Controllers::new(flags.list("controllers"))?,
            },
            event_ttl: flags.duration("event-ttl"),
            request_timeout: flags.duration("request-timeout"),
            profiling: flags.flag("profiling"),
            min_request_timeout: Duration::from_secs(
                flags.integer("min-request-timeout").max(0) as u64
            ),
            shutdown_delay: flags.duration("shutdown-delay-duration"),
            allow_privileged: flags.flag("allow-privileged"),
            max_object_bytes: flags.integer("max-object-bytes").max(1024) as usize,
            history_max_age: flags.duration("history-max-age"),
            history_max_bytes: flags.integer("history-max-bytes").max(0) as u64,
            event_ring_bytes: flags.integer("event-ring-bytes").max(0) as usize,
            backups: Backups::new(flags)?,
            audit: Audit::new(flags)?,
            logs: logs::options(flags)?,
        })
    }
}

/// The shortest and the longest election timeout, in milliseconds.
fn admission_alone(flags: &Flags) -> Result<Vec<String>, Exit> {
    let alone = flags.list("admission-control");
    let others = ["enable-admission-plugins", "disable-admission-plugins"];
    match !alone.is_empty() && others.iter().any(|name| flags.is_set(name)) {
        true => Err(refuse(
            "admission-control and enable-admission-plugins/disable-admission-plugins flags are mutually exclusive".to_owned(),
        )),
        false => Ok(alone),
    }
}

fn connection_bytes(flags: &Flags) -> Result<u64, Exit> {
    let name = "max-connection-bytes-per-sec";
    u64::try_from(flags.integer(name))
        .map_err(|_| refuse(format!("--{name} can not be negative value")))
}

fn goaway_chance(flags: &Flags) -> Result<f64, Exit> {
    let chance = flags.float("goaway-chance");
    match (0.0..=0.02).contains(&chance) {
        true => Ok(chance),
        false => Err(refuse(
            "--goaway-chance can not be less than 0 or greater than 0.02".to_owned(),
        )),
    }
}

fn election(flags: &Flags) -> Result<(u64, u64), Exit> {
    let (min, max) = (
        flags.duration("election-timeout-min"),
        flags.duration("election-timeout-max"),
    );
    if min < Duration::from_millis(30) || max <= min {
        return Err(refuse(format!(
            "--election-timeout-min {min:?} must be at least 30ms, and --election-timeout-max {max:?} more than that"
        )));
    }
    Ok((min.as_millis() as u64, max.as_millis() as u64))
}

pub(super) fn port(flags: &Flags, name: &str) -> Result<u16, Exit> {
    let number = flags.integer(name);
    u16::try_from(number).map_err(|_| {
        refuse(format!(
            "--{name} {number} must be a port between 0 and 65535"
        ))
    })
}

fn node_ports(flags: &Flags) -> Result<(u16, u16), Exit> {
    let text = flags
        .text("service-node-port-range")
        .unwrap_or_else(|| "30000-32767".to_owned());
    let bad = || {
        refuse(format!(
            "--service-node-port-range {text:?} must be FIRST-LAST or FIRST+SIZE"
        ))
    };
    if let Some((first, size)) = text.split_once('+') {
        let (first, size): (u16, u16) = (
            first.parse().map_err(|_| bad())?,
            size.parse().map_err(|_| bad())?,
        );
        return first
            .checked_add(size)
            .map(|last| (first, last))
            .ok_or_else(bad);
    }
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let range: (u16, u16) = (
        first.parse().map_err(|_| bad())?,
        last.parse().map_err(|_| bad())?,
    );
    if range.0 > range.1 {
        Err(bad())
    } else {
        Ok(range)
    }
}

fn runtime_config(flags: &Flags) -> Result<Vec<(String, bool)>, Exit> {
    flags
        .list("runtime-config")
        .into_iter()
        .map(|item| {
            let (name, value) = item.split_once('=').unwrap_or((&item, "true"));
            match value {
                "true" | "" => Ok((name.to_owned(), true)),
                "false" => Ok((name.to_owned(), false)),
                _ => Err(refuse(format!(
                    "--runtime-config {item:?}: the value must be true or false"
                ))),
            }
        })
        .collect()
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(
        |_| "localhost".to_owned(),
        |name| name.trim().to_lowercase(),
    )
}

fn default_data_dir() -> PathBuf {
    let root = std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    match std::env::var_os("HOME") {
        Some(home) if !root => PathBuf::from(home).join(".local/share/triad"),
        _ => PathBuf::from("/var/lib/triad"),
    }
}

/// The address that this host would use to reach others; nothing is sent.
fn default_route_address() -> IpAddr {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    probe.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
