//! The validated configuration that the server is built from. Every relation between flags is checked here.

use super::audit::Audit;
use super::authentication;
use super::backups::Backups;
use super::controllers::Controllers;
use super::{Exit, Flags};
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
    pub tls_min_13: bool,
    pub http2: bool,
    pub http2_max_streams: u32,
    pub client_ca_file: Option<PathBuf>,
    pub token_auth_file: Option<PathBuf>,
    pub authentication: Authentication,
    pub token_webhook: Option<TokenWebhook>,
    pub request_header: Option<RequestHeader>,
    pub service_account_issuers: Vec<String>,
    pub service_account_key_files: Vec<PathBuf>,
    pub service_account_signing_key_file: Option<PathBuf>,
    pub api_audiences: Vec<String>,
    pub authorization: Authorization,
    pub service_cidr: IpNet,
    pub node_ports: (u16, u16),
    pub kubernetes_service_node_port: u16,
    pub endpoint_reconciler: bool,
    pub runtime_config: Vec<(String, bool)>,
    pub disabled_admission: Vec<String>,
    pub enabled_admission: Vec<String>,
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
    pub verbosity: i64,
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
    /// `drop_in`: started under the name kube-apiserver, whose data lies under --cert-dir unless told otherwise.
    pub fn new(flags: &Flags, drop_in: bool) -> Result<Self, Exit> {
        let refuse = |text: String| Exit { code: 1, text };
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
                "--insecure-bind-address {insecure_ip} is not a loopback address; the insecure port has no authentication\n"
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
                "--service-cluster-ip-range {cidr_text:?} is not a CIDR such as 10.0.0.0/24\n"
            ))
        })?;
        if service_cidr.max_prefix_len() - service_cidr.prefix_len() < 3 {
            return Err(refuse(format!(
                "--service-cluster-ip-range {cidr_text} is too small: it must hold at least 8 addresses\n"
            )));
        }
        let tls_pair = match (
            flags.text("tls-cert-file"),
            flags.text("tls-private-key-file"),
        ) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => {
                return Err(refuse(
                    "--tls-cert-file and --tls-private-key-file go together\n".to_owned(),
                ));
            }
        };
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
                "--peer-listen {peer_listen:?} is not an address such as :2380 or 10.0.0.1:2380\n"
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
            tls_min_13: match flags.text("tls-min-version").as_deref() {
                None | Some("VersionTLS12") | Some("VersionTLS11") | Some("VersionTLS10") => false,
                Some("VersionTLS13") => true,
                Some(other) => {
                    return Err(refuse(format!(
                        "unknown tls version {other:?}; possible values: VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13\n"
                    )));
                }
            },
            http2: !flags.flag("disable-http2-serving"),
            http2_max_streams: u32::try_from(flags.integer("http2-max-streams-per-connection"))
                .ok()
                .filter(|n| *n > 0)
                .unwrap_or(100),
            client_ca_file: flags.text("client-ca-file").map(Into::into),
            token_auth_file: flags.text("token-auth-file").map(Into::into),
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
            service_account_issuers: flags.list("service-account-issuer"),
            service_account_key_files: flags
                .list("service-account-key-file")
                .into_iter()
                .map(Into::into)
                .collect(),
            service_account_signing_key_file: flags
                .text("service-account-signing-key-file")
                .map(Into::into),
            api_audiences: flags.list("api-audiences"),
            authorization: authorization(flags)?,
            service_cidr,
            node_ports: node_ports(flags)?,
            kubernetes_service_node_port: self::port(flags, "kubernetes-service-node-port")?,
            endpoint_reconciler: match flags.text("endpoint-reconciler-type").as_deref() {
                None | Some("lease") | Some("master-count") => true,
                Some("none") => false,
                Some(other) => {
                    return Err(refuse(format!(
                        "--endpoint-reconciler-type {other:?} must be one of: master-count, lease, none\n"
                    )));
                }
            },
            runtime_config: runtime_config(flags)?,
            disabled_admission: flags.list("disable-admission-plugins"),
            enabled_admission: flags.list("enable-admission-plugins"),
            toleration_seconds: (
                flags.integer("default-not-ready-toleration-seconds"),
                flags.integer("default-unreachable-toleration-seconds"),
            ),
            controllers: Controllers::new(flags.list("controllers"))?,
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
            verbosity: flags.integer("v"),
        })
    }
}

/// The shortest and the longest election timeout, in milliseconds.
fn election(flags: &Flags) -> Result<(u64, u64), Exit> {
    let (min, max) = (
        flags.duration("election-timeout-min"),
        flags.duration("election-timeout-max"),
    );
    if min < Duration::from_millis(30) || max <= min {
        return Err(Exit {
            code: 1,
            text: format!(
                "--election-timeout-min {min:?} must be at least 30ms, and --election-timeout-max {max:?} more than that\n"
            ),
        });
    }
    Ok((min.as_millis() as u64, max.as_millis() as u64))
}

/// What the `etcd` name understands: the store is built in, so only /health is served.
pub struct Etcd {
    pub listen: Vec<SocketAddr>,
}

