//! Conversion between versions: by name, and where versions differ.

use serde_json::{Value, json};
use triad_machinery::conversion::convert;
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::scheme::scheme;

fn kind(group: &str, version: &str, kind: &str) -> TypeId {
    schema().kind(group, version, kind).unwrap()
}

fn there_and_back(value: Value, from: TypeId, to: TypeId) -> Value {
    let there = convert(value.clone(), from, to).unwrap();
    assert_eq!(convert(there.clone(), to, from).unwrap(), value);
    there
}

#[test]
fn autoscalers_keep_what_v1_cannot_say_in_annotations() {
    let (v1, v2) = (
        kind("autoscaling", "v1", "HorizontalPodAutoscaler"),
        kind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    );
    let value = json!({
        "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "a"},
        "spec": {"maxReplicas": 3, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}}, "metrics": [
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
            {"type": "Pods", "pods": {"metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "AverageValue", "averageValue": "5"}}},
            {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "9"}}},
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]},
        "status": {"desiredReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}],
            "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 50, "averageValue": "10m"}}}]}
    });
    let old = there_and_back(value, v2, v1);
    assert_eq!(old["spec"]["targetCPUUtilizationPercentage"], 70);
    assert_eq!(old["status"]["currentCPUUtilizationPercentage"], 50);
    let metrics: Value = serde_json::from_str(
        old["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        metrics[0],
        json!({"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}})
    );
    assert_eq!(metrics[1]["pods"]["metricName"], "qps");
}

#[test]
fn autoscalers_annotations_are_the_references_to_the_letter() {
    let (v1, v2) = (
        kind("autoscaling", "v1", "HorizontalPodAutoscaler"),
        kind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    );
    let value = json!({
        "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "a"},
        "spec": {"maxReplicas": 3, "behavior": {"scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}},
            "metrics": [{"type": "Object", "object": {"metric": {"selector": {"matchLabels": {"a": "<b"}}, "name": "m"},
                "target": {"averageValue": "5", "type": "AverageValue"}, "describedObject": {"name": "n", "kind": "K"}}}]},
        "status": {"desiredReplicas": 1, "conditions": [{"status": "True", "type": "AbleToScale"}]}
    });
    let old = there_and_back(value, v2, v1);
    let said = |name: &str| {
        let text =
            &old["metadata"]["annotations"][format!("autoscaling.alpha.kubernetes.io/{name}")];
        text.as_str().unwrap().to_owned()
    };
    assert_eq!(
        said("behavior"),
        r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null}}"#
    );
    assert_eq!(
        said("metrics"),
        r#"[{"type":"Object","object":{"target":{"kind":"K","name":"n"},"metricName":"m","targetValue":"0","selector":{"matchLabels":{"a":"\u003cb"}},"averageValue":"5"}}]"#
    );
    assert_eq!(
        said("conditions"),
        r#"[{"type":"AbleToScale","status":"True","lastTransitionTime":null}]"#
    );
}

#[test]
fn autoscalers_annotations_are_never_a_clients() {
    let (v1, v2) = (
        kind("autoscaling", "v1", "HorizontalPodAutoscaler"),
        kind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    );
    let broken = json!({"autoscaling.alpha.kubernetes.io/metrics": "[broken", "mine": "stays"});
    let value = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1",
        "metadata": {"name": "a", "annotations": broken}, "spec": {"targetCPUUtilizationPercentage": 9}});
    let new = convert(value, v1, v2).unwrap();
    assert_eq!(new["metadata"]["annotations"], json!({"mine": "stays"}));
    assert_eq!(new["spec"]["metrics"][0]["resource"]["name"], "cpu");
}

#[test]
fn events_are_the_same_under_other_names() {
    let (core, events) = (
        kind("", "v1", "Event"),
        kind("events.k8s.io", "v1", "Event"),
    );
    let value = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "reason": "Why", "message": "text",
        "source": {"component": "c"}, "firstTimestamp": "2020-01-02T03:04:05Z", "count": 2, "type": "Normal", "reportingComponent": "r", "reportingInstance": "i"
    });
    let there = there_and_back(value, core, events);
    assert_eq!(
        (
            &there["note"],
            &there["regarding"]["name"],
            &there["reportingController"]
        ),
        (&json!("text"), &json!("p"), &json!("r"))
    );
    assert_eq!(there["apiVersion"], "events.k8s.io/v1");
}

