//! The API services that a server registers for what it serves itself (kube-aggregator pkg/controllers/autoregister).

use crate::api::Api;
use crate::controllers::status::Resource;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::status::Status;

/// Those that are looked after at the start alone.
const ON_START: (&str, &str) = ("kube-aggregator.kubernetes.io/automanaged", "onstart");

/// Once, at start: API services that a server registers itself say what this one would say, and those of versions that it no
/// longer serves go.
pub(super) async fn register(api: &Arc<Api>, own: &Resource) -> Result<(), Status> {
    let wanted = crate::bootstrap::api_services(api);
    let (_, all) = own.list();
    for object in all.iter().filter(|object| is_ours(object)) {
        let name = meta::name(object);
        match wanted.iter().find(|wanted| meta::name(wanted) == name) {
            Some(wanted) => {
                let revise = |live: &mut Value| {
                    let differs = live["spec"] != wanted["spec"];
                    live["spec"] = wanted["spec"].clone();
                    differs
                };
                own.update("", name, revise).await?;
            }
            None => own.delete(name).await?,
        }
    }
    Ok(())
}

fn is_ours(object: &Value) -> bool {
    meta::labels(object).any(|label| label == ON_START)
}
