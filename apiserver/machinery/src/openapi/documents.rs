//! The documents there are for a set of resources, and how to make each.

use serde_json::Value;

use super::definitions::Definitions;
use super::installer::{Installer, JSON, root_of};
use super::option_params::OptionParams;
use super::route::{Model, Route};
use super::{Descriptions, Form, V2Frame, V2Part, discovery, v2, v3};
use crate::schema::schema;
use crate::scheme::{Resource, scheme};

const OPENID_CONFIGURATION: &str = ".well-known/openid-configuration";
const OPENID_KEYS: &str = "openid/v1/jwks";
/// Groups whose kinds nobody asks a server for: these do not say that DeleteOptions belong to them.
const INTERNAL_GROUPS: [&str; 3] = ["audit.k8s.io", "apidiscovery.k8s.io", "meta.k8s.io"];

/// What is served: the input of every document.
pub struct Documents<'a> {
    resources: Vec<&'a Resource>,
    version: String,
}

impl<'a> Documents<'a> {
    /// Documents of these resources; `version` is the API's, `1.37`.
    pub fn new(resources: impl IntoIterator<Item = &'a Resource>, version: &str) -> Self {
        Documents {
            resources: resources.into_iter().collect(),
            version: version.to_owned(),
        }
    }

    /// The names of the OpenAPI 3.0 documents, sorted: `api`, `api/v1`, `apis`, `apis/apps`, `apis/apps/v1`, `version`.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = [OPENID_CONFIGURATION, "api", "apis", OPENID_KEYS, "version"]
            .map(str::to_owned)
            .to_vec();
        for resource in &self.resources {
            names.push(root_of(&resource.group, &resource.version)[1..].to_owned());
            if !resource.group.is_empty() {
                names.push(format!("apis/{}", resource.group));
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The OpenAPI 3.0 document of that name.
    pub fn v3(&self, name: &str, descriptions: &Descriptions<'_>) -> Option<Value> {
        let routes = self.routes(name, descriptions)?;
        let own = group_version_of(name);
        let own: Vec<(&str, &str)> = own.into_iter().collect();
        let definitions = Definitions::new(Form::V3, schema(), descriptions, &own);
        Some(v3::document(&self.version, &routes, definitions))
    }

    /// The Swagger 2.0 document of everything.
    pub fn v2(&self, descriptions: &Descriptions<'_>) -> Value {
        v2::document(&self.version, self.v2_part(descriptions))
    }

    /// What stands around the parts of that document.
    pub fn v2_frame(&self) -> V2Frame {
        V2Frame::new(&self.version)
    }

    /// All that these resources are in the Swagger 2.0 document.
    pub fn v2_part(&self, descriptions: &Descriptions<'_>) -> V2Part {
        let routes: Vec<Route> = self
            .names()
            .iter()
            .filter_map(|name| self.routes(name, descriptions))
            .flatten()
            .collect();
        let packages = schema()
            .packages()
            .iter()
            .filter_map(|p| p.group_version.as_ref());
        let mut group_versions: Vec<(&str, &str)> = packages
            .map(|(g, v)| (&**g, &**v))
            .filter(|(g, _)| !INTERNAL_GROUPS.contains(g))
            .collect();
        group_versions.sort_unstable();
        group_versions.dedup();
        let definitions = Definitions::new(Form::V2, schema(), descriptions, &group_versions);
        v2::part(&routes, definitions, Definitions::finish)
    }

    fn routes(&self, name: &str, descriptions: &Descriptions<'_>) -> Option<Vec<Route>> {
        let fixed = |path: &str, what: &str, text: &str, kind: &str| {
            discovery::of_groups(path, what, text, kind).map(|route| vec![route])
        };
        match name.split('/').collect::<Vec<_>>().as_slice() {
            ["api"] => fixed(
                "/api/",
                "APIVersions",
                "get available API versions",
                "APIVersions",
            ),
            ["apis"] => fixed(
                "/apis/",
                "APIVersions",
                "get available API versions",
                "APIGroupList",
            ),
            ["version"] => {
                let info = Model::Type(schema().type_named("version.Info")?);
                Some(vec![discovery::fixed(
                    "/version/",
                    "CodeVersion",
                    "get the version information for this server",
                    &[JSON],
                    info,
                )])
            }
            _ if name == OPENID_CONFIGURATION => Some(vec![discovery::openid(
                name,
                "ServiceAccountIssuerOpenIDConfiguration",
                "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
                JSON,
            )]),
            _ if name == OPENID_KEYS => Some(vec![discovery::openid(
                name,
                "ServiceAccountIssuerOpenIDKeyset",
                "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
                "application/jwk-set+json",
            )]),
            ["apis", group] => {
                self.resources.iter().find(|r| r.group == *group)?;
                fixed(
                    &format!("/apis/{group}/"),
                    "APIGroup",
                    "get information of a group",
                    "APIGroup",
                )
            }
            ["api", version] => self.group_version_routes("", version, descriptions),
            ["apis", group, version] => self.group_version_routes(group, version, descriptions),
            _ => None,
        }
    }

    fn group_version_routes(
        &self,
        group: &str,
        version: &str,
        descriptions: &Descriptions<'_>,
    ) -> Option<Vec<Route>> {
        let path = format!("{}/", root_of(group, version));
        let mut routes = vec![discovery::of_groups(
            &path,
            "APIResources",
            "get available resources",
            "APIResourceList",
        )?];
        for resource in self
            .resources
            .iter()
            .filter(|r| r.group == group && r.version == version)
        {
            routes.extend(Installer::install(OptionParams { descriptions }, resource));
        }
        (routes.len() > 1).then_some(routes)
    }
}

impl Documents<'static> {
    /// Documents of all built-in resources that are served by default.
    pub fn served_by_default(version: &str) -> Self {
        Documents::new(
            scheme().resources().iter().filter(|r| r.served_by_default),
            version,
        )
    }
}

fn group_version_of(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("apis/")
        .and_then(|rest| rest.split_once('/'))
}
