//! Resources of a pod as a whole against those of its containers (pkg/apis/core/validation/validation.go,
//! validatePodResourceConsistency; component-helpers resource).

use std::collections::BTreeMap;

use super::at::{At, Errors};
use super::resources;
use crate::quantity::Quantity;

type Amounts = BTreeMap<String, Quantity>;

/// What the pod asks for covers its containers; no container may have more than the pod.
pub(crate) fn consistent(spec: &At<'_>, errors: &mut Errors) {
    let at = spec.get("resources");
    for (resource, sum) in aggregate(spec, "requests") {
        let own = at.get("requests").key(&resource);
        if own.given() && sum > own.quantity() {
            errors.invalid(
                &own,
                format!("must be greater than or equal to aggregate container requests of {sum}"),
            );
        }
    }
    for (resource, sum) in aggregate(spec, "limits") {
        let own = at.get("limits").key(&resource);
        if resources::is_huge_page(&resource) && own.given() && sum > own.quantity() {
            let shown = own.shown_at(format!("{}.requests.limits[{resource}]", at.path));
            errors.invalid(
                &shown,
                format!("must be greater than or equal to aggregate container limits of {sum}"),
            );
        }
    }
    for (i, container) in spec.get("containers").items().enumerate() {
        for (resource, limit) in container.get("resources").get("limits").entries() {
            let own = at.get("limits").key(resource);
            if own.given() && limit.quantity() > own.quantity() {
                let shown =
                    limit.shown_at(format!("{}.containers[{i}][{resource}].limits", at.path));
                errors.invalid(
                    &shown,
                    format!("must be less than or equal to pod limits of {}", own.text()),
                );
            }
        }
    }
}

/// Regular containers and sidecars run together; other init containers one after another beside earlier sidecars.
fn aggregate(spec: &At<'_>, kind: &str) -> Amounts {
    let mut sum = Amounts::new();
    for container in spec.get("containers").items() {
        add(&mut sum, &amounts(&container, kind));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in spec.get("initContainers").items() {
        let mut own = amounts(&container, kind);
        if container.get("restartPolicy").text() == "Always" {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            own.clone_from(&sidecars);
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut peak, &own);
    }
    raise(&mut sum, &peak);
    sum
}

fn amounts(container: &At<'_>, kind: &str) -> Amounts {
    let entries = container.get("resources").get(kind).entries();
    entries
        .into_iter()
        .map(|(name, amount)| (name.to_owned(), amount.quantity()))
        .collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        sum.entry(name.clone())
            .or_insert_with(Quantity::zero)
            .add(amount);
    }
}

fn raise(peak: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let highest = peak.entry(name.clone()).or_insert_with(|| amount.clone());
        if *amount > *highest {
            highest.clone_from(amount);
        }
    }
}
