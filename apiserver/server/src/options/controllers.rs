//! --controllers: which of the in-server controllers run, by the names and aliases of kube-controller-manager
//! (its app/controllermanager.go, IsControllerEnabled).

use super::Exit;

/// The controllers of this server: name and alias.
const HERE: [(&str, &str); 8] = [
    ("namespace-controller", "namespace"),
    ("garbage-collector-controller", "garbagecollector"),
    ("serviceaccount-controller", "serviceaccount"),
    ("serviceaccount-token-controller", "serviceaccount-token"),
    (
        "root-ca-certificate-publisher-controller",
        "root-ca-cert-publisher",
    ),
    (
        "clusterrole-aggregation-controller",
        "clusterrole-aggregation",
    ),
    ("resourcequota-controller", "resourcequota"),
    ("storage-version-migrator-controller", "svm"),
];

/// The controllers that kube-controller-manager has beside these: they may be named, and nothing follows from it.
const ELSEWHERE: &str = "endpoints-controller endpoint endpointslice-controller endpointslice \
    endpointslice-mirroring-controller endpointslicemirroring replicationcontroller-controller replicationcontroller \
    pod-garbage-collector-controller podgc daemonset-controller daemonset job-controller job deployment-controller \
    deployment replicaset-controller replicaset horizontal-pod-autoscaler-controller horizontalpodautoscaling \
    disruption-controller disruption statefulset-controller statefulset cronjob-controller cronjob \
    certificatesigningrequest-signing-controller csrsigning certificatesigningrequest-approving-controller csrapproving \
    certificatesigningrequest-cleaner-controller csrcleaner podcertificaterequest-cleaner-controller ttl-controller ttl \
    bootstrap-signer-controller bootstrapsigner token-cleaner-controller tokencleaner node-ipam-controller nodeipam \
    node-lifecycle-controller nodelifecycle taint-eviction-controller device-taint-eviction-controller \
    persistentvolume-binder-controller persistentvolume-binder persistentvolume-attach-detach-controller attachdetach \
    persistentvolume-expander-controller persistentvolume-expander persistentvolumeclaim-protection-controller \
    pvc-protection persistentvolume-protection-controller pv-protection podgroup-protection-controller \
    ttl-after-finished-controller ttl-after-finished \
    kube-apiserver-serving-clustertrustbundle-publisher-controller ephemeral-volume-controller ephemeral-volume \
    storageversion-garbage-collector-controller storage-version-gc resourceclaim-controller \
    resource-claim-controller resourcepoolstatusrequest-controller legacy-serviceaccount-token-cleaner-controller \
    legacy-service-account-token-cleaner validatingadmissionpolicy-status-controller \
    volumeattributesclass-protection-controller service-cidr-controller selinux-warning-controller cloud-node-controller service-lb-controller node-route-controller \
    cloud-node-lifecycle-controller";

pub struct Controllers(Vec<String>);

impl Controllers {
    /// Refuses what is no controller's name.
    pub fn new(list: Vec<String>) -> Result<Self, Exit> {
        for item in &list {
            let name = item.strip_prefix('-').unwrap_or(item);
            let known = matches!(item.as_str(), "*" | "none")
                || HERE
                    .iter()
                    .any(|(long, short)| name == *long || name == *short)
                || ELSEWHERE.split_whitespace().any(|known| known == name);
            if !known {
                let names: Vec<&str> = HERE.iter().map(|(_, short)| *short).collect();
                return Err(Exit {
                    code: 1,
                    text: format!(
                        "--controllers: {name:?} is not in the list of known controllers: *, none, {}\n",
                        names.join(", ")
                    ),
                });
            }
        }
        Ok(Controllers(list))
    }

    /// Whether a controller of this server runs: the first mention counts, without one `*` does.
    pub fn enabled(&self, name: &str) -> bool {
        let is = |item: &str| {
            item == name
                || HERE
                    .iter()
                    .any(|(long, short)| *long == name && *short == item)
        };
        for item in &self.0 {
            if is(item) {
                return true;
            }
            if item.strip_prefix('-').is_some_and(is) {
                return false;
            }
        }
        self.0.iter().any(|item| item == "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(list: &[&str], name: &str) -> bool {
        Controllers::new(list.iter().map(|item| (*item).to_owned()).collect())
            .unwrap_or_else(|exit| panic!("{}", exit.text))
            .enabled(name)
    }

    #[test]
    fn stars_names_and_aliases() {
        let collector = "garbage-collector-controller";
        assert!(enabled(&["*"], collector));
        assert!(!enabled(&["none"], collector));
        assert!(!enabled(&["*", "-garbagecollector"], collector));
        assert!(!enabled(&["*", "-garbage-collector-controller"], collector));
        assert!(enabled(&["*", "-garbagecollector"], "namespace-controller"));
        assert!(enabled(&["garbagecollector"], collector));
        assert!(!enabled(&["garbagecollector"], "namespace-controller"));
        assert!(!enabled(
            &["-garbagecollector", "garbagecollector"],
            collector
        ));
        assert!(enabled(&["*", "-ttl", "-attachdetach"], collector));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let exit = Controllers::new(vec!["*".to_owned(), "-garbage".to_owned()]).err();
        assert!(exit.is_some_and(|exit| exit.text.contains("\"garbage\"")));
    }
}
