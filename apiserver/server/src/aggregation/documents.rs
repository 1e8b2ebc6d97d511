//! What other servers say that they serve: asked for when an APIService leads to them anew, and every minute (kube-aggregator
//! pkg/apiserver/handler_discovery.go). What a server said last stays while it does not answer, and is called stale.

use super::legacy;
use super::remote::{AGGREGATOR, Ask, Document, Remote};
use super::swagger::{self, Swagger};
use super::{Aggregation, ApiService};
use crate::api::Api;
use crate::egress::service::Reference;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const ASK_EVERY: Duration = Duration::from_secs(60);
const WITHIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How a server is asked for all groups at once; those before 1.26 do not know it.
const ALL_GROUPS: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The resources of one group and version, as the aggregated document shows them.
#[derive(Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) resources: Value,
    pub(crate) fresh: bool,
    /// The paths of its server's OpenAPI v3 documents, each with where it is.
    pub(crate) open_api: Value,
    /// What its server's document of OpenAPI v2 says of it.
    pub(crate) swagger: Option<Arc<Swagger>>,
}

impl Default for Shown {
    fn default() -> Self {
        Shown {
            resources: json!([]),
            fresh: false,
            open_api: json!({}),
            swagger: None,
        }
    }
}

/// By the names of APIServices.
pub(crate) type Documents = HashMap<String, Arc<Shown>>;

/// What one server said of all its groups.
#[derive(Clone, Default)]
struct Said {
    etag: String,
    /// Resources by group and version.
    groups: HashMap<(String, String), Value>,
}

struct Due {
    at: Instant,
    pause: Duration,
    remote: Arc<Remote>,
    available: bool,
    running: bool,
    /// Of the generation in which it became due: what was asked for before counts no more.
    since: u64,
}

/// What is being asked for.
struct Asked {
    remote: Arc<Remote>,
    available: bool,
    since: u64,
}

impl Due {
    fn asked(&self) -> Asked {
        Asked {
            remote: self.remote.clone(),
            available: self.available,
            since: self.since,
        }
    }
}

/// Keeps the documents of other servers for as long as this one runs.
pub(crate) async fn follow(api: Arc<Api>) {
    let aggregation = &api.aggregation;
    let mut changes = aggregation.changes();
    let mut due: HashMap<String, Due> = HashMap::new();
    let mut said: HashMap<Reference, Said> = HashMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        changes.mark_unchanged();
        refresh(aggregation, &mut due, &mut said);
        let now = Instant::now();
        for one in due.values_mut().filter(|one| !one.running && one.at <= now) {
            one.running = true;
            let known = said.get(&one.remote.service).cloned();
            let before = aggregation.documents().get(&one.remote.name).cloned();
            running.push(fetch(aggregation, one.asked(), known, before));
        }
        let waiting = due.values().filter(|one| !one.running);
        let next = waiting.map(|one| one.at).min().unwrap_or(now + ASK_EVERY);
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            Some((asked, found)) = running.next(), if !running.is_empty() => {
                done(aggregation, &mut due, &mut said, &asked, found);
            }
            () = sleep_until(next) => {}
        }
    }
}

/// What is new, leads elsewhere or can be used again is due now; what is gone is forgotten.
fn refresh(
    aggregation: &Aggregation,
    due: &mut HashMap<String, Due>,
    said: &mut HashMap<Reference, Said>,
) {
    let since = aggregation.generation();
    let table = aggregation.table();
    let now = Instant::now();
    due.retain(|name, _| table.remotes().any(|(service, _)| service.name == *name));
    for (service, remote) in table.remotes() {
        let known = due.get(&service.name);
        let same = known.is_some_and(|known| {
            Arc::ptr_eq(&known.remote, remote) && known.available == service.available
        });
        if !same {
            let new = Due {
                at: now,
                pause: FIRST_PAUSE,
                remote: remote.clone(),
                available: service.available,
                running: false,
                since,
            };
            due.insert(service.name.clone(), new);
        }
    }
    said.retain(|service, _| due.values().any(|one| one.remote.service == *service));
    aggregation.forget_documents(|name| due.contains_key(name));
}

/// What was found of one, and what its server said of all groups.
type Found = Result<(Shown, Option<Said>), String>;

fn done(
    aggregation: &Aggregation,
    due: &mut HashMap<String, Due>,
    said: &mut HashMap<Reference, Said>,
    asked: &Asked,
    found: Found,
) {
    let remote = &asked.remote;
    let current = due.get_mut(&remote.name);
    let Some(one) = current.filter(|one| one.since == asked.since) else {
        return;
    };
    one.running = false;
    let now = Instant::now();
    match found {
        Ok((shown, all)) => {
            (one.at, one.pause) = (now + ASK_EVERY, FIRST_PAUSE);
            if let Some(all) = all {
                said.insert(remote.service.clone(), all);
            }
            aggregation.show(&remote.name, Some(shown));
        }
        Err(why) => {
            tracing::debug!(
                api_service = remote.name,
                why,
                "no discovery of an aggregated server"
            );
            one.at = now + one.pause;
            one.pause = (one.pause * 2).min(ASK_EVERY);
            aggregation.show(&remote.name, None);
        }
    }
}

async fn fetch(
    aggregation: &Aggregation,
    asked: Asked,
    known: Option<Said>,
    before: Option<Arc<Shown>>,
) -> (Asked, Found) {
    let found = match asked.available {
        true => {
            all_of(
                aggregation,
                &asked.remote,
                known.unwrap_or_default(),
                before,
            )
            .await
        }
        false => Err("service unavailable".to_owned()),
    };
    (asked, found)
}

