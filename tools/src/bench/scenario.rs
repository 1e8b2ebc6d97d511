//! The scenarios by name: what each measures, with how many clients and objects when nothing else is said.

use super::fanout::Shape;
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
    WatchList(Kind, Wire),
    FanOut(Shape),
    IdleWatches,
    /// Renew Leases at a rate beside a client that lists everything.
    BesideLists,
    /// Create the population, each object once.
    Fill(Kind),
    /// Create and delete as many objects as are said, one by one.
    Churn(Kind),
    DeleteCollection(Kind),
    /// What a cluster of this size asks.
    Cluster {
        nodes: usize,
    },
}

impl Does {
    /// Whether it goes on until the time is up, so that it can be done at a rate.
    pub(crate) fn has_rate(self) -> bool {
        let ends = matches!(
            self,
            Does::IdleWatches | Does::Fill(_) | Does::Churn(_) | Does::DeleteCollection(_)
        );
        !ends
    }
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

const fn fan_out(watchers: usize, writes_per_second: u32) -> Shape {
    Shape {
        watchers,
        stalled: false,
        single: false,
        writes_per_second,
    }
}

const STALLED: Shape = Shape {
    stalled: true,
    ..fan_out(1000, 20)
};
const SINGLE: Shape = Shape {
    single: true,
    ..fan_out(1, 50)
};

use Does::{
    BesideLists, Churn, Cluster, Create, DeleteCollection, FanOut, Fill, Get, IdleWatches, List,
    Patch, Update, WatchList,
};
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
    scenario("fill-pods", Fill(Pod), 64, MANY, "create the pods that lists are made of"),
    scenario("fill-configmaps", Fill(ConfigMap), 64, MANY, "create the ConfigMaps that lists are made of"),
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
    scenario("watchlist-pods", WatchList(Pod, Json), 1, MANY, "start watches that begin with all pods, as JSON"),
    scenario("watchlist-pods-protobuf", WatchList(Pod, Protobuf), 1, MANY, "start watches that begin with all pods, as protobuf"),
    scenario("fan-out-100", FanOut(fan_out(100, 100)), 100, 0, "100 watchers of ConfigMaps that change 100 times a second; an operation is a delivery"),
    scenario("fan-out-1000", FanOut(fan_out(1000, 20)), 1000, 0, "1,000 watchers of ConfigMaps that change 20 times a second"),
    scenario("fan-out-stalled", FanOut(STALLED), 1000, 0, "the same beside one watcher that never reads"),
    scenario("watch-configmap", FanOut(SINGLE), 1, MANY, "one watcher of one ConfigMap of many, which changes 50 times a second"),
    scenario("leases-beside-lists", BesideLists, 16, MANY, "renew 200 Leases a second (--rate) beside a client that lists all pods without a pause"),
    scenario("idle-watches", IdleWatches, 10_000, 0, "open watches that see nothing, 100 to a connection; what memory each takes"),
    scenario("churn-pods", Churn(Pod), 64, 60_000, "create and delete pods, one by one; memory at the end"),
    scenario("delete-pods", DeleteCollection(Pod), 1, MANY, "delete all pods by one request; an operation is a pod"),
    scenario("cluster", Cluster { nodes: 5000 }, 64, 150_000, "5,000 nodes' Leases, status, watches, 100 pods a second (--rate) and their Events among as many pods as --objects says"),
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
