//! The pod of a request: which of its containers is meant, and the kubelet of its node (kubernetes
//! pkg/registry/core/pod/strategy.go, streamLocation).

use crate::handlers::Call;
use crate::kubelet::Kubelet;
use crate::proxy::Location;
use crate::proxy::location::authority;
use crate::registry::Registry;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::pod::{containers, items, text};
use triad_machinery::status::Status;

/// The container that is meant: the one that is named, or the only one.
pub(super) fn container(pod: &Value, named: &str) -> Result<String, Status> {
    let (spec, name) = (&pod["spec"], meta::name(pod));
    let all = || containers(spec).map(|own| text(&own["name"]));
    if !named.is_empty() {
        return match all().any(|own| own == named) {
            true => Ok(named.to_owned()),
            false => Err(Status::bad_request(format!(
                "container {named} is not valid for pod {name}"
            ))),
        };
    }
    let must = format!("a container name must be specified for pod {name}");
    match items(&spec["containers"]).collect::<Vec<_>>()[..] {
        [only] => Ok(text(&only["name"]).to_owned()),
        [] => Err(Status::bad_request(must)),
        _ => {
            let all: Vec<&str> = all().collect();
            let all = all.join(" ");
            Err(Status::bad_request(format!(
                "{must}, choose one of: [{all}]"
            )))
        }
    }
}

/// A registry that this server itself needs.
pub(super) fn registry<'a>(call: &'a Call, plural: &str) -> Result<&'a Arc<Registry>, Status> {
    let registry = call.api.endpoints.registry("", plural);
    registry.ok_or_else(|| Status::internal(format!("there are no {plural}")))
}

/// The kubelet of a node.
pub(super) async fn kubelet(call: &Call, node: &str) -> Result<Kubelet, Status> {
    let node = registry(call, "nodes")?.get("", node).await?.object;
    let found = call.api.kubelets.of_node(&node);
    found.map_err(Status::plain_error)
}

/// The kubelet of a pod's node; none where it is on no node yet.
pub(super) async fn kubelet_of(call: &Call, pod: &Value) -> Result<Option<Kubelet>, Status> {
    match text(&pod["spec"]["nodeName"]) {
        "" => Ok(None),
        node => kubelet(call, node).await.map(Some),
    }
}

/// A path of a kubelet.
pub(super) fn at(kubelet: &Kubelet, path: String, query: String) -> Location {
    Location {
        scheme: "https",
        authority: authority(&kubelet.host, kubelet.port),
        path,
        query,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_is_named_or_the_only_one() {
        let pod = |lists: Value| json!({"metadata": {"name": "p"}, "spec": lists});
        let one = pod(json!({"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}));
        let two = pod(json!({"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}], "ephemeralContainers": [{"name": "e"}]}));
        let chosen = |pod: &Value, named: &str| match container(pod, named) {
            Ok(name) => name,
            Err(status) => format!("{} {}", status.code, status.message),
        };
        assert_eq!(chosen(&one, ""), "a");
        assert_eq!(chosen(&one, "i"), "i");
        assert_eq!(chosen(&two, "e"), "e");
        assert_eq!(chosen(&one, "x"), "400 container x is not valid for pod p");
        let why = "400 a container name must be specified for pod p, choose one of: [i a b e]";
        assert_eq!(chosen(&two, ""), why);
    }
}
