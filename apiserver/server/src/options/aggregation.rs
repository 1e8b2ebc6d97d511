//! The flags about aggregated API servers.

use super::{Exit, Flags};
use std::path::PathBuf;

#[derive(Clone)]
pub struct Aggregation {
    /// Certificate and key that this server shows to others.
    pub client_pair: Option<(PathBuf, PathBuf)>,
    /// Services are reached at their endpoints, not by their own address.
    pub by_endpoint: bool,
    /// No redirect of another server is handed on.
    pub reject_redirects: bool,
}

impl Aggregation {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        Ok(Aggregation {
            client_pair: flags.pair("proxy-client-cert-file", "proxy-client-key-file")?,
            by_endpoint: flags.flag("enable-aggregator-routing"),
            reject_redirects: flags.flag("aggregator-reject-forwarding-redirect"),
        })
    }
}
