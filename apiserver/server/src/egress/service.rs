//! Where a service of the cluster is dialled: by its address, or at one of its endpoints (apiserver pkg/util/proxy/proxy.go).

use rand::seq::SliceRandom as _;
use serde_json::Value;
use triad_machinery::goformat::quote;
use triad_machinery::meta;

/// A host or address, and a port.
pub(crate) type Address = (String, u16);

/// A service as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Reference {
    /// `{namespace, name, port}`; without a port it is 443.
    pub(crate) fn read(reference: &Value) -> Self {
        let text = |field: &str| reference[field].as_str().unwrap_or("").to_owned();
        let port = reference["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        Reference {
            namespace: text("namespace"),
            name: text("name"),
            port: port.unwrap_or(443),
        }
    }

    /// The name that its certificates bear.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    pub(crate) fn not_found(&self) -> String {
        format!("service {} not found", quote(&self.name))
    }
}

/// The address of a service itself.
pub(crate) fn by_cluster_ip(service: &Value, port: u16) -> Result<Address, String> {
    let spec = &service["spec"];
    let text = |field: &str| spec[field].as_str().unwrap_or("");
    match (text("type"), text("clusterIP")) {
        ("ExternalName", _) => Ok((text("externalName").to_owned(), port)),
        ("" | "ClusterIP", "None") => {
            Err("cannot route to service with ClusterIP \"None\"".to_owned())
        }
        ("" | "ClusterIP" | "LoadBalancer" | "NodePort", address) => {
            port_of(service, port)?;
            Ok((address.to_owned(), port))
        }
        (other, _) => Err(format!("unsupported service type {}", quote(other))),
    }
}

/// One of the ready endpoints of a service, of its first address family where there is one.
pub(crate) fn by_endpoint(service: &Value, slices: &[Value], port: u16) -> Result<Address, String> {
    let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP");
    if !["ClusterIP", "LoadBalancer", "NodePort"].contains(&kind) {
        return Err(format!("unsupported service type {}", quote(kind)));
    }
    let port = port_of(service, port)?;
    let port_name = port["name"].as_str().unwrap_or("");
    let family = service["spec"]["ipFamilies"][0].as_str().unwrap_or("");
    let found = choose(slices, port_name, family, |_| true);
    let name = quote(meta::name(service));
    found.ok_or_else(|| format!("no endpoints available for service {name}"))
}

/// One of the ready endpoints at a port that are good for it; of an address family, where there is one.
pub(crate) fn choose(
    slices: &[Value],
    port_name: &str,
    family: &str,
    is_good: impl Fn(&Value) -> bool,
) -> Option<Address> {
    let mut slices: Vec<&Value> = slices.iter().collect();
    slices.shuffle(&mut rand::rng());
    slices.sort_by_key(|slice| slice["addressType"] != family);
    let mut slices = slices.into_iter();
    slices.find_map(|slice| endpoint(slice, port_name, &is_good))
}

/// A ready endpoint of a slice that has the port.
fn endpoint(slice: &Value, port_name: &str, is_good: &impl Fn(&Value) -> bool) -> Option<Address> {
    let port = named_port(slice, port_name)?;
    let mut ready: Vec<&Value> = ready_endpoints(slice).collect();
    ready.shuffle(&mut rand::rng());
    let mut good = ready.into_iter().filter(|one| is_good(one));
    let address = good.find_map(|one| one["addresses"][0].as_str())?;
    Some((address.to_owned(), port))
}

/// The port of a slice that has a name.
pub(crate) fn named_port(slice: &Value, name: &str) -> Option<u16> {
    let mut ports = slice["ports"].as_array().into_iter().flatten();
    let port = ports.find(|port| port["name"].as_str().unwrap_or("") == name)?;
    port["port"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok())
}

/// The endpoints of a slice that take requests.
pub(crate) fn ready_endpoints(slice: &Value) -> impl Iterator<Item = &Value> {
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != Value::Bool(false))
}

fn port_of(service: &Value, port: u16) -> Result<&Value, String> {
    let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let found = ports.find(|own| own["port"].as_u64() == Some(u64::from(port)));
    let name = quote(meta::name(service));
    found.ok_or_else(|| format!("no service port {port} found for service {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(spec: Value) -> Value {
        json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec})
    }

    #[test]
    fn a_service_is_dialled_by_its_address() {
        let dialled = |spec: Value, port| by_cluster_ip(&service(spec), port);
        let spec = json!({"type": "ClusterIP", "clusterIP": "10.0.0.7", "ports": [{"port": 443}]});
        assert_eq!(dialled(spec.clone(), 443), Ok(("10.0.0.7".to_owned(), 443)));
        let why = dialled(spec, 80).unwrap_err();
        assert_eq!(why, "no service port 80 found for service \"s\"");
        let external = json!({"type": "ExternalName", "externalName": "a.example"});
        assert_eq!(dialled(external, 9), Ok(("a.example".to_owned(), 9)));
        let headless = json!({"type": "ClusterIP", "clusterIP": "None", "ports": [{"port": 443}]});
        let why = dialled(headless, 443).unwrap_err();
        assert_eq!(why, "cannot route to service with ClusterIP \"None\"");
    }

    #[test]
    fn an_endpoint_is_ready_has_the_port_and_is_of_the_first_family() {
        let service = service(
            json!({"type": "ClusterIP", "ipFamilies": ["IPv6", "IPv4"], "ports": [{"port": 443, "name": "https"}]}),
        );
        let slice = |family: &str, port: &str, endpoints: Value| json!({"addressType": family, "ports": [{"name": port, "port": 8443}], "endpoints": endpoints});
        let four = slice("IPv4", "https", json!([{"addresses": ["10.1.0.1"]}]));
        let six = slice(
            "IPv6",
            "https",
            json!([{"addresses": ["fd00::2"], "conditions": {"ready": false}}, {"addresses": ["fd00::1"]}]),
        );
        let other = slice("IPv6", "metrics", json!([{"addresses": ["fd00::9"]}]));
        let found = |slices: &[Value]| by_endpoint(&service, slices, 443);
        for _ in 0..20 {
            let all = [other.clone(), four.clone(), six.clone()];
            assert_eq!(found(&all), Ok(("fd00::1".to_owned(), 8443)));
        }
        assert_eq!(found(&[four]), Ok(("10.1.0.1".to_owned(), 8443)));
        let why = found(&[other]).unwrap_err();
        assert_eq!(why, "no endpoints available for service \"s\"");
    }
}
