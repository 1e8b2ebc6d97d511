//! The flags about kubelets: how this server reaches them, and whom it takes them for.

use super::{Exit, Flags, refuse};
use std::path::PathBuf;
use std::time::Duration;

/// Addresses that a node may have (core/v1 NodeAddressType).
const ADDRESS_TYPES: [&str; 5] = [
    "Hostname",
    "InternalDNS",
    "InternalIP",
    "ExternalDNS",
    "ExternalIP",
];

#[derive(Clone, Debug)]
pub struct Kubelet {
    /// Certificate and key that this server shows to kubelets.
    pub client_pair: Option<(PathBuf, PathBuf)>,
    /// Whose certificates kubelets have to show; without it any is good, as upstream.
    pub ca_file: Option<PathBuf>,
    /// Which of a node's addresses is taken, the first that it has.
    pub address_types: Vec<String>,
    /// How long a connection to a kubelet may take to come about.
    pub timeout: Duration,
    /// Where the kubelet of a node listens that does not say so itself.
    pub port: u16,
}

impl Kubelet {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        let address_types = flags.list("kubelet-preferred-address-types");
        if let Some(unknown) = address_types
            .iter()
            .find(|own| !ADDRESS_TYPES.contains(&own.as_str()))
        {
            let known = ADDRESS_TYPES.join(", ");
            return Err(refuse(format!(
                "--kubelet-preferred-address-types: {unknown:?} is none of {known}"
            )));
        }
        Ok(Kubelet {
            client_pair: flags.pair("kubelet-client-certificate", "kubelet-client-key")?,
            ca_file: flags.file("kubelet-certificate-authority"),
            address_types,
            timeout: flags.duration("kubelet-timeout"),
            port: super::config::port(flags, "kubelet-port")?,
        })
    }
}
