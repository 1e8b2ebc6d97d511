//! Nodes to JSON values, as go-yaml v2 and sigs.k8s.io/yaml do it: merge keys, keys as strings, a bound on what aliases may grow to,
//! and the lines about keys that come twice.

use serde_json::{Map, Number, Value};

use super::node::{Document, Kind, MAX_DEPTH, NodeId};
use super::resolve::{Scalar, resolve};
use crate::codec::base64;
use crate::codec::go_quote::quote;

/// The document's value, and a line for each key that was set again.
pub(super) fn convert(document: &Document) -> Result<(Value, Vec<String>), String> {
    let mut converter = Converter {
        document,
        decoded: 0,
        aliased: 0,
        alias_depth: 0,
        depth: 0,
        duplicates: Vec::new(),
    };
    let value = match document.root {
        Some(root) => converter.node(root)?,
        None => Value::Null,
    };
    Ok((value, converter.duplicates))
}

struct Converter<'a> {
    document: &'a Document,
    decoded: u64,
    aliased: u64,
    alias_depth: usize,
    depth: usize,
    duplicates: Vec<String>,
}

impl Converter<'_> {
    fn node(&mut self, id: NodeId) -> Result<Value, String> {
        self.count()?;
        let node = &self.document.nodes[id];
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("exceeded max depth of {MAX_DEPTH}"));
        }
        let value = match &node.kind {
            Kind::Alias(target) => {
                self.alias_depth += 1;
                let value = self.node(*target)?;
                self.alias_depth -= 1;
                value
            }
            Kind::Scalar { text, plain } => scalar(text, *plain, &node.tag)?,
            Kind::List(items) => Value::Array(
                items
                    .iter()
                    .map(|id| self.node(*id))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Map(entries) => Value::Object(self.map(entries)?),
        };
        self.depth -= 1;
        Ok(value)
    }

    /// A document may grow through aliases, but not without bound: the share of aliased nodes must shrink as it grows.
    fn count(&mut self) -> Result<(), String> {
        self.decoded += 1;
        if self.alias_depth > 0 {
            self.aliased += 1;
        }
        let allowed = match self.decoded {
            ..=400_000 => 0.99,
            4_000_000.. => 0.10,
            decoded => 0.99 - 0.89 * ((decoded - 400_000) as f64 / 3_600_000.0),
        };
        if self.decoded > 100
            && self.aliased > 1000
            && self.aliased as f64 / self.decoded as f64 > allowed
        {
            return Err("document contains excessive aliasing".to_owned());
        }
        Ok(())
    }

    fn map(&mut self, entries: &[NodeId]) -> Result<Map<String, Value>, String> {
        let mut map = Map::new();
        for entry in entries.chunks_exact(2) {
            let (key, value) = (entry[0], entry[1]);
            if self.is_merge(key) {
                self.merge(value, &mut map)?;
                continue;
            }
            let (key, shown) = self.key(key)?;
            let line = self.document.nodes[value].line;
            let value = self.node(value)?;
            if map.insert(key, value).is_some() {
                self.duplicates
                    .push(format!("line {line}: key {shown} already set in map"));
            }
        }
        Ok(map)
    }

    fn is_merge(&self, key: NodeId) -> bool {
        let node = &self.document.nodes[key];
        let plain = matches!(&node.kind, Kind::Scalar { text, plain: true } if text == "<<");
        plain && matches!(node.tag.as_str(), "" | "!" | "merge")
    }

    /// Merged keys give way to those that are there, and to those that come.
    fn merge(&mut self, value: NodeId, map: &mut Map<String, Value>) -> Result<(), String> {
        const WANTED: &str = "map merge requires map or sequence of maps as the value";
        let target = match &self.document.nodes[value].kind {
            Kind::Alias(target) => *target,
            _ => value,
        };
        let sources = match &self.document.nodes[target].kind {
            Kind::Map(_) => vec![value],
            Kind::List(items) => items.clone(),
            _ => return Err(WANTED.to_owned()),
        };
        for source in sources {
            let Value::Object(merged) = self.node(source)? else {
                return Err(WANTED.to_owned());
            };
            for (key, value) in merged {
                map.entry(key).or_insert(value);
            }
        }
        Ok(())
    }

    /// A key as JSON has it, and as Go's `%#v` shows it.
    fn key(&mut self, id: NodeId) -> Result<(String, String), String> {
        Ok(match self.node(id)? {
            Value::String(text) => {
                let shown = quote(&text);
                (text, shown)
            }
            Value::Null => ("null".to_owned(), "<nil>".to_owned()),
            Value::Array(_) => return Err("unsupported map key of type: slice".to_owned()),
            Value::Object(_) => return Err("unsupported map key of type: map".to_owned()),
            other => (other.to_string(), other.to_string()),
        })
    }
}

fn scalar(text: &str, plain: bool, tag: &str) -> Result<Value, String> {
    let string = || Ok(Value::String(text.to_owned()));
    let found = match tag {
        "" if !plain => return string(),
        "" => resolve(text),
        "bool" | "int" | "float" | "null" | "timestamp" => resolve(text),
        "binary" => {
            let bytes = base64::decode(text)
                .map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
            return Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
        _ => return string(),
    };
    let fits = matches!(
        (&found, tag),
        (_, "" | "timestamp")
            | (Scalar::Bool(_), "bool")
            | (Scalar::Null, "null")
            | (Scalar::Int(_) | Scalar::Uint(_), "int" | "float")
            | (Scalar::Float(_), "float")
    );
    if !fits {
        return Err(format!("cannot decode !!str `{text}` as a !!{tag}"));
    }
    match found {
        Scalar::Null => Ok(Value::Null),
        Scalar::Bool(b) => Ok(Value::Bool(b)),
        Scalar::Int(n) if tag == "float" => Ok(Value::from(n as f64)),
        Scalar::Int(n) => Ok(Value::from(n)),
        Scalar::Uint(n) => Ok(Value::from(n)),
        Scalar::Float(f) => Number::from_f64(f)
            .map(Value::Number)
            .ok_or_else(|| format!("json: unsupported value: {f}")),
        Scalar::Timestamp | Scalar::Merge | Scalar::String => string(),
    }
}
