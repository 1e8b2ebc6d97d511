//! `columns.txt`, parsed once: the columns of every built-in kind. A kind without an entry has a name and a creation time.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::cell::Cell;
use crate::codec::protobuf::Pick;

/// Type of a column that has cells and no definition.
const HIDDEN: &str = "hidden";

/// The columns of one kind.
#[derive(Clone, Debug, Default)]
pub struct Columns(pub Vec<Column>);

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `boolean`, `date`, or `hidden`.
    pub column_type: String,
    /// `name` or empty.
    pub format: String,
    pub description: String,
    /// 0 is always shown, 1 in wide output.
    pub priority: i32,
    pub(super) cell: Cell,
}

impl Columns {
    /// The cells of one object.
    pub(super) fn cells(&self, object: &Value, now: i64) -> Vec<Value> {
        self.0
            .iter()
            .map(|column| column.cell.show(object, now))
            .collect()
    }

    /// What the cells read of an object.
    pub(super) fn pick(&self) -> Pick {
        let mut pick = Pick::none();
        for column in &self.0 {
            column.cell.read(&mut pick);
        }
        pick
    }

    pub(super) fn definitions(&self) -> Value {
        let definition = |column: &Column| {
            json!({
                "name": column.name,
                "type": column.column_type,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            })
        };
        self.0
            .iter()
            .filter(|column| column.column_type != HIDDEN)
            .map(definition)
            .collect()
    }

    /// Whether these stand in for a kind that has no columns of its own.
    pub(super) fn is_default(&self) -> bool {
        std::ptr::eq(self, &table().default)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|column| column.name == name)
    }
}

/// The columns of a built-in kind, whatever its version.
pub fn columns_of(group: &str, kind: &str) -> &'static Columns {
    let table = table();
    table
        .kinds
        .get(&(group.to_owned(), kind.to_owned()))
        .unwrap_or(&table.default)
}

struct ColumnTable {
    kinds: HashMap<(String, String), Columns>,
    default: Columns,
}

fn table() -> &'static ColumnTable {
    static TABLE: OnceLock<ColumnTable> = OnceLock::new();
    TABLE.get_or_init(|| {
        let read = read(include_str!("columns.txt"));
        debug_assert!(read.broken.is_empty(), "columns.txt: {:?}", read.broken);
        read.table
    })
}

pub(super) struct Read {
    table: ColumnTable,
    /// Lines that say nothing.
    pub broken: Vec<String>,
}

/// Reads the file; see its head for the format.
pub(super) fn read(text: &str) -> Read {
    let mut texts: HashMap<String, String> = HashMap::new();
    let mut kinds: HashMap<(String, String), Columns> = HashMap::new();
    let mut current = (String::new(), String::new());
    let mut broken = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let understood = if let Some(rest) = line.strip_prefix("text ") {
            rest.split_once(' ').map(|(name, text)| {
                texts.insert(name.to_owned(), unescape(text));
            })
        } else if let Some(rest) = line.strip_prefix("kind ") {
            rest.split_once(' ').map(|(group, kind)| {
                current = (
                    if group == "-" { "" } else { group }.to_owned(),
                    kind.to_owned(),
                );
                kinds.insert(current.clone(), Columns::default());
            })
        } else if let Some(description) = line.strip_prefix("    ") {
            kinds
                .get_mut(&current)
                .and_then(|columns| columns.0.last_mut())
                .map(|column| {
                    column.description = match description
                        .strip_prefix('%')
                        .and_then(|name| texts.get(name))
                    {
                        Some(text) => text.clone(),
                        None => unescape(description),
                    };
                })
        } else {
            column(line.trim())
                .zip(kinds.get_mut(&current))
                .map(|(column, columns)| columns.0.push(column))
        };
        if understood.is_none() {
            broken.push(line.to_owned());
        }
    }
    let text = |name: &str| texts.get(name).cloned().unwrap_or_default();
    let default = [
        "Name : string/name = name",
        "Created At : date = metadata.creationTimestamp",
    ]
    .iter()
    .zip(["name", "created"])
    .filter_map(|(line, name)| {
        Some(Column {
            description: text(name),
            ..column(line)?
        })
    })
    .collect();
    Read {
        table: ColumnTable {
            kinds,
            default: Columns(default),
        },
        broken,
    }
}

/// `Name : string/name wide = cell`
fn column(line: &str) -> Option<Column> {
    let (name, rest) = line.split_once(" : ")?;
    let (kind, cell) = rest.split_once(" = ")?;
    let (kind, priority) = kind
        .strip_suffix(" wide")
        .map_or((kind, 0), |kind| (kind, 1));
    let (column_type, format) = kind.split_once('/').unwrap_or((kind, ""));
    let cell = if cell == "name" {
        "metadata.name"
    } else {
        cell
    };
    Some(Column {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        format: format.to_owned(),
        description: String::new(),
        priority,
        cell: Cell::parse(cell, column_type)?,
    })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}
