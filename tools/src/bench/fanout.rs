//! Watch fan-out: many watchers of ConfigMaps that one writer changes at a steady rate. An operation is one delivery, its latency
//! the time from the write's beginning to the event's arrival, by the clock of this process. One watcher may stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use serde_json::json;

use super::figures::Span;
use super::link::{Call, Connection, Failure, Link};
use super::load::Plan;
use super::objects::{Body, Kind, NAMESPACE, Wire, name_of};
use super::population;
use super::process::Processes;
use super::tally::{Done, Tally};
use super::watch::{self, Lines};
use crate::api::Client;

/// ConfigMaps that change, in turns.
const CHANGING: usize = 10;
/// How long deliveries may be behind when the writer has ended.
const SETTLE: Duration = Duration::from_secs(20);
const FIELD: &[u8] = b"\"sent\":\"";

/// Who watches what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) watchers: usize,
    /// One more watcher, that never reads.
    pub(crate) stalled: bool,
    /// Watch a single object among the population, and change that.
    pub(crate) single: bool,
    /// Writes a second when no rate is given.
    pub(crate) writes_per_second: u32,
}

/// What watchers and the writer share.
struct Shared {
    epoch: Instant,
    tally: Mutex<Tally>,
    delivered: AtomicU64,
}

pub(crate) async fn run(
    client: &Client,
    plan: &Plan,
    server: &Processes,
    shape: Shape,
) -> Result<(Tally, Span)> {
    let mut writer = population::link(client);
    let names = changing(&mut writer, shape).await?;
    let query = selection(&mut writer, &names, shape).await?;
    let shared = Arc::new(Shared {
        epoch: Instant::now(),
        tally: Mutex::new(Tally::new()),
        delivered: AtomicU64::new(0),
    });
    let stalled = match shape.stalled {
        true => Some(Stalled::begin(client, &query).await?),
        false => None,
    };
    let watchers = open(client, plan, shape.watchers, &query, &shared).await?;
    let rate = plan.rate.unwrap_or(f64::from(shape.writes_per_second));
    let expected = |writes: u64| writes * shape.watchers as u64;
    let warm = write(&mut writer, &names, rate, plan.warmup, &shared).await?;
    settle(&shared, expected(warm)).await;
    *shared.tally.lock() = Tally::new();
    let arrived = shared.delivered.swap(0, Ordering::Relaxed);
    let begun = Span::begin(server)?;
    let writes = write(&mut writer, &names, rate, plan.duration, &shared).await?;
    settle(&shared, expected(writes)).await;
    let span = begun.end(server)?;
    for watcher in watchers {
        watcher.abort();
    }
    drop(stalled);
    if arrived < expected(warm) {
        return Err(anyhow!(
            "{arrived} of {} events came while warming up",
            expected(warm)
        ));
    }
    let mut tally = shared.tally.lock().clone();
    for _ in tally.done..expected(writes) {
        tally.fail(&Failure::lost("an event that never came"));
    }
    Ok((tally, span))
}

/// The ConfigMaps that will change, made when they are not there.
async fn changing(link: &mut Link, shape: Shape) -> Result<Vec<String>> {
    if shape.single {
        return Ok(vec![name_of(Kind::ConfigMap, 0)]);
    }
    let names: Vec<String> = (0..CHANGING).map(|n| format!("changing-{n}")).collect();
    for name in &names {
        let body = Body::new(Kind::ConfigMap, Wire::Json).named(name);
        let call = Call::with(
            Method::POST,
            Kind::ConfigMap.path(NAMESPACE),
            body.media_type(),
            body.media_type(),
            body.bytes(),
        );
        match link.drain(call).await {
            Err(failure) if failure.status != Some(409) => return Err(failure.into()),
            _ => {}
        }
    }
    Ok(names)
}

/// From the present on: all ConfigMaps, or the one.
async fn selection(link: &mut Link, names: &[String], shape: Shape) -> Result<String> {
    // The list's own version is the present: nothing that happened before it will be delivered.
    let path = format!("{}?limit=1", Kind::ConfigMap.path(NAMESPACE));
    let list = link.fetch(Call::get(path, Wire::Json.media_type())).await?;
    let version = Body::new(Kind::ConfigMap, Wire::Json).version_of(&list)?;
    let selector = match shape.single {
        true => format!("&fieldSelector=metadata.name%3D{}", names[0]),
        false => String::new(),
    };
    Ok(format!("resourceVersion={version}{selector}"))
}

async fn open(
    client: &Client,
    plan: &Plan,
    watchers: usize,
    query: &str,
    shared: &Arc<Shared>,
) -> Result<Vec<tokio::task::JoinHandle<()>>> {
    let mut running = Vec::new();
    let mut connection = Connection::new(client, plan.http);
    for number in 0..watchers {
        if number > 0 && number % plan.streams.max(1) == 0 {
            connection = Connection::new(client, plan.http);
        }
        let mut link = Link::over(&connection);
        let answer = link
            .begin(watch::call(Kind::ConfigMap, query, Wire::Json))
            .await?;
        let shared = shared.clone();
        running.push(tokio::spawn(async move {
            let _kept = link;
            if let Err(failure) = follow(Lines::new(answer.into_body()), &shared).await {
                shared.tally.lock().fail(&failure);
            }
        }));
    }
    Ok(running)
}

