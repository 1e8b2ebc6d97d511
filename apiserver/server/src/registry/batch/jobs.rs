//! Jobs: a selector of their own, made of the job's uid (kubernetes pkg/registry/batch/job).

use crate::registry::Strategy;
use serde_json::{Value, json};
use triad_machinery::meta;

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const PRESERVED: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

pub(in crate::registry) struct Jobs;

impl Strategy for Jobs {
    fn prepare_for_create(&self, object: &mut Value) {
        if object.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
            return;
        }
        let (uid, name) = (meta::uid(object).to_owned(), meta::name(object).to_owned());
        // The names without a prefix are from before there was one.
        for (label, value) in [
            (CONTROLLER_UID, &uid),
            ("controller-uid", &uid),
            (JOB_NAME, &name),
            ("job-name", &name),
        ] {
            object["spec"]["template"]["metadata"]["labels"][label] = value.as_str().into();
        }
        if object.pointer("/spec/selector").is_none_or(Value::is_null) {
            object["spec"]["selector"] = json!({"matchLabels": {}});
        }
        object["spec"]["selector"]["matchLabels"][CONTROLLER_UID] = uid.into();
    }

    fn deletion_warnings(&self, chosen: bool) -> Vec<String> {
        if chosen {
            Vec::new()
        } else {
            vec![PRESERVED.to_owned()]
        }
    }
}
