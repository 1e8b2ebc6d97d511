//! How this server reaches kubelets and what runs in pods (kubernetes pkg/kubelet/client, pkg/registry/core/rest): by which address of a
//! node, with which certificate, and whom it believes.
//!
//! **Invariant:** what is dialled for somebody else as a proxy is neither this host nor on its link.

use crate::egress::Trust;
use crate::options;
use crate::proxy::client::DIAL;
use crate::proxy::{Client, Way};
use anyhow::{Context as _, Result, anyhow};
use arc_swap::ArcSwap;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use triad_machinery::pod::{items, text};

pub(crate) struct Kubelets {
    options: options::Kubelet,
    clients: ArcSwap<Clients>,
    /// For what runs in pods: that is reached by address, and no certificate names it.
    pub(crate) pods: Client,
}

/// Clients by the files as they were when these were read.
pub(crate) struct Clients {
    read: Vec<Option<SystemTime>>,
    /// As --kubelet-certificate-authority says.
    pub(crate) verified: Client,
    /// Whatever the kubelet shows is believed.
    pub(crate) unverified: Client,
    /// As the first, for requests that are passed on as they are.
    pub(crate) proxied: Client,
}

/// Where and how the kubelet of a node is reached.
pub(crate) struct Kubelet {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) clients: Arc<Clients>,
    /// It speaks the newest protocols of streams itself.
    pub(crate) speaks_websockets: bool,
}

impl Kubelets {
    pub(crate) fn new(options: &options::Kubelet) -> Result<Self> {
        let untrusting = Trust {
            insecure: true,
            ..Trust::default()
        };
        let pods = client(&untrusting, DIAL, true);
        Ok(Kubelets {
            options: options.clone(),
            clients: ArcSwap::from_pointee(Clients::read(options)?),
            pods: pods.map_err(|why| anyhow!(why))?,
        })
    }

    /// The clients by what the files hold now. Where these cannot be read, those before go on.
    fn clients(&self) -> Arc<Clients> {
        let current = self.clients.load_full();
        if current.read == modified(&self.options) {
            return current;
        }
        match Clients::read(&self.options) {
            Ok(anew) => {
                let anew = Arc::new(anew);
                self.clients.store(anew.clone());
                tracing::info!("kubelets are asked with other certificates now");
                anew
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the certificates for kubelets; those before stay");
                current
            }
        }
    }

    /// Where the kubelet of a node is. The error is upstream's.
    pub(crate) fn of_node(&self, node: &Value) -> Result<Kubelet, String> {
        let status = &node["status"];
        let port = status.pointer("/daemonEndpoints/kubeletEndpoint/Port");
        let port = port.and_then(Value::as_u64).unwrap_or(0);
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let mut features = items(&status["declaredFeatures"]);
        Ok(Kubelet {
            host: preferred(&status["addresses"], &self.options.address_types)?,
            port: port.unwrap_or(self.options.port),
            clients: self.clients(),
            speaks_websockets: features.any(|own| own == "ExtendWebSocketsToKubelet"),
        })
    }
}

/// The address of a node that comes first (kubernetes pkg/util/node, GetPreferredNodeAddress).
fn preferred(addresses: &Value, types: &[String]) -> Result<String, String> {
    let mut by_type = types.iter();
    let found = by_type.find_map(|of| items(addresses).find(|own| own["type"] == of.as_str()));
    let found = found.map(|address| text(&address["address"]).to_owned());
    found.ok_or_else(|| {
        let known = items(addresses).map(|own| {
            let (of, address) = (text(&own["type"]), text(&own["address"]));
            format!("{{{of} {address}}}")
        });
        let known: Vec<String> = known.collect();
        format!(
            "no preferred addresses found; known addresses: [{}]",
            known.join(" ")
        )
    })
}

fn files(options: &options::Kubelet) -> impl Iterator<Item = &PathBuf> {
    let pair = options.client_pair.iter();
    let pair = pair.flat_map(|(certificate, key)| [certificate, key]);
    pair.chain(&options.ca_file)
}

fn modified(options: &options::Kubelet) -> Vec<Option<SystemTime>> {
    files(options)
        .map(|file| std::fs::metadata(file).and_then(|of| of.modified()).ok())
        .collect()
}

impl Clients {
    fn read(options: &options::Kubelet) -> Result<Self> {
        let read = modified(options);
        let text = |file: &PathBuf| {
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let pair = options.client_pair.as_ref();
        let pair = pair.map(|(certificate, key)| anyhow::Ok((text(certificate)?, text(key)?)));
        let ca = options.ca_file.as_ref().map(text).transpose()?;
        let mut trust = Trust {
            insecure: ca.is_none(),
            ca: ca.unwrap_or_default(),
            identity: pair.transpose()?,
        };
        let dial = match options.timeout.is_zero() {
            true => DIAL,
            false => options.timeout,
        };
        let make = |trust: &Trust, global| {
            client(trust, dial, global).map_err(|why| anyhow!("the client of kubelets: {why}"))
        };
        let (verified, proxied) = (make(&trust, false)?, make(&trust, true)?);
        trust.insecure = true;
        trust.ca.clear();
        Ok(Clients {
            read,
            verified,
            unverified: make(&trust, false)?,
            proxied,
        })
    }
}

fn client(trust: &Trust, dial: Duration, global: bool) -> Result<Client, String> {
    Client::new(&Way {
        tls: trust.config()?,
        name: None,
        dial,
        global,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn types(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_order_of_types_decides_on_the_address() {
        let addresses = json!([{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "InternalIP", "address": "10.0.0.2"},
            {"type": "Hostname", "address": "n1"}]);
        let found = |names: &[&str]| preferred(&addresses, &types(names));
        assert_eq!(found(&["Hostname", "InternalIP"]), Ok("n1".to_owned()));
        assert_eq!(
            found(&["ExternalIP", "InternalIP"]),
            Ok("10.0.0.1".to_owned())
        );
        let why = "no preferred addresses found; known addresses: [{InternalIP 10.0.0.1} {InternalIP 10.0.0.2} {Hostname n1}]";
        assert_eq!(found(&["ExternalDNS"]), Err(why.to_owned()));
    }
}
