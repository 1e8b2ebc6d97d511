//! What a request asks for in its query, as the object of options that its subresource has (apiserver
//! pkg/endpoints/handlers/get.go, getRequestOptions). Which type that is stands in the resource table.

use crate::handlers::Call;
use crate::query::Query;
use serde_json::Value;
use triad_machinery::codec::query::decode;
use triad_machinery::schema::schema;
use triad_machinery::status::Status;

/// The options of a request to a connected subresource.
pub(super) fn of(call: &Call) -> Result<Value, Status> {
    let subresource = call.endpoint.resource.subresource(&call.info.subresource);
    let subresource = subresource.ok_or_else(Status::no_such_resource)?;
    let path = (subresource.name == "proxy").then(|| path(call));
    read(&subresource.kind, &call.query, path)
}

/// Options of a kind. `path`: what takes the place of a parameter of that name.
pub(super) fn read(kind: &str, query: &Query, path: Option<String>) -> Result<Value, Status> {
    let ty = schema().kind("", "v1", kind);
    let ty = ty.ok_or_else(|| Status::internal(format!("there are no options of kind {kind}")))?;
    let options = decode(ty, |name| match &path {
        Some(path) if name == "path" => vec![path.as_str()],
        _ => query.all(name).collect(),
    });
    let mut options = Value::Object(options.map_err(Status::bad_request)?);
    options["kind"] = kind.into();
    options["apiVersion"] = "v1".into();
    Ok(options)
}

/// What stands in the path behind the subresource.
fn path(call: &Call) -> String {
    let info = &call.info;
    let mut path = info.parts.get(3..).unwrap_or_default().join("/");
    if !path.is_empty() && !path.starts_with('/') {
        path.insert(0, '/');
    }
    if info.path.ends_with('/') && !path.ends_with('/') {
        path.push('/');
    }
    path
}
