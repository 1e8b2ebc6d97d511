//! Discovery: what is served, in the old documents and the aggregated one (KEP-3352): made once of the resource table, and anew when
//! custom kinds come or go, by whoever asks next.

mod aggregated;
mod customs;
mod merged;

use crate::api::Api;
use crate::endpoint::Endpoints;
use crate::negotiate::{Accepted, MEDIA_TYPES, Offer, accept, route_accepts};
use crate::query::Query;
use crate::reply::{self, Reply, named};
use aggregated::Aggregated;
use arc_swap::ArcSwap;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use triad_machinery::scheme::{Group, Resource, Version, scheme};
use triad_machinery::status::Status;

pub(crate) struct Discovery {
    built_in: Vec<Served>,
    state: ArcSwap<State>,
    server_address: String,
}

/// The documents of all groups that are served.
struct State {
    /// Of the custom kinds in it, and of what other servers serve.
    generations: (u64, u64),
    groups: Vec<Served>,
    aggregated: [Aggregated; 2],
    /// What custom kinds make of it.
    parts: customs::Parts,
    /// This server's own groups, among them those that are listed no longer.
    own: Vec<Served>,
}

/// One group with the versions of it that are served, preferred first.
#[derive(Clone)]
struct Served {
    name: String,
    versions: Vec<ServedVersion>,
}

#[derive(Clone)]
struct ServedVersion {
    name: String,
    /// Of the group and of the version, as APIServices have them.
    priority: (i64, i64),
    /// Nothing, where this server has none of it.
    resources: Value,
    /// The same as the aggregated document has it.
    aggregated: Value,
    /// The server whose it is says so now.
    fresh: bool,
}

impl ServedVersion {
    /// Whether it is one of this server's own, of a name.
    fn is(&self, name: &str) -> bool {
        self.name == name && !self.resources.is_null()
    }
}

impl State {
    /// `shown` are the groups of the aggregated document, whose order and contents may be others.
    fn new(groups: Vec<Served>, shown: &[Served], generations: (u64, u64)) -> Self {
        let aggregated = [true, false].map(|core| {
            let groups = shown.iter().filter(|group| group.name.is_empty() == core);
            Aggregated::new(groups.map(aggregated_group).collect())
        });
        State {
            generations,
            groups,
            aggregated,
            parts: customs::Parts::default(),
            own: Vec::new(),
        }
    }

    fn group(&self, name: &str) -> Option<&Served> {
        let mut all = self.groups.iter().chain(&self.own);
        all.find(|group| group.name == name)
    }
}

impl Discovery {
    pub(crate) fn new(endpoints: &Endpoints, server_address: String) -> Self {
        let mut groups = Vec::new();
        for group in scheme().groups() {
            let versions = group.versions.iter();
            let versions: Vec<_> = versions
                .filter(|version| endpoints.serves(&group.name, &version.name))
                .map(|version| built_in_version(group, version))
                .collect();
            if !versions.is_empty() {
                groups.push(Served {
                    name: group.name.to_string(),
                    versions,
                });
            }
        }
        Discovery {
            state: ArcSwap::from_pointee(State::new(groups.clone(), &groups, (0, 0))),
            built_in: groups,
            server_address,
        }
    }

    /// The documents of what is served now.
    fn state(&self, api: &Api) -> Arc<State> {
        let (customs, aggregation) = (&api.endpoints.customs, &api.aggregation);
        let generations = (customs.generation(), aggregation.generation());
        let state = self.state.load_full();
        if state.generations == generations {
            return state;
        }
        let parts = customs::parts(&customs.groups(), &state.parts);
        let own = customs::with_customs(self.built_in.clone(), &parts);
        let (table, documents) = (aggregation.table(), aggregation.documents());
        let shown = merged::aggregated(&own, &table, &documents);
        let groups = merged::listed(&own, &table);
        let state = Arc::new(State {
            parts,
            own,
            ..State::new(groups, &shown, generations)
        });
        self.state.store(state.clone());
        state
    }

