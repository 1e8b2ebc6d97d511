//! The machine-readable reasons of `meta/v1.Status` and of its causes, spelled as on the wire.

pub const UNAUTHORIZED: &str = "Unauthorized";
pub const FORBIDDEN: &str = "Forbidden";
pub const NOT_FOUND: &str = "NotFound";
pub const ALREADY_EXISTS: &str = "AlreadyExists";
pub const CONFLICT: &str = "Conflict";
pub const GONE: &str = "Gone";
pub const INVALID: &str = "Invalid";
pub const SERVER_TIMEOUT: &str = "ServerTimeout";
pub const STORAGE_READ_ERROR: &str = "StorageReadError";
pub const TIMEOUT: &str = "Timeout";
pub const TOO_MANY_REQUESTS: &str = "TooManyRequests";
pub const BAD_REQUEST: &str = "BadRequest";
pub const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
pub const NOT_ACCEPTABLE: &str = "NotAcceptable";
pub const REQUEST_ENTITY_TOO_LARGE: &str = "RequestEntityTooLarge";
pub const UNSUPPORTED_MEDIA_TYPE: &str = "UnsupportedMediaType";
pub const INTERNAL_ERROR: &str = "InternalError";
pub const EXPIRED: &str = "Expired";
pub const SERVICE_UNAVAILABLE: &str = "ServiceUnavailable";

/// Causes that are no field errors.
pub const CAUSE_UNEXPECTED_SERVER_RESPONSE: &str = "UnexpectedServerResponse";
pub const CAUSE_FIELD_MANAGER_CONFLICT: &str = "FieldManagerConflict";
pub const CAUSE_RESOURCE_VERSION_TOO_LARGE: &str = "ResourceVersionTooLarge";
pub const CAUSE_NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
