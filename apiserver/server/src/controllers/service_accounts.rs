//! Each namespace has a service account named default (kubernetes pkg/controller/serviceaccount, serviceaccounts_controller.go).

use super::client::Client;
use super::run::{Controller, Trouble};
use super::sources::Change;
use super::work::Work;
use super::{active, unless_ending};
use crate::api::Api;
use crate::registry::Registry;
use serde_json::json;
use std::sync::Arc;

const ACCOUNT: &str = "default";
/// Places in the sources.
const NAMESPACES: usize = 0;
const ACCOUNTS: usize = 1;

pub(super) struct DefaultAccounts {
    sources: [Arc<Registry>; 2],
    client: Client,
}

impl DefaultAccounts {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        let registry = |plural| api.endpoints.registry("", plural).cloned();
        Some(DefaultAccounts {
            sources: [registry("namespaces")?, registry("serviceaccounts")?],
            client: Client::new(api),
        })
    }
}

impl Controller for DefaultAccounts {
    /// A namespace's name.
    type Key = Box<str>;

    fn name(&self) -> &'static str {
        "serviceaccount"
    }

    fn sources(&self) -> &[Arc<Registry>] {
        &self.sources
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Box<str>>) {
        match (change.source, change.before, change.after) {
            (NAMESPACES, _, Some(namespace)) => work.add(namespace.name().into()),
            (ACCOUNTS, Some(account), None) if account.name() == ACCOUNT => {
                work.add(account.namespace().into());
            }
            _ => {}
        }
    }

    async fn sync(&self, namespace: &Box<str>) -> Result<Vec<Box<str>>, Trouble> {
        let [namespaces, accounts] = &self.sources;
        if active(namespaces, namespace)? && accounts.get_local(namespace, ACCOUNT)?.is_none() {
            let account = json!({"metadata": {"name": ACCOUNT, "namespace": namespace}});
            unless_ending(self.client.create(accounts, namespace, &account).await)?;
        }
        Ok(Vec::new())
    }
}
