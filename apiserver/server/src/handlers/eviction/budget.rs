//! What the disruption budget that covers a pod says to its eviction.

use crate::controllers::status::Resource;
use crate::handlers::Call;
use serde_json::{Value, json};
use std::sync::Mutex;
use triad_machinery::meta;
use triad_machinery::selector::label::LabelSelector;
use triad_machinery::status::{Cause, GroupResource, Status};

const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// A budget with more evictions that its controller has not confirmed allows no further one.
const MAX_PENDING: usize = 2000;

/// Why a pod may go.
#[derive(Debug, PartialEq)]
pub(super) enum Allowed {
    /// No budget covers it, or the budget had a disruption left, which is now spent.
    Freely,
    /// It is not ready, so that it counts for nothing, and must stay so until it goes. The budget's name.
    AsItIs(String),
}

pub(super) async fn ask(call: &Call, pod: &Value, dry_run: bool) -> Result<Allowed, Status> {
    let budgets = Resource::new(
        &call.api,
        ("policy", "v1", "poddisruptionbudgets"),
        "kube-apiserver",
    )
    .ok_or_else(Status::no_such_resource)?;
    let (_, all) = budgets.list();
    let covering: Vec<Value> = all.into_iter().filter(|it| covers(it, pod)).collect();
    let budget = match covering.as_slice() {
        [] => return Ok(Allowed::Freely),
        [budget] => budget,
        _ => {
            return Err(Status::plain_error(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let name = meta::name(budget);
    if !ready(pod) && unhealthy_may_go(budget) {
        return Ok(Allowed::AsItIs(name.to_owned()));
    }
    if dry_run {
        return spend(&mut budget.clone(), meta::name(pod)).map(|()| Allowed::Freely);
    }
    let verdict = Mutex::new(Ok(()));
    let change = |live: &mut Value| {
        let spent = spend(live, meta::name(pod));
        let written = spent.is_ok();
        if let Ok(mut verdict) = verdict.lock() {
            *verdict = spent;
        }
        written
    };
    budgets
        .update_status(call.namespace(), name, change)
        .await?;
    let verdict = verdict.into_inner().map_err(Status::internal)?;
    verdict.map(|()| Allowed::Freely)
}

fn covers(budget: &Value, pod: &Value) -> bool {
    meta::namespace(budget) == meta::namespace(pod)
        && budget.pointer("/spec/selector").is_some_and(|selector| {
            LabelSelector::from_object(selector).is_ok_and(|selector| selector.matches_object(pod))
        })
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    let list = object.pointer("/status/conditions");
    list.and_then(Value::as_array).into_iter().flatten()
}

fn ready(pod: &Value) -> bool {
    conditions(pod).any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn number(budget: &Value, field: &str) -> i64 {
    budget["status"][field].as_i64().unwrap_or(0)
}

/// Whether a pod that is not ready may go without a disruption being spent.
fn unhealthy_may_go(budget: &Value) -> bool {
    let desired = number(budget, "desiredHealthy");
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || number(budget, "currentHealthy") >= desired && desired > 0
}

/// Asks to come again when the budget's controller has caught up.
pub(super) fn unsettled(name: &str) -> Status {
    let why = format!("The disruption budget {name} is still being processed by the server.");
    because(Status::too_many_requests(REFUSED, 10), why)
}

fn because(status: Status, message: String) -> Status {
    status.with_cause(Cause {
        reason: "DisruptionBudget".into(),
        message,
        field: String::new(),
    })
}

/// Takes one disruption from a budget for a pod (checkAndDecrement).
fn spend(budget: &mut Value, pod: &str) -> Result<(), Status> {
    let name = meta::name(budget).to_owned();
    if number(budget, "observedGeneration") < meta::generation(budget) {
        return Err(unsettled(&name));
    }
    let forbidden = |why: &str, told: &str| {
        let resource = GroupResource {
            group: "policy",
            resource: "poddisruptionbudget",
        };
        because(
            Status::forbidden(resource, &name, why),
            format!("The disruption budget {name} does not allow evicting pods currently: {told}"),
        )
    };
    let allowed = number(budget, "disruptionsAllowed");
    if allowed < 0 {
        let why = "pdb disruptions allowed is negative";
        return Err(forbidden(why, why));
    }
    let pending = budget["status"]["disruptedPods"].as_object();
    if pending.is_some_and(|pending| pending.len() > MAX_PENDING) {
        return Err(forbidden(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            "too many pending evictions not confirmed by PDB controller",
        ));
    }
    if allowed == 0 {
        let refused = Status::too_many_requests(REFUSED, 0);
        return Err(because(refused, none_left(budget)));
    }
    let now = crate::clock::Clock.now();
    budget["status"]["disruptionsAllowed"] = json!(allowed - 1);
    if allowed == 1 {
        insufficient(budget, &now);
    }
    budget["status"]["disruptedPods"][pod] = now.into();
    Ok(())
}

fn none_left(budget: &Value) -> String {
    let name = meta::name(budget);
    let (current, desired) = (
        number(budget, "currentHealthy"),
        number(budget, "desiredHealthy"),
    );
    let told = conditions(budget)
        .find(|condition| {
            condition["type"] == "DisruptionAllowed" && condition["status"] == "False"
        })
        .map(|condition| ["reason", "message"].map(|at| condition[at].as_str().unwrap_or("")))
        .filter(|[_, message]| !message.is_empty());
    match told {
        Some(["SyncFailed", message]) => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
        ),
        _ if current <= desired => format!(
            "The disruption budget {name} needs {desired} healthy pods and has {current} currently"
        ),
        Some([reason, message]) => format!(
            "The disruption budget {name} does not allow evicting pods currently ({reason}): {message}"
        ),
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

/// Says that the budget has no disruption left (kubernetes pkg/registry/policy/poddisruptionbudget, UpdateDisruptionAllowedCondition).
fn insufficient(budget: &mut Value, now: &str) {
    let mut condition = json!({"type": "DisruptionAllowed", "status": "False", "lastTransitionTime": now,
        "reason": "InsufficientPods", "message": ""});
    if let generation @ 1.. = number(budget, "observedGeneration") {
        condition["observedGeneration"] = generation.into();
    }
    let mut list: Vec<Value> = conditions(budget).cloned().collect();
    match list.iter_mut().find(|it| it["type"] == "DisruptionAllowed") {
        Some(found) => {
            if found["status"] == condition["status"] {
                condition["lastTransitionTime"] = found["lastTransitionTime"].take();
            }
            *found = condition;
        }
        None => list.push(condition),
    }
    budget["status"]["conditions"] = list.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(status: Value) -> Value {
        json!({"metadata": {"name": "b", "generation": 1}, "status": status})
    }

    fn refusal(status: Value) -> String {
        let refused = spend(&mut budget(status), "p").expect_err("is refused");
        let causes = refused.details.map(|details| details.causes);
        causes.unwrap_or_default()[0].message.clone()
    }

    #[test]
    fn a_disruption_is_spent_once_and_noted() {
        let mut live = budget(json!({"observedGeneration": 1, "disruptionsAllowed": 1}));
        assert_eq!(spend(&mut live, "p"), Ok(()));
        assert_eq!(live["status"]["disruptionsAllowed"], 0);
        assert!(live["status"]["disruptedPods"]["p"].is_string());
        assert_eq!(
            live["status"]["conditions"][0]["reason"],
            "InsufficientPods"
        );
        assert_eq!(
            spend(&mut live, "q").map_err(|status| status.code),
            Err(429)
        );
    }

    #[test]
    fn a_refusal_says_what_is_missing() {
        let none = |current: i64, conditions: Value| {
            refusal(
                json!({"observedGeneration": 1, "currentHealthy": current, "desiredHealthy": 1, "conditions": conditions}),
            )
        };
        assert!(none(1, json!([])).contains("needs 1 healthy pods and has 1 currently"));
        assert!(none(2, json!([])).ends_with("does not allow evicting pods currently"));
        let told = |reason: &str| json!([{"type": "DisruptionAllowed", "status": "False", "reason": reason, "message": "why"}]);
        assert!(none(2, told("X")).ends_with("currently (X): why"));
        assert!(none(0, told("SyncFailed")).ends_with("because it failed sync: why"));
        assert!(refusal(json!({})).contains("still being processed"));
        assert!(
            refusal(json!({"observedGeneration": 1, "disruptionsAllowed": -1}))
                .contains("negative")
        );
    }

    #[test]
    fn a_pod_that_is_not_ready_goes_where_enough_others_are() {
        let healthy =
            |current: i64| budget(json!({"currentHealthy": current, "desiredHealthy": 1}));
        assert!(unhealthy_may_go(&healthy(1)));
        assert!(!unhealthy_may_go(&healthy(0)));
        assert!(!unhealthy_may_go(&budget(json!({}))));
        let mut always = healthy(0);
        always["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow".into();
        assert!(unhealthy_may_go(&always));
    }
}
