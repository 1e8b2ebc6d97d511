//! The embedded table reads, resolves and stays quick to read.

#![allow(
    clippy::print_stderr,
    reason = "figures and skips are for whoever runs the tests"
)]

use std::time::Instant;

use triad_machinery::schema::{self, FieldType, schema};

#[test]
fn reads_in_a_few_milliseconds() {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let built = schema::built_in().expect("the table reads");
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        assert!(built.types().len() > 1600);
    }
    eprintln!("schema table read in {best:.2} ms");
    assert!(best < 50.0, "{best} ms");
}

#[test]
fn a_field_carries_its_markers() {
    let schema = schema();
    let container = schema.type_named("core/v1.Container").unwrap();
    let ports = schema.struct_of(container).unwrap().field("ports").unwrap();
    assert_eq!(ports.number, 6);
    assert_eq!(ports.merge_key.as_deref(), Some("containerPort"));
    assert_eq!(ports.list_map_keys, ["containerPort", "protocol"]);
    assert!(ports.patch_strategy.merge && ports.omitempty && !ports.pointer);
    assert!(matches!(ports.ty, FieldType::List(_)));
    assert_eq!(schema.go_type(ports), "[]v1.ContainerPort");
    let volume = schema
        .struct_of(schema.type_named("core/v1.Volume").unwrap())
        .unwrap();
    assert!(volume.field("emptyDir").unwrap().nested_in.is_some());
    assert_eq!(volume.proto.len(), 2);
}

#[test]
fn kinds_are_found_by_group_version() {
    let schema = schema();
    assert!(schema.kind("", "v1", "Pod").is_some());
    assert!(schema.kind("apps", "v1", "Deployment").is_some());
    assert!(schema.kind("apps", "v1", "DeploymentSpec").is_none());
    assert_eq!(
        schema.kind("batch", "v1", "DeleteOptions"),
        schema.type_named("meta/v1.DeleteOptions")
    );
}
