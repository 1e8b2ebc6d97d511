//! What other servers have in a namespace, which goes with it (kubernetes pkg/controller/namespace/deletion, which finds it by discovery):
//! asked for and deleted as the namespace controller of the reference does, by its service account.

use super::Aggregation;
use super::remote::{Ask, Document, Remote};
use http::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::meta;

const CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";
const GROUPS: [&str; 3] = [
    "system:serviceaccounts",
    "system:serviceaccounts:kube-system",
    "system:authenticated",
];
const WITHIN: Duration = Duration::from_secs(30);

/// A resource of another server, whose objects are in namespaces.
pub(crate) struct Foreign {
    remote: Arc<Remote>,
    plural: String,
    verbs: Vec<String>,
}

/// What there is to empty.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) resources: Vec<Foreign>,
    /// Groups and versions of which nobody knows what they have now, `group/version`.
    pub(crate) unknown: Vec<String>,
}

impl Foreign {
    /// `things.example.com`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.plural, self.remote.group)
    }

    fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|one| one == verb)
    }
}

impl Aggregation {
    /// The resources of other servers that are in namespaces, each in one version.
    pub(crate) fn in_namespaces(&self) -> Contents {
        let (table, documents) = (self.table(), self.documents());
        let mut services: Vec<_> = table.remotes().collect();
        services.sort_by_key(|(service, _)| {
            (
                service.group.clone(),
                -service.version_priority,
                service.version.clone(),
            )
        });
        let (mut contents, mut seen) = (Contents::default(), BTreeSet::new());
        for (service, remote) in services {
            let Some(shown) = documents.get(&service.name).filter(|shown| shown.fresh) else {
                let name = format!("{}/{}", service.group, service.version);
                contents.unknown.push(name);
                continue;
            };
            for resource in shown.resources.as_array().into_iter().flatten() {
                let plural = resource["resource"].as_str().unwrap_or("");
                let verbs = resource["verbs"].as_array().into_iter().flatten();
                let verbs: Vec<String> =
                    verbs.filter_map(Value::as_str).map(str::to_owned).collect();
                let deletes = verbs.iter().any(|verb| verb == "delete");
                if resource["scope"] == "Namespaced"
                    && deletes
                    && seen.insert((service.group.clone(), plural.to_owned()))
                {
                    contents.resources.push(Foreign {
                        remote: remote.clone(),
                        plural: plural.to_owned(),
                        verbs,
                    });
                }
            }
        }
        contents
    }

    /// Deletes what there is of a resource in a namespace; what is left.
    pub(crate) async fn empty(&self, of: &Foreign, namespace: &str) -> Result<Vec<Value>, String> {
        let path = format!("{}/namespaces/{namespace}/{}", of.remote.path(), of.plural);
        let all = of.can("deletecollection");
        let all = all && self.delete(of, &path).await?;
        if !all && of.can("delete") {
            for object in self.list(of, &path).await? {
                self.delete(of, &format!("{path}/{}", meta::name(&object)))
                    .await?;
            }
        }
        self.list(of, &path).await
    }

    /// False: that is not there, or cannot be deleted so.
    async fn delete(&self, of: &Foreign, path: &str) -> Result<bool, String> {
        let path = format!("{path}?propagationPolicy=Background");
        match self.ask(of, Method::DELETE, &path).await?.code {
            200..=299 => Ok(true),
            404 | 405 => Ok(false),
            code => Err(format!("DELETE {path} was answered with {code}")),
        }
    }

    async fn list(&self, of: &Foreign, path: &str) -> Result<Vec<Value>, String> {
        if !of.can("list") {
            return Ok(Vec::new());
        }
        let found = self.ask(of, Method::GET, path).await?;
        match found.code {
            200 => {}
            404 | 405 => return Ok(Vec::new()),
            code => return Err(format!("GET {path} was answered with {code}")),
        }
        let mut list: Value = serde_json::from_slice(&found.body).map_err(|e| e.to_string())?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(format!("GET {path} was answered with no list")),
        }
    }

    async fn ask(&self, of: &Foreign, method: Method, path: &str) -> Result<Document, String> {
        let ask = Ask {
            method,
            path,
            accept: "application/json",
            known: "",
            user: CONTROLLER,
            groups: &GROUPS,
            pseudonym: &self.pseudonym,
            within: WITHIN,
        };
        let address = self.resolve(&of.remote.service)?;
        of.remote.ask(&address, &ask).await
    }
}
