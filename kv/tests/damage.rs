//! Damaged files: whatever bit is flipped in whatever file, the store names the file and serves
//! nothing of it, or the bit did not matter. It never serves anything else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::TempDir;
use triad_kv::{Change, Error, Event, Range, Revision, Store, StoreOptions, Txn};

use crate::support::{committed, delete, put, txn};

/// Everything that can be asked of a store.
type Contents = (Range, Range, Vec<Event>);

const FLIPS_EACH: u64 = 10;

/// A closed store with tables and write-ahead files in both of its databases.
pub(crate) async fn fixture() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::new(dir.path(), "test");
    options.limits.ring_bytes = 0;
    for round in 0..2 {
        let store = Store::open(options.clone()).await.unwrap();
        for i in 0..150 {
            let value = Bytes::from(vec![b'a' + (i % 26) as u8; 400]);
            let key = Bytes::from(format!("k{}", i % 60));
            let changes = vec![Change::Put {
                key,
                value,
                ttl_seconds: (i % 9 == 0).then_some(100_000),
            }];
            committed(
                store
                    .txn(Txn {
                        compares: vec![],
                        changes,
                    })
                    .await,
            );
        }
        committed(store.txn(txn([], [delete("k3")])).await);
        if round == 0 {
            store.compact(Revision(40)).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        store.shutdown().await;
    }
    dir
}

pub(crate) async fn contents(dir: &Path) -> Result<Contents, Error> {
    let mut options = StoreOptions::new(dir, "test");
    options.limits.ring_bytes = 0;
    let store = Store::open(options).await?;
    let read = read(&store).await;
    store.shutdown().await;
    read
}

async fn read(store: &Store) -> Result<Contents, Error> {
    let now = store.range(b"", b"", None, 0)?;
    let past = store.range(b"", b"", Some(Revision(100)), 0)?;
    let (mut watch, mut events) = (store.watch(b"", store.compacted())?, Vec::new());
    while watch.progress() < store.revision() {
        events.extend(watch.next().await?.events);
    }
    Ok((now, past, events))
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target)
        } else {
            drop(fs::copy(item.path(), target))
        }
    }
}

