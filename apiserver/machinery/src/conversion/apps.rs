//! Workloads before apps/v1: what was a field of the spec then is an annotation today (kubernetes pkg/apis/apps/v1/conversion.go).

use serde_json::{Map, Value, json};

use super::{annotate, spec, take_annotation};

const ROLLBACK: &str = "deprecated.deployment.rollback.to";
const GENERATION: &str = "deprecated.daemonset.template.generation";

pub(super) fn rollback_to_annotation(deployment: &mut Map<String, Value>) {
    let rollback = spec(deployment).and_then(|spec| spec.shift_remove("rollbackTo"));
    if let Some(rollback) = rollback {
        let revision = rollback
            .get("revision")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        annotate(deployment, ROLLBACK, revision.to_string());
    }
}

pub(super) fn annotation_to_rollback(deployment: &mut Map<String, Value>) {
    let revision = take_annotation(deployment, ROLLBACK).and_then(|text| text.parse::<i64>().ok());
    if let (Some(revision), Some(spec)) = (revision, spec(deployment)) {
        let rollback = if revision == 0 {
            json!({})
        } else {
            json!({"revision": revision})
        };
        spec.set("rollbackTo", rollback);
    }
}

pub(super) fn generation_to_annotation(set: &mut Map<String, Value>) {
    let generation = spec(set).and_then(|spec| spec.shift_remove("templateGeneration"));
    let generation = generation.and_then(|value| value.as_i64()).unwrap_or(0);
    annotate(set, GENERATION, generation.to_string());
}

pub(super) fn annotation_to_generation(set: &mut Map<String, Value>) {
    let generation = take_annotation(set, GENERATION).and_then(|text| text.parse::<i64>().ok());
    if let (Some(generation), Some(spec)) = (generation.filter(|g| *g != 0), spec(set)) {
        spec.set("templateGeneration", generation.into());
    }
}
