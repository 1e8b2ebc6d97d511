//! Prints what each phase of a write takes, in microseconds and in allocations, of a pod and a Deployment as large as a production
//! cluster's: `cargo run --release -p triad-machinery --example write`. What a server adds to that is measured by `triadctl bench`.

#![allow(clippy::print_stdout, reason = "it is what this program is for")]
#![allow(clippy::unwrap_used, reason = "it reads what lies beside it")]
#![allow(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use serde_json::{Value, json};
use triad_machinery::codec::json::Gvk;
use triad_machinery::codec::{Known, Message, Revised, Strictness, json, protobuf};
use triad_machinery::defaults::{apply_defaults, apply_defaults_at, settled};
use triad_machinery::managed_fields::{self, Context, OneVersion, ResetFields, reset_fields};
use triad_machinery::patch::reread::{Before, Reread};
use triad_machinery::patch::{merge, strategic};
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::{features, validation};

/// The server's allocator, counting.
struct Counting(mimalloc::MiMalloc);

#[global_allocator]
static ALLOCATOR: Counting = Counting(mimalloc::MiMalloc);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the allocator inside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.0.realloc(at, layout, size) }
    }
}

const POD: &str = include_str!("../tests/data/pod.json");
const NOW: &str = "2026-01-01T00:00:00Z";

/// Does the work on a new copy of what is there before, often; the best time of it and how often it allocates. What it made at last.
fn phase<S: Clone, T>(name: &str, before: &S, mut work: impl FnMut(S) -> T) -> T {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let copies: Vec<S> = (0..50).map(|_| before.clone()).collect();
        let start = Instant::now();
        for copy in copies {
            drop(black_box(work(black_box(copy))));
        }
        best = best.min(start.elapsed().as_secs_f64() * 2e4);
    }
    let copy = before.clone();
    let count = ALLOCATIONS.load(Relaxed);
    let made = work(copy);
    let count = ALLOCATIONS.load(Relaxed) - count;
    println!("  {name:<34} {best:>8.2} us {count:>6} allocations");
    made
}

struct Kind {
    api_version: &'static str,
    kind: &'static str,
    resource: validation::Kind<'static>,
    ty: TypeId,
}

impl Kind {
    fn new(group: &'static str, kind: &'static str, resource: &'static str) -> Self {
        Kind {
            api_version: if group.is_empty() { "v1" } else { "apps/v1" },
            kind,
            resource: validation::Kind {
                group,
                resource,
                served_group: group,
            },
            ty: schema().kind(group, "v1", kind).unwrap(),
        }
    }

    fn gvk(&self) -> Gvk<'_> {
        Gvk {
            api_version: self.api_version,
            kind: self.kind,
        }
    }

    fn track<T>(
        &self,
        (manager, subresource): (&str, &str),
        work: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let reset_fields: ResetFields = reset_fields(
            self.resource.group,
            self.resource.resource,
            subresource,
            true,
        );
        work(&Context {
            schema: schema(),
            type_id: self.ty,
            custom: None,
            api_version: self.api_version,
            kind: self.kind,
            manager,
            subresource,
            now: NOW,
            reset_fields: &reset_fields,
            versions: &OneVersion,
        })
    }

    /// The same when the codec has met such objects before.
    fn read_again(&self, stored: &[u8]) -> Value {
        (0..2).for_each(|_| drop(self.read(stored)));
        self.read(stored)
    }

    /// What the store gives back of what was stored.
    fn read(&self, stored: &[u8]) -> Value {
        let mut object = protobuf::decode(stored, self.ty).unwrap();
        apply_defaults(&mut object, self.ty);
        object["metadata"]["resourceVersion"] = "7".into();
        object
    }

    fn shown(&self, stored: &[u8]) -> Vec<u8> {
        let message = Message::open(protobuf::raw(stored).unwrap(), self.ty).unwrap();
        let revised = Revised {
            message: &message,
            resource_version: "7",
        };
        let mut out = Vec::with_capacity(stored.len() * 3 / 2 + 256);
        revised
            .json(&mut out, Some(self.gvk()), Known::Nothing)
            .unwrap();
        out
    }

    /// Reads a body as a client sent it.
    fn body(&self, text: &[u8]) -> Value {
        let _type = json::interpret(text).unwrap();
        let decoded = json::decode(text, self.ty, Strictness::Report).unwrap();
        decoded.value
    }

    /// From a finished object to the answer.
    fn store(&self, object: &Value) -> Vec<u8> {
        let stored = phase("encode", &(), |()| {
            protobuf::encode(object, self.ty, Some(self.gvk()))
        });
        phase("look for the cache", &(), |()| {
            let message = Message::open(protobuf::raw(&stored).unwrap(), self.ty).unwrap();
            assert!(settled(&message));
            let revised = Revised {
                message: &message,
                resource_version: "7",
            };
            revised.protobuf_len()
        });
        phase("answer", &(), |()| self.shown(&stored));
        println!("  {} bytes stored", stored.len());
        stored
    }
}

