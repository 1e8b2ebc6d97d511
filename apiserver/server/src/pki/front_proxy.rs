//! The certificate that this server shows to the servers behind it.

use super::{Authority, client_params};
use crate::options::Config;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The name in a certificate of our own making.
pub(crate) const NAME: &str = "front-proxy-client";

#[derive(Clone, Default)]
pub(crate) struct FrontProxy {
    /// Certificate and key.
    pub(crate) pair: Option<(PathBuf, PathBuf)>,
    /// The CA that signed it, when that is our own.
    pub(crate) ca: Option<PathBuf>,
}

impl FrontProxy {
    /// What the flags say; where they say nothing of a front proxy at all, a pair of our own.
    pub(super) fn prepare(config: &Config, dir: &Path) -> Result<Self> {
        let pair = config.aggregation.client_pair.clone();
        if pair.is_some() || config.request_header.is_some() {
            return Ok(FrontProxy { pair, ca: None });
        }
        let ca = Authority::open_or_make(dir, "front-proxy-ca", "triad-front-proxy-ca")?;
        let pair = (
            dir.join("front-proxy-client.crt"),
            dir.join("front-proxy-client.key"),
        );
        ca.renew(&pair, client_params(NAME, None)?)?;
        Ok(FrontProxy {
            pair: Some(pair),
            ca: Some(ca.cert_path),
        })
    }
}
