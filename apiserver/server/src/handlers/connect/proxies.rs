//! Where the proxy subresources of pods, services and nodes lead to (kubernetes pkg/registry/core/{pod,node}/strategy.go and
//! service/storage/storage.go, ResourceLocation).

use super::pods;
use crate::egress::service::{Reference, choose};
use crate::handlers::Call;
use crate::proxy::client::{NOT_ALLOWED, global_addresses, is_global};
use crate::proxy::location::authority;
use crate::proxy::{Client, Location};
use serde_json::Value;
use std::net::IpAddr;
use triad_machinery::goformat::quote;
use triad_machinery::pod::{items, text};
use triad_machinery::status::Status;

/// What a name in the path means: NAME, NAME:PORT or SCHEME:NAME:PORT.
struct Asked<'a> {
    scheme: &'static str,
    name: &'a str,
    port: &'a str,
}

/// Who answers in the object's place, and how that is reached.
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) location: Location,
}

/// Where a request leads to: the root of it.
pub(super) async fn target(call: &Call) -> Result<Target, Status> {
    let plural = &*call.endpoint.resource.plural;
    let kind = plural.trim_end_matches('s');
    let unreadable = || format!("invalid {kind} request {}", quote(call.name()));
    let asked = Asked::read(call.name()).ok_or_else(|| Status::bad_request(unreadable()))?;
    match plural {
        "pods" => pod(call, &asked).await,
        "services" => service(call, &asked).await,
        _ => node(call, &asked).await,
    }
}

impl<'a> Asked<'a> {
    /// apimachinery pkg/util/net, SplitSchemeNamePort. A port that is none cannot stand in a URL.
    fn read(id: &'a str) -> Option<Self> {
        let parts: Vec<&str> = id.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        let scheme = match scheme {
            "" | "http" => "http",
            "https" => "https",
            _ => return None,
        };
        (!name.is_empty()).then_some(Asked { scheme, name, port })
    }

    fn at(&self, client: &Client, authority: String) -> Target {
        Target {
            client: client.clone(),
            location: Location {
                scheme: self.scheme,
                authority,
                path: String::new(),
                query: String::new(),
            },
        }
    }
}

fn not_allowed() -> Status {
    Status::bad_request(NOT_ALLOWED)
}

async fn pod(call: &Call, asked: &Asked<'_>) -> Result<Target, Status> {
    let pod = call.registry()?.get(call.namespace(), asked.name).await?;
    let pod = pod.object;
    let address = addresses(&pod).next().unwrap_or("");
    let global: Option<IpAddr> = address.parse().ok().filter(|address| is_global(*address));
    global.ok_or_else(not_allowed)?;
    let mut ports = items(&pod["spec"]["containers"]).flat_map(|own| items(&own["ports"]));
    let authority = match (asked.port, ports.next()) {
        ("", None) if address.contains(':') => format!("[{address}]"),
        ("", None) => address.to_owned(),
        ("", Some(port)) => authority(address, &port["containerPort"]),
        (port, _) => authority(address, port),
    };
    Ok(asked.at(&call.api.kubelets.pods, authority))
}

/// The addresses of a pod, its first one first.
fn addresses(pod: &Value) -> impl Iterator<Item = &str> {
    let status = &pod["status"];
    let many = items(&status["podIPs"]).map(|of| text(&of["ip"]));
    let one = text(&status["podIP"]);
    let alone = items(&status["podIPs"]).next().is_none() && !one.is_empty();
    many.chain(alone.then_some(one))
}

async fn service(call: &Call, asked: &Asked<'_>) -> Result<Target, Status> {
    let mut port_name = asked.port.to_owned();
    if let Ok(number) = asked.port.parse::<i64>() {
        let service = call.registry()?.get(call.namespace(), asked.name).await?;
        let mut ports = items(&service.object["spec"]["ports"]);
        let port = ports.find(|port| port["port"].as_i64() == Some(number));
        let name = quote(asked.name);
        let missing = || format!("no service port {number} found for service {name}");
        let port = port.ok_or_else(|| Status::service_unavailable(missing()))?;
        port_name = text(&port["name"]).to_owned();
    }
    let reference = Reference {
        namespace: call.namespace().to_owned(),
        name: asked.name.to_owned(),
        port: 0,
    };
    let slices = call.api.aggregation.slices_of(&reference);
    let family = match call.api.config.service_cidr {
        ipnet::IpNet::V4(_) => "IPv4",
        ipnet::IpNet::V6(_) => "IPv6",
    };
    let found = choose(&slices, &port_name, family, |end| is_pod(call, end));
    let (address, port) = found.ok_or_else(|| {
        let name = quote(asked.name);
        Status::service_unavailable(format!("no endpoints available for service {name}"))
    })?;
    Ok(asked.at(&call.api.kubelets.pods, authority(&address, port)))
}

/// Whether an endpoint is a pod of the service's namespace and has its address: whoever writes endpoints leads nobody anywhere else.
fn is_pod(call: &Call, endpoint: &Value) -> bool {
    let of = &endpoint["targetRef"];
    let Ok(pods) = pods::registry(call, "pods") else {
        return false;
    };
    if of.is_null() || text(&of["namespace"]) != call.namespace() {
        return false;
    }
    let pod = pods.get_local(call.namespace(), text(&of["name"]));
    let pod = pod.ok().flatten().map(|pod| pod.object);
    let own = text(&endpoint["addresses"][0]);
    pod.is_some_and(|pod| addresses(&pod).any(|address| address == own))
}

async fn node(call: &Call, asked: &Asked<'_>) -> Result<Target, Status> {
    let kubelet = pods::kubelet(call, asked.name).await?;
    let checked = global_addresses(&kubelet.host, kubelet.port).await;
    checked.map_err(Status::bad_request)?;
    let own = kubelet.port.to_string();
    if asked.port.is_empty() || asked.port == own {
        let asked = Asked {
            scheme: "https",
            ..*asked
        };
        let at = authority(&kubelet.host, own);
        return Ok(asked.at(&kubelet.clients.proxied, at));
    }
    let at = authority(&kubelet.host, asked.port);
    Ok(asked.at(&call.api.kubelets.pods, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_a_scheme_and_a_port() {
        let read = |id| Asked::read(id).map(|asked| (asked.scheme, asked.name, asked.port));
        assert_eq!(read("a"), Some(("http", "a", "")));
        assert_eq!(read("a:web"), Some(("http", "a", "web")));
        assert_eq!(read("https:a:443"), Some(("https", "a", "443")));
        assert_eq!(read("https:a:"), Some(("https", "a", "")));
        for wrong in ["", ":80", "ftp:a:21", "a:b:c:d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
