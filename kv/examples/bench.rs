//! Puts per second and processor time per put, with 1, 16 and 64 writers, syncing as in earnest.
//! Usage: bench [DIR] [SECONDS]. The figures depend on the disk; the processor time does not.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use triad_kv::{Change, Store, StoreOptions, Txn};

const VALUE_BYTES: usize = 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "/tmp/triad-bench".into());
    let seconds: u64 = args.next().map_or(Ok(5), |s| s.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(&dir, Duration::from_secs(seconds)))
}

async fn run(dir: &str, time: Duration) -> Result<(), Box<dyn std::error::Error>> {
    println!("memory before opening: {}", memory());
    let options = StoreOptions::new(dir, "bench");
    let store = timed("open (new or as left)", Store::open(options.clone())).await?;
    println!("memory after opening: {}", memory());
    for writers in [1, 16, 64] {
        writers_of(&store, writers, time).await?;
    }
    reads(&store, time).await?;
    println!("memory: {}", memory());
    timed("shutdown", async {
        store.shutdown().await;
        Ok::<_, triad_kv::Error>(())
    })
    .await?;
    let store = timed("reopen", Store::open(options)).await?;
    println!(
        "memory after reopening: {}, revision {}",
        memory(),
        store.revision()
    );
    store.shutdown().await;
    Ok(())
}

async fn timed<T, E>(what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let started = Instant::now();
    let done = work.await?;
    println!("{what}: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    Ok(done)
}

async fn writers_of(
    store: &Store,
    writers: u64,
    time: Duration,
) -> Result<(), Box<dyn std::error::Error>> {
    let before = store.metrics();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let latency = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            tokio::spawn(write(
                store.clone(),
                writer,
                started + time,
                latency.clone(),
            ))
        })
        .collect();
    let mut puts = 0;
    for task in tasks {
        puts += task.await??;
    }
    let (took, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let after = store.metrics();
    let syncs = (after.fsyncs_total - before.fsyncs_total).max(1);
    println!(
        "{writers:>3} writers: {:>8.0} puts/s, {:>5.1} us cpu each, {:>6.2} ms each, {:.1} puts a sync, {:.2} ms a sync, {:.1} puts an entry",
        puts as f64 / took,
        cpu * 1e6 / puts as f64,
        latency.load(Ordering::Relaxed) as f64 / 1e3 / puts as f64,
        puts as f64 / syncs as f64,
        (after.fsync_time_total - before.fsync_time_total).as_secs_f64() * 1e3 / syncs as f64,
        puts as f64 / (after.frames_total - before.frames_total).max(1) as f64,
    );
    Ok(())
}

async fn write(
    store: Store,
    writer: u64,
    until: Instant,
    latency: Arc<AtomicU64>,
) -> Result<u64, triad_kv::Error> {
    let mut puts = 0;
    while Instant::now() < until {
        let key = Bytes::from(format!(
            "/registry/configmaps/bench/writer-{writer}-{}",
            puts % 500
        ));
        let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
        let started = Instant::now();
        store
            .txn(Txn {
                compares: vec![],
                changes: vec![Change::Put {
                    key,
                    value,
                    ttl_seconds: None,
                }],
            })
            .await?;
        latency.fetch_add(
            u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        puts += 1;
    }
    Ok(puts)
}

async fn reads(store: &Store, time: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let mut gets = 0;
    while started.elapsed() < time / 2 {
        store.read_barrier().await?;
        let key = format!("/registry/configmaps/bench/writer-0-{}", gets % 500);
        store.get(key.as_bytes(), None)?;
        gets += 1;
    }
    let (took, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "1 reader: {:.0} linearizable gets/s, {:.1} us cpu each",
        gets as f64 / took,
        cpu * 1e6 / gets as f64
    );
    let started = Instant::now();
    let range = store.range(b"/registry/configmaps/", b"/registry/configmaps0", None, 0)?;
    println!(
        "a range of {} keys: {:.1} ms",
        range.entries.len(),
        started.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

/// Processor time of this process, all threads, from `/proc/self/stat` (100 ticks a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Resident memory: what the process allocated, and what is mapped from its files.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mb = |name: &str| {
        let line = status
            .lines()
            .find(|l| l.starts_with(name))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1024.0
    };
    format!(
        "{:.0} MB of its own, {:.0} MB of files",
        mb("RssAnon:"),
        mb("RssFile:")
    )
}