fn create(kind: &Kind, text: &[u8], manager: (&str, &str)) -> Vec<u8> {
    println!("create a {}: {} bytes of JSON", kind.kind, text.len());
    let object = phase("read the body", &(), |()| kind.body(text));
    let mut object = phase("defaults", &object, |mut object| {
        apply_defaults_at(&mut object, kind.ty, NOW);
        object
    });
    object["metadata"]["uid"] = "7d2e7a0e-6f1c-4d0c-9a57-1d0f1f3a2b4c".into();
    object["metadata"]["creationTimestamp"] = NOW.into();
    let object = phase("managed fields", &object, |mut object| {
        kind.track(manager, |context| {
            managed_fields::update(None, &mut object, context);
        });
        object
    });
    phase("fields of gates", &object, |mut object| {
        features::drop_disabled(kind.ty, &mut object, None);
        object
    });
    judge(kind, &object, None);
    kind.store(&object)
}

fn judge(kind: &Kind, object: &Value, old: Option<&Value>) {
    let settings = validation::Settings::default();
    phase("rules of the kind", &(), |()| match old {
        Some(old) => validation::validate_update(kind.resource, object, old, &settings),
        None => validation::validate(kind.resource, object, &settings),
    });
    phase("declared rules", &(), |()| {
        validation::declared(kind.ty, object, old)
    });
    phase("warnings", &(), |()| {
        validation::warnings(kind.resource, object, old)
    });
}

fn status(turn: u32) -> Value {
    let at = format!("2026-01-01T00:00:{turn:02}Z");
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": at});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
    json!({"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}], "hostIP": "10.9.0.7", "startTime": NOW,
        "conditions": conditions.map(condition),
        "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": turn,
            "image": "registry.example.com/shop/checkout:2.41.7", "imageID": "registry.example.com/shop/checkout@sha256:9f86d0",
            "containerID": "containerd://4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
            "state": {"running": {"startedAt": at}}}]})
}

/// Twice: the first makes the manager's entry, which most updates find there.
fn update_status(kind: &Kind, stored: &[u8]) {
    let mut live = kind.read_again(stored);
    for turn in 0..2 {
        println!("update a {}'s status", kind.kind);
        let mut sent = live.clone();
        sent["status"] = status(turn);
        let text = json::encode(&sent, kind.ty, Some(kind.gvk()));
        live = phase("read what is stored", &(), |()| {
            let stored = protobuf::encode(&live, kind.ty, Some(kind.gvk()));
            kind.read(&stored)
        });
        let object = phase("read the body", &(), |()| kind.body(&text));
        let object = phase("defaults", &object, |mut object| {
            apply_defaults_at(&mut object, kind.ty, NOW);
            object
        });
        let mut object = phase("managed fields", &object, |mut object| {
            kind.track(("kubelet", "status"), |context| {
                managed_fields::update(Some(&live), &mut object, context);
            });
            object
        });
        for (key, value) in live.as_object().unwrap() {
            if key != "status" && key != "metadata" {
                object[key.as_str()] = value.clone();
            }
        }
        let settings = validation::Settings::default();
        phase("rules of the kind", &(), |()| {
            validation::validate_subresource(kind.resource, "status", &object, &live, &settings)
        });
        phase("declared rules", &(), |()| {
            validation::declared(kind.ty, &object, Some(&live))
        });
        phase("times of managers", &object, |mut object| {
            managed_fields::keep_times(&live, &mut object);
            object
        });
        let stored = kind.store(&object);
        live = kind.read_again(&stored);
    }
}

