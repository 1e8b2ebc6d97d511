//! A simulated cluster: what the nodes, controllers and users of a cluster of this size ask of its API server, at their rates. The
//! node count gives the heartbeats, the churn of pods is said; every kubelet watches its pods.
//!
//! Rates are those of upstream's components: a Lease renewed every 10 s (kubelet's nodeLeaseDurationSeconds 40, a quarter of it),
//! a node's status every 5 min (nodeStatusReportFrequency), for each pod three Events and one status on its way up.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::figures::Span;
use super::link::{Call, Connection, Failure, Http, Link};
use super::load::{self, Plan, Turn, Work};
use super::metrics::Latencies;
use super::objects::{Body, Kind, NAMESPACE, Wire, name_of, node_name, now, pod_of};
use super::population;
use super::process::Processes;
use super::tally::{Done, Tally};
use crate::api::Client;

/// Pods created a second, and as many deleted, when no rate is given.
const CHURN: f64 = 100.0;
const RENEWAL_SECONDS: f64 = 10.0;
const STATUS_SECONDS: f64 = 300.0;
const EVENTS_PER_POD: f64 = 3.0;
/// Seconds between two LISTs of all pods from the cache, as a controller that restarts asks for them.
const LIST_SECONDS: f64 = 30.0;
/// Watches of all pods: scheduler, controllers, and one more.
const CONTROLLERS: usize = 3;
/// Kubelets' watches on one connection: in earnest each has its own, which would measure this machine's sockets.
const WATCHES_PER_CONNECTION: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    RenewLease,
    ReportNode,
    CreatePod,
    ReportPod,
    Event,
    DeletePod,
    ListPods,
}

/// What happens next, each thing at its rate and evenly spread: the one that is owed most.
struct Turns {
    rates: [(Act, f64); 7],
    owed: [f64; 7],
}

impl Turns {
    fn new(nodes: usize, churn: f64) -> Self {
        let nodes = nodes as f64;
        let rates = [
            (Act::RenewLease, nodes / RENEWAL_SECONDS),
            (Act::ReportNode, nodes / STATUS_SECONDS),
            (Act::CreatePod, churn),
            (Act::ReportPod, churn),
            (Act::Event, churn * EVENTS_PER_POD),
            (Act::DeletePod, churn),
            (Act::ListPods, 1.0 / LIST_SECONDS),
        ];
        Self {
            rates,
            owed: [0.0; 7],
        }
    }

    fn per_second(&self) -> f64 {
        self.rates.iter().map(|(_, rate)| rate).sum()
    }

    fn next(&mut self) -> Act {
        let mut most = 0;
        for (at, (_, rate)) in self.rates.iter().enumerate() {
            self.owed[at] += rate;
            if self.owed[at] > self.owed[most] {
                most = at;
            }
        }
        self.owed[most] -= self.per_second();
        self.rates[most].0
    }
}

/// What the clients of a simulation share.
struct Life {
    run: String,
    nodes: usize,
    state: Mutex<State>,
}

struct State {
    turns: Turns,
    renewed: usize,
    reported: usize,
    born: u64,
    events: u64,
    /// Pods that were created and have no status yet, then those that may go. Both are as long as the churn is fast.
    starting: VecDeque<String>,
    running: VecDeque<String>,
    /// The resourceVersion of each node's Lease; none while it is being renewed, or unknown.
    versions: Vec<Option<String>>,
}

/// One of the clients that act for the cluster.
struct Actor {
    life: Arc<Life>,
}

impl Work for Actor {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            let act = self.life.state.lock().turns.next();
            match act {
                Act::RenewLease => self.renew(link).await,
                Act::ReportNode => self.report_node(link).await,
                Act::CreatePod => self.create_pod(link).await,
                Act::ReportPod => self.report_pod(link).await,
                Act::Event => self.event(link).await,
                Act::DeletePod => self.delete_pod(link).await,
                Act::ListPods => {
                    let path = format!("{}?resourceVersion=0", Kind::Pod.path(NAMESPACE));
                    let call = Call::get(path, Wire::Protobuf.media_type());
                    let received = link.drain(call).await?;
                    Ok(Done { sent: 0, received })
                }
            }
        })
    }
}

