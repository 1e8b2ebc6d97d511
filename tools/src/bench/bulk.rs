//! Loads of a given amount: filling a server with objects, creating and deleting very many, deleting a collection at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::figures::Span;
use super::link::{Call, Failure, Link};
use super::load::{Turn, Work};
use super::objects::{Body, Kind, NAMESPACE, Wire};
use super::population;
use super::process::Processes;
use super::tally::{Done, Tally};
use crate::api::Client;

/// How often a collection's deletion is taken up again when the server's time for a request was up (a minute, by default).
const ATTEMPTS: u32 = 30;

/// Creates the next object of the population, for all clients together.
pub(crate) struct Fill {
    kind: Kind,
    next: Arc<AtomicUsize>,
}

impl Fill {
    pub(crate) fn new(kind: Kind, next: &Arc<AtomicUsize>) -> Self {
        let next = next.clone();
        Self { kind, next }
    }
}

impl Work for Fill {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let body = population::member(self.kind, number);
            create(link, self.kind, &body).await
        })
    }
}

async fn create(link: &mut Link, kind: Kind, body: &Body) -> Result<Done, Failure> {
    let (media_type, path, bytes) = (body.media_type(), kind.path(NAMESPACE), body.bytes());
    let sent = bytes.len() as u64;
    let call = Call::with(Method::POST, path, media_type, media_type, bytes);
    let received = link.drain(call).await?;
    Ok(Done { sent, received })
}

/// Creates an object and deletes it again; both are one operation.
pub(crate) struct Churn {
    kind: Kind,
    body: Body,
    prefix: String,
    count: u64,
}

impl Churn {
    pub(crate) fn new(kind: Kind, run: &str, client: usize) -> Self {
        Self {
            kind,
            body: Body::new(kind, Wire::Json),
            prefix: format!("brief-{run}-{client}"),
            count: 0,
        }
    }
}

impl Work for Churn {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            self.count += 1;
            let name = format!("{}-{}", self.prefix, self.count);
            self.body.set_name(&name);
            let created = create(link, self.kind, &self.body).await?;
            let deleted = link.drain(delete(self.kind, &format!("/{name}"))).await?;
            Ok(Done {
                received: created.received + deleted,
                ..created
            })
        })
    }
}

/// Deletes at once: a pod without a kubelet would stay for its grace period.
fn delete(kind: Kind, which: &str) -> Call {
    let path = format!("{}{which}?gracePeriodSeconds=0", kind.path(NAMESPACE));
    Call::with(
        Method::DELETE,
        path,
        Wire::Json.media_type(),
        "",
        Bytes::new(),
    )
}

/// Deletes all objects of a kind by one request, or as many as the server needs; an operation is one object, the latency that
/// of the whole.
pub(crate) async fn delete_collection(
    client: &Client,
    kind: Kind,
    server: &Processes,
) -> Result<(Tally, Span)> {
    let mut link = population::link(client);
    let before = remaining(&mut link, kind).await?;
    let begun = Span::begin(server)?;
    let began = Instant::now();
    let mut outcome = Err(Failure::lost("never tried"));
    for _ in 0..ATTEMPTS {
        outcome = link.drain(delete(kind, "")).await;
        if outcome.as_ref().err().and_then(|failure| failure.status) != Some(504) {
            break;
        }
    }
    let span = begun.end(server)?;
    let mut tally = Tally::new();
    match outcome {
        Ok(received) => {
            let done = Done { sent: 0, received };
            tally.note(began.elapsed(), Ok(done));
            tally.done = before - remaining(&mut link, kind).await?;
        }
        Err(failure) => tally.fail(&failure),
    }
    Ok((tally, span))
}

/// How many objects of a kind there are.
async fn remaining(link: &mut Link, kind: Kind) -> Result<u64, Failure> {
    #[derive(Deserialize)]
    struct List {
        metadata: Meta,
        #[serde(default)]
        items: Vec<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        #[serde(default)]
        remaining_item_count: u64,
    }
    let path = format!("{}?limit=1", kind.path(NAMESPACE));
    let answer = link.fetch(Call::get(path, Wire::Json.media_type())).await?;
    let list: List = serde_json::from_slice(&answer).map_err(Failure::lost)?;
    Ok(list.items.len() as u64 + list.metadata.remaining_item_count)
}
