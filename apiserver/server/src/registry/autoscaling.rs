//! Autoscalers: the annotations that v1 says in what it has no fields for are the conversion's, never a client's own (kubernetes
//! pkg/apis/autoscaling/v1 and v2, conversion.go).

use super::Strategy;
use serde_json::Value;
use triad_machinery::conversion::autoscaling::forget_annotations;
use triad_machinery::conversion::convert;
use triad_machinery::meta;
use triad_machinery::schema::schema;

const GROUP: &str = "autoscaling";
const KIND: &str = "HorizontalPodAutoscaler";

pub(super) struct Autoscalers;

impl Strategy for Autoscalers {
    fn normalise(&self, object: &mut Value) {
        let kind = |version: &str| schema().kind(GROUP, version, KIND);
        if let ("autoscaling/v1", Some(v1), Some(v2)) =
            (meta::api_version(object), kind("v1"), kind("v2"))
        {
            // What is not understood is gone, and what is gets its form.
            let there = convert(object.clone(), v1, v2);
            if let Ok(again) = there.and_then(|there| convert(there, v2, v1)) {
                *object = again;
            }
        } else {
            forget_annotations(object);
        }
    }

    fn hides_metadata(&self) -> bool {
        true
    }

    fn strip_for_metadata(&self, object: &mut Value) {
        forget_annotations(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_of_the_conversion_are_its_own() {
        let name = "autoscaling.alpha.kubernetes.io/metrics";
        let object = |version: &str| {
            json!({"apiVersion": format!("autoscaling/{version}"), "kind": KIND,
                "metadata": {"name": "a", "annotations": {name: "[broken", "mine": "stays"}},
                "spec": {"maxReplicas": 1, "scaleTargetRef": {"kind": "K", "name": "n"}}})
        };
        for version in ["v1", "v2"] {
            let mut changed = object(version);
            Autoscalers.normalise(&mut changed);
            assert_eq!(changed["metadata"]["annotations"], json!({"mine": "stays"}));
            assert_eq!(changed["apiVersion"], object(version)["apiVersion"]);
        }
    }
}
