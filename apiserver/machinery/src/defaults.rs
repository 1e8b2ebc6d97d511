//! Defaulting: what an object gets where its author said nothing. Regular rules stand in the schema table (`@default` lines and
//! `default=` of fields); what the table's vocabulary cannot say is a function per type under `defaults/`.
//!
//! A rule is `PATH = VALUE [if CONDITION [and CONDITION]]`. PATH is relative to the type, `[]` stands for every element; a value is JSON
//! or `$PATH`; a condition is `PATH set`, `PATH unset` or `PATH is A|B`. A rule fills only what is absent (or an empty list or
//! map); it makes structs on its way but nothing behind a pointer. A type's own rules run before those of its fields' types.

mod apiextensions;
mod autoscaling;
mod core;
mod image;
mod plan;
mod pod_resources;
mod resource;
mod rule;
mod settled;

pub use pod_resources::fill_pod_level;
pub use settled::settled;

use serde_json::{Map, Value};

use self::plan::{Child, Holder, Plan, plan};
use crate::codec::is_plain;
use crate::quantity::Quantity;
use crate::schema::TypeId;

/// What irregular rules may need besides the object.
pub struct Context<'a> {
    /// The present time as a Time is written.
    pub now: Option<&'a str>,
}

/// A rule that the table cannot say, for objects of one type.
type Hook = fn(&mut Map<String, Value>, &Context<'_>);

/// Fills in defaults. Fields that default to the present time are left alone: see `apply_defaults_at`.
pub fn apply_defaults(value: &mut Value, root: TypeId) {
    apply(value, root, &Context { now: None });
}

/// Fills in defaults; `now` is the present time, as a Time is written.
pub fn apply_defaults_at(value: &mut Value, root: TypeId, now: &str) {
    apply(value, root, &Context { now: Some(now) });
}

fn apply(value: &mut Value, root: TypeId, context: &Context<'_>) {
    if let Value::Object(map) = value {
        visit(plan(), map, root, context);
    }
}

fn visit(plan: &Plan, map: &mut Map<String, Value>, id: TypeId, context: &Context<'_>) {
    let ty = plan.of(id);
    if !ty.active {
        return;
    }
    own_rules(plan, map, id, context);
    for child in &ty.children {
        visit_child(plan, map, child, context);
    }
}

/// Rules of the type and of the structs embedded in it, which share its map.
fn own_rules(plan: &Plan, map: &mut Map<String, Value>, id: TypeId, context: &Context<'_>) {
    let ty = plan.of(id);
    ty.rules.iter().for_each(|rule| rule.apply(map));
    if let Some(hook) = ty.hook {
        hook(map, context);
    }
    for (name, value) in &ty.markers {
        if !map.contains_key(name) {
            map.put(name, value.clone());
        }
    }
    for inline in &ty.inlines {
        own_rules(plan, map, *inline, context);
    }
}

fn visit_child(plan: &Plan, map: &mut Map<String, Value>, child: &Child, context: &Context<'_>) {
    match (&child.holder, map.get_mut(child.name.as_ref())) {
        (Holder::Struct(id), Some(Value::Object(inner))) => visit(plan, inner, *id, context),
        (Holder::Struct(id), None) if !child.pointer => {
            let mut inner = Map::new();
            visit(plan, &mut inner, *id, context);
            if !inner.is_empty() {
                map.put(&child.name, Value::Object(inner));
            }
        }
        (Holder::List(id), Some(Value::Array(items))) => {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                visit(plan, item, *id, context);
            }
        }
        (Holder::Map(id), Some(Value::Object(entries))) => {
            for inner in entries.values_mut().filter_map(Value::as_object_mut) {
                visit(plan, inner, *id, context);
            }
        }
        (Holder::ResourceList, Some(Value::Object(entries))) => {
            let plain = |amount: &Value| amount.as_str().is_some_and(is_plain);
            if !entries.values().all(plain) {
                entries.values_mut().for_each(round_to_milli);
            }
        }
        _ => {}
    }
}

/// Amounts of resources are kept in thousandths, rounded up.
fn round_to_milli(amount: &mut Value) {
    if let Some(Ok(mut quantity)) = amount.as_str().map(Quantity::parse) {
        quantity.round_up(-3);
        *amount = quantity.to_string().into();
    }
}
