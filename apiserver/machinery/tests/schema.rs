//! The embedded table reads and resolves.

use triad_machinery::schema::{self, FieldType, schema};

#[test]
fn the_table_reads() {
    let built = schema::built_in().expect("the table reads");
    assert!(built.types().len() > 1600);
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