#[test]
fn every_served_version_converts_to_what_is_stored() {
    for resource in scheme().resources() {
        let (Some(from), Some(storage)) = (resource.type_id(), &resource.storage) else {
            continue;
        };
        let to = kind(&storage.group, &storage.version, &resource.kind);
        let value = json!({"metadata": {"name": "a", "labels": {"x": "y"}}});
        let stored = convert(value, from, to).unwrap();
        assert_eq!(
            stored["metadata"]["labels"]["x"], "y",
            "{}",
            resource.plural
        );
    }
}

#[test]
fn definitions_keep_columns_and_webhook_and_say_once_what_is_shared() {
    let (v1, stored) = (
        kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        kind(
            "apiextensions.k8s.io",
            "v1beta1",
            "CustomResourceDefinition",
        ),
    );
    let version = |name: &str, columns: Value| {
        json!({"name": name, "served": true,
        "schema": {"openAPIV3Schema": {"type": "object"}}, "additionalPrinterColumns": columns})
    };
    let value = json!({
        "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {"name": "as.x.io"},
        "spec": {"group": "x.io", "scope": "Cluster", "names": {"plural": "as", "kind": "A"},
            "versions": [version("v1", json!([{"name": "n", "type": "string", "jsonPath": ".spec.n"}])),
                         version("v2", json!([{"name": "m", "type": "string", "jsonPath": ".spec.m"}]))],
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]}}}
    });
    let there = there_and_back(value, v1, stored);
    assert_eq!(
        there["spec"]["validation"]["openAPIV3Schema"]["type"],
        "object"
    );
    assert_eq!(there["spec"]["versions"][0].get("schema"), None);
    assert_eq!(
        there["spec"]["versions"][1]["additionalPrinterColumns"][0]["JSONPath"],
        ".spec.m"
    );
    assert_eq!(
        there["spec"]["conversion"]["webhookClientConfig"]["url"],
        "https://x"
    );
    assert_eq!(there["spec"]["preserveUnknownFields"], false);
}

/// Converts from a version that is gone to today's and back, and shows the part at a path in today's form.
fn today(value: Value, at: &str) -> Value {
    let of = |value: &Value, field: &str| value[field].as_str().unwrap_or("").to_owned();
    let (version, name) = (of(&value, "apiVersion"), of(&value, "kind"));
    let (group, version) = version.split_once('/').unwrap();
    let old = kind(group, version, &name);
    let lifecycle = &schema().get(old).lifecycle;
    let new = match &lifecycle.replacement {
        Some(new) => kind(&new.group, &new.version, &new.kind),
        None => kind(group, "v1", &name),
    };
    let there = there_and_back(value, old, new);
    there.pointer(at).cloned().unwrap_or_default()
}

#[test]
fn ingresses_name_their_backends_anew() {
    for version in ["extensions/v1beta1", "networking.k8s.io/v1beta1"] {
        let ingress = json!({"apiVersion": version, "kind": "Ingress", "metadata": {"name": "i"}, "spec": {
            "backend": {"serviceName": "a", "servicePort": 80},
            "rules": [{"host": "h", "http": {"paths": [{"path": "/", "backend": {"serviceName": "b", "servicePort": "web"}}]}}]}});
        let spec = today(ingress, "/spec");
        assert_eq!(
            spec["defaultBackend"],
            json!({"service": {"name": "a", "port": {"number": 80}}})
        );
        let path = &spec["rules"][0]["http"]["paths"][0];
        assert_eq!(
            path["backend"],
            json!({"service": {"name": "b", "port": {"name": "web"}}})
        );
    }
}

#[test]
fn fields_that_are_gone_live_on_in_annotations() {
    let deployment = json!({"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}, "rollbackTo": {"revision": 3}}});
    let annotations = today(deployment, "/metadata/annotations");
    assert_eq!(
        annotations,
        json!({"deprecated.deployment.rollback.to": "3"})
    );
    let set = json!({"apiVersion": "extensions/v1beta1", "kind": "DaemonSet", "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": []}}, "templateGeneration": 2}});
    let annotations = today(set, "/metadata/annotations");
    assert_eq!(
        annotations,
        json!({"deprecated.daemonset.template.generation": "2"})
    );
}