async fn all_of(
    aggregation: &Aggregation,
    remote: &Remote,
    known: Said,
    before: Option<Arc<Shown>>,
) -> Found {
    let (resources, said) = ask(aggregation, remote, known).await?;
    let before = before.and_then(|before| before.swagger.clone());
    let shown = Shown {
        resources,
        fresh: true,
        open_api: open_api(aggregation, remote).await,
        swagger: swagger::ask(aggregation, remote, before).await,
    };
    Ok((shown, said))
}

/// The paths of a server's OpenAPI v3 documents; one that has none shows none.
async fn open_api(aggregation: &Aggregation, remote: &Remote) -> Value {
    let asked = get(aggregation, remote, "/openapi/v3", "application/json", "").await;
    let index = asked.ok().filter(|index| index.code == 200);
    let index = index.and_then(|index| serde_json::from_slice::<Value>(&index.body).ok());
    let paths = index.map(|mut index| index["paths"].take());
    paths.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

async fn ask(
    aggregation: &Aggregation,
    remote: &Remote,
    known: Said,
) -> Result<(Value, Option<Said>), String> {
    let all = get(aggregation, remote, "/apis", ALL_GROUPS, &known.etag).await?;
    let of_ours = |said: &Said| {
        let path = (remote.group.clone(), remote.version.clone());
        said.groups.get(&path).cloned().unwrap_or_else(|| json!([]))
    };
    if all.code == 304 && !known.etag.is_empty() {
        return Ok((of_ours(&known), None));
    }
    if all.code == 200 && is_all_groups(&all.content_type) {
        let document: Value = serde_json::from_slice(&all.body).map_err(|e| e.to_string())?;
        let said = Said {
            etag: all.etag,
            groups: by_version(&document),
        };
        return Ok((of_ours(&said), Some(said)));
    }
    let path = remote.path();
    let one = get(aggregation, remote, &path, "application/json", "").await?;
    if one.code != 200 {
        return Err(format!("{path} was answered with {}", one.code));
    }
    let document: Value = serde_json::from_slice(&one.body).map_err(|e| e.to_string())?;
    Ok((legacy::to_aggregated(&document)?, None))
}

pub(super) async fn get(
    aggregation: &Aggregation,
    remote: &Remote,
    path: &str,
    accept: &str,
    known: &str,
) -> Result<Document, String> {
    let address = aggregation.resolve(&remote.service)?;
    let ask = Ask {
        method: Method::GET,
        user: AGGREGATOR,
        path,
        accept,
        known,
        groups: &["system:masters"],
        pseudonym: &aggregation.pseudonym,
        within: WITHIN,
    };
    remote.ask(&address, &ask).await
}

/// Whether a media type is that of the aggregated document.
fn is_all_groups(media: &str) -> bool {
    let parts: Vec<&str> = media.split(';').map(str::trim).collect();
    ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"]
        .iter()
        .all(|part| parts.contains(part))
}

fn by_version(document: &Value) -> HashMap<(String, String), Value> {
    let mut found = HashMap::new();
    for group in document["items"].as_array().into_iter().flatten() {
        let name = group["metadata"]["name"].as_str().unwrap_or("");
        for version in group["versions"].as_array().into_iter().flatten() {
            let path = (
                name.to_owned(),
                version["version"].as_str().unwrap_or("").to_owned(),
            );
            let resources = version.get("resources").cloned();
            found.insert(path, resources.unwrap_or_else(|| json!([])));
        }
    }
    found
}

impl Aggregation {
    /// What other servers say that they serve.
    pub(crate) fn documents(&self) -> Arc<Documents> {
        self.documents.load_full()
    }

    /// The APIService whose server has an OpenAPI v3 document, by its name in the index. Documents of its own this server shows itself.
    pub(super) fn open_api_route(&self, name: &str) -> Option<Arc<ApiService>> {
        let table = self.table();
        if table.all_local() {
            return None;
        }
        let documents = self.documents();
        let mut remotes = table.remotes();
        let found = remotes.find(|(service, _)| {
            let shown = documents.get(&service.name);
            shown.is_some_and(|shown| shown.open_api.get(name).is_some())
        });
        found.map(|(service, _)| service.clone())
    }

    /// Shows what was found of an APIService; without anything, what was found before, as stale.
    fn show(&self, name: &str, found: Option<Shown>) {
        let before = self.documents();
        let known = before.get(name);
        let stale = || {
            let shown = known.map_or_else(Shown::default, |known| Shown::clone(known));
            Shown {
                fresh: false,
                ..shown
            }
        };
        let shown = found.unwrap_or_else(stale);
        if known.is_none_or(|known| **known != shown) {
            let mut after = (*before).clone();
            after.insert(name.to_owned(), Arc::new(shown));
            self.documents.store(Arc::new(after));
            self.moved();
        }
    }

    fn forget_documents(&self, keep: impl Fn(&str) -> bool) {
        let before = self.documents();
        if before.keys().all(|name| keep(name)) {
            return;
        }
        let mut after = (*before).clone();
        after.retain(|name, _| keep(name));
        self.documents.store(Arc::new(after));
        self.moved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_new_document_is_taken_for_it() {
        assert!(is_all_groups(ALL_GROUPS));
        for other in [
            "application/json",
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        ] {
            assert!(!is_all_groups(other), "{other}");
        }
        let document = json!({"items": [{"metadata": {"name": "a.io"}, "versions": [{"version": "v1", "resources": [{"resource": "as"}]}, {"version": "v2"}]}]});
        let found = by_version(&document);
        let of = |version: &str| &found[&("a.io".to_owned(), version.to_owned())];
        assert_eq!(*of("v1"), json!([{"resource": "as"}]));
        assert_eq!(*of("v2"), json!([]));
    }
}
