//! JSON Patch with the behaviour of evanphx/json-patch v4, which is not quite RFC 6902: `replace` and `test`
//! take an absent map key for null, a path need not begin with a slash, negative indices count from the end.
//! A patch applies whole or not at all. Maps that an operation walks through come out with sorted keys.

mod refusals;

use serde_json::{Map, Value};

use super::PatchError;
use crate::nesting::{MAX_NESTING, SHALLOW, guarded, nesting};
use refusals::{bad_index, check_types, mismatch, missing, no_source, no_target, refused, within};

/// Operations in one patch.
pub const MAX_OPERATIONS: usize = 10_000;
/// How the error of a `test` that does not hold ends.
pub const TEST_FAILED: &str = "test failed";
/// Bytes (of JSON) that all `copy` operations of one patch may add.
pub const MAX_COPIED_BYTES: usize = 3 << 20;

/// A decoded patch. Operations are looked into only when their turn comes, as upstream does.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPatch {
    operations: Vec<Map<String, Value>>,
}

impl JsonPatch {
    /// Takes the decoded body. `typed` checks the types of the fields as field validation Strict and Warn do.
    pub fn from_value(patch: Value, typed: bool) -> Result<Self, PatchError> {
        let items = match patch {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other if typed => {
                return Err(mismatch(
                    &other,
                    "Go value of type []handlers.jsonPatchOp",
                    typed,
                ));
            }
            other => return Err(mismatch(&other, "Go value of type jsonpatch.Patch", typed)),
        };
        if typed {
            items.iter().try_for_each(check_types)?;
        }
        let mut operations = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::Object(operation) => operations.push(operation),
                Value::Null => operations.push(Map::new()),
                other => {
                    return Err(mismatch(
                        &other,
                        "Go value of type jsonpatch.Operation",
                        typed,
                    ));
                }
            }
        }
        if operations.len() > MAX_OPERATIONS {
            return Err(PatchError::TooManyOperations(operations.len()));
        }
        Ok(Self { operations })
    }

    /// Strict decoding's complaints about fields that no operation has.
    pub fn unknown_fields(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (i, operation) in self.operations.iter().enumerate() {
            for key in operation
                .keys()
                .filter(|key| !matches!(key.as_str(), "op" | "path" | "from" | "value"))
            {
                problems.push(format!("json patch unknown field \"[{i}].{key}\""));
            }
        }
        problems
    }

    /// The patched document.
    pub fn apply(&self, mut document: Value) -> Result<Value, PatchError> {
        sort(&mut document);
        let mut limits = Limits {
            copied_bytes: 0,
            nesting: nesting(&document, MAX_NESTING),
        };
        let mut rest = &self.operations[..];
        while let [operation, later @ ..] = rest {
            if limits.may_get_deep(&document, operation) {
                // No document from here on is every stack's business, one that is thrown away neither.
                return guarded(true, move || limits.carry_out(document, rest));
            }
            document = limits.carry_out(document, std::slice::from_ref(operation))?;
            rest = later;
        }
        Ok(document)
    }
}

/// What one patch has used of what it may.
struct Limits {
    copied_bytes: usize,
    /// No less than the document's nesting.
    nesting: usize,
}

impl Limits {
    fn carry_out(
        &mut self,
        mut document: Value,
        operations: &[Map<String, Value>],
    ) -> Result<Value, PatchError> {
        for operation in operations {
            step(&mut document, operation, self)?;
            self.check_nesting(&document, operation)?;
        }
        Ok(document)
    }

    /// Whether an operation may make a document that is nested more than any thread's stack is good for, or meets one.
    fn may_get_deep(&mut self, document: &Value, operation: &Map<String, Value>) -> bool {
        let growth = growth(operation);
        if self.nesting + growth > SHALLOW {
            self.nesting = nesting(document, MAX_NESTING);
        }
        self.nesting + growth > SHALLOW
    }

    fn count_copied(&mut self, value: &Value) -> Result<(), PatchError> {
        self.copied_bytes += value.to_string().len();
        if self.copied_bytes > MAX_COPIED_BYTES {
            return Err(refused(format!(
                "copied more than {MAX_COPIED_BYTES} bytes"
            )));
        }
        Ok(())
    }

    /// Copying and moving can nest a document ever deeper. Measures it only when it may have become too deep.
    fn check_nesting(
        &mut self,
        document: &Value,
        operation: &Map<String, Value>,
    ) -> Result<(), PatchError> {
        self.nesting += growth(operation);
        if self.nesting >= MAX_NESTING {
            self.nesting = nesting(document, MAX_NESTING);
        }
        // Some room is kept, so that it need not be measured again for every operation.
        if self.nesting >= MAX_NESTING - 100 {
            return Err(refused("exceeded max depth"));
        }
        Ok(())
    }
}

/// By how much an operation may nest a document deeper.
fn growth(operation: &Map<String, Value>) -> usize {
    let path = operation.get("path").and_then(Value::as_str).unwrap_or("");
    let value = operation.get("value");
    path.split('/').count() + value.map_or(0, |value| nesting(value, MAX_NESTING))
}

