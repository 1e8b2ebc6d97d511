//! Prints how long the codecs' hot path takes on a pod of about 4 KB: `cargo run --release -p triad-machinery --example codec`.

#![allow(clippy::print_stdout, reason = "it is what this program is for")]
#![allow(clippy::unwrap_used, reason = "it reads what lies beside it")]

use std::hint::black_box;
use std::time::Instant;

use triad_machinery::codec::{Strictness, json, protobuf};
use triad_machinery::schema::{self, schema};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const POD: &str = include_str!("../tests/data/pod.json");

fn micros(name: &str, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..100 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e4);
    }
    println!("{name}: {best:.2} us");
}

fn main() {
    let start = Instant::now();
    drop(black_box(schema::built_in()));
    println!(
        "schema table: {:.2} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    let pod = schema().kind("", "v1", "Pod").unwrap();
    let text = POD.trim().as_bytes();
    let tree = json::decode(text, pod, Strictness::Report).unwrap();
    assert_eq!(tree.strict_errors, Vec::<String>::new());
    let tree = tree.value;
    let compact = json::encode(&tree, pod, None);
    let message = protobuf::encode(&tree, pod, None);
    println!(
        "{} bytes of JSON, {} of protobuf",
        compact.len(),
        message.len()
    );
    micros("JSON decode", || {
        drop(black_box(json::decode(
            black_box(&compact),
            pod,
            Strictness::Ignore,
        )))
    });
    micros("JSON decode, strict", || {
        drop(black_box(json::decode(
            black_box(&compact),
            pod,
            Strictness::Report,
        )))
    });
    micros("JSON encode", || {
        drop(black_box(json::encode(black_box(&tree), pod, None)))
    });
    micros("protobuf decode", || {
        drop(black_box(protobuf::decode(black_box(&message), pod)))
    });
    micros("protobuf encode", || {
        drop(black_box(protobuf::encode(black_box(&tree), pod, None)))
    });
    micros("serde_json", || {
        drop(black_box(serde_json::from_slice::<serde_json::Value>(
            black_box(&compact),
        )))
    });
    micros("clone", || drop(black_box(tree.clone())));
    micros("kind and apiVersion", || {
        drop(black_box(json::interpret(black_box(&compact))))
    });
}