impl Actor {
    async fn renew(&self, link: &mut Link) -> Result<Done, Failure> {
        let (number, version) = {
            let state = &mut *self.life.state.lock();
            state.renewed = (state.renewed + 1) % self.life.nodes;
            (state.renewed, state.versions[state.renewed].take())
        };
        let mut body = Body::new(Kind::Lease, Wire::Protobuf);
        let name = name_of(Kind::Lease, number);
        let path = format!("{}/{name}", Kind::Lease.path(NAMESPACE));
        body.set_name(&name);
        body.set("/spec/renewTime", now().into());
        let version = match version {
            Some(version) => version,
            None => body.version_of(
                &link
                    .fetch(Call::get(path.clone(), body.media_type()))
                    .await?,
            )?,
        };
        body.set_version(&version);
        let media_type = body.media_type();
        let call = Call::with(Method::PUT, path, media_type, media_type, body.bytes());
        let sent = call.body.len() as u64;
        let answer = link.fetch(call).await?;
        self.life.state.lock().versions[number] = Some(body.version_of(&answer)?);
        Ok(Done {
            sent,
            received: answer.len() as u64,
        })
    }

    async fn report_node(&self, link: &mut Link) -> Result<Done, Failure> {
        let number = {
            let state = &mut *self.life.state.lock();
            state.reported = (state.reported + 1) % self.life.nodes;
            state.reported
        };
        let seen = time_seconds();
        let condition = |(kind, status): (&str, &str)| {
            json!({"type": kind, "status": status, "reason": "KubeletHasSufficient", "message": "kubelet has sufficient resources",
                "lastHeartbeatTime": seen})
        };
        let conditions = [
            ("MemoryPressure", "False"),
            ("DiskPressure", "False"),
            ("PIDPressure", "False"),
            ("Ready", "True"),
        ];
        let patch = json!({"status": {"conditions": conditions.map(condition)}});
        let path = format!(
            "{}/{}/status",
            Kind::Node.path(NAMESPACE),
            node_name(number)
        );
        patch_status(link, path, &patch).await
    }

    async fn create_pod(&self, link: &mut Link) -> Result<Done, Failure> {
        let number = {
            let state = &mut *self.life.state.lock();
            state.born += 1;
            state.born
        };
        let name = format!("life-{}-{number}", self.life.run);
        let node = number as usize % self.life.nodes;
        let done = create(link, Kind::Pod, &pod_of(node, self.life.nodes).named(&name)).await?;
        self.life.state.lock().starting.push_back(name);
        Ok(done)
    }

    async fn report_pod(&self, link: &mut Link) -> Result<Done, Failure> {
        let Some(name) = self.life.state.lock().starting.pop_front() else {
            return self.renew(link).await;
        };
        let at = time_seconds();
        let condition =
            |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": at});
        let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
        let patch = json!({"status": {"phase": "Running", "podIP": "10.1.2.3", "startTime": at,
            "conditions": conditions.map(condition)}});
        let path = format!("{}/{name}/status", Kind::Pod.path(NAMESPACE));
        let done = patch_status(link, path, &patch).await?;
        self.life.state.lock().running.push_back(name);
        Ok(done)
    }

    async fn event(&self, link: &mut Link) -> Result<Done, Failure> {
        let number = {
            let state = &mut *self.life.state.lock();
            state.events += 1;
            state.events
        };
        let name = format!("life-{}-{number}", self.life.run);
        create(
            link,
            Kind::Event,
            &Body::new(Kind::Event, Wire::Protobuf).named(&name),
        )
        .await
    }

    async fn delete_pod(&self, link: &mut Link) -> Result<Done, Failure> {
        let Some(name) = self.life.state.lock().running.pop_front() else {
            return self.renew(link).await;
        };
        let path = format!("{}/{name}?gracePeriodSeconds=0", Kind::Pod.path(NAMESPACE));
        let media_type = Wire::Protobuf.media_type();
        let call = Call::with(Method::DELETE, path, media_type, "", Bytes::new());
        let received = link.drain(call).await?;
        Ok(Done { sent: 0, received })
    }
}

async fn create(link: &mut Link, kind: Kind, body: &Body) -> Result<Done, Failure> {
    let media_type = body.media_type();
    let call = Call::with(
        Method::POST,
        kind.path(NAMESPACE),
        media_type,
        media_type,
        body.bytes(),
    );
    let sent = call.body.len() as u64;
    let received = link.drain(call).await?;
    Ok(Done { sent, received })
}

async fn patch_status(link: &mut Link, path: String, patch: &Value) -> Result<Done, Failure> {
    let body: Bytes = patch.to_string().into();
    let sent = body.len() as u64;
    let content_type = "application/strategic-merge-patch+json";
    let accept = Wire::Protobuf.media_type();
    let call = Call::with(Method::PATCH, path, accept, content_type, body);
    let received = link.drain(call).await?;
    Ok(Done { sent, received })
}

