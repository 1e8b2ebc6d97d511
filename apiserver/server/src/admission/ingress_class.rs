//! DefaultIngressClass: an ingress that names no class gets the default one (kubernetes
//! plugin/pkg/admission/network/defaultingressclass).

use super::{Attributes, Lookup, Plugin, Seen, Verdict};
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;
use triad_machinery::meta;

const IS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
/// How a class was named before there was a field for it.
const NAMED: &str = "kubernetes.io/ingress.class";

pub(super) struct DefaultIngressClass {
    pub(super) lookup: Arc<Lookup>,
}

impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn admit(&self, attributes: &Attributes, ingress: &mut Value, _old: Seen<'_>) -> Verdict {
        let named = ingress.pointer("/spec/ingressClassName").is_some()
            || meta::annotation(ingress, NAMED).is_some();
        if !attributes.creates("networking.k8s.io", "ingresses") || named {
            return Ok(());
        }
        let cache = &self.lookup.ingress_classes;
        let snapshot = cache.snapshot();
        let classes = snapshot
            .all()
            .filter_map(|class| class.object(&cache.layout).ok());
        let defaults = classes.filter(|class| meta::annotation(class, IS_DEFAULT) == Some("true"));
        // The newest, and of those of one moment the first by name.
        let order = |class: &Value| {
            (
                Reverse(meta::creation_timestamp(class).to_owned()),
                meta::name(class).to_owned(),
            )
        };
        if let Some(class) = defaults.min_by_key(order) {
            ingress["spec"]["ingressClassName"] = meta::name(&class).into();
        }
        Ok(())
    }
}
