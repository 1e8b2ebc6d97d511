//! A lost majority: the last member becomes a cluster of one, keeps all that was acknowledged, and lets new members in and old
//! ones not.

use std::time::{Duration, Instant};

use triad_kv::{Revision, Store, examine, recover, survey};

use crate::cluster::{Bed, join, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_member_goes_on_alone_and_takes_new_ones_in() {
    let (mut bed, stores) = Bed::of(3).await;
    let mut last = Revision(0);
    for n in 0..40 {
        last = write(&stores[n % 3], &format!("/k{}", n % 7), format!("v{n}")).await;
    }
    stores[2].read_barrier().await.unwrap();
    // What the survivor holds is what was there when the others went.
    let survivor = bed.seats[2].1.clone();
    let was = stores[2].identity().unwrap();
    for store in &stores {
        store.shutdown().await;
    }
    let before = survey(&survivor.dir).unwrap();
    assert_eq!(before.name, "n2");
    assert_eq!(before.seats.len(), 3);
    assert!(before.last >= before.applied);
    let dir = survivor.dir.clone();
    let recovering = tokio::task::spawn_blocking(move || recover(&dir));
    let recovered = recovering.await.unwrap().unwrap();
    assert!(recovered.revision > last.0 + 1_000_000);
    assert_eq!(recovered.identity.epoch, was.epoch + 1);
    assert_ne!(recovered.identity.cluster, was.cluster);
    assert_eq!(examine(&survivor.dir, &mut |_| None).unwrap().findings, []);

    let store = Store::open(survivor.clone()).await.unwrap();
    assert_eq!(store.revision(), Revision(recovered.revision));
    assert_eq!(store.compacted(), store.revision());
    assert_eq!(store.members().len(), 1);
    assert_eq!(store.get(b"/k4", None).unwrap().unwrap().value, "v39");
    let next = write(&store, "/k0", "anew").await;
    assert_eq!(next.0, recovered.revision + 1);
    // Two new ones make it three again; `seat` names the first seat's cluster.
    bed.seats.swap(0, 2);
    let mut joined = Vec::new();
    for _ in 0..2 {
        let options = bed.seat();
        let joining = Store::open(options.clone()).await.unwrap();
        join(&store, &joining, &options).await;
        joining.read_barrier().await.unwrap();
        assert_eq!(joining.get(b"/k0", None).unwrap().unwrap().value, "anew");
        joined.push(joining);
    }
    assert_eq!(store.members().len(), 3);
    // A former member comes back: it is refused, and no majority listens to it.
    let former = Store::open(bed.seats[1].1.clone()).await.unwrap();
    // Until it has waited for the leader that it knew, it does not know better.
    let deadline = Instant::now() + Duration::from_secs(60);
    tokio::time::sleep(Duration::from_secs(2)).await;
    while former.health().serving {
        assert!(Instant::now() < deadline, "it serves without a majority");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.members().len(), 3);
    write(&store, "/k1", "goes on").await;
    former.shutdown().await;
    for store in joined {
        store.shutdown().await;
    }
    store.shutdown().await;
}
