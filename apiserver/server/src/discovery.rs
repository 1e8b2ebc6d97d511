//! Discovery: what is served, in the old documents and the aggregated one (KEP-3352), made once from the resource table.

use crate::endpoint::Endpoints;
use crate::negotiate::{Accepted, MEDIA_TYPES, Media, Offer, accept, route_accepts};
use crate::query::Query;
use crate::reply::{self, Reply, named};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use triad_machinery::schema::TypeId;
use triad_machinery::scheme::{Group, Resource, scheme};
use triad_machinery::status::Status;

/// The documents of all groups that are served.
pub(crate) struct Discovery {
    groups: Vec<Served>,
    aggregated: [Aggregated; 2],
    server_address: String,
}

/// One group with the versions of it that are served, preferred first.
struct Served {
    name: &'static str,
    versions: Vec<(&'static str, Value)>,
}

/// The aggregated document of /api or /apis.
struct Aggregated {
    document: Value,
    etag: HeaderValue,
}

impl Discovery {
    pub(crate) fn new(endpoints: &Endpoints, server_address: String) -> Self {
        let mut groups = Vec::new();
        for group in scheme().groups() {
            let versions: Vec<_> = group
                .versions
                .iter()
                .filter(|version| endpoints.serves(&group.name, &version.name))
                .map(|version| (&*version.name, resource_list(group, &version.name)))
                .collect();
            if !versions.is_empty() {
                groups.push(Served {
                    name: &group.name,
                    versions,
                });
            }
        }
        let aggregated = [true, false].map(|core| {
            let items: Vec<Value> = groups.iter().filter(|group| group.name.is_empty() == core).map(aggregated_group).collect();
            let document = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
            let digest: String = Sha512::digest(document.to_string()).iter().map(|byte| format!("{byte:02X}")).collect();
            let etag = HeaderValue::from_str(&format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""));
            Aggregated { document, etag }
        });
        Discovery {
            groups,
            aggregated,
            server_address,
        }
    }

    /// Answers a discovery path; None when the path is none.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Option<Result<Reply, Status>> {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<&str> = trimmed.split('/').skip(1).collect();
        match parts.as_slice() {
            ["api"] => Some(self.root(true, method, headers, query)),
            ["apis"] => Some(self.root(false, method, headers, query)),
            ["api", version] => Some(self.resources("", version, method, headers, query)),
            ["apis", group] => self
                .groups
                .iter()
                .find(|g| g.name == *group && !group.is_empty())
                .map(|group| {
                    plain(
                        headers,
                        query,
                        group_document(group, true),
                        "meta/v1.APIGroup",
                    )
                }),
            ["apis", group, version]
                if self
                    .groups
                    .iter()
                    .any(|g| g.name == *group && !group.is_empty()) =>
            {
                Some(self.resources(group, version, method, headers, query))
            }
            _ => None,
        }
    }

    fn root(
        &self,
        core: bool,
        method: &Method,
        headers: &HeaderMap,
        query: &Query,
    ) -> Result<Reply, Status> {
        let head = *method == Method::HEAD;
        if core && *method != Method::GET && !(head && wants_aggregated(headers, query)) {
            return Err(Status::method_not_allowed());
        }
        if let Some(accepted) = aggregated_form(headers, query) {
            return Ok(self.aggregated[usize::from(!core)].answer(headers, &accepted));
        }
        if core {
            route_accepts(headers, &MEDIA_TYPES)?;
            let versions: Vec<&str> = self
                .groups
                .iter()
                .filter(|g| g.name.is_empty())
                .flat_map(|g| g.versions.iter().map(|(v, _)| *v))
                .collect();
            let document = json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.server_address}]});
            return plain(headers, query, document, "meta/v1.APIVersions");
        }
        let groups: Vec<Value> = self
            .groups
            .iter()
            .filter(|g| !g.name.is_empty())
            .map(|group| group_document(group, false))
            .collect();
        plain(
            headers,
            query,
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
            "meta/v1.APIGroupList",
        )
    }

    fn resources(
        &self,
        group: &str,
        version: &str,
        method: &Method,
        headers: &HeaderMap,
        query: &Query,
    ) -> Result<Reply, Status> {
        let found = self
            .groups
            .iter()
            .find(|g| g.name == group)
            .and_then(|g| g.versions.iter().find(|(v, _)| *v == version));
        let Some((_, document)) = found else {
            return Err(Status::no_such_resource());
        };
        if *method != Method::GET {
            return Err(Status::method_not_allowed());
        }
        route_accepts(headers, &MEDIA_TYPES)?;
        plain(headers, query, document.clone(), "meta/v1.APIResourceList")
    }
}