#[test]
fn an_empty_selector_of_a_budget_means_what_it_meant() {
    let budget = |selector: Value| json!({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {"selector": selector}});
    let label = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";
    let none = json!({"matchExpressions": [{"key": label, "operator": "Exists"}]});
    assert_eq!(today(budget(json!({})), "/spec/selector"), none);
    let all = json!({"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]});
    assert_eq!(today(budget(all), "/spec/selector"), json!({}));
    let plain = json!({"matchLabels": {"a": "b"}});
    assert_eq!(today(budget(plain.clone()), "/spec/selector"), plain);
}

#[test]
fn endpoints_have_a_zone_of_their_own() {
    let slice = json!({"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice", "metadata": {"name": "s"}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4"], "nodeName": "n", "topology": {"topology.kubernetes.io/zone": "z", "kubernetes.io/hostname": "n", "x": "y"}}]});
    let endpoint = today(slice, "/endpoints/0");
    assert_eq!(endpoint["zone"], "z");
    assert_eq!(endpoint["deprecatedTopology"], json!({"x": "y"}));
}

#[test]
fn classes_subjects_and_levels_lose_their_old_words() {
    let class = json!({"apiVersion": "node.k8s.io/v1alpha1", "kind": "RuntimeClass", "metadata": {"name": "c"}, "spec": {"runtimeHandler": "h"}});
    assert_eq!(today(class, "/handler"), "h");
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1alpha1", "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "apiVersion": "rbac.authorization.k8s.io/v1alpha1", "name": "u"}, {"kind": "ServiceAccount", "apiVersion": "v1", "name": "s", "namespace": "n"}]});
    let subjects = today(binding, "/subjects");
    assert_eq!(subjects[0]["apiGroup"], "rbac.authorization.k8s.io");
    assert_eq!(subjects[1].get("apiGroup"), None);
    let level = |version: &str, shares: Value| {
        json!({"apiVersion": format!("flowcontrol.apiserver.k8s.io/{version}"), "kind": "PriorityLevelConfiguration",
        "metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": shares}})
    };
    let assured = level("v1beta2", json!({"assuredConcurrencyShares": 7}));
    assert_eq!(today(assured, "/spec/limited/nominalConcurrencyShares"), 7);
    let mut zero = level("v1beta3", json!({"limitResponse": {"type": "Reject"}}));
    zero["metadata"]["annotations"] =
        json!({"flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares": ""});
    assert_eq!(today(zero, "/spec/limited/nominalConcurrencyShares"), 0);
}

#[test]
fn dynamic_resources_are_nested_otherwise() {
    let claim = json!({"apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceClaim", "metadata": {"name": "c"},
        "spec": {"devices": {"requests": [{"name": "r", "deviceClassName": "gpu", "allocationMode": "All"}, {"name": "s", "firstAvailable": [{"name": "t", "deviceClassName": "gpu"}]}]}}});
    let requests = today(claim.clone(), "/spec/devices/requests");
    assert_eq!(
        requests[0],
        json!({"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "All"}})
    );
    assert_eq!(requests[1].get("exactly"), None);
    let template = json!({"apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceClaimTemplate", "metadata": {"name": "c"}, "spec": {"spec": claim["spec"]}});
    assert_eq!(
        today(
            template,
            "/spec/spec/devices/requests/0/exactly/deviceClassName"
        ),
        "gpu"
    );
    let slice = json!({"apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceSlice", "metadata": {"name": "s"},
        "spec": {"driver": "d", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}, "devices": [{"name": "a", "basic": {"attributes": {"x": {"string": "y"}}}}]}});
    let device = today(slice, "/spec/devices/0");
    assert_eq!(
        device,
        json!({"name": "a", "attributes": {"x": {"string": "y"}}})
    );
}

#[test]
fn a_scale_says_its_selector_in_words() {
    let scale = json!({"apiVersion": "extensions/v1beta1", "kind": "Scale", "metadata": {"name": "s"}, "spec": {"replicas": 1},
        "status": {"replicas": 1, "selector": {"a": "b"}, "targetSelector": "a=b"}});
    let new = kind("autoscaling", "v1", "Scale");
    let there = there_and_back(scale, kind("extensions", "v1beta1", "Scale"), new);
    assert_eq!(there["status"]["selector"], "a=b");
}
