//! Status objects on the wire and the messages of the constructors.

use super::*;

const DEPLOYMENTS: GroupResource<'_> = GroupResource {
    group: "apps",
    resource: "deployments",
};

#[test]
fn not_found_on_the_wire() {
    let text = Status::not_found(DEPLOYMENTS, "a").to_value().to_string();
    assert_eq!(
        text,
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"a\" not found","reason":"NotFound","details":{"name":"a","group":"apps","kind":"deployments"},"code":404}"#
    );
}

#[test]
fn invalid_joins_and_drops_repeated_lines() {
    let errors = [
        FieldError::required("spec.a", ""),
        FieldError::required("spec.a", ""),
        FieldError::invalid("spec.b", "x", "bad"),
    ];
    let status = Status::invalid(
        GroupKind {
            group: "",
            kind: "Pod",
        },
        "p",
        &errors,
    );
    assert_eq!(
        status.message,
        r#"Pod "p" is invalid: [spec.a: Required value, spec.b: Invalid value: "x": bad]"#
    );
    assert_eq!(status.details.map(|d| d.causes.len()), Some(3));
    let status = Status::invalid(
        GroupKind {
            group: "",
            kind: "Pod",
        },
        "p",
        &errors[..2],
    );
    assert_eq!(
        status.message,
        r#"Pod "p" is invalid: spec.a: Required value"#
    );
    assert_eq!(
        Status::invalid(
            GroupKind {
                group: "",
                kind: "Pod"
            },
            "p",
            &[]
        )
        .message,
        r#"Pod "p" is invalid"#
    );
}

#[test]
fn forbidden_has_three_lengths() {
    let none = GroupResource {
        group: "",
        resource: "",
    };
    assert_eq!(
        Status::forbidden(DEPLOYMENTS, "a", "no").message,
        r#"deployments.apps "a" is forbidden: no"#
    );
    assert_eq!(
        Status::forbidden(DEPLOYMENTS, "", "no").message,
        "deployments.apps is forbidden: no"
    );
    assert_eq!(Status::forbidden(none, "", "no").message, "forbidden: no");
    assert_eq!(
        Status::forbidden(none, "", "no").to_value()["details"].to_string(),
        "{}"
    );
}

#[test]
fn timeouts_say_when_to_come_back() {
    let status = Status::too_large_resource_version(9, 5, 1);
    assert_eq!(
        status.message,
        "Timeout: Too large resource version: 9, current: 5"
    );
    assert_eq!(status.retry_after_seconds(), Some(1));
    assert!(status.is(reason::TIMEOUT));
}

#[test]
fn bare_codes() {
    assert_eq!(
        Status::unprocessable().message,
        "the server rejected our request due to an error in our request"
    );
    assert_eq!(
        Status::method_not_allowed().to_value()["details"].to_string(),
        "{}"
    );
    assert_eq!(
        Status::generic(500, "unknown").message,
        "an error on the server (\"unknown\") has prevented the request from succeeding"
    );
}