/// The files that hold data, relative to the directory.
pub(crate) fn data_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("identity"), PathBuf::from("log.floor")];
    for database in ["log", "state"] {
        for item in fs::read_dir(dir.join(database)).unwrap() {
            let name = item.unwrap().file_name().into_string().unwrap();
            let holds = name.ends_with(".sst")
                || name.ends_with(".log")
                || name.starts_with("MANIFEST")
                || name == "CURRENT";
            if holds && fs::metadata(dir.join(database).join(&name)).unwrap().len() > 0 {
                files.push(Path::new(database).join(name));
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn flip(path: &Path, bit: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_flipped_bit_is_found_by_name_or_does_not_matter() {
    let original = fixture().await;
    let scratch = tempfile::tempdir().unwrap();
    let clean = scratch.path().join("clean");
    copy(original.path(), &clean);
    let expected = contents(&clean).await.unwrap();
    let mut tally: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (n, file) in data_files(original.path()).into_iter().enumerate() {
        let bits = fs::metadata(original.path().join(&file)).unwrap().len() * 8;
        for i in 0..FLIPS_EACH {
            let bit = (bits * i / FLIPS_EACH + 7919 * (i + 1)) % bits;
            let dir = scratch.path().join(format!("{n}-{i}"));
            copy(original.path(), &dir);
            flip(&dir.join(&file), bit);
            let count = tally.entry(file.display().to_string()).or_default();
            match contents(&dir).await {
                Ok(seen) => {
                    assert!(
                        seen == expected,
                        "{}: bit {bit} changed what is served",
                        file.display()
                    );
                    count.1 += 1;
                }
                Err(Error::Corrupt { what, file: named }) => {
                    let known = named.ends_with(&file) || dir.join(&file).starts_with(&named);
                    assert!(
                        known,
                        "{}: bit {bit} is blamed on {}: {what}",
                        file.display(),
                        named.display()
                    );
                    count.0 += 1;
                }
                Err(other) => panic!("{}: bit {bit}: {other}", file.display()),
            }
            // What was refused may still be closing its files; the rest goes with the scratch directory.
            let _ = fs::remove_dir_all(&dir);
        }
    }
    let found: u32 = tally.values().map(|t| t.0).sum();
    assert!(
        found * 2 > tally.len() as u32 * FLIPS_EACH as u32,
        "too few are found: {tally:?}"
    );
}

/// The database reads for ever at such a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_with_a_record_of_another_kind_is_refused_by_name() {
    let original = fixture().await;
    let (mut tried, scratch) = (0, tempfile::tempdir().unwrap());
    for file in data_files(original.path()) {
        if !file.to_string_lossy().contains("MANIFEST") {
            continue;
        }
        let bytes = fs::read(original.path().join(&file)).unwrap();
        let mut at = 0;
        while at + 7 <= bytes.len() {
            let dir = scratch.path().join(format!("{tried}"));
            copy(original.path(), &dir);
            flip(&dir.join(&file), at as u64 * 8 + 6 * 8 + 2);
            let error = contents(&dir).await.unwrap_err();
            assert!(
                matches!(&error, Error::Corrupt { file: named, .. } if named.ends_with(&file)),
                "{error}"
            );
            at += 7 + usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried} records");
}

/// The newest write-ahead file of the log.
pub(crate) fn newest_wal(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|f| f.unwrap().path());
    files
        .filter(|f| f.extension().is_some_and(|e| e == "log"))
        .max()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_write_at_the_end_is_cut_off() {
    let dir = fixture().await;
    let before = contents(dir.path()).await.unwrap();
    let wal = newest_wal(dir.path());
    let mut bytes = fs::read(&wal).unwrap();
    bytes.extend_from_slice(&[1, 2, 3, 4, 200, 0, 1, b'u', b'n', b'f', b'i', b'n']);
    fs::write(&wal, bytes).unwrap();
    assert!(contents(dir.path()).await.unwrap() == before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_ends_below_its_floor_is_refused() {
    let dir = fixture().await;
    let wal = newest_wal(dir.path());
    let bytes = fs::read(&wal).unwrap();
    fs::write(&wal, &bytes[..bytes.len() - 300]).unwrap();
    let error = contents(dir.path()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { file, .. } if file.ends_with("log")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_parts_are_refused_by_name() {
    let original = fixture().await;
    for missing in ["identity", "log.floor", "log", "state"] {
        let scratch = tempfile::tempdir().unwrap();
        copy(original.path(), scratch.path());
        let path = scratch.path().join(missing);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        // A state that is gone is made again from a log that still begins at its beginning.
        match contents(scratch.path()).await {
            Ok(_) if missing == "state" => {}
            Err(Error::Corrupt { file, .. }) => {
                assert!(file.ends_with(missing), "{missing}: {}", file.display())
            }
            other => panic!("{missing}: {:?}", other.err()),
        }
    }
}

/// The tables of the state.
fn tables(dir: &Path) -> Vec<PathBuf> {
    let mut files = data_files(dir);
    files.retain(|f| f.starts_with("state") && f.extension().is_some_and(|e| e == "sst"));
    files
}

/// Flips bits of some files under an open store.
async fn open_and_damage(dir: &Path, files: &[PathBuf]) -> Store {
    let mut options = StoreOptions::new(dir, "test");
    options.limits.ring_bytes = 0;
    options.limits.block_cache_bytes = 0;
    let store = Store::open(options).await.unwrap();
    for file in files {
        for bit in [100, 2000, 9000] {
            let path = dir.join(file);
            if bit < fs::metadata(&path).unwrap().len() * 8 {
                flip_in_place(&path, bit);
            }
        }
    }
    store
}

/// Whoever was told of damage, nobody is served after it.
async fn goes_down(store: &Store, error: &Error) {
    assert!(
        matches!(&error, Error::Corrupt { file, .. } if file.extension().is_some_and(|e| e == "sst")),
        "{error}"
    );
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while store.health().serving {
        assert!(std::time::Instant::now() < deadline, "it still serves");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(matches!(
        store.txn(txn([], [put("a", "1")])).await,
        Err(Error::Corrupt { .. })
    ));
    assert!(store.health().trouble.unwrap().contains(".sst"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_found_while_serving_takes_the_store_down() {
    let dir = fixture().await;
    let store = open_and_damage(dir.path(), &tables(dir.path())).await;
    let error = store.range(b"", b"", None, 0).unwrap_err();
    goes_down(&store, &error).await;
    store.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_found_by_a_watch_takes_the_store_down() {
    let original = fixture().await;
    let mut found = 0;
    // One at a time: some of them nothing but a watch ever reads.
    for table in tables(original.path()) {
        let dir = tempfile::tempdir().unwrap();
        copy(original.path(), dir.path());
        let store = open_and_damage(dir.path(), &[table]).await;
        let mut watch = store.watch(b"", store.compacted()).unwrap();
        while watch.progress() < store.revision() {
            if let Err(error) = watch.next().await {
                goes_down(&store, &error).await;
                found += 1;
                break;
            }
        }
        store.shutdown().await;
    }
    assert!(found >= 2, "{found} of the tables hold history");
}

/// As `flip`, in the file that is open elsewhere.
fn flip_in_place(path: &Path, bit: u64) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}
