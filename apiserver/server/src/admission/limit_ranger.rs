//! LimitRanger: the limit ranges of a namespace give containers what they do not ask for, and bound what containers, pods and claims
//! ask for (kubernetes plugin/pkg/admission/limitranger).

use super::{Attributes, Lookup, Operation, Plugin};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::quantity::Quantity;
use triad_machinery::status::Status;
use triad_machinery::usage::Amounts;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// What a pod may ask for as a whole (PodLevelResources).
const OF_A_POD: [&str; 2] = ["cpu", "memory"];
/// Beyond this, amounts are compared in whole units (resource.MaxMilliValue).
const MOST_IN_THOUSANDTHS: i64 = i64::MAX / 1000;

pub(super) struct LimitRanger {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn admit(
        &self,
        attributes: &Attributes,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        if attributes.is("", "pods") && concerns(attributes, old) {
            for limits in self.limits(&attributes.namespace) {
                fill(object, &limits);
            }
        }
        Ok(())
    }

    fn validate(
        &self,
        attributes: &Attributes,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let Some(object) = object.filter(|_| concerns(attributes, old)) else {
            return Ok(());
        };
        let check = match &*attributes.resource.plural {
            "pods" => check_pod,
            _ => check_claim,
        };
        for limits in self.limits(&attributes.namespace) {
            let wrong = check(object, &limits);
            if !wrong.is_empty() {
                return Err(attributes.forbidden(Some(object), aggregate(wrong)));
            }
        }
        Ok(())
    }
}

/// Containers never change but by a resize. What is being deleted is let go.
fn concerns(attributes: &Attributes, old: Option<&Value>) -> bool {
    if old.is_some_and(|old| !meta::deletion_timestamp(old).is_empty()) {
        return false;
    }
    let (pod, claim) = (
        attributes.is("", "pods"),
        attributes.is("", "persistentvolumeclaims"),
    );
    match (attributes.operation, attributes.subresource.as_str()) {
        (Operation::Create, "") => pod || claim,
        (Operation::Update, "") => claim,
        (Operation::Update, "resize") => pod,
        _ => false,
    }
}

/// As upstream joins several errors: each once, in brackets.
fn aggregate(errors: Vec<String>) -> String {
    let mut seen = BTreeSet::new();
    let errors: Vec<String> = errors
        .into_iter()
        .filter(|error| seen.insert(error.clone()))
        .collect();
    match errors.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

impl LimitRanger {
    /// The limits of each range, in the order of the ranges' names. A range that was just made is in the store before it is in
    /// the cache, so an empty cache is believed only when it is level with what was written.
    fn limits(&self, namespace: &str) -> Vec<Vec<Value>> {
        let ranges = &self.lookup.limit_ranges;
        let prefix = ranges.layout.key(namespace, "");
        let cached = ranges.snapshot();
        let mut found: Vec<Value> = cached
            .range(&prefix, None)
            .filter_map(|range| self.lookup.known.object(ranges, range))
            .collect();
        if found.is_empty() && !ranges.is_level(&cached) {
            let end = triad_kv::prefix_end(prefix.as_bytes());
            let stored = self.lookup.store.range(prefix.as_bytes(), &end, None, 0);
            let entries = stored.map(|stored| stored.entries).unwrap_or_default();
            let decoded = entries
                .iter()
                .filter_map(|e| ranges.layout.decode(&e.value, e.mod_revision).ok());
            found.extend(decoded);
        }
        let limits = found.iter_mut().map(|range| range["spec"]["limits"].take());
        limits
            .filter_map(|limits| match limits {
                Value::Array(limits) => Some(limits),
                _ => None,
            })
            .collect()
    }
}

fn of_type<'a>(limits: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    limits.iter().filter(move |limit| limit["type"] == kind)
}

