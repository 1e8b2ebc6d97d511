//! A tiny snapshot, built here page by page and kept as tests/data/tiny.snapshot, and what can be wrong with one.

use super::*;
use prost::Message;
use serde_json::json;
use sha2::{Digest, Sha256};
use snapshot::{KeyValue, LeaseRecord};
use triad_machinery::codec::json::Gvk;
use triad_machinery::codec::protobuf;
use triad_machinery::schema::schema;

const PAGE: usize = 1024;
const SMALL: &str = "tests/data/tiny.snapshot";

fn leaf(items: &[(u32, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut page = vec![0; 16 + 16 * items.len()];
    page[8] = 2;
    page[10..12].copy_from_slice(&u16::try_from(items.len()).unwrap().to_le_bytes());
    for (n, (flags, key, value)) in items.iter().enumerate() {
        let at = 16 + 16 * n;
        let numbers = [*flags as usize, page.len() - at, key.len(), value.len()];
        for (field, number) in numbers.into_iter().enumerate() {
            let bytes = u32::try_from(number).unwrap().to_le_bytes();
            page[at + 4 * field..at + 4 * field + 4].copy_from_slice(&bytes);
        }
        page.extend_from_slice(key);
        page.extend_from_slice(value);
    }
    page
}

fn branch(children: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let mut page = vec![0; 16 + 16 * children.len()];
    page[8] = 1;
    page[10..12].copy_from_slice(&u16::try_from(children.len()).unwrap().to_le_bytes());
    for (n, (key, child)) in children.iter().enumerate() {
        let at = 16 + 16 * n;
        let place = u32::try_from(page.len() - at).unwrap();
        page[at..at + 4].copy_from_slice(&place.to_le_bytes());
        page[at + 4..at + 8].copy_from_slice(&u32::try_from(key.len()).unwrap().to_le_bytes());
        page[at + 8..at + 16].copy_from_slice(&child.to_le_bytes());
        page.extend_from_slice(key);
    }
    page
}

fn meta(txid: u64, root: u64) -> Vec<u8> {
    let mut page = vec![0; 16];
    page[8] = 4;
    for number in [0xed0c_daed_u32, 2, PAGE as u32, 0] {
        page.extend_from_slice(&number.to_le_bytes());
    }
    for number in [root, 0, 2, 9, txid] {
        page.extend_from_slice(&number.to_le_bytes());
    }
    let sum = bolt::fnv(&page[16..72]);
    page.extend_from_slice(&sum.to_le_bytes());
    page
}

/// Puts a page in its place, running over into the next ones when it is long.
fn place(file: &mut Vec<u8>, id: usize, mut page: Vec<u8>) {
    page[..8].copy_from_slice(&(id as u64).to_le_bytes());
    let over = page.len().div_ceil(PAGE) - 1;
    page[12..16].copy_from_slice(&u32::try_from(over).unwrap().to_le_bytes());
    let end = (id + over + 1) * PAGE;
    file.resize(file.len().max(end), 0);
    file[id * PAGE..id * PAGE + page.len()].copy_from_slice(&page);
}

fn revision(main: u64, deleted: bool) -> Vec<u8> {
    let mut key = [main.to_be_bytes().as_slice(), b"_", &[0; 8]].concat();
    key.extend(deleted.then_some(b't'));
    key
}

fn row(
    main: u64,
    key: &str,
    created: i64,
    version: i64,
    value: Vec<u8>,
    lease: i64,
) -> (u32, Vec<u8>, Vec<u8>) {
    let kv = KeyValue {
        key: Bytes::copy_from_slice(key.as_bytes()),
        create_revision: created,
        mod_revision: main as i64,
        version,
        value: value.into(),
        lease,
    };
    (0, revision(main, false), kv.encode_to_vec())
}

fn config_map(name: &str, data: &str) -> Vec<u8> {
    let root = schema().kind("", "v1", "ConfigMap").unwrap();
    let gvk = Gvk {
        api_version: "v1",
        kind: "ConfigMap",
    };
    let object = json!({"metadata": {"name": name, "namespace": "n"}, "data": {"a": data}});
    protobuf::encode(&object, root, Some(gvk))
}

/// Two leaves under a branch, one of them long; leases and marks inline; an older meta page beside the newest.
fn database(more: Vec<(u32, Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut file = Vec::new();
    let gone = KeyValue {
        key: "/registry/configmaps/n/gone".into(),
        ..KeyValue::default()
    };
    let first = [
        row(
            2,
            "/registry/configmaps/n/kept",
            2,
            1,
            config_map("kept", "old"),
            0,
        ),
        row(
            3,
            "/registry/configmaps/n/gone",
            3,
            1,
            config_map("gone", "x"),
            0,
        ),
        row(4, "compact_rev_key", 4, 1, b"3".to_vec(), 0),
    ];
    let mut second = vec![
        row(
            5,
            "/registry/configmaps/n/kept",
            2,
            2,
            config_map("kept", &"long ".repeat(300)),
            0,
        ),
        (0, revision(6, true), gone.encode_to_vec()),
        row(
            7,
            "/registry/configmaps/n/short",
            7,
            1,
            config_map("short", "y"),
            77,
        ),
        row(
            8,
            "/registry/example.com/things/n/t",
            8,
            1,
            br#"{"kind":"Thing","metadata":{"name":"t","namespace":"n"}}"#.to_vec(),
            0,
        ),
    ];
    second.extend(more);
    let lease = LeaseRecord {
        id: 77,
        ttl: 3600,
        remaining: 900,
    };
    let inline = |items: &[(u32, Vec<u8>, Vec<u8>)]| [vec![0; 16], leaf(items)].concat();
    let lease = inline(&[(0, 77u64.to_be_bytes().to_vec(), lease.encode_to_vec())]);
    let marks = inline(&[(0, b"finishedCompactRev".to_vec(), revision(3, false))]);
    let keys = [4u64.to_le_bytes(), [0; 8]].concat();
    let buckets = [
        (1, b"key".to_vec(), keys),
        (1, b"lease".to_vec(), lease),
        (1, b"meta".to_vec(), marks),
    ];
    place(&mut file, 0, meta(10, 8));
    place(&mut file, 1, meta(11, 3));
    place(&mut file, 3, leaf(&buckets));
    place(
        &mut file,
        4,
        branch(&[(first[0].1.clone(), 5), (second[0].1.clone(), 6)]),
    );
    place(&mut file, 5, leaf(&first));
    place(&mut file, 6, leaf(&second));
    file
}

fn sealed(mut file: Vec<u8>) -> Bytes {
    let sum = Sha256::digest(&file);
    file.extend_from_slice(&sum);
    file.into()
}

fn options(skip_encrypted: bool) -> Etcd {
    Etcd {
        snapshot: SMALL.into(),
        data_dir: "/nonexistent".into(),
        node_name: "a".into(),
        prefix: "/registry".into(),
        skip_encrypted,
        yes: false,
    }
}

#[test]
fn the_newest_versions_come_over_with_their_revisions_and_leases() {
    let built = sealed(database(Vec::new()));
    if std::env::var_os("TRIAD_WRITE_SNAPSHOT").is_some() {
        fs::write(SMALL, &built).unwrap();
    }
    assert!(
        fs::read(SMALL).unwrap() == built,
        "tests/data/tiny.snapshot is what is built here"
    );
    let snapshot = Snapshot::read(built).unwrap();
    assert_eq!((snapshot.revision, snapshot.hashed), (8, true));
    let names: Vec<&[u8]> = snapshot.keys.keys().map(|key| &key[..]).collect();
    let expected: [&[u8]; 4] = [
        b"/registry/configmaps/n/kept",
        b"/registry/configmaps/n/short",
        b"/registry/example.com/things/n/t",
        b"compact_rev_key",
    ];
    assert_eq!(names, expected);
    let kept = &snapshot.keys[&b"/registry/configmaps/n/kept"[..]];
    assert_eq!(
        (kept.created, kept.modified, kept.version, kept.ttl),
        (2, 5, 2, None)
    );
    assert_eq!(kept.value, config_map("kept", &"long ".repeat(300)));
    assert_eq!(
        snapshot.keys[&b"/registry/configmaps/n/short"[..]].ttl,
        Some(900)
    );
    let chosen = Chosen::of(&snapshot, "registry/");
    assert_eq!(
        (chosen.keys.len(), chosen.objects, chosen.beside),
        (3, 3, 1)
    );
    chosen.acceptable(&options(false)).unwrap();
    assert!(
        Chosen::of(&snapshot, "/other")
            .acceptable(&options(false))
            .is_err()
    );
}

#[test]
fn a_copied_database_has_no_hash_and_a_broken_one_is_refused() {
    let plain = database(Vec::new());
    assert!(!Snapshot::read(plain.clone().into()).unwrap().hashed);
    let whole = sealed(plain.clone());
    for at in [5000, whole.len() - 3] {
        let mut bad = whole.to_vec();
        bad[at] ^= 1;
        let error = Snapshot::read(bad.into()).err().unwrap();
        assert!(error.to_string().contains("damaged"), "{error}");
    }
    // The newest meta page is bad: the older one counts, whose root is another.
    let mut bad = plain.clone();
    bad[PAGE + 40] ^= 1;
    assert!(Snapshot::read(bad.clone().into()).is_err());
    bad[40] ^= 1;
    let error = format!("{:#}", Snapshot::read(bad.into()).err().unwrap());
    assert!(error.contains("no bbolt file"), "{error}");
    // The first is bad: the second is found by its page size.
    let mut bad = plain;
    bad[40] ^= 1;
    assert_eq!(Snapshot::read(bad.into()).unwrap().revision, 8);
}

#[test]
fn no_file_ends_the_program() {
    let plain = database(Vec::new());
    for at in 0..plain.len() {
        for bit in [0, 3, 7] {
            let mut bad = plain.clone();
            bad[at] ^= 1 << bit;
            // Read as something else or refused, but never a panic or an endless loop.
            drop(Snapshot::read(bad.into()));
        }
    }
    for size in (0..plain.len()).step_by(97) {
        drop(Snapshot::read(plain[..size].to_vec().into()));
    }
}

#[test]
fn what_is_encrypted_or_broken_is_named_and_refused() {
    let secret = row(
        9,
        "/registry/secrets/n/s",
        9,
        1,
        b"k8s:enc:aesgcm:v1:k:xyz".to_vec(),
        0,
    );
    let snapshot = Snapshot::read(database(vec![secret]).into()).unwrap();
    let chosen = Chosen::of(&snapshot, "/registry");
    let refused = chosen.acceptable(&options(false)).unwrap_err().to_string();
    assert!(refused.contains("--skip-encrypted"), "{refused}");
    let told = chosen.told(&snapshot, &options(false));
    assert!(
        told.contains("1 are encrypted: /registry/secrets/n/s (aesgcm)"),
        "{told}"
    );
    chosen.acceptable(&options(true)).unwrap();
    assert_eq!(chosen.keys.len(), 3);

    let broken = row(9, "/registry/secrets/n/s", 9, 1, b"k8s\0junk".to_vec(), 0);
    let elsewhere = row(
        10,
        "/registry/configmaps/n/other",
        10,
        1,
        config_map("kept", "z"),
        0,
    );
    let snapshot = Snapshot::read(database(vec![broken, elsewhere]).into()).unwrap();
    let refused = Chosen::of(&snapshot, "/registry").acceptable(&options(true));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("2 values") && refused.contains("/registry/secrets/n/s"),
        "{refused}"
    );
}
