//! Tables as bytes, row by row, of stored messages: cells are computed of the few fields they read, the object of a row is copied
//! out of the message. What must be read as a tree gets its row from that. Called by the handlers that list and watch as Table.

use serde_json::Value;

use super::{Columns, IncludeObject, pod, volume};
use crate::codec::json::{Gvk, encode_into, write_raw};
use crate::codec::protobuf::{Pick, decode_picked};
use crate::codec::{Known, Revised};
use crate::schema::{TypeId, schema};

/// The rows of one table, and what stands around them.
pub struct Rows {
    columns: &'static Columns,
    include: IncludeObject,
    now_unix_seconds: i64,
    /// What the cells read.
    pick: Pick,
    /// The group-version that the client asked for: of meta.k8s.io.
    api_version: String,
}

impl Rows {
    /// None where a row depends on the other objects of its list.
    pub fn new(
        columns: &'static Columns,
        include: IncludeObject,
        api_version: String,
        now_unix_seconds: i64,
    ) -> Option<Self> {
        if volume::depends_on_others(columns) {
            return None;
        }
        Some(Rows {
            columns,
            include,
            now_unix_seconds,
            pick: columns.pick(),
            api_version,
        })
    }

    /// Whether rows carry whole objects.
    pub fn shows_objects(&self) -> bool {
        self.include == IncludeObject::Object
    }

    /// The ages of the rows that follow are against this time.
    pub fn at(&mut self, now_unix_seconds: i64) {
        self.now_unix_seconds = now_unix_seconds;
    }

    /// Appends the table up to its first row. `metadata` is that of the list, or holds the object's resourceVersion.
    pub fn head(&self, out: &mut Vec<u8>, metadata: &Value, headers: bool) {
        out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":");
        write_raw(out, &self.api_version.as_str().into());
        out.extend_from_slice(b",\"metadata\":");
        write_raw(out, metadata);
        out.extend_from_slice(b",\"columnDefinitions\":");
        if headers {
            write_raw(out, &self.columns.definitions());
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"rows\":[");
    }

    /// Ends a table; `empty` says that it got no row.
    pub fn tail(&self, out: &mut Vec<u8>, empty: bool) {
        // Upstream's table of kinds without columns of their own starts with no list at all.
        if empty && self.columns.is_default() && out.ends_with(b"[") {
            out.pop();
            out.extend_from_slice(b"null}");
        } else {
            out.extend_from_slice(b"]}");
        }
    }

    /// Appends the row of a settled message; what is known of what it copied after that. None: by the tree; what was appended by then is to be dropped.
    #[must_use]
    pub fn row(
        &self,
        out: &mut Vec<u8>,
        object: &Revised<'_>,
        gvk: Gvk<'_>,
        known: Known,
    ) -> Option<Known> {
        let message = object.message;
        let mut read = decode_picked(message.data(), message.id(), &self.pick).ok()?;
        read["kind"] = gvk.kind.into();
        read["apiVersion"] = gvk.api_version.into();
        self.cells(out, &read);
        let known = match self.include {
            IncludeObject::None => {
                out.extend_from_slice(b"null");
                known
            }
            IncludeObject::Object => object.json(out, Some(gvk), known)?,
            IncludeObject::Metadata => partial_json(out, object, &self.api_version, known)?,
        };
        out.push(b'}');
        Some(known)
    }

    /// Appends the row of a tree with kind, apiVersion and resourceVersion, of the type given.
    pub fn tree(&self, out: &mut Vec<u8>, object: &Value, ty: TypeId) {
        self.cells(out, object);
        match self.include {
            IncludeObject::None => out.extend_from_slice(b"null"),
            IncludeObject::Object => encode_into(out, object, ty, None),
            IncludeObject::Metadata => partial_tree(out, object, &self.api_version),
        }
        out.push(b'}');
    }

    /// A row up to its object.
    fn cells(&self, out: &mut Vec<u8>, object: &Value) {
        out.extend_from_slice(b"{\"cells\":");
        let cells = self.columns.cells(object, self.now_unix_seconds);
        write_raw(out, &Value::Array(cells));
        if let Some(conditions) = pod::row_conditions(object) {
            out.extend_from_slice(b",\"conditions\":");
            write_raw(out, &conditions);
        }
        out.extend_from_slice(b",\"object\":");
    }
}

/// Appends a stored message as a PartialObjectMetadata of this version of meta.k8s.io; what is known of the metadata after that.
/// None: by the tree.
#[must_use]
pub fn partial_json(
    out: &mut Vec<u8>,
    object: &Revised<'_>,
    api_version: &str,
    known: Known,
) -> Option<Known> {
    partial_head(out, api_version);
    let known = object.metadata_json(out, known)?;
    out.push(b'}');
    Some(known)
}

/// The same of a tree.
pub fn partial_tree(out: &mut Vec<u8>, object: &Value, api_version: &str) {
    let ty = schema().type_named("meta/v1.PartialObjectMetadata");
    let ty = ty.unwrap_or_else(|| panic!("the schema table has no PartialObjectMetadata"));
    let gvk = Gvk {
        api_version,
        kind: "PartialObjectMetadata",
    };
    encode_into(out, &super::partial(object), ty, Some(gvk));
}

fn partial_head(out: &mut Vec<u8>, api_version: &str) {
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":");
    write_raw(out, &api_version.into());
    out.extend_from_slice(b",\"metadata\":");
}

#[cfg(test)]
mod tests;
