//! Entries written under an older schema: what has become atomic since is owned as one value.
//! The other way round nothing is done; the owner of the whole goes on owning the whole.

use super::Context;
use super::entries::Managed;
use super::field_set::{FieldSet, Node};
use super::path_element::PathElement;
use super::shape::{Kind, Shape};
use super::typed::Typed;

/// The entries fitted to the types of the live object's versions; entries of versions that are gone are dropped.
pub(super) fn reconcile(
    live: &Typed<'_>,
    managed: Managed,
    context: &Context<'_>,
) -> Result<Managed, String> {
    let mut out = Managed::default();
    for (manager, mut entry) in managed.0 {
        let Some(typed) = live.convert(&entry.api_version, context) else {
            continue;
        };
        let mut walk = Walk::default();
        walk.node(&entry.fields, false, typed.shape, &mut Vec::new());
        if !walk.atomic.is_empty() {
            let kept = entry.fields.recursive_difference(&walk.atomic);
            entry.fields = kept.union(&walk.atomic).into();
        }
        out.0.insert(manager, entry);
    }
    Ok(out)
}

#[derive(Default)]
struct Walk {
    /// Paths that are atomic now and were owned in parts.
    atomic: FieldSet,
}

impl Walk {
    fn node(
        &mut self,
        set: &FieldSet,
        is_whole: bool,
        shape: Shape<'_>,
        path: &mut Vec<PathElement>,
    ) {
        let kind = shape.kind(None);
        if kind == Kind::Scalar || shape.is_deduced() {
            return;
        }
        if shape.is_atomic(kind) {
            if !is_whole && !set.is_empty() {
                self.atomic.insert(path);
            }
            return;
        }
        for Node { step, below, .. } in set.nodes() {
            let inner = match step {
                PathElement::Field(name) if kind == Kind::Map => shape.field(name),
                _ if kind == Kind::List => Some(shape.item()),
                _ => None,
            };
            let Some(inner) = inner else { continue };
            path.push(step.clone());
            self.node(below, below.is_empty(), inner, path);
            path.pop();
        }
    }
}