/// Gives containers what they do not ask for, and says so in an annotation.
fn fill(pod: &mut Value, limits: &[Value]) {
    let (mut requests, mut caps) = (Amounts::default(), Amounts::default());
    for limit in of_type(limits, "Container") {
        for (into, from) in [(&mut requests, "defaultRequest"), (&mut caps, "default")] {
            let given = Amounts::parse(limit.get(from));
            for name in given.names() {
                into.set(
                    name,
                    given.get(name).cloned().unwrap_or_else(Quantity::zero),
                );
            }
        }
    }
    let mut said = Vec::new();
    for (list, what) in [
        ("containers", "container"),
        ("initContainers", "init container"),
    ] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for (amounts, field, word) in [
                (&requests, "requests", "request"),
                (&caps, "limits", "limit"),
            ] {
                let set = fill_one(&mut container["resources"], field, amounts);
                if !set.is_empty() {
                    said.push(format!("{} {word} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if !said.is_empty() {
        let said = format!("LimitRanger plugin set: {}", said.join("; "));
        pod["metadata"]["annotations"][ANNOTATION] = json!(said);
    }
}

/// The names of what was set.
fn fill_one(resources: &mut Value, field: &str, amounts: &Amounts) -> Vec<String> {
    let missing = amounts
        .names()
        .filter(|name| resources[field].get(name).is_none());
    let missing: Vec<String> = missing.map(str::to_owned).collect();
    for name in &missing {
        if let Some(amount) = amounts.get(name) {
            resources[field][name] = json!(amount.to_string());
        }
    }
    missing
}

/// What is asked for, and what it is limited to.
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

impl Asked {
    fn by(container: &Value) -> Self {
        let amounts = |field| Amounts::parse(container["resources"].get(field));
        Self {
            requests: amounts("requests"),
            limits: amounts("limits"),
        }
    }

    /// By a pod: by its containers together, or by the one that initializes it and asks for more; what it asks for as a whole
    /// stands for that.
    fn by_pod(pod: &Value) -> Self {
        let of = |field: &'static str| {
            let amounts = |of: &Value| Amounts::parse(of["resources"].get(field));
            let containers = items(&pod["spec"]["containers"]).map(amounts);
            let mut sum = containers.fold(Amounts::default(), |sum, one| sum.plus(&one));
            let (mut staying, mut most) = (Amounts::default(), Amounts::default());
            for container in items(&pod["spec"]["initContainers"]) {
                let own = amounts(container);
                if container["restartPolicy"] == "Always" {
                    sum = sum.plus(&own);
                    staying = staying.plus(&own);
                    most.raise(&staying);
                } else {
                    most.raise(&own.plus(&staying));
                }
            }
            sum.raise(&most);
            let whole = amounts(&pod["spec"]);
            for name in OF_A_POD {
                if let Some(amount) = whole.get(name) {
                    sum.set(name, amount.clone());
                }
            }
            sum
        };
        Self {
            requests: of("requests"),
            limits: of("limits"),
        }
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn check_pod(pod: &Value, limits: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for limit in limits {
        match limit["type"].as_str() {
            Some("Container") => {
                for container in ["containers", "initContainers"]
                    .into_iter()
                    .flat_map(|list| items(&pod["spec"][list]))
                {
                    bounds("Container", limit, &Asked::by(container), &mut wrong);
                }
            }
            Some("Pod") => bounds("Pod", limit, &Asked::by_pod(pod), &mut wrong),
            _ => {}
        }
    }
    wrong
}

fn bounds(kind: &str, limit: &Value, asked: &Asked, wrong: &mut Vec<String>) {
    let bounds: [(&str, Bound); 3] = [
        ("min", minimum),
        ("max", maximum),
        ("maxLimitRequestRatio", ratio),
    ];
    for (field, bound) in bounds {
        let amounts = Amounts::parse(limit.get(field));
        for name in amounts.names() {
            if let Some(enforced) = amounts.get(name) {
                let what = What {
                    kind,
                    name,
                    enforced,
                    request: asked.requests.get(name),
                    limit: asked.limits.get(name),
                };
                wrong.extend(bound(&what));
            }
        }
    }
}

fn check_claim(claim: &Value, limits: &[Value]) -> Vec<String> {
    const KIND: &str = "PersistentVolumeClaim";
    let requests = Amounts::parse(claim["spec"]["resources"].get("requests"));
    let mut wrong = Vec::new();
    for limit in of_type(limits, KIND) {
        let bounds: [(&str, Bound); 2] = [("min", minimum), ("max", maximum_request)];
        for (field, bound) in bounds {
            let amounts = Amounts::parse(limit.get(field));
            for name in amounts.names() {
                if let Some(enforced) = amounts.get(name) {
                    let what = What {
                        kind: KIND,
                        name,
                        enforced,
                        request: requests.get(name),
                        limit: None,
                    };
                    wrong.extend(bound(&what));
                }
            }
        }
    }
    wrong
}

type Bound = fn(&What<'_>) -> Option<String>;

/// One resource held against one bound.
struct What<'a> {
    kind: &'a str,
    name: &'a str,
    enforced: &'a Quantity,
    request: Option<&'a Quantity>,
    limit: Option<&'a Quantity>,
}

impl What<'_> {
    /// Request, limit and bound as numbers of one unit: thousandths where they fit.
    fn numbers(&self) -> [i64; 3] {
        let whole = |amount: Option<&Quantity>| amount.map_or(0, Quantity::value);
        let all = [self.request, self.limit, Some(self.enforced)];
        if all
            .iter()
            .all(|amount| whole(*amount) <= MOST_IN_THOUSANDTHS)
        {
            return all.map(|amount| amount.map_or(0, Quantity::milli_value));
        }
        all.map(whole)
    }

    fn usage(&self, end: &str) -> String {
        format!(
            "{end} {} usage per {} is {}",
            self.name, self.kind, self.enforced
        )
    }
}

fn minimum(what: &What<'_>) -> Option<String> {
    let ([request, limit, enforced], usage) = (what.numbers(), what.usage("minimum"));
    match (what.request, what.limit) {
        (None, _) => Some(format!("{usage}.  No request is specified")),
        (Some(asked), _) if request < enforced => Some(format!("{usage}, but request is {asked}")),
        (_, Some(capped)) if limit < enforced => Some(format!("{usage}, but limit is {capped}")),
        _ => None,
    }
}

fn maximum(what: &What<'_>) -> Option<String> {
    let ([request, limit, enforced], usage) = (what.numbers(), what.usage("maximum"));
    match (what.limit, what.request) {
        (None, _) => Some(format!("{usage}.  No limit is specified")),
        (Some(capped), _) if limit > enforced => Some(format!("{usage}, but limit is {capped}")),
        (_, Some(asked)) if request > enforced => Some(format!("{usage}, but request is {asked}")),
        _ => None,
    }
}

fn maximum_request(what: &What<'_>) -> Option<String> {
    let ([request, _, enforced], usage) = (what.numbers(), what.usage("maximum"));
    match what.request {
        None => Some(format!("{usage}.  No request is specified")),
        Some(asked) if request > enforced => Some(format!("{usage}, but request is {asked}")),
        Some(_) => None,
    }
}

fn ratio(what: &What<'_>) -> Option<String> {
    let [request, limit, _] = what.numbers();
    let allowed = format!(
        "{} max limit to request ratio per {} is {}",
        what.name, what.kind, what.enforced
    );
    if request == 0 {
        return Some(format!(
            "{allowed}, but no request is specified or request is 0"
        ));
    }
    if limit == 0 {
        return Some(format!(
            "{allowed}, but no limit is specified or limit is 0"
        ));
    }
    let found = limit as f64 / request as f64;
    let most = if what.enforced.value() <= MOST_IN_THOUSANDTHS {
        what.enforced.milli_value() as f64 / 1000.0
    } else {
        what.enforced.value() as f64
    };
    (found > most).then(|| format!("{allowed}, but provided ratio is {found:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    /// Whether there are any is read off the cache where it is level with what was written, and only there.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_range_counts_as_soon_as_it_is_made() {
        let server = Server::start("none").await;
        for i in 0..30 {
            let namespace = format!("n{i}");
            let named = |name: &str| json!({"metadata": {"name": name}});
            server.create("namespaces", "", named(&namespace)).await;
            server
                .create("serviceaccounts", &namespace, named("default"))
                .await;
            let mut pod = named("before");
            pod["spec"] = json!({"containers": [{"name": "c", "image": "i"}]});
            let free = server.create("pods", &namespace, pod.clone()).await;
            assert!(free["spec"]["containers"][0].get("resources").is_none());
            let mut range = named("r");
            range["spec"]["limits"] =
                json!([{"type": "Container", "defaultRequest": {"cpu": "200m"}}]);
            server.create("limitranges", &namespace, range).await;
            pod["metadata"]["name"] = json!("after");
            let filled = server.create("pods", &namespace, pod).await;
            let asked = &filled["spec"]["containers"][0]["resources"]["requests"]["cpu"];
            assert_eq!(*asked, "200m", "{namespace}");
        }
    }

    fn range() -> Vec<Value> {
        vec![
            json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"},
                "default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "200m"}}),
            json!({"type": "Pod", "max": {"cpu": "1500m"}}),
            json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}}),
        ]
    }

    fn pod(resources: Value) -> Value {
        json!({"metadata": {}, "spec": {"containers": [{"name": "c", "resources": resources}]}})
    }

    #[test]
    fn what_is_not_asked_for_is_given_and_said() {
        let mut filled = pod(json!({"limits": {"cpu": "300m"}}));
        fill(&mut filled, &range());
        let resources = &filled["spec"]["containers"][0]["resources"];
        assert_eq!(
            *resources,
            json!({"requests": {"cpu": "200m"}, "limits": {"cpu": "300m", "memory": "1Gi"}})
        );
        assert_eq!(
            filled["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container c; memory limit for container c"
        );
        let mut whole =
            pod(json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "1"}}));
        let before = whole.clone();
        fill(&mut whole, &range());
        assert_eq!(whole, before);
    }

    #[test]
    fn bounds_are_held_for_containers_pods_and_claims() {
        let said = |resources: Value| check_pod(&pod(resources), &range());
        let of = |request: &str, limit: &str| {
            said(json!({"requests": {"cpu": request}, "limits": {"cpu": limit}}))
        };
        assert_eq!(of("300m", "1"), [""; 0]);
        assert_eq!(
            of("50m", "100m"),
            ["minimum cpu usage per Container is 100m, but request is 50m"]
        );
        assert_eq!(
            of("100m", "500m"),
            ["cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000"]
        );
        assert_eq!(
            aggregate(of("2", "3")),
            "[maximum cpu usage per Container is 1, but limit is 3, maximum cpu usage per Pod is 1500m, but limit is 3]"
        );
        assert_eq!(
            said(json!({})),
            [
                "minimum cpu usage per Container is 100m.  No request is specified",
                "maximum cpu usage per Container is 1.  No limit is specified",
                "cpu max limit to request ratio per Container is 4, but no request is specified or request is 0",
                "maximum cpu usage per Pod is 1500m.  No limit is specified",
            ]
        );
        let claim = |size: &str| {
            check_claim(
                &json!({"spec": {"resources": {"requests": {"storage": size}}}}),
                &range(),
            )
        };
        assert_eq!(claim("2Gi"), [""; 0]);
        assert_eq!(
            claim("6Gi"),
            ["maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"]
        );
        assert_eq!(
            claim("1M"),
            ["minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1M"]
        );
    }

    #[test]
    fn a_pod_asks_for_its_containers_or_for_what_initializes_it() {
        let one = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut side = one("1");
        side["restartPolicy"] = json!("Always");
        let mut pod = json!({"spec": {"containers": [one("1"), one("1")], "initContainers": [side, one("5")]}});
        let asked = |pod: &Value| Asked::by_pod(pod).requests.get("cpu").unwrap().to_string();
        assert_eq!(asked(&pod), "6");
        pod["spec"]["resources"] = json!({"requests": {"cpu": "2"}});
        assert_eq!(asked(&pod), "2");
    }
}
