//! The address families of a service: what it says, what its addresses say, and what the cluster has (kubernetes
//! pkg/registry/core/service/storage/alloc.go, initIPFamilyFields).

use super::{invalid_all, needs_address, same, text};
use crate::api::Api;
use serde_json::{Value, json};
use triad_machinery::pod::texts;
use triad_machinery::status::{FieldError, Status};

const POLICY: &str = "spec.ipFamilyPolicy";

/// The family of an address.
pub(super) fn of(address: &str) -> &'static str {
    if address.contains(':') {
        "IPv6"
    } else {
        "IPv4"
    }
}

fn other(family: &str) -> &'static str {
    if family == "IPv4" { "IPv6" } else { "IPv4" }
}

/// Fills in policy and families, and refuses what contradicts itself or the cluster.
pub(super) fn fill(api: &Api, object: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    let cluster = of(&api.config.service_cidr.network().to_string());
    fill_for(cluster, object, old)
}

fn fill_for(cluster: &'static str, object: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    if !needs_address(object) || old.is_some_and(|old| is_settled(object, old)) {
        return Ok(());
    }
    let headless = text(object, "clusterIP") == "None";
    let selects = |service: &Value| {
        let selector = service["spec"].get("selector").and_then(Value::as_object);
        selector.is_some_and(|selector| !selector.is_empty())
    };
    let unselected = headless && !selects(object);
    if object["spec"].get("ipFamilyPolicy").is_none() {
        let before = old
            .and_then(|old| old["spec"].get("ipFamilyPolicy"))
            .cloned();
        let fresh = if unselected {
            "RequireDualStack"
        } else {
            "SingleStack"
        };
        object["spec"]["ipFamilyPolicy"] = before.unwrap_or_else(|| fresh.into());
    }
    let errors = triad_machinery::validation::service_addresses(object);
    if !errors.is_empty() {
        return Err(invalid_all(object, &errors));
    }
    let mut errors = Vec::new();
    reduce(object, old, &mut errors);
    add_from_addresses(cluster, object, &mut errors);
    if !errors.is_empty() {
        return Err(invalid_all(object, &errors));
    }
    let single = text(object, "ipFamilyPolicy") == "SingleStack";
    let mut families = texts(&object["spec"]["ipFamilies"]);
    if unselected {
        if families.is_empty() {
            families.push(cluster.to_owned());
        }
        if families.len() < 2 && !single {
            families.push(other(&families[0]).to_owned());
        }
        object["spec"]["ipFamilies"] = json!(families);
        return Ok(());
    }
    if text(object, "ipFamilyPolicy") == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        errors.push(FieldError::invalid(POLICY, "RequireDualStack", why));
    }
    for (at, family) in families
        .iter()
        .enumerate()
        .filter(|(_, family)| *family != cluster)
    {
        let path = format!("spec.ipFamilies[{at}]");
        let why = "not configured on this cluster";
        errors.push(FieldError::invalid(path, family.as_str(), why));
    }
    if !errors.is_empty() {
        return Err(invalid_all(object, &errors));
    }
    if families.is_empty() {
        object["spec"]["ipFamilies"] = json!([cluster]);
    }
    Ok(())
}

/// Whether an update of a service that takes what there is leaves all of this as it is.
fn is_settled(object: &Value, old: &Value) -> bool {
    let prefers = |service: &Value| text(service, "ipFamilyPolicy") == "PreferDualStack";
    ["type", "clusterIPs", "ipFamilies"]
        .iter()
        .all(|field| same(object, old, field))
        && prefers(object)
        && (prefers(old) || old["spec"].get("ipFamilyPolicy").is_none())
}

/// A second family goes only with the policy that says so.
fn reduce(object: &mut Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let policy = text(object, "ipFamilyPolicy").to_owned();
    let single = policy == "SingleStack";
    let mut refuse = |why: &str| errors.push(FieldError::invalid(POLICY, policy.as_str(), why));
    for (field, released, several) in [
        (
            "clusterIPs",
            "must be 'SingleStack' to release the secondary cluster IP",
            "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified",
        ),
        (
            "ipFamilies",
            "must be 'SingleStack' to release the secondary IP family",
            "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
        ),
    ] {
        let mut now = texts(&object["spec"][field]);
        if let Some(old) = old {
            if single && same(object, old, field) && now.len() > 1 {
                now.truncate(1);
                object["spec"][field] = json!(now);
            } else if !single && !now.is_empty() && now.len() < texts(&old["spec"][field]).len() {
                refuse(released);
            }
        }
        if single && now.len() == 2 {
            refuse(several);
        }
    }
}

/// Families that only the addresses tell.
fn add_from_addresses(cluster: &str, object: &mut Value, errors: &mut Vec<FieldError>) {
    let addresses = texts(&object["spec"]["clusterIPs"]);
    let mut families = texts(&object["spec"]["ipFamilies"]);
    for (at, address) in addresses.iter().enumerate() {
        if address == "None" {
            break;
        }
        if at < families.len() {
            continue;
        }
        let family = of(address);
        if family == cluster {
            families.push(family.to_owned());
            object["spec"]["ipFamilies"] = json!(families);
        } else {
            let path = format!("spec.clusterIPs[{at}]");
            let why = format!("{family} is not configured on this cluster");
            errors.push(FieldError::invalid(path, json!(addresses), why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(mut spec: Value) -> Result<Value, String> {
        if spec.get("type").is_none() {
            spec["type"] = "ClusterIP".into();
        }
        let mut service = json!({"metadata": {"name": "a"}, "spec": spec});
        fill_for("IPv4", &mut service, None)
            .map(|()| {
                json!([
                    service["spec"]["ipFamilyPolicy"],
                    service["spec"]["ipFamilies"]
                ])
            })
            .map_err(|status| status.message)
    }

    #[test]
    fn the_clusters_family_is_taken_unless_said() {
        assert_eq!(filled(json!({})), Ok(json!(["SingleStack", ["IPv4"]])));
        let unselected = json!({"clusterIP": "None", "clusterIPs": ["None"]});
        assert_eq!(
            filled(unselected),
            Ok(json!(["RequireDualStack", ["IPv4", "IPv6"]]))
        );
        let selected = json!({"clusterIP": "None", "clusterIPs": ["None"], "selector": {"a": "b"}});
        assert_eq!(filled(selected), Ok(json!(["SingleStack", ["IPv4"]])));
        let prefers = json!({"ipFamilyPolicy": "PreferDualStack"});
        assert_eq!(filled(prefers), Ok(json!(["PreferDualStack", ["IPv4"]])));
    }

    #[test]
    fn what_the_cluster_lacks_is_refused() {
        let why = |spec: Value| filled(spec).err().unwrap_or_default();
        assert!(
            why(json!({"ipFamilyPolicy": "RequireDualStack"}))
                .contains("not configured for dual-stack")
        );
        assert!(why(json!({"ipFamilies": ["IPv6"]})).contains("spec.ipFamilies[0]"));
        assert!(
            why(json!({"clusterIP": "fd00::1", "clusterIPs": ["fd00::1"]}))
                .contains("IPv6 is not configured")
        );
    }
}