    /// Answers a discovery path; None when the path is none.
    pub(crate) fn answer(
        &self,
        api: &Api,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Option<Result<Reply, Status>> {
        let state = self.state(api);
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<&str> = trimmed.split('/').skip(1).collect();
        match parts.as_slice() {
            ["api"] => Some(self.root(&state, true, method, headers, query)),
            ["apis"] => Some(self.root(&state, false, method, headers, query)),
            ["api", version] => Some(resources(state.group(""), version, method, headers, query)),
            ["apis", group] => {
                let group = state.group(group).filter(|group| !group.name.is_empty())?;
                let document = group_document(group, true);
                Some(plain(headers, query, document, "meta/v1.APIGroup"))
            }
            ["apis", group, version] => {
                let group = state.group(group).filter(|group| !group.name.is_empty())?;
                // Behind no router, what is not there is no path.
                let there = group.versions.iter().any(|known| known.is(version));
                let custom = !self.built_in.iter().any(|known| known.name == group.name);
                if custom && !there {
                    return None;
                }
                Some(resources(Some(group), version, method, headers, query))
            }
            _ => None,
        }
    }

    fn root(
        &self,
        state: &State,
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
            return Ok(state.aggregated[usize::from(!core)].answer(headers, &accepted));
        }
        if core {
            route_accepts(headers, &MEDIA_TYPES)?;
            let core = state.groups.iter().filter(|group| group.name.is_empty());
            let versions: Vec<&str> = core
                .flat_map(|group| &group.versions)
                .map(|version| version.name.as_str())
                .collect();
            let document = json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.server_address}]});
            return plain(headers, query, document, "meta/v1.APIVersions");
        }
        let groups: Vec<Value> = state
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
}

fn resources(
    group: Option<&Served>,
    version: &str,
    method: &Method,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Reply, Status> {
    let versions = group.into_iter().flat_map(|group| &group.versions);
    let Some(found) = versions.into_iter().find(|known| known.is(version)) else {
        return Err(Status::no_such_resource());
    };
    if *method != Method::GET {
        return Err(Status::method_not_allowed());
    }
    route_accepts(headers, &MEDIA_TYPES)?;
    plain(
        headers,
        query,
        found.resources.clone(),
        "meta/v1.APIResourceList",
    )
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

fn group_document(group: &Served, typed: bool) -> Value {
    let version = |version: &str| json!({"groupVersion": triad_machinery::scheme::group_version(&group.name, version), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(|v| version(&v.name)).collect();
    let mut document = Map::new();
    if typed {
        document.insert("kind".to_owned(), "APIGroup".into());
        document.insert("apiVersion".to_owned(), "v1".into());
    }
    document.insert("name".to_owned(), group.name.as_str().into());
    document.insert("preferredVersion".to_owned(), versions[0].clone());
    document.insert("versions".to_owned(), versions.into());
    Value::Object(document)
}

fn built_in_version(group: &Group, version: &Version) -> ServedVersion {
    let resources = || scheme().resources_of(&group.name, &version.name);
    ServedVersion {
        name: version.name.to_string(),
        priority: (group.priority.into(), version.priority.into()),
        resources: resource_list(&group.name, &version.name, resources()),
        aggregated: resources().map(aggregated_resource).collect(),
        fresh: true,
    }
}

fn resource_list<'a>(group: &str, version: &str, all: impl Iterator<Item = &'a Resource>) -> Value {
    let mut resources = Vec::new();
    for resource in all {
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
    let group_version = triad_machinery::scheme::group_version(group, version);
    let mut document =
        json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
    // The core group's list has never borne an apiVersion.
    if !group.is_empty() {
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
    let version = |version: &ServedVersion| {
        json!({"version": version.name, "resources": version.aggregated,
        "freshness": if version.fresh { "Current" } else { "Stale" }})
    };
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let metadata = match group.name.as_str() {
        "" => json!({}),
        name => json!({"name": name}),
    };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = |kind: &str, group: &str, version: &str| json!({"group": group, "version": version, "kind": kind});
    let mut entry = json!({
        "resource": &*resource.plural,
        "responseKind": match resource.is_custom() {
            true => kind(&resource.kind, &resource.group, &resource.version),
            false => kind(&resource.kind, "", ""),
        },
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
            let same = !resource.is_custom() && (&*subresource.group, &*subresource.version) == (&*resource.group, &*resource.version);
            let (group, version) = if same { ("", "") } else { (&*subresource.group, &*subresource.version) };
            json!({"subresource": &*subresource.name, "responseKind": kind(&subresource.kind, group, version), "verbs": subresource.verbs})
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}
