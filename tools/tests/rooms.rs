//! The rooms' edges point down: server -> kv -> raft -> RocksDB, machinery beside them and pure. Reads manifests and sources.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from("..")
}

/// The names in a manifest's [dependencies] (dev-dependencies do not count).
fn dependencies(room: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).expect("a manifest");
    let mut section = "";
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if let ("[dependencies]", Some((name, _))) =
            (section, line.split_once(['.', ' ', '=']))
        {
            names.push(name.to_owned());
        }
    }
    assert!(!names.is_empty(), "{room} has dependencies");
    names
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_room_depends_on_one_above_it() {
    let forbidden: [(&str, &[&str]); 7] = [
        (
            "raft",
            &["triad-kv", "triad-machinery", "triad-server", "triad-tools"],
        ),
        (
            "kv",
            &["triad-machinery", "triad-server", "triad-tools", "openraft"],
        ),
        (
            "apiserver/tree",
            &[
                "triad-kv",
                "triad-raft",
                "triad-machinery",
                "triad-server",
                "triad-tools",
                "tokio",
            ],
        ),
        (
            "apiserver/machinery",
            &[
                "triad-kv",
                "triad-raft",
                "triad-server",
                "triad-tools",
                "tokio",
                "rocksdb",
                "openraft",
            ],
        ),
        (
            "apiserver/backup",
            &[
                "triad-kv",
                "triad-raft",
                "triad-server",
                "triad-tools",
                "rocksdb",
            ],
        ),
        (
            "apiserver/cel",
            &[
                "triad-kv",
                "triad-raft",
                "triad-machinery",
                "triad-server",
                "triad-tools",
                "tokio",
            ],
        ),
        (
            "apiserver/server",
            &["triad-raft", "triad-tools", "rocksdb", "openraft"],
        ),
    ];
    for (room, names) in forbidden {
        let found: Vec<String> = dependencies(room)
            .into_iter()
            .filter(|name| names.contains(&name.as_str()))
            .collect();
        assert!(found.is_empty(), "{room} must not depend on {found:?}");
    }
}

#[test]
fn the_api_server_knows_neither_rocksdb_nor_openraft() {
    let mut files = Vec::new();
    sources(&root().join("apiserver"), &mut files);
    assert!(files.len() > 100, "the sources were found");
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        for word in ["rocksdb::", "openraft::", "triad_raft::"] {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn every_source_says_what_it_owns() {
    let mut files = Vec::new();
    for room in [
        "raft/src",
        "kv/src",
        "apiserver/machinery/src",
        "apiserver/backup/src",
        "apiserver/server/src",
        "tools/src",
    ] {
        sources(&root().join(room), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        assert!(
            text.starts_with("//!"),
            "{} does not begin with what it owns",
            file.display()
        );
        assert!(
            file.file_name().is_some_and(|name| name != "mod.rs"),
            "{} is a mod.rs",
            file.display()
        );
    }
}