/// Notes every event's latency until the watch ends, which it should not.
async fn follow(mut lines: Lines, shared: &Shared) -> Result<(), Failure> {
    while let Some(line) = lines.next().await? {
        let Some(sent) = sent(&line) else {
            let said = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
            return Err(Failure::lost(format!("an event that nobody sent: {said}")));
        };
        let took = shared.epoch.elapsed().saturating_sub(sent);
        let done = Done {
            sent: 0,
            received: line.len() as u64 + 1,
        };
        shared.tally.lock().note(took, Ok(done));
        shared.delivered.fetch_add(1, Ordering::Relaxed);
    }
    Err(Failure::lost("the server ended a watch"))
}

/// When the event was written, since the epoch.
fn sent(line: &[u8]) -> Option<Duration> {
    let at = memchr::memmem::find(line, FIELD)? + FIELD.len();
    let end = memchr::memchr(b'"', &line[at..])?;
    let nanos = std::str::from_utf8(&line[at..at + end])
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Changes one object after another at the rate; how many changes there were.
async fn write(
    link: &mut Link,
    names: &[String],
    rate: f64,
    span: Duration,
    shared: &Shared,
) -> Result<u64> {
    let began = Instant::now();
    let mut body = Body::new(Kind::ConfigMap, Wire::Json);
    let mut count = 0_u64;
    loop {
        let due = Duration::from_secs_f64(count as f64 / rate);
        if due >= span {
            return Ok(count);
        }
        tokio::time::sleep_until((began + due).into()).await;
        let name = &names[count as usize % names.len()];
        body.set_name(name);
        body.tree["data"]["sent"] = json!(shared.epoch.elapsed().as_nanos().to_string());
        let path = format!("{}/{name}", Kind::ConfigMap.path(NAMESPACE));
        let media_type = body.media_type();
        link.drain(Call::with(
            Method::PUT,
            path,
            media_type,
            media_type,
            body.bytes(),
        ))
        .await?;
        count += 1;
    }
}

/// Waits until all that was written has come everywhere, or long enough.
async fn settle(shared: &Shared, expected: u64) {
    let began = Instant::now();
    while shared.delivered.load(Ordering::Relaxed) < expected && began.elapsed() < SETTLE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A watcher that took the head of its answer and never reads on: nothing drives its connection, so that the socket fills.
struct Stalled {
    _connection: std::pin::Pin<Box<dyn Future<Output = hyper::Result<()>>>>,
    _answer: Response<Incoming>,
}

impl Stalled {
    async fn begin(client: &Client, query: &str) -> Result<Self> {
        let client = client.offering(b"h2");
        let io = TokioIo::new(client.dial().await?);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        let mut connection = Box::pin(connection);
        let call = watch::call(Kind::ConfigMap, query, Wire::Json);
        let mut request =
            http::Request::get(format!("https://{}{}", client.authority(), call.path))
                .header("accept", call.accept);
        if let Some(bearer) = client.bearer() {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let request = request.body(Full::new(call.body))?;
        let answer = tokio::select! {
            answer = sender.send_request(request) => answer?,
            ended = &mut connection => return Err(anyhow!("the connection ended: {ended:?}")),
        };
        if !answer.status().is_success() {
            return Err(anyhow!(
                "the stalled watcher was refused: {}",
                answer.status()
            ));
        }
        Ok(Self {
            _connection: connection,
            _answer: answer,
        })
    }
}

/// Opens watches that see nothing, and looks at the server's memory before and after. An operation is one watch opened.
pub(crate) async fn idle(
    client: &Client,
    plan: &Plan,
    server: &Processes,
) -> Result<(Tally, Span, Option<u64>)> {
    let memory = || server.known().then(|| server.resident()).transpose();
    let mut link = population::link(client);
    let names = changing(&mut link, Shape::IDLE).await?;
    let query = selection(&mut link, &names, Shape::IDLE).await?;
    let before = memory()?;
    let mut tally = Tally::new();
    let begun = Span::begin(server)?;
    let mut kept = Vec::new();
    let mut connection = Connection::new(client, plan.http);
    for number in 0..plan.clients {
        if number > 0 && number % plan.streams.max(1) == 0 {
            connection = Connection::new(client, plan.http);
        }
        let mut link = Link::over(&connection);
        let began = Instant::now();
        match link
            .begin(watch::call(Kind::ConfigMap, &query, Wire::Json))
            .await
        {
            Ok(answer) => {
                tally.note(began.elapsed(), Ok(Done::default()));
                kept.push((link, answer));
            }
            Err(failure) => tally.fail(&failure),
        }
    }
    let span = begun.end(server)?;
    tokio::time::sleep(plan.duration).await;
    let grown = memory()?
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    drop(kept);
    Ok((tally, span, grown))
}

impl Shape {
    /// Watches that nothing happens to.
    const IDLE: Shape = Shape {
        watchers: 0,
        stalled: false,
        single: false,
        writes_per_second: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_when_it_was_sent() {
        let line = br#"{"type":"MODIFIED","object":{"data":{"config.yaml":"x","sent":"1500000"}}}"#;
        assert_eq!(sent(line), Some(Duration::from_micros(1500)));
        assert_eq!(sent(b"{\"type\":\"ERROR\"}"), None);
    }
}
