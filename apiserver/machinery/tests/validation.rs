//! Whatever an object looks like, judging it ends with a list of errors.

#[path = "generated/object.rs"]
mod object;

use object::Generator;
use serde_json::Value;
use triad_machinery::codec::{Strictness, json};
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::validation::{
    Kind, Settings, declared, merged, ordered, validate, validate_subresource, validate_update,
    warnings,
};

const ROUNDS: u64 = 12;

fn object(ty: TypeId, seed: u64) -> Value {
    let raw = Generator::new(seed).object(ty);
    let text = json::encode_untyped(&raw);
    let decoded = json::decode(&text, ty, Strictness::Ignore);
    decoded.unwrap_or_else(|e| panic!("{e}: {raw}")).value
}

fn stored_type(resource: &Resource) -> Option<TypeId> {
    let storage = resource.storage.as_ref()?;
    schema().kind(&storage.group, &storage.version, &resource.kind)
}

#[test]
fn no_object_upsets_its_judge() {
    let settings = Settings::default();
    let mut judged = 0;
    for resource in scheme().resources() {
        let Some(ty) = stored_type(resource) else {
            continue;
        };
        let kind = Kind {
            group: &resource.group,
            resource: &resource.plural,
            served_group: &resource.group,
        };
        for seed in 0..ROUNDS {
            let (new, old) = (object(ty, seed), object(ty, seed + ROUNDS));
            let mut errors = merged(validate(kind, &new, &settings), declared(ty, &new, None));
            errors.extend(validate_update(kind, &new, &old, &settings));
            errors.extend(declared(ty, &new, Some(&old)));
            for sub in &resource.subresources {
                errors.extend(validate_subresource(kind, &sub.name, &new, &old, &settings));
            }
            errors
                .iter()
                .for_each(|error| assert!(!error.to_string().is_empty()));
            warnings(kind, &new, Some(&old));
            assert_eq!(
                ordered(ty, &new, &serde_json::Value::Null),
                new,
                "{} {seed}",
                resource.plural
            );
            judged += 1;
        }
    }
    assert!(judged > 50 * ROUNDS, "{judged}");
}

#[test]
fn what_is_the_same_is_not_judged_again_by_markers() {
    for resource in scheme().resources() {
        if let Some(ty) = stored_type(resource) {
            for seed in 0..ROUNDS {
                let object = object(ty, seed);
                assert_eq!(
                    declared(ty, &object, Some(&object)),
                    [],
                    "{}",
                    resource.plural
                );
            }
        }
    }
}
