//! What an apply leaves as it is stays shared, and is not taken out to be put back; the outcome is as if it were.

use super::unchanged::{any_changes, changed};
use super::*;
use crate::managed_fields::apply::{prune, pruned};
use crate::managed_fields::merge::merge;
use crate::managed_fields::shape::{Kind as Form, Shape};
use crate::managed_fields::typed::Typed;

/// The configuration laid over the live object by making all of it anew.
fn merged_whole(live: Option<&Value>, config: Option<&Value>, shape: Shape<'_>) -> Option<Value> {
    let kind = shape.kind(config.or(live));
    let empty = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => true,
    };
    let whole = kind == Form::Scalar || shape.is_atomic(kind) || empty(live) && empty(config);
    if whole || kind == Form::List {
        // Items are told apart by their names: that is the merge's own to do.
        return match (live, config) {
            (Some(live), Some(config)) if !whole => merge(live, config, shape).ok(),
            (live, config) => config.or(live).cloned(),
        };
    }
    let mut out = Map::new();
    let keys = |value: Option<&Value>| -> Vec<serde_json::Key> {
        let map = value.and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect()
    };
    for key in keys(live).into_iter().chain(keys(config)) {
        let of = |value: Option<&'_ Value>| value.and_then(|value| value.get(&*key)).cloned();
        let inner = shape.field(&key).expect("a field of the type");
        if let Some(value) = merged_whole(of(live).as_ref(), of(config).as_ref(), inner) {
            out.put(key, value);
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

proptest! {
    /// Two managers apply in turn what they like.
    #[test]
    fn what_is_still_applied_is_not_taken_out(
        base in any_changes(),
        turns in prop::collection::vec((any::<bool>(), any_changes()), 1..5),
    ) {
        let kind = Kind::new("apps/v1", "Deployment");
        let bare = json!({"metadata": {}, "spec": {"template": {"spec": {}}}});
        let mut live = kind.created("zero", changed(bare.clone(), &base));
        let mut last: [Option<Value>; 2] = [None, None];
        for (one, changes) in turns {
            let manager = if one { "one" } else { "two" };
            // On top of what it applied before, or something else altogether.
            let from = last[usize::from(one)].take().filter(|_| changes.len() % 2 == 0);
            let mut config = changed(from.unwrap_or_else(|| bare.clone()), &changes);
            config.as_object_mut().expect("a map").shift_remove("status");
            let context = kind.context(manager, T2);
            let config = kind.object(config);
            let Ok(object) = apply(Some(&live), &config, &context, true) else {
                continue;
            };
            last[usize::from(one)] = Some(config.clone());
            let (typed, raw) = (Typed::filled(&live, &context), Typed::raw(config, &context));
            let quick = merge(&typed.value, &raw.value, typed.shape).expect("it was applied");
            let whole = merged_whole(Some(&typed.value), Some(&raw.value), typed.shape);
            prop_assert_eq!(Some(quick.to_string()), whole.map(|whole| whole.to_string()));

            let merged = Typed { value: quick, ..typed.clone() };
            let mut managed = Managed::of(&live).expect("entries");
            let me = Manager::new(manager, Operation::Apply, "apps/v1", "");
            let before = managed.0.remove(&me);
            let entry = Entry { fields: raw.fields().into(), api_version: "apps/v1".into(), time: None };
            managed.0.insert(me.clone(), entry);
            let quick = prune(merged.clone(), &managed, (&me, before.as_ref()), &context);
            if let Some(before) = before.filter(|entry| !entry.fields.is_empty()) {
                let whole = pruned(merged, &managed, &before, &context);
                prop_assert_eq!(quick.value.to_string(), whole.value.to_string());
            }
            // And entries that were not written anew say what is meant.
            for entry in Managed::of(&object).expect("entries").0.values() {
                prop_assert_eq!(entry.fields.set_value().to_string(), entry.fields.to_value().to_string());
            }
            live = object;
        }
    }
}