impl Etcd {
    pub fn new(args: impl IntoIterator<Item = String>) -> Result<Self, Exit> {
        const TAKEN: [&str; 11] = [
            "listen-client-urls",
            "advertise-client-urls",
            "listen-peer-urls",
            "data-dir",
            "unsafe-no-fsync",
            "name",
            "initial-advertise-peer-urls",
            "initial-cluster",
            "logger",
            "log-level",
            "listen-metrics-urls",
        ];
        let mut listen = Vec::new();
        let mut args = args.into_iter().peekable();
        while let Some(arg) = args.next() {
            let body = arg.trim_start_matches('-');
            let (name, value) = body
                .split_once('=')
                .map_or((body.to_owned(), None), |(n, v)| {
                    (n.to_owned(), Some(v.to_owned()))
                });
            if !arg.starts_with('-') || !TAKEN.contains(&name.as_str()) {
                return Err(Exit {
                    code: 1,
                    text: format!(
                        "unknown argument {arg:?}: the store is built into kube-apiserver; this name only answers /health\n"
                    ),
                });
            }
            let value = value.or_else(|| args.next_if(|next| !next.starts_with('-')));
            if name == "listen-client-urls" {
                for url in value.unwrap_or_default().split(',') {
                    let host = url
                        .trim_start_matches("http://")
                        .trim_start_matches("https://")
                        .trim_end_matches('/')
                        .replace("localhost", "127.0.0.1");
                    listen.push(host.parse().map_err(|_| Exit { code: 1, text: format!("--listen-client-urls: {url:?} is not a URL with an address and a port\n") })?);
                }
            }
        }
        if listen.is_empty() {
            listen.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 2379)));
        }
        Ok(Etcd { listen })
    }
}

fn port(flags: &Flags, name: &str) -> Result<u16, Exit> {
    let number = flags.integer(name);
    u16::try_from(number).map_err(|_| Exit {
        code: 1,
        text: format!("--{name} {number} must be a port between 0 and 65535\n"),
    })
}

fn node_ports(flags: &Flags) -> Result<(u16, u16), Exit> {
    let text = flags
        .text("service-node-port-range")
        .unwrap_or_else(|| "30000-32767".to_owned());
    let bad = || Exit {
        code: 1,
        text: format!("--service-node-port-range {text:?} must be FIRST-LAST or FIRST+SIZE\n"),
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

fn authorization(flags: &Flags) -> Result<Authorization, Exit> {
    let of_flags = [
        "authorization-mode",
        "authorization-policy-file",
        "authorization-webhook-config-file",
        "authorization-webhook-version",
        "authorization-webhook-cache-authorized-ttl",
        "authorization-webhook-cache-unauthorized-ttl",
    ];
    let path = |name: &str| flags.text(name).map(PathBuf::from);
    let config_file = path("authorization-config");
    let beside = of_flags
        .into_iter()
        .filter(|name| *name != "authorization-policy-file");
    if let Some(other) = beside
        .into_iter()
        .find(|name| config_file.is_some() && flags.is_set(name))
    {
        return Err(Exit {
            code: 1,
            text: format!("--authorization-config can not be specified when --{other} is\n"),
        });
    }
    let modes = authorization_modes(flags)?;
    let lacks = |mode: &str, file: &str| {
        modes.iter().any(|own| own == mode) && path(file).is_none() && config_file.is_none()
    };
    for (mode, file) in [
        ("ABAC", "authorization-policy-file"),
        ("Webhook", "authorization-webhook-config-file"),
    ] {
        if lacks(mode, file) {
            return Err(Exit {
                code: 1,
                text: format!("--authorization-mode={mode} wants --{file}\n"),
            });
        }
    }
    let version = flags
        .text("authorization-webhook-version")
        .unwrap_or_default();
    if !["v1", "v1beta1"].contains(&version.as_str()) {
        return Err(Exit {
            code: 1,
            text: format!("--authorization-webhook-version {version:?}: v1 or v1beta1\n"),
        });
    }
    Ok(Authorization {
        modes,
        config_file,
        policy_file: path("authorization-policy-file"),
        webhook_config_file: path("authorization-webhook-config-file"),
        webhook_version: version,
        webhook_ttls: (
            flags.duration("authorization-webhook-cache-authorized-ttl"),
            flags.duration("authorization-webhook-cache-unauthorized-ttl"),
        ),
    })
}

fn authorization_modes(flags: &Flags) -> Result<Vec<String>, Exit> {
    const KNOWN: [&str; 6] = [
        "AlwaysAllow",
        "AlwaysDeny",
        "ABAC",
        "Webhook",
        "RBAC",
        "Node",
    ];
    let modes = flags.list("authorization-mode");
    for mode in &modes {
        if !KNOWN.contains(&mode.as_str()) {
            return Err(Exit {
                code: 1,
                text: format!(
                    "unknown authorization mode {mode:?}: one of {}\n",
                    KNOWN.join(", ")
                ),
            });
        }
    }
    Ok(modes)
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
                _ => Err(Exit {
                    code: 1,
                    text: format!("--runtime-config {item:?}: the value must be true or false\n"),
                }),
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
