//! Which group-versions are served: GA on, beta and alpha as the table says, then --runtime-config
//! (kubernetes pkg/controlplane/instance.go, apiserver pkg/server/resourceconfig).

use crate::options::Exit;
use triad_machinery::scheme::{Resource, scheme};

pub(crate) struct Enabled {
    config: Vec<(String, bool)>,
}

impl Enabled {
    /// Refuses names that are no group-version, with what is known.
    pub(crate) fn new(config: &[(String, bool)]) -> Result<Self, Exit> {
        for (name, _) in config {
            let known = matches!(
                name.as_str(),
                "api/all" | "api/ga" | "api/beta" | "api/alpha" | "api/legacy"
            ) || scheme()
                .resources()
                .iter()
                .any(|resource| names(resource, name));
            if !known {
                return Err(Exit {
                    code: 1,
                    text: format!(
                        "unknown api groups {}: --runtime-config takes GROUP/VERSION[/RESOURCE]=true|false, api/all, api/ga, api/beta and api/alpha\n",
                        name.split('/').next().unwrap_or(name)
                    ),
                });
            }
        }
        Ok(Enabled {
            config: config.to_vec(),
        })
    }

    /// The most specific entry decides: resource, group-version, stability level, all.
    pub(crate) fn serves(&self, resource: &Resource) -> bool {
        let path = format!("{}/{}", resource.group_version(), resource.plural);
        let stability = stability(&resource.version);
        let exact = |wanted: &str| {
            self.config
                .iter()
                .rev()
                .find(|(name, _)| name == wanted)
                .map(|(_, on)| *on)
        };
        let version = resource.group_version();
        exact(&path)
            .or_else(|| exact(&version))
            .or_else(|| {
                if resource.group.is_empty() {
                    exact(&format!("api/{}", resource.version))
                } else {
                    None
                }
            })
            .or_else(|| exact(stability))
            .or_else(|| exact("api/all"))
            .unwrap_or(resource.served_by_default)
    }
}

fn names(resource: &Resource, name: &str) -> bool {
    name == resource.group_version()
        || name == format!("{}/{}", resource.group_version(), resource.plural)
        || (resource.group.is_empty() && name == format!("api/{}", resource.version))
}

fn stability(version: &str) -> &'static str {
    if version.contains("alpha") {
        "api/alpha"
    } else if version.contains("beta") {
        "api/beta"
    } else {
        "api/ga"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_entry_decides() {
        let on = |config: &[(&str, bool)], group: &str, version: &str, plural: &str| {
            let config: Vec<_> = config.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
            let enabled = Enabled::new(&config).expect("known names");
            enabled.serves(
                scheme()
                    .resource(group, version, plural)
                    .expect("in the table"),
            )
        };
        assert!(on(&[], "apps", "v1", "deployments"));
        assert!(!on(&[("apps/v1", false)], "apps", "v1", "deployments"));
        assert!(on(
            &[("apps/v1", false), ("apps/v1/deployments", true)],
            "apps",
            "v1",
            "deployments"
        ));
        assert!(!on(&[], "resource.k8s.io", "v1beta1", "resourceclaims"));
        assert!(on(
            &[("api/beta", true)],
            "resource.k8s.io",
            "v1beta1",
            "resourceclaims"
        ));
        assert!(Enabled::new(&[("nosuch/v1".to_owned(), true)]).is_err());
    }
}
