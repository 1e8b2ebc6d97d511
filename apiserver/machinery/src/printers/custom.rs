//! Tables of custom resources: a definition's `additionalPrinterColumns`, or Name and Age when it has none.
//! The paths are the simple JSONPath that definitions may use; what a path does not reach is null.

mod json_path;

use serde_json::{Number, Value};
use std::sync::OnceLock;

use super::cell::Cell;
use super::columns::{Column, Columns, columns_of};
use crate::duration::age;
use crate::goformat::{json_text, plain};

pub use json_path::JsonPath;

/// A column's path and the type that its values are shown as.
#[derive(Clone, Debug)]
pub(super) struct CustomCell {
    path: JsonPath,
    column_type: String,
}

/// The columns for `additionalPrinterColumns` of one version of a definition. The error names a path that is none.
pub fn custom_columns(additional: &[Value]) -> Result<Columns, String> {
    let default = columns_of("", "ServiceAccount").clone();
    let mut columns: Vec<Column> = default.0.iter().take(1).cloned().collect();
    if additional.is_empty() {
        columns.extend(default.0.into_iter().skip(1).map(|age| Column {
            column_type: "date".into(),
            ..age
        }));
        return Ok(Columns(columns));
    }
    for column in additional {
        let text = |key: &str| {
            column
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let source = text("jsonPath");
        let path = JsonPath::parse(&source)
            .ok_or_else(|| format!("unrecognized column definition {source:?}"))?;
        let described = text("description");
        let description = if described.is_empty() {
            format!("Custom resource definition column (in JSONPath format): {source}")
        } else {
            described
        };
        let priority = column
            .get("priority")
            .and_then(Value::as_i64)
            .and_then(|p| i32::try_from(p).ok());
        let column_type = text("type");
        columns.push(Column {
            name: text("name"),
            format: text("format"),
            description,
            priority: priority.unwrap_or(0),
            cell: Cell::Custom(CustomCell {
                path,
                column_type: column_type.clone(),
            }),
            column_type,
        });
    }
    Ok(Columns(columns))
}

/// The columns of a custom resource's Scale.
pub fn custom_scale_columns() -> &'static Columns {
    static COLUMNS: OnceLock<Columns> = OnceLock::new();
    COLUMNS.get_or_init(scale_columns)
}

fn scale_columns() -> Columns {
    let mut columns = columns_of("autoscaling", "Scale").clone();
    let described = [
        ("Desired", "Number of desired replicas"),
        ("Available", "Number of actual replicas"),
    ];
    for column in &mut columns.0 {
        match column.name.as_str() {
            "Name" => column.format = "name".into(),
            "Age" => column.column_type = "date".into(),
            _ => {}
        }
        if let Some((_, description)) = described.iter().find(|(name, _)| *name == column.name) {
            column.description = (*description).to_owned();
        }
    }
    columns
}

impl CustomCell {
    pub(super) fn show(&self, object: &Value, now: i64) -> Value {
        let Some(value) = self.path.first(object) else {
            return Value::Null;
        };
        match (self.column_type.as_str(), value) {
            (_, Value::Null) => Value::Null,
            ("string", Value::Object(_) | Value::Array(_)) => {
                let mut value = value.clone();
                value.sort_all_objects();
                json_text(&value).into()
            }
            ("string", other) => plain(other).into(),
            ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => integer.into(),
                // Cuts, as Go's conversion does.
                (None, Some(float)) => (float as i64).into(),
                _ => Value::Null,
            },
            ("number", Value::Number(number)) => number
                .as_f64()
                .and_then(Number::from_f64)
                .map_or(Value::Null, Value::Number),
            ("boolean", Value::Bool(_)) => value.clone(),
            ("date", Value::String(time)) => match age(time, now).as_str() {
                "<unknown>" if !time.is_empty() => "<invalid>".into(),
                shown => shown.into(),
            },
            _ => Value::Null,
        }
    }
}
