//! How long the hot path takes on a pod of about 4 KB. Figures are printed; the bounds only catch a tenfold loss.

#![allow(
    clippy::print_stderr,
    reason = "figures and skips are for whoever runs the tests"
)]

use std::hint::black_box;
use std::time::Instant;

use triad_machinery::codec::{Strictness, json, protobuf};
use triad_machinery::schema::schema;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const POD: &str = include_str!("data/pod.json");

fn micros(name: &str, mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..100 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e4);
    }
    eprintln!("{name}: {best:.2} us");
    best
}

#[test]
fn a_pod_is_quick() {
    let pod = schema().kind("", "v1", "Pod").unwrap();
    let text = POD.trim().as_bytes();
    let tree = json::decode(text, pod, Strictness::Report).unwrap();
    assert_eq!(tree.strict_errors, Vec::<String>::new());
    let tree = tree.value;
    let compact = json::encode(&tree, pod, None);
    let message = protobuf::encode(&tree, pod, None);
    eprintln!(
        "{} bytes of JSON, {} of protobuf",
        compact.len(),
        message.len()
    );
    let figures = [
        micros("JSON decode", || {
            drop(black_box(json::decode(
                black_box(&compact),
                pod,
                Strictness::Ignore,
            )))
        }),
        micros("JSON decode, strict", || {
            drop(black_box(json::decode(
                black_box(&compact),
                pod,
                Strictness::Report,
            )))
        }),
        micros("JSON encode", || {
            drop(black_box(json::encode(black_box(&tree), pod, None)))
        }),
        micros("protobuf decode", || {
            drop(black_box(protobuf::decode(black_box(&message), pod)))
        }),
        micros("protobuf encode", || {
            drop(black_box(protobuf::encode(black_box(&tree), pod, None)))
        }),
        micros("serde_json", || {
            drop(black_box(serde_json::from_slice::<serde_json::Value>(
                black_box(&compact),
            )))
        }),
        micros("clone", || drop(black_box(tree.clone()))),
        micros("kind and apiVersion", || {
            drop(black_box(json::interpret(black_box(&compact))))
        }),
    ];
    assert!(figures.iter().all(|us| *us < 500.0), "{figures:?}");
}