fn patch(kind: &Kind, stored: &[u8]) {
    let live = kind.read_again(stored);
    let annotation = json!({"annotations": {"example.com/turn": "1"}});
    let container = json!({"name": "web", "env": [{"name": "TURN", "value": "1"}]});
    let strategic = json!({"metadata": annotation, "spec": {"template": {"spec": {"containers": [container]}}}});
    let merging = json!({"metadata": annotation, "spec": {"template": {"metadata": annotation}}});
    for (name, patch) in [("strategic", strategic), ("merge", merging)] {
        println!("{name} patch of a {}", kind.kind);
        phase("read what is stored", &(), |()| kind.read(stored));
        let document = phase("the document", &(), |()| {
            json::to_json_value(&live, kind.ty)
        });
        let patched = phase("patch", &document, |document| match name {
            "merge" => merge::apply(document, &patch, true).unwrap(),
            _ => strategic::apply(document, &mut patch.clone(), schema(), kind.ty).unwrap(),
        });
        let before = Before {
            object: &live,
            document: &document,
        };
        let object = phase("read it again", &(), |()| {
            let reread = Reread::new(before, &patched, kind.ty);
            reread.decode(Strictness::Report).unwrap().value
        });
        after_patch(kind, &live, object);
    }
    println!("apply of a {}", kind.kind);
    let text = json::encode(&patched_configuration(&live), kind.ty, Some(kind.gvk()));
    let config = phase("read the body", &(), |()| {
        triad_machinery::codec::yaml::to_value(&text).unwrap()
    });
    let applied = |live: &Value, config: &Value| {
        kind.track(("bench", ""), |context| {
            managed_fields::apply(Some(live), config, context, true).unwrap()
        })
    };
    let live = kind.read_again(&protobuf::encode(
        &applied(&live, &config),
        kind.ty,
        Some(kind.gvk()),
    ));
    let mut config = config;
    config["metadata"]["annotations"] = json!({"example.com/turn": "2"});
    let object = phase("apply", &(), |()| applied(&live, &config));
    let object = phase("defaults", &object, |mut object| {
        apply_defaults_at(&mut object, kind.ty, NOW);
        object
    });
    judge(kind, &object, Some(&live));
    kind.store(&object);
}

fn patched_configuration(live: &Value) -> Value {
    let mut config =
        json!({"metadata": {"name": "x", "namespace": "n"}, "spec": live["spec"].clone()});
    config["metadata"]["annotations"] = json!({"example.com/turn": "1"});
    config
}

fn after_patch(kind: &Kind, live: &Value, object: Value) {
    let object = phase("defaults", &object, |mut object| {
        apply_defaults_at(&mut object, kind.ty, NOW);
        object
    });
    let object = phase("managed fields", &object, |mut object| {
        kind.track(("bench", ""), |context| {
            managed_fields::update(Some(live), &mut object, context);
        });
        object
    });
    judge(kind, &object, Some(live));
    kind.store(&object);
}

fn main() {
    let pod = Kind::new("", "Pod", "pods");
    let stored = create(&pod, POD.trim().as_bytes(), ("bench", ""));
    update_status(&pod, &stored);
    let deployment = Kind::new("apps", "Deployment", "deployments");
    let template: Value = serde_json::from_str(POD).unwrap();
    let labels = template["metadata"]["labels"].clone();
    let text = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "n", "labels": labels},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]}}})
    .to_string();
    let stored = create(&deployment, text.as_bytes(), ("bench", ""));
    patch(&deployment, &stored);
}
