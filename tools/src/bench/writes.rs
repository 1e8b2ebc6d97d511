//! Loads that write: creating, updating with a resourceVersion, the status, and patches of three kinds. Each client has objects of
//! its own, so that no two of them conflict.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::link::{Call, Failure, Link};
use super::load::{Turn, Work};
use super::objects::{Body, Kind, NAMESPACE, Wire, now};
use super::tally::Done;

/// Sends a body; what was answered.
async fn send(
    link: &mut Link,
    method: Method,
    path: String,
    body: &Body,
) -> Result<(Done, Bytes), Failure> {
    let bytes = body.bytes();
    let sent = bytes.len() as u64;
    let call = Call::with(method, path, body.media_type(), body.media_type(), bytes);
    let answer = link.fetch(call).await?;
    let received = answer.len() as u64;
    Ok((Done { sent, received }, answer))
}

/// Creates objects, one after another, under names that no other run has.
pub(crate) struct Create {
    body: Body,
    path: String,
    prefix: String,
    count: u64,
}

impl Create {
    pub(crate) fn new(kind: Kind, wire: Wire, run: &str, client: usize) -> Self {
        Self {
            body: Body::new(kind, wire),
            path: kind.path(NAMESPACE),
            prefix: format!("new-{run}-{client}"),
            count: 0,
        }
    }
}

impl Work for Create {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            self.count += 1;
            let name = format!("{}-{}", self.prefix, self.count);
            self.body.set_name(&name);
            let sent = send(link, Method::POST, self.path.clone(), &self.body).await;
            Ok(sent?.0)
        })
    }
}

/// What changes of an object each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A Lease's renewTime.
    Renewal,
    /// A pod's status, through the subresource.
    Status,
    /// A ConfigMap's data.
    Data,
}

/// Updates one object again and again, each time with the resourceVersion that the last answer gave, as a holder of it does.
pub(crate) struct Update {
    kind: Kind,
    wire: Wire,
    change: Change,
    name: String,
    body: Option<Body>,
    count: u64,
}

impl Update {
    pub(crate) fn new(kind: Kind, wire: Wire, change: Change, run: &str, client: usize) -> Self {
        Self {
            kind,
            wire,
            change,
            name: format!("own-{run}-{client}"),
            body: None,
            count: 0,
        }
    }

    /// The object as it is now; it is made first when this client has none.
    async fn held(&mut self, link: &mut Link) -> Result<&mut Body, Failure> {
        let body = match self.body.take() {
            Some(body) => body,
            None => self.create(link).await?,
        };
        Ok(self.body.insert(body))
    }

    async fn create(&self, link: &mut Link) -> Result<Body, Failure> {
        let new = Body::new(self.kind, self.wire).named(&self.name);
        let path = self.kind.path(NAMESPACE);
        match send(link, Method::POST, path.clone(), &new).await {
            Ok((_, answer)) => Body::of(self.kind, self.wire, &answer),
            // After a failed turn: the object is there, but which version it has is unknown.
            Err(Failure {
                status: Some(409), ..
            }) => {
                let path = format!("{path}/{}", self.name);
                let answer = link.fetch(Call::get(path, self.wire.media_type())).await?;
                Body::of(self.kind, self.wire, &answer)
            }
            Err(failure) => Err(failure),
        }
    }

    fn change(&mut self) {
        self.count += 1;
        let (change, count) = (self.change, self.count);
        let Some(body) = &mut self.body else { return };
        match change {
            Change::Renewal => body.set("/spec/renewTime", now().into()),
            Change::Data => body.set("/data/turn", count.to_string().into()),
            Change::Status => {
                let at = format!(
                    "2026-01-01T{:02}:{:02}:{:02}Z",
                    count / 3600 % 24,
                    count / 60 % 60,
                    count % 60
                );
                let condition =
                    |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": at});
                let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
                body.tree["status"] = json!({"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}],
                    "hostIP": "10.9.0.7", "startTime": "2026-01-01T00:00:00Z", "conditions": conditions.map(condition),
                    "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": count,
                        "image": "registry.example.com/shop/checkout:2.41.7", "imageID": "registry.example.com/shop/checkout@sha256:9f86d0",
                        "containerID": "containerd://4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
                        "state": {"running": {"startedAt": at}}}]});
            }
        }
    }
}

impl Work for Update {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            self.held(link).await?;
            self.change();
            let mut path = format!("{}/{}", self.kind.path(NAMESPACE), self.name);
            if self.change == Change::Status {
                path.push_str("/status");
            }
            // Taken out, so that a failed turn leaves none behind and the next one asks what there is.
            let Some(mut body) = self.body.take() else {
                return Err(Failure::lost("there is no object to update"));
            };
            let (done, answer) = send(link, Method::PUT, path, &body).await?;
            let version = body.version_of(&answer)?;
            body.set_version(&version);
            self.body = Some(body);
            Ok(done)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Strategic,
    Merge,
    Apply,
}

/// Patches a Deployment of its own: a field of its metadata and one deep inside.
pub(crate) struct Patch {
    kind: PatchKind,
    body: Body,
    path: String,
    made: bool,
    count: u64,
}

impl Patch {
    pub(crate) fn new(kind: PatchKind, run: &str, client: usize) -> Self {
        let name = format!("own-{run}-{client}");
        Self {
            kind,
            body: Body::new(Kind::Deployment, Wire::Json).named(&name),
            path: format!("{}/{name}", Kind::Deployment.path(NAMESPACE)),
            made: false,
            count: 0,
        }
    }

    async fn make(&mut self, link: &mut Link) -> Result<(), Failure> {
        if self.made {
            return Ok(());
        }
        if self.kind != PatchKind::Apply {
            let path = Kind::Deployment.path(NAMESPACE);
            let made = send(link, Method::POST, path, &self.body).await;
            if let Err(failure) = made
                && failure.status != Some(409)
            {
                return Err(failure);
            }
        }
        self.made = true;
        Ok(())
    }

    fn call(&mut self) -> Call {
        self.count += 1;
        let turn = self.count.to_string();
        let annotation = json!({"annotations": {"example.com/turn": turn}});
        let (query, content_type, bytes) = match self.kind {
            PatchKind::Strategic => {
                let container = json!({"name": "app", "env": [{"name": "TURN", "value": turn}]});
                let patch = json!({"metadata": annotation, "spec": {"template": {"spec": {"containers": [container]}}}});
                (
                    "",
                    "application/strategic-merge-patch+json",
                    patch.to_string().into(),
                )
            }
            PatchKind::Merge => {
                let patch =
                    json!({"metadata": annotation, "spec": {"template": {"metadata": annotation}}});
                ("", "application/merge-patch+json", patch.to_string().into())
            }
            PatchKind::Apply => {
                let body = &mut self.body;
                body.tree["metadata"]["annotations"]["example.com/turn"] = turn.clone().into();
                body.set("/spec/template/spec/containers/0/env/0/value", turn.into());
                (
                    "?fieldManager=bench&force=true",
                    "application/apply-patch+yaml",
                    body.bytes(),
                )
            }
        };
        let path = format!("{}{query}", self.path);
        Call::with(
            Method::PATCH,
            path,
            Wire::Json.media_type(),
            content_type,
            bytes,
        )
    }
}

impl Work for Patch {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            self.make(link).await?;
            let call = self.call();
            let sent = call.body.len() as u64;
            let received = link.drain(call).await?;
            Ok(Done { sent, received })
        })
    }
}
