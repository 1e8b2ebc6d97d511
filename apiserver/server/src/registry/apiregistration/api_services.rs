//! API services: those that this server answers itself are available from the start (kube-aggregator
//! pkg/registry/apiservice).

use crate::registry::Strategy;
use crate::registry::conditions::Condition;
use serde_json::Value;

pub(in crate::registry) struct ApiServices;

impl Strategy for ApiServices {
    fn prepare_for_create(&self, object: &mut Value) {
        if object.pointer("/spec/service").is_none() {
            local().set(object);
        }
    }
}

/// What is said of an API service that this server answers itself.
pub(crate) fn local() -> Condition {
    let message = "Local APIServices are always available";
    Condition::new("Available", true, "Local", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_local_one_is_available_from_the_start() {
        let mut local = json!({"spec": {"group": "a.io"}});
        ApiServices.prepare_for_create(&mut local);
        assert_eq!(local["status"]["conditions"][0]["reason"], "Local");
        let mut remote = json!({"spec": {"service": {"name": "s"}}});
        ApiServices.prepare_for_create(&mut remote);
        assert_eq!(remote.get("status"), None);
    }
}
