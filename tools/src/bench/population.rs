//! What has to be there before a load begins: the namespace with the account that pods run under, and as many objects as the
//! scenario reads. What is there already stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow};
use http::Method;
use serde_json::json;

use super::link::{Call, Connection, Failure, Http, Link};
use super::objects::{Body, Kind, NAMESPACE, NODES, Wire, name_of, pod_of};
use crate::api::Client;

/// Creations in flight, and the connections that they share.
const WRITERS: usize = 32;
const CONNECTIONS: usize = 4;

/// Runs what a scenario does before and after its load.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(work)
}

/// A link of its own for preparations.
pub(crate) fn link(client: &Client) -> Link {
    Link::over(&Connection::new(client, Http::Two))
}

/// Makes the namespace, and the account that kube-controller-manager would make in it.
pub(crate) async fn namespace(client: &Client) -> Result<()> {
    let mut link = link(client);
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
    for (path, object) in [
        ("/api/v1/namespaces".to_owned(), space),
        (accounts, account),
    ] {
        let json = Wire::Json.media_type();
        let call = Call::with(Method::POST, path, json, json, object.to_string().into());
        unless_there(link.drain(call).await)?;
    }
    Ok(())
}

fn unless_there(outcome: Result<u64, Failure>) -> Result<(), Failure> {
    match outcome {
        Err(failure) if failure.status != Some(409) => Err(failure),
        _ => Ok(()),
    }
}

/// The object of a population of this number.
pub(crate) fn member(kind: Kind, number: usize) -> Body {
    match kind {
        Kind::Pod => pod_of(number, NODES),
        _ => Body::new(kind, Wire::Json).named(&name_of(kind, number)),
    }
}

/// Makes the objects 0 to `count`, unless the last one is there already.
pub(crate) async fn fill(client: &Client, kind: Kind, count: usize) -> Result<()> {
    fill_with(client, kind, count, move |number| member(kind, number)).await
}

/// The same with objects of the caller's making.
pub(crate) async fn fill_with(
    client: &Client,
    kind: Kind,
    count: usize,
    make: impl Fn(usize) -> Body + Send + Sync + 'static,
) -> Result<()> {
    let Some(last) = count.checked_sub(1) else {
        return Ok(());
    };
    let path = format!("{}/{}", kind.path(NAMESPACE), make(last).name());
    let there = link(client)
        .drain(Call::get(path, Wire::Json.media_type()))
        .await;
    match there {
        Ok(_) => return Ok(()),
        Err(failure) if failure.status != Some(404) => return Err(failure.into()),
        Err(_) => {}
    }
    let (next, make) = (Arc::new(AtomicUsize::new(0)), Arc::new(make));
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| Connection::new(client, Http::Two))
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let link = Link::over(&connections[writer % CONNECTIONS]);
            tokio::spawn(write(link, kind, next.clone(), count, make.clone()))
        })
        .collect();
    for writer in writers {
        let outcome = writer.await.map_err(|e| anyhow!("a writer ended: {e}"))?;
        outcome.with_context(|| format!("cannot make {count} objects of {kind:?}"))?;
    }
    Ok(())
}

async fn write(
    mut link: Link,
    kind: Kind,
    next: Arc<AtomicUsize>,
    count: usize,
    make: Arc<impl Fn(usize) -> Body>,
) -> Result<(), Failure> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        let body = make(number);
        let (media_type, path) = (body.media_type(), kind.path(NAMESPACE));
        let call = Call::with(Method::POST, path, media_type, media_type, body.bytes());
        unless_there(link.drain(call).await)?;
    }
}
