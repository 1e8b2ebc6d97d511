//! What a file of authorizers looks like.

use crate::configuration::Form;

pub(super) const FORM: Form = Form {
    kind: "AuthorizationConfiguration",
    versions: &[
        "apiserver.config.k8s.io/v1alpha1",
        "apiserver.config.k8s.io/v1beta1",
        "apiserver.config.k8s.io/v1",
    ],
    fields: &[
        ("", &["authorizers"]),
        ("/authorizers", &["type", "name", "webhook"]),
        (
            "/authorizers/webhook",
            &[
                "authorizedTTL",
                "cacheAuthorizedRequests",
                "unauthorizedTTL",
                "cacheUnauthorizedRequests",
                "timeout",
                "subjectAccessReviewVersion",
                "matchConditionSubjectAccessReviewVersion",
                "failurePolicy",
                "connectionInfo",
                "matchConditions",
            ],
        ),
        (
            "/authorizers/webhook/connectionInfo",
            &["type", "kubeConfigFile"],
        ),
        ("/authorizers/webhook/matchConditions", &["expression"]),
    ],
};
