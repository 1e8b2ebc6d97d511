//! The archive of a cluster whose leaders are killed: each new one goes on behind the last segment, so that a backup and the
//! segments make every revision that the survivors remember.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use triad_backup::{Keys, Meter, Place};
use triad_kv::{Copy, Replay, Until};

use crate::bed::Bed;
use crate::net::Net;

/// How long an election, or the next look for what is new, may take.
const LIMIT: Duration = Duration::from_secs(120);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Writes through a member until so many are acknowledged; the revision of the last.
async fn write(bed: &Bed, n: usize, names: std::ops::Range<usize>) -> u64 {
    let mut revision = 0;
    for name in names {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{name}")}});
        let made = bed.client(n).insist("POST", MAPS, &body).await;
        let version = made["metadata"]["resourceVersion"].as_str();
        revision = version.map_or(revision, |v| v.parse().unwrap());
    }
    revision
}

async fn status(bed: &Bed, n: usize) -> Value {
    bed.client(n)
        .json("GET", "/triad/v1/status", &Value::Null)
        .await
        .unwrap_or_default()
}

/// The member that leads, by what another says.
async fn leader(bed: &Bed, asked: usize) -> usize {
    let began = Instant::now();
    loop {
        let status = status(bed, asked).await;
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let leads = |n: &usize| {
            members
                .iter()
                .any(|m| m["leader"] == true && m["name"] == format!("m{n}"))
        };
        if let Some(n) = (0..bed.count()).filter(|n| bed.running(*n)).find(leads) {
            return n;
        }
        assert!(began.elapsed() < LIMIT, "nobody leads: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the archive has everything that was written before.
async fn archived(bed: &Bed, asked: usize) {
    let began = Instant::now();
    let before = status(bed, asked).await;
    let indexes = before["members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|m| m["index"].as_u64());
    let wanted = indexes.max().unwrap_or(u64::MAX);
    loop {
        let status = status(bed, asked).await;
        if status["archive"]["index"]
            .as_u64()
            .is_some_and(|index| index >= wanted)
        {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "entry {wanted} is not archived: {}",
            status["archive"]
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that is left out says so")]
fn a_new_leader_goes_on_with_the_archive() {
    if !Net::is_possible() {
        println!("left out: two clusters at once need networks of their own");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(leaders_come_and_go());
}

async fn leaders_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("place").display().to_string();
    let mut bed = Bed::form_with(3, 1, vec![format!("--archive={dest}")]).await;
    write(&bed, 0, 0..20).await;
    archived(&bed, 0).await;
    let mut written = 20;
    for _ in 0..2 {
        let old = leader(&bed, 0).await;
        // Acknowledged just before the end of the one that would have archived it.
        write(&bed, old, written..written + 20).await;
        bed.kill(old);
        let asked = (0..3).find(|n| bed.running(*n)).unwrap();
        let new = leader(&bed, asked).await;
        write(&bed, new, written + 20..written + 40).await;
        archived(&bed, new).await;
        written += 40;
        bed.start(old, None);
        assert!(bed.ready(old).await);
    }
    let live = bed.client(0).insist("GET", MAPS, &Value::Null).await;
    assert_eq!(
        live["items"].as_array().unwrap().len(),
        written,
        "without the root CA's: its controller is off"
    );

    let place = Place::open(&dest, Keys::default()).unwrap();
    let base = place.find(None).unwrap();
    assert!(place.all().unwrap().len() == 1 && place.gaps(&base.about.cluster).unwrap().is_empty());
    let copy = place
        .assemble(&base, "state/", dir.path(), false, &Meter::none())
        .unwrap();
    let cluster = u64::from_str_radix(&base.about.cluster, 16).unwrap();
    let mut replay = Replay::open(copy.path(), cluster, Until::End).unwrap();
    let segments = place.segments(&base.about.cluster).unwrap();
    let terms: std::collections::BTreeSet<u64> = segments.iter().map(|s| s.term).collect();
    assert!(terms.len() >= 3, "{terms:?}");
    for segment in &segments {
        let (shown, bytes) = place.read_segment(&base.about.cluster, segment).unwrap();
        replay.feed(&shown, &bytes).unwrap();
    }
    let reached = replay.finish().unwrap();
    let newest: u64 = live["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let copy = Copy::open(copy.path()).unwrap();
    copy.verify().unwrap();
    let kept = copy
        .range(
            b"/registry/configmaps/default/",
            b"/registry/configmaps/default0",
        )
        .unwrap();
    assert_eq!(
        kept.len(),
        written,
        "revision {} of {newest}",
        reached.revision
    );
    let revision_of = |name: &str| {
        let items = live["items"].as_array().unwrap();
        let item = items
            .iter()
            .find(|item| item["metadata"]["name"] == name)
            .unwrap();
        item["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    for entry in kept {
        let key = String::from_utf8_lossy(&entry.key).into_owned();
        let name = key.rsplit('/').next().unwrap();
        assert_eq!(entry.mod_revision.0, revision_of(name), "{key}");
    }
}
