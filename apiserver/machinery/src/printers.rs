//! Tables: what `kubectl get` shows. Column definitions and cells of the built-in kinds come from `printers/columns.txt`;
//! cells that no expression can say are functions, by room, in `printers/*.rs`. Custom resources: `printers/custom.rs`.
//! Called by the handlers that answer `as=Table`; the clock comes with the call.

mod cell;
mod columns;
pub mod custom;
mod network;
mod node;
mod path;
mod pod;
mod policy;
mod rows;
mod special;
mod volume;
mod workload;

use serde_json::{Map, Value, json};

pub use columns::{Column, Columns, columns_of};
pub use rows::{Rows, partial_json, partial_tree};

use crate::meta;

/// How much of each object a row carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// A table to be filled with rows, then written.
pub struct Table<'a> {
    columns: &'a Columns,
    include: IncludeObject,
    now_unix_seconds: i64,
    rows: Vec<Value>,
}

impl<'a> Table<'a> {
    /// For the columns of a kind; see [`columns_of`].
    pub fn new(columns: &'a Columns, include: IncludeObject, now_unix_seconds: i64) -> Self {
        Self {
            columns,
            include,
            now_unix_seconds,
            rows: Vec::new(),
        }
    }

    /// Adds one object.
    pub fn push(&mut self, object: &Value) {
        let cells = self.columns.cells(object, self.now_unix_seconds);
        self.rows.push(row(cells, object, self.include));
    }

    /// Adds the objects of a list, where some cells depend on the others.
    pub fn extend<'o>(&mut self, objects: impl Iterator<Item = &'o Value> + Clone) {
        let default = volume::effective_default(self.columns, objects.clone());
        for object in objects {
            let mut cells = self.columns.cells(object, self.now_unix_seconds);
            if let (Some(default), Some(first)) = (&default, cells.first_mut())
                && *default == meta::name(object)
            {
                *first = format!("{default} (default)").into();
            }
            self.rows.push(row(cells, object, self.include));
        }
    }

    /// The Table object. `metadata` is that of the list, or holds the object's resourceVersion. Without headers the
    /// definitions are left out, as after the first event of a watch.
    pub fn into_value(self, metadata: Map<String, Value>, headers: bool) -> Value {
        let definitions = if headers {
            self.columns.definitions()
        } else {
            Value::Null
        };
        // Upstream's table of kinds without columns of their own (pkg/registry/rest/table.go) starts with no list at all.
        let rows = if self.rows.is_empty() && self.columns.is_default() {
            Value::Null
        } else {
            self.rows.into()
        };
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": definitions,
            "rows": rows,
        })
    }
}

fn row(cells: Vec<Value>, object: &Value, include: IncludeObject) -> Value {
    let mut row = Map::new();
    row.set("cells", Value::Array(cells));
    if let Some(conditions) = pod::row_conditions(object) {
        row.set("conditions", conditions);
    }
    let shown = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => partial(object),
    };
    row.set("object", shown);
    Value::Object(row)
}

/// The object's metadata alone, as a PartialObjectMetadata.
pub fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

#[cfg(test)]
mod tests;
