//! Says on each API service whether it can be used (kube-aggregator pkg/controllers/status): a local one always, a remote one when its
//! service is there and a discovery document comes from it. A part of the server itself, on every member.

use super::remote::{AGGREGATOR, Ask, Remote};
use super::{Aggregation, own};
use crate::api::Api;
use crate::controllers::status::Resource;
use crate::egress::service::{named_port, ready_endpoints};
use crate::registry::apiregistration::api_services::local;
use crate::registry::conditions::Condition;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use triad_kv::Revision;
use triad_machinery::goformat::quote;

/// How often a server is asked, since what leads to it cannot be watched.
const ASK_EVERY: Duration = Duration::from_secs(30);
const WITHIN: Duration = Duration::from_secs(5);
/// How often it is asked at a time: one answer is enough.
const ATTEMPTS: usize = 5;
/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// When a remote one is looked at again, and what was seen of it.
struct Due {
    at: Instant,
    failures: u32,
    remote: Arc<Remote>,
    /// The revisions of its service and endpoints.
    seen: Vec<Revision>,
    running: bool,
}

/// Follows API services, services and endpoint slices for as long as the server runs.
pub(crate) async fn watch_over(api: Arc<Api>) {
    let place = ("apiregistration.k8s.io", "v1", "apiservices");
    let Some(resource) = Resource::new(&api, place, "kube-apiserver") else {
        return;
    };
    if let Err(status) = own::register(&api, &resource).await {
        tracing::warn!(%status, "cannot bring the server's own API services in order");
    }
    let aggregation = &api.aggregation;
    let mut changes = aggregation.changes();
    let mut due: HashMap<String, Due> = HashMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        changes.mark_unchanged();
        let (services_at, slices_at) = (
            aggregation.services.snapshot().revision,
            aggregation.slices.snapshot().revision,
        );
        let settled = settle(aggregation, &resource).await;
        refresh(aggregation, &mut due);
        let now = Instant::now();
        for one in due.values_mut().filter(|one| !one.running && one.at <= now) {
            one.running = true;
            running.push(check(aggregation, &resource, one.remote.clone()));
        }
        let waiting = due.values().filter(|one| !one.running);
        let next = waiting.map(|one| one.at).min();
        let next = next.unwrap_or(now + ASK_EVERY);
        let next = if settled {
            next
        } else {
            next.min(now + Duration::from_secs(1))
        };
        let remote = !due.is_empty();
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = api.cacher.changed(&aggregation.services, services_at), if remote => {}
            () = api.cacher.changed(&aggregation.slices, slices_at), if remote => {}
            Some((remote, good)) = running.next(), if !running.is_empty() => done(&mut due, &remote, good),
            () = sleep_until(next) => {}
        }
    }
}

/// Local ones are always available. False: not all could be told so.
async fn settle(aggregation: &Aggregation, own: &Resource) -> bool {
    let table = aggregation.table();
    let mut all = true;
    for service in table.all().filter(|s| s.remote.is_none() && !s.settled) {
        let set =
            |object: &mut Value| object.pointer("/spec/service").is_none() && local().set(object);
        if let Err(status) = own.update_status("", &service.name, set).await {
            tracing::warn!(api_service = service.name, %status, "cannot write the condition; trying again");
            all = false;
        }
    }
    all
}

/// Brings what is due level with the table: what is new or changed, itself or on the way to it, is due now.
fn refresh(aggregation: &Aggregation, due: &mut HashMap<String, Due>) {
    let table = aggregation.table();
    due.retain(|name, _| {
        let service = table.by_name.get(name);
        service.is_some_and(|service| service.remote.is_some())
    });
    let now = Instant::now();
    for (service, remote) in table.remotes() {
        let seen = surroundings(aggregation, remote);
        match due.get_mut(&service.name) {
            Some(known) if Arc::ptr_eq(&known.remote, remote) && known.seen == seen => {}
            Some(known) => {
                (known.at, known.failures) = (now, 0);
                (known.remote, known.seen) = (remote.clone(), seen);
            }
            None => {
                let new = Due {
                    at: now,
                    failures: 0,
                    remote: remote.clone(),
                    seen,
                    running: false,
                };
                due.insert(service.name.clone(), new);
            }
        }
    }
}

/// What tells whether a service or its endpoints are others.
fn surroundings(aggregation: &Aggregation, remote: &Remote) -> Vec<Revision> {
    let service = &remote.service;
    let key = aggregation
        .services
        .layout
        .key(&service.namespace, &service.name);
    let found = aggregation.services.get(&key);
    let mut seen = vec![found.map_or(Revision(0), |found| found.revision)];
    let slices = aggregation.slices_at(service);
    seen.extend(slices.iter().map(|slice| slice.revision));
    seen
}

fn done(due: &mut HashMap<String, Due>, remote: &Arc<Remote>, good: bool) {
    let Some(one) = due.get_mut(&remote.name) else {
        return;
    };
    one.running = false;
    if !Arc::ptr_eq(&one.remote, remote) {
        return;
    }
    let now = Instant::now();
    if good {
        (one.at, one.failures) = (now + ASK_EVERY, 0);
    } else {
        let pause = FIRST_PAUSE.saturating_mul(1 << one.failures.min(16));
        (one.at, one.failures) = (now + pause.min(LONGEST_PAUSE), one.failures + 1);
    }
}

