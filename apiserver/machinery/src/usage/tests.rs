//! Usage by examples: what counts how much, and what is refused in which words.

use super::*;
use serde_json::json;

const NOW: Moment = Moment {
    unix_seconds: 1_800_000_000,
};

fn pods() -> Measure {
    Measure::of("", "pods")
}

fn container(name: &str, cpu: &str) -> Value {
    json!({"name": name, "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}, "limits": {"cpu": "2"}}})
}

fn pod(spec: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": spec, "status": {"phase": "Pending", "qosClass": "Burstable"}})
}

fn used(measure: &Measure, object: &Value) -> String {
    measure.usage(object, NOW).to_string()
}

fn quota(hard: Value, used: Value, spec: Value) -> Value {
    json!({"metadata": {"name": "q"}, "spec": spec, "status": {"hard": hard, "used": used}})
}

/// The quota's usage after a creation, or why it is refused.
fn created(quota: &Value, measure: &Measure, object: &Value) -> Result<String, String> {
    let write = Write {
        subresource: "",
        object,
        old: None,
    };
    match charge(quota, measure, write, NOW) {
        Ok(total) => Ok(total.map_or_else(|| "unchanged".to_owned(), |total| total.to_string())),
        Err(refusal) => Err(refusal.0),
    }
}

#[test]
fn pods_use_what_they_need_at_once() {
    let init = json!([container("sidecar", "300m"), container("setup", "2")]);
    let mut sidecar = init;
    sidecar[0]["restartPolicy"] = "Always".into();
    let object = pod(
        json!({"containers": [container("a", "500m"), container("b", "250m")], "initContainers": sidecar, "overhead": {"cpu": "10m", "memory": "1Mi"}}),
    );
    assert_eq!(
        used(&pods(), &object),
        "count/pods=1,cpu=2310m,limits.cpu=6010m,memory=3073Mi,pods=1,requests.cpu=2310m,requests.memory=3073Mi"
    );
}

#[test]
fn a_pods_own_statement_stands_over_its_containers() {
    let object = pod(
        json!({"containers": [container("a", "500m")], "resources": {"requests": {"cpu": "3"}}}),
    );
    assert!(used(&pods(), &object).contains("requests.cpu=3,"));
}

#[test]
fn a_resize_counts_the_larger() {
    let mut object = pod(json!({"containers": [container("a", "1")]}));
    object["status"]["containerStatuses"] = json!([{"name": "a", "allocatedResources": {"cpu": "3"}, "resources": {"requests": {"cpu": "2"}}}]);
    assert!(used(&pods(), &object).contains(",requests.cpu=3,"));
    object["status"]["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
    object["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "9".into();
    assert!(used(&pods(), &object).contains(",requests.cpu=3"));
}

#[test]
fn what_has_ended_counts_as_an_object_alone() {
    let mut object = pod(json!({"containers": [container("a", "1")]}));
    object["status"]["phase"] = "Succeeded".into();
    assert_eq!(used(&pods(), &object), "count/pods=1");
    object["status"]["phase"] = "Running".into();
    object["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z".into();
    object["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    assert_eq!(used(&pods(), &object), "count/pods=1");
}

#[test]
fn huge_pages_and_extended_resources() {
    let object = pod(
        json!({"containers": [{"name": "a", "resources": {"requests": {"hugepages-2Mi": "4Mi", "gpu.example/fast": "2", "kubernetes.io/odd": "1"}}}]}),
    );
    assert_eq!(
        used(&pods(), &object),
        "count/pods=1,hugepages-2Mi=4Mi,pods=1,requests.gpu.example/fast=2,requests.hugepages-2Mi=4Mi"
    );
    for name in ["requests.gpu.example/fast", "hugepages-1Gi", "count/pods"] {
        assert!(pods().covers(name), "{name}");
    }
    for name in [
        "gpu.example/fast",
        "services",
        "requests.storage",
        "count/pods.apps",
    ] {
        assert!(!pods().covers(name), "{name}");
    }
}

#[test]
fn services_count_ports_and_load_balancers() {
    let measure = Measure::of("", "services");
    let service = |kind: &str, allocate: bool| json!({"spec": {"type": kind, "ports": [{"port": 1}, {"port": 2, "nodePort": 30000}], "allocateLoadBalancerNodePorts": allocate}});
    let text = |balancers, ports| {
        format!(
            "count/services=1,services=1,services.loadbalancers={balancers},services.nodeports={ports}"
        )
    };
    assert_eq!(used(&measure, &service("ClusterIP", true)), text(0, 0));
    assert_eq!(used(&measure, &service("NodePort", true)), text(0, 2));
    assert_eq!(used(&measure, &service("LoadBalancer", true)), text(1, 2));
    assert_eq!(used(&measure, &service("LoadBalancer", false)), text(1, 1));
}

#[test]
fn claims_count_whole_bytes_by_class() {
    let measure = Measure::of("", "persistentvolumeclaims");
    let mut claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1500m"}}}});
    assert_eq!(
        used(&measure, &claim),
        "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/requests.storage=2,persistentvolumeclaims=1,requests.storage=2"
    );
    claim["status"] = json!({"allocatedResources": {"storage": "5Gi"}});
    assert!(used(&measure, &claim).ends_with("requests.storage=5Gi"));
    assert!(measure.covers("gold.storageclass.storage.k8s.io/requests.storage"));
}

#[test]
fn counts_have_two_names_for_some() {
    let secrets = Measure::of("", "secrets");
    assert_eq!(used(&secrets, &json!({})), "count/secrets=1,secrets=1");
    let widgets = Measure::of("example.com", "widgets");
    assert_eq!(used(&widgets, &json!({})), "count/widgets.example.com=1");
    assert!(!widgets.covers("widgets"));
}

#[test]
fn a_quota_is_charged_or_refuses() {
    let secrets = Measure::of("", "secrets");
    let secret = json!({"metadata": {"name": "s"}});
    let hard = json!({"secrets": "2", "count/pods": "1"});
    let room = quota(
        hard.clone(),
        json!({"secrets": "1", "count/pods": "1"}),
        json!({}),
    );
    assert_eq!(
        created(&room, &secrets, &secret),
        Ok("count/pods=1,secrets=2".to_owned())
    );
    let full = quota(
        hard.clone(),
        json!({"secrets": "2", "count/pods": "1"}),
        json!({}),
    );
    assert_eq!(
        created(&full, &secrets, &secret),
        Err(
            "exceeded quota: q, requested: secrets=1, used: secrets=2, limited: secrets=2"
                .to_owned()
        )
    );
    let unknown = quota(hard, json!({"count/pods": "1"}), json!({}));
    assert_eq!(
        created(&unknown, &secrets, &secret),
        Err("status unknown for quota: q, resources: secrets".to_owned())
    );
    let other = quota(json!({"pods": "0"}), json!({"pods": "0"}), json!({}));
    assert_eq!(
        created(&other, &secrets, &secret),
        Ok("unchanged".to_owned())
    );
}

#[test]
fn limited_pods_must_state_their_needs() {
    let hard = json!({"limits.memory": "8Gi", "requests.cpu": "4"});
    let q = quota(
        hard,
        json!({"limits.memory": "0", "requests.cpu": "0"}),
        json!({}),
    );
    let object = pod(json!({"containers": [{"name": "b"}, {"name": "a"}, container("c", "1")]}));
    assert_eq!(
        created(&q, &pods(), &object),
        Err(
            "failed quota: q: must specify limits.memory for: a,b,c; requests.cpu for: a,b"
                .to_owned()
        )
    );
    let stated =
        pod(json!({"containers": [{"name": "b"}], "resources": {"requests": {"cpu": "1"}}}));
    assert_eq!(
        created(&q, &pods(), &stated),
        Ok("limits.memory=0,requests.cpu=1".to_owned())
    );
}

#[test]
fn scopes_take_in_some_pods_alone() {
    let scoped = |spec: Value| quota(json!({"pods": "0"}), json!({"pods": "0"}), spec);
    let mut object =
        pod(json!({"containers": [], "activeDeadlineSeconds": 5, "priorityClassName": "high"}));
    let counts = |spec: Value, object: &Value| created(&scoped(spec), &pods(), object).is_err();
    assert!(counts(json!({"scopes": ["Terminating"]}), &object));
    assert!(!counts(json!({"scopes": ["NotTerminating"]}), &object));
    assert!(counts(
        json!({"scopes": ["NotBestEffort", "Terminating"]}),
        &object
    ));
    object["status"]["qosClass"] = "BestEffort".into();
    assert!(counts(json!({"scopes": ["BestEffort"]}), &object));
    let class = |operator: &str, values: &[&str]| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    assert!(counts(class("In", &["high"]), &object));
    assert!(!counts(class("In", &["low"]), &object));
    assert!(counts(class("NotIn", &["low"]), &object));
    assert!(counts(class("Exists", &[]), &object));
    assert!(!counts(class("DoesNotExist", &[]), &object));
    assert!(!counts(
        json!({"scopes": ["CrossNamespacePodAffinity"]}),
        &object
    ));
    object["spec"]["affinity"] = json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": {"namespaces": ["far"]}}]}});
    assert!(counts(
        json!({"scopes": ["CrossNamespacePodAffinity"]}),
        &object
    ));
    assert!(!Measure::of("", "secrets").in_scope(&json!({"scopes": ["BestEffort"]}), &object));
}

#[test]
fn an_update_is_charged_for_what_it_adds() {
    let measure = Measure::of("", "services");
    let service = |kind: &str| json!({"spec": {"type": kind, "ports": [{"port": 1}]}});
    let names = json!({"services": "1", "services.nodeports": "1"});
    let q = quota(
        names,
        json!({"services": "1", "services.nodeports": "0"}),
        json!({}),
    );
    let (object, old) = (service("NodePort"), service("ClusterIP"));
    let write = Write {
        subresource: "",
        object: &object,
        old: Some(&old),
    };
    let total = charge(&q, &measure, write, NOW).ok().flatten();
    assert_eq!(
        total.map(|total| total.to_string()).as_deref(),
        Some("services=1,services.nodeports=1")
    );
    let back = Write {
        subresource: "",
        object: &old,
        old: Some(&object),
    };
    assert!(matches!(charge(&q, &measure, back, NOW), Ok(None)));
}

#[test]
fn writes_that_cannot_count_are_left_alone() {
    let object = pod(json!({"containers": []}));
    let write = |subresource: &'static str, old: bool| Write {
        subresource,
        object: &object,
        old: old.then_some(&object),
    };
    assert!(pods().counts(write("", false)) && !pods().counts(write("", true)));
    assert!(pods().counts(write("resize", true)) && !pods().counts(write("status", true)));
    let secrets = Measure::of("", "secrets");
    assert!(secrets.counts(write("", false)) && !secrets.counts(write("", true)));
}

#[test]
fn devices_are_counted_by_class_and_alternatives_by_their_worst() {
    let claims = Measure::of("resource.k8s.io", "resourceclaims");
    assert!(claims.covers("gpu.deviceclass.resource.k8s.io/devices"));
    assert!(claims.covers("count/resourceclaims.resource.k8s.io"));
    assert!(!claims.covers("gpu.storageclass.storage.k8s.io/requests.storage"));
    let exact = |class: &str, count| json!({"deviceClassName": class, "allocationMode": "ExactCount", "count": count});
    let claim = json!({"spec": {"devices": {"requests": [
        {"name": "a", "exactly": exact("gpu", 2)},
        {"name": "b", "exactly": {"deviceClassName": "nic", "allocationMode": "All"}},
        {"name": "c", "firstAvailable": [exact("gpu", 1), exact("gpu", 4), exact("fpga", 1)]},
        {"name": "d", "exactly": {"deviceClassName": "later", "allocationMode": "Half"}},
    ]}}});
    let used = claims.usage(&claim, NOW);
    let of = |class: &str| {
        let name = format!("{class}.deviceclass.resource.k8s.io/devices");
        used.get(&name).map(ToString::to_string)
    };
    assert_eq!(of("gpu").as_deref(), Some("6"));
    assert_eq!(of("nic").as_deref(), Some("32"));
    assert_eq!(of("fpga").as_deref(), Some("1"));
    assert_eq!(of("later").as_deref(), Some("0"));
    assert!(used.has("count/resourceclaims.resource.k8s.io"));
}

#[test]
fn what_must_be_covered_is_refused_where_no_quota_covers_it() {
    let configured = json!([
        {"resource": "pods", "matchContains": ["cpu"], "matchScopes": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]},
        {"resource": "persistentvolumeclaims", "matchContains": ["storage"]},
    ]);
    let limited = Limited::read(&configured).unwrap_or_else(|errors| panic!("{errors:?}"));
    let measure = Measure::of("", "pods");
    let check = |quotas: &[Value], object: &Value, old: Option<&Value>| {
        let write = Write {
            subresource: "",
            object,
            old,
        };
        let at = Moment { unix_seconds: 0 };
        let checked = uncovered(&limited, quotas, ("", "pods"), &measure, write, at);
        checked.err().map(|refusal| refusal.0)
    };
    let pod = |class: &str, cpu: &str| {
        json!({"metadata": {"name": "p"}, "spec": {"priorityClassName": class,
            "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}})
    };
    let quota = |hard: Value, spec: Value| json!({"metadata": {"name": "q"}, "spec": spec, "status": {"hard": hard}});
    let low = pod("low", "1");
    assert_eq!(
        check(&[], &low, None).as_deref(),
        Some("insufficient quota to consume: cpu,requests.cpu")
    );
    assert_eq!(check(&[], &low, Some(&low)), None, "nothing is added");
    let half = quota(json!({"cpu": "9", "memory": "1Gi"}), json!({}));
    assert_eq!(
        check(std::slice::from_ref(&half), &low, None).as_deref(),
        Some("insufficient quota to consume: requests.cpu")
    );
    let both = quota(json!({"cpu": "9", "requests.cpu": "9"}), json!({}));
    assert_eq!(check(std::slice::from_ref(&both), &low, None), None);
    let high = pod("high", "1");
    assert_eq!(
        check(std::slice::from_ref(&both), &high, None).as_deref(),
        Some("insufficient quota to match these scopes: [{PriorityClass In [high]}]")
    );
    let selects = json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}});
    let scoped = quota(json!({"pods": "1"}), selects);
    assert_eq!(check(&[both, scoped], &high, None), None);
    let wrong = Limited::read(&json!([{"matchContains": ["x"]}]));
    assert_eq!(
        wrong.err().expect("refused")[0].field,
        "limitedResources[0].resource"
    );
}
