//! Jobs: the selector and the template's labels are made from the job's name and uid (kubernetes pkg/registry/batch/job).

use crate::registry::Strategy;
use serde_json::{Value, json};
use triad_machinery::meta;

pub(in crate::registry) struct Jobs;

const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";

impl Strategy for Jobs {
    fn prepare_for_create(&self, object: &mut Value) {
        if object.pointer("/spec/manualSelector") == Some(&json!(true)) || !object.get("spec").is_some_and(Value::is_object) {
            return;
        }
        let (name, uid) = (meta::name(object).to_owned(), meta::uid(object).to_owned());
        let labels = [("job-name", &name), ("batch.kubernetes.io/job-name", &name), ("controller-uid", &uid), (UID_LABEL, &uid)];
        for (key, value) in labels {
            let labels = &mut object["spec"]["template"]["metadata"]["labels"];
            if labels.get(key).is_none() {
                labels[key] = value.as_str().into();
            }
        }
        let chosen = &mut object["spec"]["selector"]["matchLabels"];
        if chosen.get(UID_LABEL).is_none() {
            chosen[UID_LABEL] = uid.into();
        }
    }
}