fn plain(headers: &HeaderMap, query: &Query, document: Value, ty: &str) -> Result<Reply, Status> {
    let accepted = accept(headers, query, Offer::Plain)?;
    Ok(reply::object(200, &document, named(ty), &accepted))
}

fn wants_aggregated(headers: &HeaderMap, query: &Query) -> bool {
    aggregated_form(headers, query).is_some()
}

fn aggregated_form(headers: &HeaderMap, query: &Query) -> Option<Accepted> {
    accept(headers, query, Offer::Discovery)
        .ok()
        .filter(|accepted| accepted.convert.is_some())
}

impl Aggregated {
    fn answer(&self, headers: &HeaderMap, accepted: &Accepted) -> Reply {
        let mut reply = if headers
            .get(IF_NONE_MATCH)
            .is_some_and(|known| *known == self.etag)
        {
            reply::empty(304)
        } else {
            let mut reply = reply::object(200, &self.document, list_type(), accepted);
            let content_type = match accepted.media {
                Media::Json => {
                    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                }
                Media::Yaml => {
                    "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                }
                Media::Protobuf => {
                    "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                }
            };
            reply
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            reply
        };
        reply.headers_mut().insert(ETAG, self.etag.clone());
        reply
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("Accept"));
        reply
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        reply
    }
}

fn list_type() -> TypeId {
    named("apidiscovery/v2.APIGroupDiscoveryList")
}

fn group_document(group: &Served, typed: bool) -> Value {
    let version = |version: &str| json!({"groupVersion": triad_machinery::scheme::group_version(group.name, version), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(|(v, _)| version(v)).collect();
    let mut document = Map::new();
    if typed {
        document.insert("kind".to_owned(), "APIGroup".into());
        document.insert("apiVersion".to_owned(), "v1".into());
    }
    document.insert("name".to_owned(), group.name.into());
    document.insert("preferredVersion".to_owned(), versions[0].clone());
    document.insert("versions".to_owned(), versions.into());
    Value::Object(document)
}

fn resource_list(group: &Group, version: &str) -> Value {
    let mut resources = Vec::new();
    for resource in scheme().resources_of(&group.name, version) {
        resources.push(resource_entry(resource));
        for subresource in &resource.subresources {
            let mut entry = json!({"name": format!("{}/{}", resource.plural, subresource.name), "singularName": "", "namespaced": resource.namespaced, "kind": &*subresource.kind, "verbs": subresource.verbs});
            if (&*subresource.group, &*subresource.version)
                != (&*resource.group, &*resource.version)
            {
                entry["group"] = (&*subresource.group).into();
                entry["version"] = (&*subresource.version).into();
            }
            resources.push(entry);
        }
    }
    let group_version = triad_machinery::scheme::group_version(&group.name, version);
    let mut document =
        json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
    // The core group's list has never borne an apiVersion.
    if !group.name.is_empty() {
        document["apiVersion"] = "v1".into();
    }
    document
}

fn resource_entry(resource: &Resource) -> Value {
    let mut entry = json!({"name": &*resource.plural, "singularName": &*resource.singular, "namespaced": resource.namespaced, "kind": &*resource.kind, "verbs": resource.verbs});
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    if let Some(hash) = resource.storage_version_hash() {
        entry["storageVersionHash"] = hash.into();
    }
    entry
}

fn aggregated_group(group: &Served) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|(version, _)| {
            let resources: Vec<Value> = scheme()
                .resources_of(group.name, version)
                .map(aggregated_resource)
                .collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.name.is_empty() {
        json!({})
    } else {
        json!({"name": group.name})
    };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = |kind: &str, group: &str, version: &str| json!({"group": group, "version": version, "kind": kind});
    let mut entry = json!({
        "resource": &*resource.plural,
        "responseKind": kind(&resource.kind, "", ""),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": &*resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let same = (&*subresource.group, &*subresource.version) == (&*resource.group, &*resource.version);
            let (group, version) = if same { ("", "") } else { (&*subresource.group, &*subresource.version) };
            json!({"subresource": &*subresource.name, "responseKind": kind(&subresource.kind, group, version), "verbs": subresource.verbs})
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}
