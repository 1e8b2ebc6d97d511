//! The little language of cells in `columns.txt`: a path with fallbacks, a function of paths, a template, or `@name`
//! for a function in Rust. Broken expressions are found by a test over the whole file, not at run time.

use serde_json::{Number, Value};

use super::custom::CustomCell;
use super::path::Path;
use super::special::{self, Special};
use crate::codec::protobuf::Pick;
use crate::duration::age;
use crate::goformat::plain;
use crate::selector::LabelSelector;

/// One parsed cell.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Special(Special),
    Custom(CustomCell),
    /// Literal texts and paths in turn.
    Template(Vec<(String, Option<Path>)>),
    Value {
        function: Function,
        paths: Vec<Path>,
        fallback: Value,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    /// The value itself, the first path that has one.
    Plain,
    /// The value as text.
    Text,
    /// The same without spaces around it.
    Trim,
    Age,
    /// Items of all paths together.
    Len,
    Join,
    Labels,
    Selector,
}

impl Cell {
    /// `None` when the text is no cell. `column_type` gives what an absent value reads as.
    pub(super) fn parse(text: &str, column_type: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix('@') {
            return special::find(name).map(Self::Special);
        }
        if let Some(template) = text.strip_prefix('\'') {
            return Some(Self::Template(template_parts(template.strip_suffix('\'')?)));
        }
        let (body, rest) = match text.split_once('(') {
            Some((name, rest)) => {
                let (arguments, rest) = rest.split_once(')')?;
                let function = Function::named(name)?;
                let paths = arguments
                    .split(", ")
                    .flat_map(|argument| argument.split('|'))
                    .map(Path::parse);
                (
                    (function, paths.collect::<Vec<_>>()),
                    rest.strip_prefix('|').unwrap_or(rest),
                )
            }
            None => ((Function::Plain, Vec::new()), text),
        };
        let ((function, mut paths), mut fallback) = (body, None);
        for part in rest.split('|').filter(|part| !part.is_empty()) {
            match literal(part) {
                Some(value) => fallback = Some(value),
                None => paths.push(Path::parse(part)),
            }
        }
        let fallback = fallback.unwrap_or_else(|| match (function, column_type) {
            (Function::Plain | Function::Len, "integer") => 0.into(),
            (Function::Plain, "boolean") => false.into(),
            (Function::Age, _) => "<unknown>".into(),
            (Function::Labels, _) => "<none>".into(),
            _ => "".into(),
        });
        Some(Self::Value {
            function,
            paths,
            fallback,
        })
    }

    /// Adds what it reads of an object.
    pub(super) fn read(&self, pick: &mut Pick) {
        match self {
            Self::Special(special) => special.read(pick),
            Self::Custom(_) => *pick = Pick::Whole,
            Self::Template(parts) => {
                let paths = parts.iter().filter_map(|(_, path)| path.as_ref());
                paths.for_each(|path| path.read(pick, false));
            }
            Self::Value {
                function, paths, ..
            } => {
                let counted = *function == Function::Len;
                paths.iter().for_each(|path| path.read(pick, counted));
            }
        }
    }

    pub(super) fn show(&self, object: &Value, now: i64) -> Value {
        match self {
            Self::Special(special) => special.show(object, now),
            Self::Custom(custom) => custom.show(object, now),
            Self::Template(parts) => {
                let mut out = String::new();
                for (text, path) in parts {
                    out.push_str(text);
                    if let Some(path) = path {
                        out.push_str(&path.get(object).map_or_else(|| "0".into(), plain));
                    }
                }
                out.into()
            }
            Self::Value {
                function,
                paths,
                fallback,
            } => function
                .value(paths, object, now)
                .unwrap_or_else(|| fallback.clone()),
        }
    }
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "trim" => Self::Trim,
            "age" => Self::Age,
            "len" => Self::Len,
            "join" => Self::Join,
            "labels" => Self::Labels,
            "selector" => Self::Selector,
            _ => return None,
        })
    }

    fn value(self, paths: &[Path], object: &Value, now: i64) -> Option<Value> {
        let first = || {
            paths
                .iter()
                .find_map(|path| path.get(object))
                .filter(|value| value.as_str() != Some(""))
        };
        match self {
            Self::Plain => first().cloned(),
            Self::Text => first().map(|value| plain(value).into()),
            Self::Trim => first().map(|value| plain(value).trim().into()),
            Self::Age => first()
                .and_then(Value::as_str)
                .map(|time| age(time, now).into()),
            Self::Len => Some(
                Number::from(
                    paths
                        .iter()
                        .filter_map(|p| p.get(object))
                        .map(len)
                        .sum::<usize>(),
                )
                .into(),
            ),
            Self::Join => {
                let items: Vec<String> = paths
                    .iter()
                    .flat_map(|path| path.all(object))
                    .flat_map(texts)
                    .collect();
                (!items.is_empty()).then(|| items.join(",").into())
            }
            Self::Labels => first().and_then(labels).map(Value::from),
            Self::Selector => {
                let selector = LabelSelector::from_object(first().unwrap_or(&Value::Null));
                let text =
                    selector.map_or_else(|_| "<error>".into(), |selector| selector.to_string());
                (!text.is_empty()).then(|| text.into())
            }
        }
    }
}

fn template_parts(text: &str) -> Vec<(String, Option<Path>)> {
    text.split('{')
        .enumerate()
        .flat_map(|(i, part)| match part.split_once('}') {
            Some((path, rest)) => vec![
                (String::new(), Some(Path::parse(path))),
                (rest.to_owned(), None),
            ],
            None if i == 0 && part.is_empty() => Vec::new(),
            None => vec![(part.to_owned(), None)],
        })
        .collect()
}

/// `<none>`, `"text"`, `true`, `7`; anything else is a path.
fn literal(text: &str) -> Option<Value> {
    if text.starts_with('<') {
        return Some(text.into());
    }
    serde_json::from_str(text).ok()
}

fn len(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        other => vec![plain(other)],
    }
}

/// `a=1,b=2` by key; none for an empty map.
pub(super) fn labels(map: &Value) -> Option<String> {
    let map = map.as_object().filter(|map| !map.is_empty())?;
    let mut pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect();
    pairs.sort();
    Some(pairs.join(","))
}
