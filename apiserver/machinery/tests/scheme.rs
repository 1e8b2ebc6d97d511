//! The resource table reads, agrees with the schema, and gives the hashes and orders that discovery shows.

use triad_machinery::schema::schema;
use triad_machinery::scheme::{GcPolicy, NameRule, scheme};

#[test]
fn every_resource_has_its_types() {
    for r in scheme().resources() {
        assert!(
            r.type_id().is_some(),
            "{}/{} {}",
            r.group,
            r.version,
            r.kind
        );
        assert_eq!(
            r.has_verb("list"),
            r.list_type().is_some(),
            "{}/{} {}",
            r.group,
            r.version,
            r.plural
        );
        for s in &r.subresources {
            let shared = schema().kind(&s.group, &s.version, &s.kind);
            assert!(
                shared.is_some(),
                "{}/{}: {}/{} {}",
                r.plural,
                s.name,
                s.group,
                s.version,
                s.kind
            );
        }
    }
    assert_eq!(scheme().resources().len(), 100);
}

#[test]
fn storage_version_hashes_are_upstreams() {
    for (group, plural, hash) in [
        ("", "pods", "xPOwRZ+Yhw8="),
        ("apps", "deployments", "8aSe+NMegvE="),
        ("events.k8s.io", "events", "r2yiGXH7wu8="),
        ("rbac.authorization.k8s.io", "roles", "7FuwZcIIItM="),
    ] {
        assert_eq!(
            scheme()
                .resource(group, "v1", plural)
                .unwrap()
                .storage_version_hash()
                .as_deref(),
            Some(hash),
            "{plural}"
        );
    }
}

#[test]
fn a_resource_reads_as_written() {
    let pods = scheme().resource("", "v1", "pods").unwrap();
    assert_eq!(
        (
            pods.singular.as_ref(),
            pods.short_names.as_slice(),
            pods.namespaced
        ),
        ("pod", &["po".into()][..], true)
    );
    assert!(
        pods.graceful_delete
            && pods.unconditional_update
            && !pods.create_on_update
            && pods.generation.on_create
    );
    assert_eq!(pods.subresource("eviction").unwrap().group, "policy");
    assert_eq!(pods.subresource("status").unwrap().kind, "Pod");
    assert!(
        pods.selectable("spec.nodeName")
            && pods.selectable("metadata.namespace")
            && !pods.selectable("spec.foo")
    );
    assert_eq!(pods.selected_as("spec.host"), "spec.nodeName");
    assert_eq!(pods.selected_as("spec.nodeName"), "spec.nodeName");
    assert_eq!(pods.columns[7].name, "Nominated Node");
    assert_eq!(pods.columns[7].priority, 1);
    assert_eq!(
        scheme()
            .resource("", "v1", "nodes")
            .unwrap()
            .storage
            .as_ref()
            .unwrap()
            .key,
        "/registry/minions"
    );
    let jobs = scheme().resource_of_kind("batch", "v1", "Job").unwrap();
    assert_eq!(jobs.gc, GcPolicy::OrphanDependents);
    assert_eq!(
        scheme().resource("", "v1", "namespaces").unwrap().name_rule,
        NameRule::Label
    );
    assert_eq!(
        scheme()
            .resource("autoscaling", "v1", "horizontalpodautoscalers")
            .unwrap()
            .storage
            .as_ref()
            .unwrap()
            .version,
        "v2"
    );
}

#[test]
fn groups_come_in_discovery_order() {
    let names: Vec<&str> = scheme().groups().iter().map(|g| g.name.as_ref()).collect();
    assert_eq!(
        &names[..6],
        [
            "apiregistration.k8s.io",
            "",
            "apps",
            "events.k8s.io",
            "authentication.k8s.io",
            "authorization.k8s.io"
        ]
    );
    let autoscaling = scheme().group("autoscaling").unwrap();
    assert_eq!(
        autoscaling
            .versions
            .iter()
            .map(|v| v.name.as_ref())
            .collect::<Vec<_>>(),
        ["v2", "v1"]
    );
}
