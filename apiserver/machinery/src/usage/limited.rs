//! What may be used only where a quota covers it, as the configuration of admission says (apiserver
//! pkg/admission/plugin/resourcequota/controller.go, CheckRequest).

use super::{Measure, Moment, Refusal, Scope, Write};
use crate::status::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// One of the configuration's limited resources.
pub struct Limited {
    group: String,
    resource: String,
    /// Parts of names of amounts.
    contains: Vec<String>,
    /// Terms as in a quota's scope selector.
    scopes: Vec<Value>,
}

impl Limited {
    /// Those that a configuration lists; the errors say what is wrong with it.
    pub fn read(list: &Value) -> Result<Vec<Self>, Vec<FieldError>> {
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        let text = |of: &Value, field: &str| of[field].as_str().unwrap_or("").to_owned();
        let nameless = list.iter().enumerate();
        let errors: Vec<FieldError> = nameless
            .filter(|(_, limited)| text(limited, "resource").is_empty())
            .map(|(at, _)| FieldError::required(format!("limitedResources[{at}].resource"), ""))
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let read = list.iter().map(|limited| Limited {
            group: text(limited, "apiGroup"),
            resource: text(limited, "resource"),
            contains: crate::pod::items(&limited["matchContains"])
                .filter_map(|part| part.as_str().map(str::to_owned))
                .collect(),
            scopes: crate::pod::items(&limited["matchScopes"])
                .cloned()
                .collect(),
        });
        Ok(read.collect())
    }
}

/// Refuses what the write would use and no quota of the namespace covers.
pub fn uncovered(
    limited: &[Limited],
    quotas: &[Value],
    (group, resource): (&str, &str),
    measure: &Measure,
    write: Write<'_>,
    at: Moment,
) -> Result<(), Refusal> {
    let spec = |quota: &Value| quota["spec"].clone();
    let names_of = |quota: &Value| -> Vec<String> {
        let hard = quota.pointer("/status/hard").and_then(Value::as_object);
        let names = hard.into_iter().flatten().map(|(name, _)| name.to_string());
        names.filter(|name| measure.covers(name)).collect()
    };
    let about = |quota: &&Value| {
        !names_of(quota).is_empty() && measure.in_scope(&spec(quota), write.object)
    };
    let used = measure.usage(write.object, at);
    let mut added = used.clone();
    let old = write.old.filter(|old| {
        let mut about = quotas.iter().filter(about);
        about.all(|quota| measure.in_scope(&spec(quota), old))
    });
    if let Some(old) = old {
        added = added.beyond(&measure.usage(old, at));
    }
    if added.without_zeros().is_empty() {
        return Ok(());
    }
    let own = limited
        .iter()
        .filter(|limited| limited.group == group && limited.resource == resource);
    let parts: Vec<&String> = own.flat_map(|limited| &limited.contains).collect();
    let covered: BTreeSet<String> = quotas.iter().filter(about).flat_map(names_of).collect();
    let bare: Vec<&str> = used
        .names()
        .filter(|name| used.get(name).is_some_and(|amount| amount.sign() > 0))
        .filter(|name| parts.iter().any(|part| name.contains(part.as_str())))
        .filter(|name| !covered.contains(*name))
        .collect();
    if !bare.is_empty() {
        let bare = bare.join(",");
        return Err(Refusal(format!("insufficient quota to consume: {bare}")));
    }
    let selects = |term: &&Value| measure.matches(&Scope::of(term), write.object);
    let covered: BTreeSet<String> = quotas
        .iter()
        .flat_map(|quota| scopes_of(&quota["spec"]))
        .filter(|term| selects(&term))
        .map(|term| Scope::of(&term).name.to_owned())
        .collect();
    let terms = limited.iter().flat_map(|limited| &limited.scopes);
    let bare: Vec<String> = terms
        .filter(selects)
        .map(Scope::of)
        .filter(|scope| !covered.contains(scope.name))
        .map(|scope| {
            let values = scope.values.join(" ");
            format!("{{{} {} [{values}]}}", scope.name, scope.operator)
        })
        .collect();
    if bare.is_empty() {
        return Ok(());
    }
    let bare = bare.join(" ");
    Err(Refusal(format!(
        "insufficient quota to match these scopes: [{bare}]"
    )))
}

/// All scopes of a quota as terms.
fn scopes_of(spec: &Value) -> Vec<Value> {
    let named = crate::pod::items(&spec["scopes"])
        .map(|name| serde_json::json!({"scopeName": name, "operator": "Exists"}));
    let selected = crate::pod::items(&spec["scopeSelector"]["matchExpressions"]).cloned();
    named.chain(selected).collect()
}
