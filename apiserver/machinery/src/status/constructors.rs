//! One constructor per kind of failure, with the codes, details and message forms of upstream's
//! `apimachinery/pkg/api/errors`. Whoever detects a failure calls one of these; nothing else builds a `Status`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;

use super::{Cause, Details, FieldError, GroupKind, GroupResource, Status, reason};
use crate::goformat::quote;

/// Why an update lost against another one.
pub const OBJECT_MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Status {
    /// Any failure; prefer the named constructors.
    pub fn new(
        code: u16,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            details: None,
            continue_token: String::new(),
        }
    }

    fn detailed(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    fn about(self, resource: GroupResource<'_>, name: &str) -> Self {
        self.detailed(Details {
            name: name.into(),
            group: resource.group.into(),
            kind: resource.resource.into(),
            ..Details::default()
        })
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// 404 for an object.
    pub fn not_found(resource: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{resource} {} not found", quote(name));
        Self::new(404, reason::NOT_FOUND, message).about(resource, name)
    }

    /// 404 for a path under a known group version.
    pub fn no_such_resource() -> Self {
        Self::generic(404, "")
    }

    /// 409 on create.
    pub fn already_exists(resource: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{resource} {} already exists", quote(name));
        Self::new(409, reason::ALREADY_EXISTS, message).about(resource, name)
    }

    /// 409 on create when all generated names were taken.
    pub fn generate_name_conflict(
        resource: GroupResource<'_>,
        name: &str,
        retry_after_seconds: u32,
    ) -> Self {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            quote(name)
        );
        Self::new(409, reason::ALREADY_EXISTS, message)
            .about(resource, name)
            .retry_after(retry_after_seconds)
    }

    /// 409 on update or delete; `why` is often [`OBJECT_MODIFIED`].
    pub fn conflict(resource: GroupResource<'_>, name: &str, why: impl Display) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {resource} {}: {why}",
            quote(name)
        );
        Self::new(409, reason::CONFLICT, message).about(resource, name)
    }

    /// 409 of server-side apply.
    pub fn apply_conflict(causes: Vec<Cause>, message: impl Into<String>) -> Self {
        Self::new(409, reason::CONFLICT, message).detailed(Details {
            causes,
            ..Details::default()
        })
    }

    /// 422 with one cause per error; equal lines appear once in the message.
    pub fn invalid(kind: GroupKind<'_>, name: &str, errors: &[FieldError]) -> Self {
        let mut message = format!("{kind} {} is invalid", quote(name));
        if !errors.is_empty() {
            message.push_str(": ");
            message.push_str(&Self::aggregate(errors));
        }
        Self::new(422, reason::INVALID, message).detailed(Details {
            name: name.into(),
            group: kind.group.into(),
            kind: kind.kind.into(),
            causes: errors.iter().map(FieldError::to_cause).collect(),
            ..Details::default()
        })
    }

    /// Field errors as one text: equal ones once, `[a, b]` when more than one is left.
    pub fn aggregate(errors: &[FieldError]) -> String {
        aggregate(errors.iter().map(FieldError::to_string))
    }

    /// 422 for a patch that does not fit the object.
    pub fn unprocessable() -> Self {
        Self::generic(422, "")
    }

    /// 403; an empty resource and an empty name shorten the message.
    pub fn forbidden(resource: GroupResource<'_>, name: &str, why: impl Display) -> Self {
        let message = match (
            resource.resource.is_empty() && resource.group.is_empty(),
            name,
        ) {
            (true, _) => format!("forbidden: {why}"),
            (false, "") => format!("{resource} is forbidden: {why}"),
            (false, name) => format!("{resource} {} is forbidden: {why}", quote(name)),
        };
        Self::new(403, reason::FORBIDDEN, message).about(resource, name)
    }

    /// 401, without saying why.
    pub fn unauthorized() -> Self {
        Self::new(401, reason::UNAUTHORIZED, "Unauthorized")
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, reason::BAD_REQUEST, message)
    }

    /// 405 with the action named.
    pub fn method_not_supported(resource: GroupResource<'_>, action: &str) -> Self {
        let message = format!(
            "{action} is not supported on resources of kind {}",
            quote(&resource.to_string())
        );
        Self::new(405, reason::METHOD_NOT_ALLOWED, message).about(resource, "")
    }

    /// 405 from the router.
    pub fn method_not_allowed() -> Self {
        Self::generic(405, "")
    }

    /// 410 that lists and watches from compacted history get.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, reason::EXPIRED, message)
    }

    /// 410 with the older reason.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(410, reason::GONE, message)
    }

    /// 504; `message` goes behind `Timeout: `.
    pub fn timeout(message: impl Display, retry_after_seconds: u32) -> Self {
        Self::new(504, reason::TIMEOUT, format!("Timeout: {message}"))
            .retry_after(retry_after_seconds)
    }

    /// 504 for a read at a revision that the server has not reached.
    pub fn too_large_resource_version(
        requested: u64,
        current: u64,
        retry_after_seconds: u32,
    ) -> Self {
        let message = format!("Too large resource version: {requested}, current: {current}");
        Self::timeout(message, retry_after_seconds).with_cause(Cause {
            reason: reason::CAUSE_RESOURCE_VERSION_TOO_LARGE.into(),
            message: "Too large resource version".into(),
            field: String::new(),
        })
    }

    /// 500 that asks for a retry.
    pub fn server_timeout(
        resource: GroupResource<'_>,
        operation: &str,
        retry_after_seconds: u32,
    ) -> Self {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        Self::new(500, reason::SERVER_TIMEOUT, message)
            .about(resource, operation)
            .retry_after(retry_after_seconds)
    }

    /// 429 with a time to wait.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(429, reason::TOO_MANY_REQUESTS, message).retry_after(retry_after_seconds)
    }

    /// 429 by a rule that does not know how long to wait.
    pub fn rate_limited(why: impl Display) -> Self {
        let message = format!("Too many requests: {why}");
        Self::new(429, reason::TOO_MANY_REQUESTS, message)
    }

    /// 500 with the cause given.
    pub fn internal(error: impl Display) -> Self {
        let cause = Cause {
            message: error.to_string(),
            ..Cause::default()
        };
        Self::new(
            500,
            reason::INTERNAL_ERROR,
            format!("Internal error occurred: {error}"),
        )
        .with_cause(cause)
    }

    /// 500 for an error that upstream never gave a reason.
    pub fn plain_error(error: impl Display) -> Self {
        Self::new(500, "", error.to_string())
    }

    /// 413; `message` goes behind `Request entity too large: `.
    pub fn request_entity_too_large(message: impl Display) -> Self {
        Self::new(
            413,
            reason::REQUEST_ENTITY_TOO_LARGE,
            format!("Request entity too large: {message}"),
        )
    }

    /// 415; `accepted` in the order to be shown.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, reason::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 415 where no route takes such a body at all.
    pub fn no_route_for_media_type() -> Self {
        let message = "415: Unsupported Media Type";
        Self::new(415, reason::UNSUPPORTED_MEDIA_TYPE, message).detailed(Details::default())
    }

    /// 406; `accepted` in the order to be shown.
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let message = format!(
            "only the following media types are accepted: {}",
            accepted.join(", ")
        );
        Self::new(406, reason::NOT_ACCEPTABLE, message)
    }

    /// 406 for a kind that cannot be shown in the form asked for, a Table for instance.
    pub fn not_acceptable_conversion(kind: &str, accepted: &[&str]) -> Self {
        let message = format!(
            "only the following media types are accepted when converting to {kind}: {}",
            accepted.join(", ")
        );
        Self::new(406, reason::NOT_ACCEPTABLE, message)
    }

    /// 503.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(503, reason::SERVICE_UNAVAILABLE, message)
    }

    /// 500 when an object in the store cannot be read.
    pub fn storage_read_error(
        resource: GroupResource<'_>,
        name: &str,
        message: impl Into<String>,
    ) -> Self {
        Self::new(500, reason::STORAGE_READ_ERROR, message).about(resource, name)
    }

    /// A bare HTTP status with the text upstream has for it; details are there, and empty.
    pub fn generic(code: u16, server_message: &str) -> Self {
        Self::generic_server_response(
            code,
            "",
            GroupResource {
                group: "",
                resource: "",
            },
            "",
            server_message,
            0,
            false,
        )
    }

    /// What a client makes of a bare HTTP status from elsewhere. `verb` is the HTTP method.
    pub fn generic_server_response(
        code: u16,
        verb: &str,
        resource: GroupResource<'_>,
        name: &str,
        server_message: &str,
        retry_after_seconds: u32,
        unexpected: bool,
    ) -> Self {
        let (reason, mut message) = generic_text(code, verb, server_message);
        if !resource.resource.is_empty() || !resource.group.is_empty() {
            let verb = verb.to_lowercase();
            let name = if name.is_empty() {
                String::new()
            } else {
                format!(" {name}")
            };
            message = format!("{message} ({verb} {resource}{name})");
        }
        let mut status = Self::new(code, reason, message)
            .about(resource, name)
            .retry_after(retry_after_seconds);
        if unexpected {
            status = status.with_cause(Cause {
                reason: reason::CAUSE_UNEXPECTED_SERVER_RESPONSE.into(),
                message: server_message.into(),
                field: String::new(),
            });
        }
        status
    }
}

