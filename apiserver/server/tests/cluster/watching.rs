//! A watcher of one member that resumes where it stopped, on whatever breaks it: it must see every change once, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::Client;

/// One event as it was told: the revision, the object's name, the value (none once it is deleted).
pub(crate) type Told = (u64, String, Option<String>);

/// Watches until told to stop, from a revision on; what it was told.
pub(crate) async fn watch(
    mut client: Client,
    collection: String,
    from: u64,
    stop: Arc<AtomicBool>,
    reached: Arc<AtomicU64>,
) -> Result<Vec<Told>, String> {
    let mut told: Vec<Told> = Vec::new();
    let mut at = from;
    while !stop.load(Ordering::Relaxed) {
        let path = format!(
            "{collection}?watch=1&resourceVersion={at}&allowWatchBookmarks=true&timeoutSeconds=20"
        );
        let begun = timeout(Duration::from_secs(3), client.send("GET", &path, None)).await;
        let Ok(Ok(mut response)) = begun else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if response.status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let mut held = Vec::new();
        // A member that was paused or cut off says nothing: the connection is given up after a while.
        while let Ok(Some(Ok(frame))) = timeout(Duration::from_secs(2), response.frame()).await {
            held.extend_from_slice(frame.data_ref().map(|d| &d[..]).unwrap_or_default());
            while let Some(end) = held.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = held.drain(..=end).collect();
                if let Some(event) = read(&line, &mut at)? {
                    told.push(event);
                }
                reached.store(at, Ordering::Relaxed);
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        drop(response);
        client = client.anew();
    }
    Ok(told)
}

fn read(line: &[u8], at: &mut u64) -> Result<Option<Told>, String> {
    let event: Value =
        serde_json::from_slice(line).map_err(|e| format!("an event is no JSON: {e}"))?;
    let (kind, object) = (event["type"].as_str().unwrap_or_default(), &event["object"]);
    // A member whose files were spoiled says so and serves no more.
    if kind == "ERROR" && object["code"].as_u64() >= Some(500) {
        return Ok(None);
    }
    if kind == "ERROR" {
        return Err(format!("the watch ended in an error: {object}"));
    }
    let revision = object["metadata"]["resourceVersion"].as_str();
    let revision: u64 = revision
        .and_then(|r| r.parse().ok())
        .ok_or("an event has no revision")?;
    if kind == "BOOKMARK" {
        *at = (*at).max(revision);
        return Ok(None);
    }
    if revision <= *at {
        return Err(format!("an event at {revision} came after {at}"));
    }
    *at = revision;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let value = object["data"]["v"].as_str().map(str::to_owned);
    Ok(Some((
        revision,
        name.to_owned(),
        value.filter(|_| kind != "DELETED"),
    )))
}

/// All watchers were told the same, and what they were told ends in what is there.
pub(crate) fn agree(all: &[Vec<Told>], state: &BTreeMap<String, String>) -> Result<(), String> {
    for (n, told) in all.iter().enumerate().skip(1) {
        let differs = told.iter().zip(&all[0]).position(|(a, b)| a != b);
        if let Some(at) = differs {
            return Err(format!(
                "watch {n} was told {:?}, watch 0 {:?}",
                told[at], all[0][at]
            ));
        }
        if told.len() != all[0].len() {
            return Err(format!(
                "watch {n} was told {} events, watch 0 {}",
                told.len(),
                all[0].len()
            ));
        }
    }
    let mut last = BTreeMap::new();
    for (_, name, value) in &all[0] {
        match value {
            Some(value) => last.insert(name.clone(), value.clone()),
            None => last.remove(name),
        };
    }
    if last == *state {
        Ok(())
    } else {
        Err(format!(
            "the events end in {last:?}, but there is {state:?}"
        ))
    }
}