/// Looks at one; whether it need not be looked at again soon.
async fn check(
    aggregation: &Aggregation,
    own: &Resource,
    remote: Arc<Remote>,
) -> (Arc<Remote>, bool) {
    let (condition, asked) = match before_asking(aggregation, &remote) {
        Some(condition) => (condition, true),
        None => match ask(aggregation, &remote).await {
            Ok(()) => (say(true, "Passed", "all checks passed".to_owned()), true),
            Err(why) => (say(false, "FailedDiscoveryCheck", why), false),
        },
    };
    let written = own.update_status("", &remote.name, |object| {
        let same = object.get("spec").is_some_and(|spec| remote.is_of(spec));
        same && condition.set(object)
    });
    if let Err(status) = written.await {
        tracing::warn!(api_service = remote.name, %status, "cannot write the condition; trying again");
        return (remote, false);
    }
    (remote, asked)
}

fn say(status: bool, reason: &'static str, message: String) -> Condition {
    Condition::new("Available", status, reason, message)
}

/// What can be said without asking.
fn before_asking(aggregation: &Aggregation, remote: &Remote) -> Option<Condition> {
    let reference = &remote.service;
    let key = aggregation
        .services
        .layout
        .key(&reference.namespace, &reference.name);
    let service = aggregation.services.get(&key);
    let service = service.and_then(|found| found.object(&aggregation.services.layout).ok());
    judge(remote, service.as_ref(), || {
        aggregation.slices_of(reference)
    })
}

fn judge(
    remote: &Remote,
    service: Option<&Value>,
    slices: impl FnOnce() -> Vec<Value>,
) -> Option<Condition> {
    let reference = &remote.service;
    let shown = format!(
        "service/{} in {}",
        reference.name,
        quote(&reference.namespace)
    );
    let no = |reason, message| Some(say(false, reason, message));
    let Some(service) = service else {
        return no("ServiceNotFound", format!("{shown} is not present"));
    };
    let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP");
    if kind != "ClusterIP" {
        return None;
    }
    let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let Some(port) = ports.find(|port| port["port"] == reference.port) else {
        let message = format!("{shown} is not listening on port {}", reference.port);
        return no("ServicePortError", message);
    };
    let port_name = port["name"].as_str().unwrap_or("");
    let slices = slices();
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for {shown}");
        return no("EndpointsNotFound", message);
    }
    let takes = |slice: &Value| {
        named_port(slice, port_name).is_some() && ready_endpoints(slice).next().is_some()
    };
    if !slices.iter().any(takes) {
        let port_name = quote(port_name);
        let message =
            format!("endpointslices for {shown} have no addresses with port name {port_name}");
        return no("MissingEndpoints", message);
    }
    None
}

/// Asks a few times at once, each at an endpoint of its own choice; one good answer will do.
async fn ask(aggregation: &Aggregation, remote: &Remote) -> Result<(), String> {
    let mut asked: FuturesUnordered<_> = (0..ATTEMPTS)
        .map(|_| ask_once(aggregation, remote))
        .collect();
    let mut last = Ok(());
    while let Some(answer) = asked.next().await {
        last = answer;
        if last.is_ok() {
            break;
        }
    }
    last
}

async fn ask_once(aggregation: &Aggregation, remote: &Remote) -> Result<(), String> {
    let address = aggregation.resolve(&remote.service)?;
    let path = remote.path();
    let url = super::remote::uri(&address, &path)?;
    let ask = Ask {
        method: Method::GET,
        user: AGGREGATOR,
        path: &path,
        accept: "",
        known: "",
        // Whoever asks for discovery may have it; this way it does not depend on rules.
        groups: &["system:masters"],
        pseudonym: &aggregation.pseudonym,
        within: WITHIN,
    };
    let missing = |why: String| format!("failing or missing response from {url}: {why}");
    match remote.ask(&address, &ask).await {
        Ok(document) if (200..300).contains(&document.code) => Ok(()),
        Ok(document) => Err(missing(format!("bad status from {url}: {}", document.code))),
        Err(why) => Err(missing(format!("Get {}: {why}", quote(&url.to_string())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let spec = json!({"group": "a.io", "version": "v1", "service": {"namespace": "n", "name": "s", "port": 443}});
        let remote = Remote::new("v1.a.io", &spec, &None);
        let reason = |service: Option<Value>, slices: Vec<Value>| {
            let judged = judge(&remote, service.as_ref(), || slices);
            judged.map_or("", |condition| condition.reason)
        };
        let service = |kind: &str, port: i64| {
            let spec = json!({"type": kind, "ports": [{"port": port, "name": "https"}]});
            Some(json!({"metadata": {"namespace": "n", "name": "s"}, "spec": spec}))
        };
        let slice =
            |port: Value, endpoints: Value| json!({"ports": [port], "endpoints": endpoints});
        let good = || json!({"name": "https", "port": 8443});
        let there = || json!([{"addresses": ["10.0.0.1"]}]);
        assert_eq!(reason(None, vec![]), "ServiceNotFound");
        assert_eq!(reason(service("ExternalName", 80), vec![]), "");
        assert_eq!(reason(service("ClusterIP", 80), vec![]), "ServicePortError");
        let ours = || service("ClusterIP", 443);
        assert_eq!(reason(ours(), vec![]), "EndpointsNotFound");
        let unready = json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]);
        for slice in [
            slice(good(), json!([])),
            slice(good(), unready),
            slice(json!({"name": "metrics", "port": 1}), there()),
            slice(json!({"name": "https"}), there()),
        ] {
            assert_eq!(reason(ours(), vec![slice]), "MissingEndpoints");
        }
        assert_eq!(reason(ours(), vec![slice(good(), there())]), "");
    }
}