fn generic_text(code: u16, verb: &str, server_message: &str) -> (&'static str, String) {
    let (reason, text) = match code {
        409 if verb == "POST" => (reason::ALREADY_EXISTS, "the server reported a conflict"),
        409 => (reason::CONFLICT, "the server reported a conflict"),
        404 => (
            reason::NOT_FOUND,
            "the server could not find the requested resource",
        ),
        400 => (
            reason::BAD_REQUEST,
            "the server rejected our request for an unknown reason",
        ),
        401 => (
            reason::UNAUTHORIZED,
            "the server has asked for the client to provide credentials",
        ),
        403 => (reason::FORBIDDEN, server_message),
        406 if server_message.is_empty() || server_message == "unknown" => (
            reason::NOT_ACCEPTABLE,
            "the server was unable to respond with a content type that the client supports",
        ),
        406 => (reason::NOT_ACCEPTABLE, server_message),
        415 => (reason::UNSUPPORTED_MEDIA_TYPE, server_message),
        405 => (
            reason::METHOD_NOT_ALLOWED,
            "the server does not allow this method on the requested resource",
        ),
        422 => (
            reason::INVALID,
            "the server rejected our request due to an error in our request",
        ),
        503 => (
            reason::SERVICE_UNAVAILABLE,
            "the server is currently unable to handle the request",
        ),
        504 => (
            reason::TIMEOUT,
            "the server was unable to return a response in the time allotted, but may still be processing the request",
        ),
        429 => (
            reason::TOO_MANY_REQUESTS,
            "the server has received too many requests and has asked us to try again later",
        ),
        500.. => {
            let text = format!(
                "an error on the server ({}) has prevented the request from succeeding",
                quote(server_message)
            );
            return (reason::INTERNAL_ERROR, text);
        }
        _ => {
            let text = format!(
                "the server responded with the status code {code} but did not return more information"
            );
            return ("", text);
        }
    };
    (reason, text.to_owned())
}

/// Several messages as one: equal ones once, `[a, b]` when more than one is left.
fn aggregate(messages: impl Iterator<Item = String>) -> String {
    let mut seen = HashSet::new();
    let unique: Vec<String> = messages.filter(|m| seen.insert(m.clone())).collect();
    match unique.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
