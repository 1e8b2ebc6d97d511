//! Where a request comes from, as far as its head says.

use http::HeaderMap;
use http::header::USER_AGENT;
use std::net::IpAddr;

/// A User-Agent is kept up to here.
const LONGEST_AGENT: usize = 1024;

pub(super) fn agent(headers: &HeaderMap) -> String {
    let given = headers.get(USER_AGENT).map_or(&b""[..], |v| v.as_bytes());
    let text = String::from_utf8_lossy(&given[..given.len().min(LONGEST_AGENT)]);
    match given.len() > LONGEST_AGENT {
        true => format!("{text}...TRUNCATED"),
        false => text.into_owned(),
    }
}

/// Whom proxies name, then who is connected (apimachinery pkg/util/net/http.go SourceIPs). All but the last are what a client says.
pub(super) fn sources(headers: &HeaderMap, peer: IpAddr) -> Vec<IpAddr> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
    };
    let forwarded = text("x-forwarded-for").split(',');
    let mut found: Vec<IpAddr> = forwarded.filter_map(|ip| ip.trim().parse().ok()).collect();
    if let Ok(real) = text("x-real-ip").parse()
        && !found.contains(&real)
    {
        found.push(real);
    }
    let peer = peer.to_canonical();
    if found.last() != Some(&peer) {
        found.push(peer);
    }
    found
}
