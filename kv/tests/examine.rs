//! The offline examination: a sound directory passes untouched, and whatever is wrong in whatever file is found and named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use triad_kv::{Contents, Error, Examined, Revision, Store, StoreOptions, examine};

use crate::damage::{contents, copy, data_files, fixture, flip, newest_wal};
use crate::support::{committed, delete, put, put_ttl, txn, until};

const FLIPS_EACH: u64 = 12;

fn look(dir: &Path) -> Examined {
    examine(dir, &mut |_| None).unwrap()
}

/// Everything under a directory: names, bytes, times of change.
fn everything(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut all = BTreeMap::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            all.insert(path, (Vec::new(), changed));
        } else {
            all.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_directory_passes_and_is_not_touched() {
    let dir = fixture().await;
    let before = everything(dir.path());
    let examined = look(dir.path());
    assert!(everything(dir.path()) == before, "it was written to");
    assert_eq!(examined.findings, []);
    let expected = Contents {
        revision: 302,
        compacted: 40,
        keys: 59,
        versions: examined.contents.versions,
        changes: 262,
    };
    assert_eq!(examined.contents, expected);
    let mut seen = 0;
    let complained = examine(dir.path(), &mut |entry| {
        seen += 1;
        (entry.key == "k7").then(|| "not this one".into())
    });
    let finding = &complained.unwrap().findings[0];
    assert_eq!(
        (finding.key.as_deref(), finding.what.as_str()),
        (Some("k7"), "not this one")
    );
    assert!(finding.revision.is_some() && seen > 200, "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_log_is_replayed_and_its_hash_compared() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::new(dir.path(), "a"))
        .await
        .unwrap();
    for n in 0..50 {
        let changes = [put(&format!("/k{}", n % 9), "v"), delete("/k3")];
        store.txn(txn([], changes)).await.unwrap();
    }
    store.shutdown().await;
    let examined = look(dir.path());
    assert_eq!(examined.findings, []);
    assert!(examined.replayed, "{:?}", examined.log);
    // Another store's log with as many entries makes another state.
    let other = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::new(other.path(), "a"))
        .await
        .unwrap();
    for n in 0..50 {
        let changes = [put(&format!("/k{}", n % 9), "w"), delete("/k3")];
        store.txn(txn([], changes)).await.unwrap();
    }
    store.shutdown().await;
    for part in ["log", "log.floor"] {
        fs::rename(dir.path().join(part), dir.path().join("aside")).unwrap();
        fs::rename(other.path().join(part), dir.path().join(part)).unwrap();
        fs::rename(dir.path().join("aside"), other.path().join(part)).unwrap();
    }
    let examined = look(dir.path());
    let hash = examined
        .findings
        .iter()
        .any(|f| f.what.contains("rolling hash"));
    assert!(hash, "{:?}", examined.findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_in_use_is_refused_with_the_holders_pid() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::new(dir.path(), "a"))
        .await
        .unwrap();
    let refused = examine(dir.path(), &mut |_| None).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    let pid = format!("pid {}", std::process::id());
    assert!(refused.to_string().contains(&pid), "{refused}");
    store.shutdown().await;
    look(dir.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_flipped_bit_is_found_or_changes_nothing() {
    let original = fixture().await;
    let scratch = tempfile::tempdir().unwrap();
    let clean = scratch.path().join("clean");
    copy(original.path(), &clean);
    let expected = contents(&clean).await.unwrap();
    let mut tally: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for (n, file) in data_files(original.path()).into_iter().enumerate() {
        let bits = fs::metadata(original.path().join(&file)).unwrap().len() * 8;
        for i in 0..FLIPS_EACH {
            let bit = (bits * i / FLIPS_EACH + 7919 * (i + 1)) % bits;
            let dir = scratch.path().join(format!("{n}-{i}"));
            copy(original.path(), &dir);
            flip(&dir.join(&file), bit);
            let examined = look(&dir);
            let named = examined.findings.iter().any(|finding| {
                finding.file.ends_with(&file) || dir.join(&file).starts_with(&finding.file)
            });
            if named {
                *tally.entry(file.clone()).or_default() += 1;
            } else {
                let name = file.display();
                assert!(
                    examined.findings.is_empty(),
                    "{name}: bit {bit} is blamed on {:?}",
                    examined.findings
                );
                let served = contents(&dir).await;
                assert!(
                    served.is_ok_and(|served| served == expected),
                    "{name}: bit {bit} matters and is not found"
                );
            }
            let _ = fs::remove_dir_all(&dir);
        }
    }
    // Every kind of file; only a table's unused bytes and a list's last newline do not matter.
    for kind in [
        "identity",
        "log.floor",
        "sst",
        "MANIFEST",
        "CURRENT",
        "log/0",
    ] {
        let found = tally
            .iter()
            .filter(|(file, _)| file.to_string_lossy().contains(kind));
        assert!(
            found.map(|(_, count)| count).sum::<u64>() > 0,
            "{kind}: {tally:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named() {
    let original = fixture().await;
    for missing in ["identity", "log.floor", "log"] {
        let scratch = tempfile::tempdir().unwrap();
        copy(original.path(), scratch.path());
        let path = scratch.path().join(missing);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let examined = look(scratch.path());
        assert!(
            examined.findings.iter().any(|f| f.file.ends_with(missing)),
            "{missing}: {:?}",
            examined.findings
        );
    }
    let scratch = tempfile::tempdir().unwrap();
    copy(original.path(), scratch.path());
    let tables = fs::read_dir(scratch.path().join("state")).unwrap();
    let table = tables
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "sst"))
        .unwrap();
    fs::remove_file(&table).unwrap();
    let examined = look(scratch.path());
    assert!(
        examined.findings.iter().any(|f| table.starts_with(&f.file)),
        "{:?}",
        examined.findings
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_write_is_a_note_and_a_lost_one_is_damage() {
    let dir = fixture().await;
    let wal = newest_wal(dir.path());
    let whole = fs::read(&wal).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(&[1, 2, 3, 4, 200, 0, 1, b'u', b'n']);
    fs::write(&wal, torn).unwrap();
    let examined = look(dir.path());
    assert_eq!(examined.findings, []);
    assert!(
        examined.notes.iter().any(|note| note.contains("cut short")),
        "{:?}",
        examined.notes
    );
    fs::write(&wal, &whole[..whole.len() - 300]).unwrap();
    let examined = look(dir.path());
    let lost = examined.findings.iter().any(|f| f.what.contains("on disk"));
    assert!(lost, "{:?}", examined.findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pointer_to_a_state_that_is_not_there_is_found() {
    let dir = fixture().await;
    // The pointer is a sealed file; another store's shows how one is made.
    let name = b"state-77";
    let mut sealed = b"TRIADSF1".to_vec();
    sealed.extend_from_slice(&u32::try_from(name.len()).unwrap().to_le_bytes());
    sealed.extend_from_slice(name);
    sealed.extend_from_slice(&crc32c(&sealed).to_le_bytes());
    fs::write(dir.path().join("state.current"), &sealed).unwrap();
    let examined = look(dir.path());
    let finding = &examined.findings[0];
    assert!(finding.file.ends_with("state.current"), "{finding}");
    assert!(finding.what.contains("state-77"), "{finding}");
    let last = sealed.len() - 5;
    sealed[last] ^= 1;
    fs::write(dir.path().join("state.current"), &sealed).unwrap();
    let examined = look(dir.path());
    assert!(examined.findings[0].what.contains("checksum"));
}

/// CRC32C, bit by bit: the tests' own word on what a sealed file is.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_stays_sound_through_compaction_expiry_and_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::new(dir.path(), "a"))
        .await
        .unwrap();
    for n in 0..120 {
        let key = format!("/k{}", n % 10);
        let change = match n % 7 {
            0 => delete(&key),
            1 => put_ttl(&key, 1),
            _ => put(&key, &n.to_string()),
        };
        store
            .txn(txn([], [change, put("/all", "x")]))
            .await
            .unwrap();
    }
    store.compact(Revision(60)).await.unwrap();
    until("what has a time to live is gone", || {
        (0..10).all(|n| {
            let at = store.get(format!("/k{n}").as_bytes(), None).unwrap();
            at.is_none_or(|entry| entry.value != "v")
        })
    })
    .await;
    let last = store.metrics().applied_index;
    committed(store.txn(txn([], [put("/last", "1")])).await);
    store.flush().await.unwrap();
    until("the log is purged", || store.metrics().purged_index > last).await;
    store.shutdown().await;
    let examined = look(dir.path());
    assert_eq!(examined.findings, []);
    assert_eq!(examined.contents.compacted, 60);
    assert!(!examined.replayed, "the log was purged: {:?}", examined.log);
}
