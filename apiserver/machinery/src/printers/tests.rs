//! Tables: every cell of the file is understood, and each kind of cell shows what it should.

use super::*;

const NOW: i64 = 1_000;

fn cells(group: &str, object: Value) -> Value {
    let mut table = Table::new(
        columns_of(group, meta::kind(&object)),
        IncludeObject::None,
        NOW,
    );
    table.push(&object);
    table.into_value(Map::new(), true)["rows"][0]["cells"].clone()
}

#[test]
fn the_file_is_whole() {
    let read = columns::read(include_str!("columns.txt"));
    assert!(read.broken.is_empty(), "{:?}", read.broken);
    let pod = columns_of("", "Pod");
    assert_eq!(pod.0.len(), 9);
    assert!(pod.0.iter().all(|column| !column.description.is_empty()));
    let names: Vec<&str> = columns_of("x", "Y")
        .0
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["Name", "Created At"]);
}

#[test]
fn tables_on_the_wire() {
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "1"},
        "metadata": {"name": "a", "creationTimestamp": "1970-01-01T00:15:00Z"}});
    let mut table = Table::new(columns_of("", "ConfigMap"), IncludeObject::Metadata, NOW);
    table.push(&object);
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), "7".into());
    assert_eq!(
        table.into_value(metadata, false).to_string(),
        r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},"columnDefinitions":null,"rows":[{"cells":["a",1,"100s"],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","creationTimestamp":"1970-01-01T00:15:00Z"}}}]}"#
    );
}

fn pod(spec: Value, status: Value) -> Value {
    let object = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec, "status": status});
    let cells = cells("", object);
    json!([cells[1], cells[2], cells[3]])
}

#[test]
fn pods_say_what_they_do() {
    let one = || json!({"containers": [{"name": "c"}]});
    let with_init = || json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
    for (spec, status, want) in [
        (
            one(),
            json!({"phase": "Pending"}),
            json!(["0/1", "Pending", "0"]),
        ),
        (
            one(),
            json!({"phase": "Failed", "reason": "Evicted"}),
            json!(["0/1", "Evicted", "0"]),
        ),
        (
            one(),
            json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2, "state": {"running": {}},
                "lastState": {"terminated": {"finishedAt": "1970-01-01T00:10:00Z"}}}]}),
            json!(["1/1", "Running", "2 (6m40s ago)"]),
        ),
        (
            one(),
            json!({"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
            json!(["0/1", "CrashLoopBackOff", "0"]),
        ),
        (
            one(),
            json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
            json!(["0/1", "Completed", "0"]),
        ),
        (
            one(),
            json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 1, "signal": 9}}}]}),
            json!(["0/1", "Signal:9", "0"]),
        ),
        (
            with_init(),
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
            json!(["0/2", "Init:0/2", "0"]),
        ),
        (
            with_init(),
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 3, "state": {"terminated": {"exitCode": 2}}}]}),
            json!(["0/2", "Init:ExitCode:2", "3"]),
        ),
        (
            one(),
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
            json!(["0/1", "SchedulingGated", "0"]),
        ),
    ] {
        assert_eq!(pod(spec, status.clone()), want, "{status}");
    }
}

