//! The scenarios by name: what each measures, with how many clients and objects when nothing else is said.

use super::objects::{Kind, Wire};
use super::reads::{Form, READ};
use super::writes::{Change, PatchKind};

/// What a scenario does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Create(Kind, Wire),
    Update(Kind, Wire, Change),
    Patch(PatchKind),
    Get(Kind, Wire),
    List(Kind, Form),
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) does: Does,
    pub(crate) clients: usize,
    /// Objects that have to be there before.
    pub(crate) objects: usize,
}

const fn scenario(
    name: &'static str,
    does: Does,
    clients: usize,
    objects: usize,
    about: &'static str,
) -> Scenario {
    Scenario {
        name,
        about,
        does,
        clients,
        objects,
    }
}

/// Objects of a LIST.
const MANY: usize = 10_000;

use Does::{Create, Get, List, Patch, Update};
use Kind::{ConfigMap, Lease, Pod};
use Wire::{Json, Protobuf};

#[rustfmt::skip]
pub(crate) static ALL: &[Scenario] = &[
    scenario("create-pods", Create(Pod, Json), 16, 0, "create pods of 3.9 KB as JSON"),
    scenario("create-pods-protobuf", Create(Pod, Protobuf), 16, 0, "create the same pods as protobuf"),
    scenario("create-configmaps", Create(ConfigMap, Json), 64, 0, "create ConfigMaps of 1 KB as JSON"),
    scenario("create-events", Create(Kind::Event, Protobuf), 64, 0, "create Events as protobuf"),
    scenario("update-leases", Update(Lease, Protobuf, Change::Renewal), 64, 0, "renew Leases with their resourceVersion, as protobuf"),
    scenario("update-configmaps", Update(ConfigMap, Json, Change::Data), 64, 0, "update ConfigMaps of 1 KB with their resourceVersion"),
    scenario("update-pod-status", Update(Pod, Json, Change::Status), 16, 0, "update the status of pods with their resourceVersion"),
    scenario("patch-strategic", Patch(PatchKind::Strategic), 16, 0, "strategic merge patches of Deployments"),
    scenario("patch-merge", Patch(PatchKind::Merge), 16, 0, "JSON merge patches of Deployments"),
    scenario("patch-apply", Patch(PatchKind::Apply), 16, 0, "server-side apply of Deployments"),
    scenario("get-pods", Get(Pod, Json), 64, READ, "get single pods as JSON"),
    scenario("get-pods-protobuf", Get(Pod, Protobuf), 64, READ, "get single pods as protobuf"),
    scenario("get-configmaps", Get(ConfigMap, Json), 64, READ, "get single ConfigMaps as JSON"),
    scenario("list-pods", List(Pod, Form::Whole(Json)), 1, MANY, "list all pods as JSON"),
    scenario("list-pods-protobuf", List(Pod, Form::Whole(Protobuf)), 1, MANY, "list all pods as protobuf"),
    scenario("list-pods-gzip", List(Pod, Form::Gzip), 1, MANY, "list all pods as JSON in gzip"),
    scenario("list-pods-pages", List(Pod, Form::Pages), 1, MANY, "list all pods as JSON in pages of 500; all pages are one operation"),
    scenario("list-pods-table", List(Pod, Form::Table), 1, MANY, "list all pods as a Table, as kubectl get does"),
    scenario("list-pods-label", List(Pod, Form::Label), 1, MANY, "list the 1 % of pods that have a label"),
    scenario("list-pods-node", List(Pod, Form::Node), 1, MANY, "list the 1 % of pods on a node, by spec.nodeName"),
    scenario("list-configmaps", List(ConfigMap, Form::Whole(Json)), 1, MANY, "list all ConfigMaps as JSON"),
];

pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_are_one_each() {
        for scenario in ALL {
            assert!(std::ptr::eq(find(scenario.name).unwrap(), scenario));
            assert!(scenario.clients > 0);
        }
        assert!(find("create").is_none());
    }
}
