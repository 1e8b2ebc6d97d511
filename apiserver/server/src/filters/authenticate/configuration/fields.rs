//! What a file of issuers looks like.

use crate::configuration::Form;

const MAPPED: &[&str] = &["claim", "prefix", "expression"];

pub(super) const FORM: Form = Form {
    kind: "AuthenticationConfiguration",
    versions: &[
        "apiserver.config.k8s.io/v1alpha1",
        "apiserver.config.k8s.io/v1beta1",
        "apiserver.config.k8s.io/v1",
    ],
    fields: &[
        ("", &["jwt", "anonymous"]),
        ("/anonymous", &["enabled", "conditions"]),
        ("/anonymous/conditions", &["path"]),
        (
            "/jwt",
            &[
                "issuer",
                "claimValidationRules",
                "claimMappings",
                "userValidationRules",
            ],
        ),
        (
            "/jwt/issuer",
            &[
                "url",
                "discoveryURL",
                "certificateAuthority",
                "audiences",
                "audienceMatchPolicy",
                "egressSelectorType",
            ],
        ),
        (
            "/jwt/claimValidationRules",
            &["claim", "requiredValue", "expression", "message"],
        ),
        (
            "/jwt/claimMappings",
            &["username", "groups", "uid", "extra"],
        ),
        ("/jwt/claimMappings/username", MAPPED),
        ("/jwt/claimMappings/groups", MAPPED),
        ("/jwt/claimMappings/uid", &["claim", "expression"]),
        ("/jwt/claimMappings/extra", &["key", "valueExpression"]),
        ("/jwt/userValidationRules", &["expression", "message"]),
    ],
};