#[test]
fn cells_by_expression_and_by_function() {
    for (group, object, want) in [
        (
            "apps",
            json!({"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {"containers": [{"name": "x", "image": "i"}, {"name": "y", "image": "j"}]}}}, "status": {"readyReplicas": 1}}),
            json!(["d", "1/3", 0, 0, "<unknown>", "x,y", "i,j", "a=b"]),
        ),
        (
            "",
            json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"],
                "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}, {"port": 81, "protocol": "UDP"}]}}),
            json!([
                "s",
                "LoadBalancer",
                "10.0.0.1",
                "<pending>",
                "80:30000/TCP,81/UDP",
                "<unknown>",
                "<none>"
            ]),
        ),
        (
            "",
            json!({"kind": "Node", "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/b": "", "kubernetes.io/role": "a"}},
                "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "False"}],
                "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}], "nodeInfo": {"kernelVersion": "6", "architecture": "amd64"}}}),
            json!([
                "n",
                "NotReady,SchedulingDisabled",
                "a,b",
                "<unknown>",
                "",
                "1.2.3.4",
                "<none>",
                "<unknown>",
                "6 (amd64)",
                "<unknown>"
            ]),
        ),
        (
            "batch",
            json!({"kind": "Job", "metadata": {"name": "j"}, "spec": {"parallelism": 2}, "status": {"startTime": "1970-01-01T00:00:00Z",
                "completionTime": "1970-01-01T00:01:00Z", "conditions": [{"type": "Complete", "status": "True"}]}}),
            json!([
                "j",
                "Complete",
                "0/1 of 2",
                "60s",
                "<unknown>",
                "",
                "",
                "<none>"
            ]),
        ),
        (
            "autoscaling",
            json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {"scaleTargetRef": {"kind": "D", "name": "d"},
                "maxReplicas": 3, "minReplicas": 1, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}},
                {"type": "Pods", "pods": {"target": {"averageValue": "1k"}}}, {"type": "Zap"}]}}),
            json!([
                "h",
                "D/d",
                "cpu: <unknown>/50%, <unknown>/1k + 1 more...",
                "1",
                3,
                0,
                "<unknown>"
            ]),
        ),
        (
            "",
            json!({"kind": "Endpoints", "metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "::1"}], "ports": [{"port": 1}, {"port": 2}]}]}),
            json!(["e", "1.1.1.1:1,[::1]:1,1.1.1.1:2 + 1 more...", "<unknown>"]),
        ),
    ] {
        assert_eq!(cells(group, object.clone()), want, "{object}");
    }
}

#[test]
fn the_youngest_default_class_is_the_default() {
    let class = |name: &str, time: &str| {
        json!({"kind": "StorageClass", "metadata": {"name": name, "creationTimestamp": time,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})
    };
    let classes = [
        class("b", "1970-01-01T00:00:05Z"),
        class("a", "1970-01-01T00:00:05Z"),
        class("c", "1970-01-01T00:00:01Z"),
    ];
    let mut table = Table::new(
        columns_of("storage.k8s.io", "StorageClass"),
        IncludeObject::None,
        NOW,
    );
    table.extend(classes.iter());
    let table = table.into_value(Map::new(), true);
    let names: Vec<&Value> = (0..3).map(|i| &table["rows"][i]["cells"][0]).collect();
    assert_eq!(names, ["b", "a (default)", "c"]);
}

#[test]
fn custom_columns_show_what_their_paths_reach() {
    let columns = custom::custom_columns(&[
        json!({"name": "S", "type": "string", "jsonPath": ".spec.o"}),
        json!({"name": "I", "type": "integer", "jsonPath": ".spec.i"}),
        json!({"name": "N", "type": "number", "jsonPath": ".spec.i"}),
        json!({"name": "D", "type": "date", "jsonPath": ".spec.d"}),
        json!({"name": "X", "type": "string", "jsonPath": ".spec.x"}),
    ]);
    let object = json!({"metadata": {"name": "a"}, "spec": {"o": {"b": [1], "a": "x"}, "i": 5, "d": "1970-01-01T00:16:35Z"}});
    let shown = columns.map(|columns| columns.cells(&object, NOW));
    assert_eq!(
        shown,
        Ok(vec![
            json!("a"),
            json!(r#"{"a":"x","b":[1]}"#),
            json!(5),
            json!(5.0),
            json!("5s"),
            Value::Null
        ])
    );
    let default = custom::custom_columns(&[]).map(|c| {
        c.0.iter()
            .map(|c| c.column_type.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(default, Ok(vec!["string".to_owned(), "date".to_owned()]));
    assert!(custom::custom_columns(&[json!({"jsonPath": "x["})]).is_err());
}

#[test]
fn an_empty_table_has_no_list_of_rows_where_the_columns_are_nobodys_own() {
    let rows = |group: &str, kind: &str| {
        let table = Table::new(columns_of(group, kind), IncludeObject::Metadata, 0);
        table.into_value(Map::new(), true)["rows"].clone()
    };
    assert_eq!(
        rows("rbac.authorization.k8s.io", "ClusterRole"),
        Value::Null
    );
    assert_eq!(rows("", "Pod"), json!([]));
}