/// The present to the second, as metav1.Time says it.
fn time_seconds() -> String {
    let now = now();
    format!("{}Z", now.split('.').next().unwrap_or_default())
}

/// Simulates for the plan's duration: `plan.clients` actors, `nodes` nodes, `pods` pods that stay. The rate is the churn.
pub(crate) fn run(
    client: &Client,
    plan: &Plan,
    server: &Processes,
    (nodes, pods): (usize, usize),
    run: &str,
) -> Result<(Tally, Span, Map<String, Value>)> {
    if nodes == 0 {
        return Err(anyhow!("a cluster has nodes"));
    }
    population::block_on(async {
        let node = |number| Body::new(Kind::Node, Wire::Json).named(&node_name(number));
        population::fill_with(client, Kind::Node, nodes, node).await?;
        population::fill(client, Kind::Lease, nodes).await?;
        let pod = move |number| pod_of(number, nodes);
        population::fill_with(client, Kind::Pod, pods, pod).await
    })?;
    let turns = Turns::new(nodes, plan.rate.unwrap_or(CHURN));
    let plan = Plan {
        rate: Some(turns.per_second()),
        ..plan.clone()
    };
    let state = State {
        turns,
        renewed: 0,
        reported: 0,
        born: 0,
        events: 0,
        starting: VecDeque::new(),
        running: VecDeque::new(),
        versions: vec![None; nodes],
    };
    let life = Arc::new(Life {
        run: run.to_owned(),
        nodes,
        state: Mutex::new(state),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let watching = runtime.block_on(watch(client, nodes))?;
    let metrics = || {
        population::block_on(async { Ok(Latencies::read(&mut population::link(client)).await?) })
    };
    let before = metrics()?;
    let make = |_| Box::new(Actor { life: life.clone() }) as Box<dyn Work>;
    let (mut tally, span) = load::run(client, &plan, server, &make)?;
    let after = metrics()?;
    for watch in &watching {
        if watch.is_finished() {
            tally.fail(&Failure::lost("a watch of pods ended"));
        }
    }
    runtime.shutdown_background();
    Ok((tally, span, after.since(&before)))
}

/// The watches of kubelets and controllers, from the cache's present on, read and dropped.
async fn watch(client: &Client, nodes: usize) -> Result<Vec<JoinHandle<()>>> {
    let all = (0..CONTROLLERS).map(|_| String::new());
    let kubelets =
        (0..nodes).map(|number| format!("&fieldSelector=spec.nodeName%3D{}", node_name(number)));
    let list = Call::get("/api/v1/pods?limit=1".to_owned(), Wire::Json.media_type());
    let list = population::link(client).fetch(list).await?;
    let version = Body::new(Kind::Pod, Wire::Json).version_of(&list)?;
    let mut running = Vec::new();
    let mut connection = Connection::new(client, Http::Two);
    for (number, selector) in all.chain(kubelets).enumerate() {
        if number % WATCHES_PER_CONNECTION == 0 {
            connection = Connection::new(client, Http::Two);
        }
        let mut link = Link::over(&connection);
        let path = format!(
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion={version}{selector}&timeoutSeconds=7200"
        );
        let call = Call::get(path, "application/vnd.kubernetes.protobuf;stream=watch");
        let mut body = link.begin(call).await?.into_body();
        running.push(tokio::spawn(async move {
            while let Some(Ok(_)) = body.frame().await {}
        }));
    }
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_happens_at_its_rate_and_evenly() {
        let mut turns = Turns::new(5000, 100.0);
        assert!(
            (turns.per_second() - 1116.7).abs() < 0.1,
            "{}",
            turns.per_second()
        );
        let acts: Vec<Act> = (0..33_501).map(|_| turns.next()).collect();
        let count = |act: Act, among: &[Act]| among.iter().filter(|one| **one == act).count();
        // Half a minute of them.
        for (act, expected) in [
            (Act::RenewLease, 15_000),
            (Act::ReportNode, 500),
            (Act::CreatePod, 3000),
            (Act::Event, 9000),
            (Act::ListPods, 1),
        ] {
            let found = count(act, &acts);
            assert!(found.abs_diff(expected) <= 2, "{act:?}: {found}");
        }
        for second in acts.chunks_exact(1117) {
            assert!(count(Act::DeletePod, second).abs_diff(100) <= 2);
        }
    }
}
