//! The bounds of a limit range, and what objects have against them.

use serde_json::Value;
use triad_machinery::pod::items;
use triad_machinery::quantity::Quantity;
use triad_machinery::usage::{Amounts, asked_by_containers};

/// What a pod may ask for as a whole (PodLevelResources).
const OF_A_POD: [&str; 2] = ["cpu", "memory"];
/// Beyond this, amounts are compared in whole units (resource.MaxMilliValue).
const MOST_IN_THOUSANDTHS: i64 = i64::MAX / 1000;

pub(super) fn of_type<'a>(limits: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    limits.iter().filter(move |limit| limit["type"] == kind)
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

    /// By a pod: what it asks for as a whole stands for what its containers do.
    fn by_pod(pod: &Value) -> Self {
        let of = |field: &'static str| {
            let mut sum = asked_by_containers(pod, field);
            let whole = Amounts::parse(pod["spec"]["resources"].get(field));
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

pub(super) fn check_pod(pod: &Value, limits: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for limit in limits {
        match limit["type"].as_str() {
            Some("Container") => {
                for container in ["containers", "initContainers"]
                    .into_iter()
                    .flat_map(|list| items(&pod["spec"][list]))
                {
                    check(
                        "Container",
                        &OF_PODS,
                        limit,
                        &Asked::by(container),
                        &mut wrong,
                    );
                }
            }
            Some("Pod") => check("Pod", &OF_PODS, limit, &Asked::by_pod(pod), &mut wrong),
            _ => {}
        }
    }
    wrong
}

/// What holds for containers and pods, by the field that says how much.
const OF_PODS: [(&str, Bound); 3] = [
    ("min", minimum),
    ("max", maximum),
    ("maxLimitRequestRatio", ratio),
];
/// The same for claims, which have no limits.
const OF_CLAIMS: [(&str, Bound); 2] = [("min", minimum), ("max", maximum_request)];

fn check(
    kind: &str,
    bounds: &[(&str, Bound)],
    limit: &Value,
    asked: &Asked,
    wrong: &mut Vec<String>,
) {
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

pub(super) fn check_claim(claim: &Value, limits: &[Value]) -> Vec<String> {
    const KIND: &str = "PersistentVolumeClaim";
    let asked = Asked {
        requests: Amounts::parse(claim["spec"]["resources"].get("requests")),
        limits: Amounts::default(),
    };
    let mut wrong = Vec::new();
    for limit in of_type(limits, KIND) {
        check(KIND, &OF_CLAIMS, limit, &asked, &mut wrong);
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
    use serde_json::json;

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