fn step(
    document: &mut Value,
    operation: &Map<String, Value>,
    limits: &mut Limits,
) -> Result<(), PatchError> {
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let path = || text(operation, "path");
    match operation
        .get("op")
        .and_then(Value::as_str)
        .unwrap_or("unknown")
    {
        "add" => {
            let path = path()?;
            let missing = || missing("add", format!("doc is missing path: \"{path}\""));
            let (parent, key) = parent(document, path, missing)?;
            add(parent, &key, value()).map_err(within(format!("add for path: '{path}'")))
        }
        "remove" => {
            let path = path()?;
            let missing = || missing("remove", format!("doc is missing path: \"{path}\""));
            let (parent, key) = parent(document, path, missing)?;
            let removed = remove(parent, &key);
            removed
                .map(drop)
                .map_err(within(format!("remove for path: '{path}'")))
        }
        "replace" => replace(document, path()?, value()),
        "move" => {
            let from = text(operation, "from")?;
            let (source, key) = parent(document, from, || no_source("move", from))?;
            let value = remove(source, &key).map_err(within(format!("move for path: '{key}'")))?;
            let path = path()?;
            let (target, key) = parent(document, path, || no_target("move", path))?;
            add(target, &key, value).map_err(within(format!("move for path: '{path}'")))
        }
        "copy" => {
            let from = text(operation, "from")?;
            let (source, key) = parent(document, from, || no_source("copy", from))?;
            let found = get(source, &key).map_err(within(format!("copy for from: '{from}'")))?;
            let value = found.cloned().unwrap_or(Value::Null);
            let path = path()?;
            let (target, key) = parent(document, path, || no_target("copy", path))?;
            limits.count_copied(&value)?;
            add(target, &key, value)
                .map_err(|error| refused(format!("error while adding value during copy: {error}")))
        }
        "test" => test(document, path()?, operation.get("value")),
        other => Err(refused(format!("Unexpected kind: {other}"))),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(refused("replace operation value must be object or array"));
        }
        *document = value;
        sort(document);
        return Ok(());
    }
    let no_path = || missing("replace", format!("doc is missing path: {path}"));
    let (parent, key) = parent(document, path, no_path)?;
    match parent {
        Value::Array(items) => {
            let no_key = || missing("replace", format!("doc is missing key: {path}"));
            let index = index(&key, items.len()).ok_or_else(no_key)?;
            items[index] = value;
        }
        Value::Object(map) => {
            map.insert(key, value);
            map.sort_keys();
        }
        _ => return Err(no_path()),
    }
    Ok(())
}

fn test(document: &mut Value, path: &str, want: Option<&Value>) -> Result<(), PatchError> {
    let failed = || refused(format!("testing value {path} failed: {TEST_FAILED}"));
    if path.is_empty() {
        return if want == Some(document) {
            Ok(())
        } else {
            Err(failed())
        };
    }
    let no_path = || missing("test", format!("is missing path: {path}"));
    let (parent, key) = parent(document, path, no_path)?;
    let found = get(parent, &key).map_err(within(format!("test for path: '{path}'")))?;
    let found = found.filter(|value| !value.is_null());
    if found == want.filter(|value| !value.is_null()) {
        Ok(())
    } else {
        Err(failed())
    }
}

/// The map or list that a path's last part is looked up in. The part before the first slash is ignored.
fn parent<'a>(
    document: &'a mut Value,
    path: &str,
    missing: impl Fn() -> PatchError,
) -> Result<(&'a mut Value, String), PatchError> {
    let (_, rest) = path.split_once('/').ok_or_else(&missing)?;
    let mut parts = rest.split('/').map(unescape).peekable();
    let mut node = document;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return Ok((node, part));
        }
        node = match node {
            Value::Object(map) => map.get_mut(&part),
            Value::Array(items) => index(&part, items.len()).and_then(|i| items.get_mut(i)),
            _ => None,
        }
        .filter(|value| value.is_object() || value.is_array())
        .ok_or_else(&missing)?;
        sort(node);
    }
    Err(missing())
}

fn get<'a>(parent: &'a Value, key: &str) -> Result<Option<&'a Value>, PatchError> {
    match parent {
        Value::Array(items) => match index(key, items.len()) {
            Some(i) => Ok(Some(&items[i])),
            None => Err(bad_index(key)),
        },
        other => Ok(other.get(key)),
    }
}

fn add(parent: &mut Value, key: &str, value: Value) -> Result<(), PatchError> {
    match parent {
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
            map.sort_keys();
            Ok(())
        }
        Value::Array(items) if key == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => {
            let at = index(key, items.len() + 1).ok_or_else(|| bad_index(key))?;
            items.insert(at, value);
            Ok(())
        }
        _ => Err(refused(format!("{key}: missing value"))),
    }
}

fn remove(parent: &mut Value, key: &str) -> Result<Value, PatchError> {
    match parent {
        Value::Object(map) => map.shift_remove(key).ok_or_else(|| {
            refused(format!(
                "Unable to remove nonexistent key: {key}: missing value"
            ))
        }),
        Value::Array(items) => index(key, items.len())
            .map(|i| items.remove(i))
            .ok_or_else(|| bad_index(key)),
        _ => Err(refused(format!("{key}: missing value"))),
    }
}

/// A place in a list of `len`; counts from the end when negative.
fn index(key: &str, len: usize) -> Option<usize> {
    let index: i64 = key.parse().ok()?;
    let len = i64::try_from(len).ok()?;
    let index = if index < 0 { index + len } else { index };
    usize::try_from(index).ok().filter(|_| index < len)
}

fn unescape(part: &str) -> String {
    // One pass from the left: `~01` is `~1`.
    part.replace("~1", "/").replace("~0", "~")
}

fn text<'a>(operation: &'a Map<String, Value>, key: &str) -> Result<&'a str, PatchError> {
    operation
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| refused(format!("operation missing {key} field")))
}

fn sort(node: &mut Value) {
    if let Value::Object(map) = node {
        map.sort_keys();
    }
}

#[cfg(test)]
mod tests;
