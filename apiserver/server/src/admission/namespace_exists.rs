//! NamespaceExists: nothing happens in a namespace that is not there (kubernetes plugin/pkg/admission/namespace/exists). Off unless
//! it is asked for: NamespaceLifecycle does more.

use super::{Attributes, Lookup, Plugin, Seen, Verdict};
use std::sync::Arc;
use triad_machinery::status::{GroupResource, Status};

pub(super) struct NamespaceExists {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for NamespaceExists {
    fn name(&self) -> &'static str {
        "NamespaceExists"
    }

    fn validate(&self, attributes: &Attributes, _object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let name = &attributes.namespace;
        let namespaces = &self.lookup.namespaces;
        if name.is_empty()
            || attributes.is("", "namespaces")
            || self.lookup.find(namespaces, "", name).is_some()
        {
            return Ok(());
        }
        let resource = GroupResource {
            group: "",
            resource: "namespaces",
        };
        Err(Status::not_found(resource, name))
    }
}
