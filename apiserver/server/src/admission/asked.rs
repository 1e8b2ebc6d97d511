//! How a request asks for what it asks: whether it only tries, and its options in the form that policies and webhooks see.
//! Nothing is made of the options for those who do not look at them.

use super::Operation;
use crate::handlers::Call;
use crate::handlers::params::{DeleteOptions, dry_run};
use serde_json::{Map, Value, json};

#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) dry_run: bool,
    /// Parameters that are options of a write, where the request has them.
    written: Vec<(&'static str, String)>,
    deletion: Option<DeleteOptions>,
}

impl Asked {
    /// By the parameters of a write.
    pub(super) fn of_query(call: &Call) -> Self {
        let given = |name: &'static str| {
            let value = call.query.get(name).filter(|value| !value.is_empty())?;
            Some((name, value.to_owned()))
        };
        Asked {
            dry_run: dry_run(&call.query),
            written: ["fieldManager", "fieldValidation"]
                .into_iter()
                .filter_map(given)
                .collect(),
            deletion: None,
        }
    }

    pub(super) fn to_delete(options: &DeleteOptions) -> Self {
        Asked {
            dry_run: options.dry_run,
            written: Vec::new(),
            deletion: Some(options.clone()),
        }
    }

    /// The options as an object, such as CreateOptions. A patch is an update by then.
    pub(super) fn options(&self, operation: Operation) -> Value {
        let kind = match operation {
            Operation::Connect => return Value::Null,
            Operation::Create => "CreateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Update => "UpdateOptions",
        };
        let mut options = Map::new();
        options.insert("kind".to_owned(), kind.into());
        options.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
        if let Some(deletion) = &self.deletion {
            options.extend(of_deletion(deletion));
        }
        if self.dry_run {
            options.insert("dryRun".to_owned(), json!(["All"]));
        }
        for (name, value) in &self.written {
            options.insert((*name).to_owned(), value.as_str().into());
        }
        Value::Object(options)
    }
}

fn of_deletion(options: &DeleteOptions) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    };
    put(
        "gracePeriodSeconds",
        options.grace_period_seconds.map(Value::from),
    );
    let mut preconditions = Map::new();
    for (name, value) in [
        ("uid", &options.uid),
        ("resourceVersion", &options.resource_version),
    ] {
        if let Some(value) = value {
            preconditions.insert(name.to_owned(), value.as_str().into());
        }
    }
    put(
        "preconditions",
        (!preconditions.is_empty()).then_some(Value::Object(preconditions)),
    );
    put(
        "orphanDependents",
        options.orphan_dependents.map(Value::from),
    );
    put(
        "propagationPolicy",
        options.propagation_policy.as_deref().map(Value::from),
    );
    shown
}
