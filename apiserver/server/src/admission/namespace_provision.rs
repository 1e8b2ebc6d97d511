//! NamespaceAutoProvision: a namespace is made when something is to be made in it (kubernetes plugin/pkg/admission/namespace/
//! autoprovision). Off unless it is asked for.

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use crate::controllers::client::Client;
use crate::egress;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::status::{Status, reason};

pub(super) struct NamespaceAutoProvision {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for NamespaceAutoProvision {
    fn name(&self) -> &'static str {
        "NamespaceAutoProvision"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        let name = &attributes.namespace;
        if attributes.operation != Operation::Create
            || attributes.asked.dry_run
            || name.is_empty()
            || attributes.is("", "namespaces")
            || self
                .lookup
                .find(&self.lookup.namespaces, "", name)
                .is_some()
        {
            return Ok(());
        }
        match egress::wait(provide(attributes)) {
            // Another was first.
            Err(status) if status.is(reason::ALREADY_EXISTS) => Ok(()),
            made => made.map_err(|status| attributes.forbidden(Some(object), status)),
        }
    }
}

async fn provide(attributes: &Attributes) -> Result<(), Status> {
    let api = &attributes.api;
    let registry = api.endpoints.registry("", "namespaces");
    let registry = registry.ok_or_else(|| Status::internal("no namespaces are served"))?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": attributes.namespace}});
    Client::server(api).create(registry, "", &namespace).await
}
