//! The command line under the name `etcd`: what etcd's flags ask for is built in, and only /health is served.

use super::Exit;
use std::net::{Ipv4Addr, SocketAddr};

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
