//! A place in an object while it is validated: the value there and its field path, and the list that errors are put into.
//! Absent, null and (for plain fields) zero read the same, as they do once Go has decoded them.

use serde_json::Value;

use crate::quantity::Quantity;
use crate::status::FieldError;

static ABSENT: Value = Value::Null;

/// A value with its path. Absent values are places too: an error may have to name them.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) value: &'a Value,
    /// Stays empty where only whether there is an error counts.
    pub(crate) path: String,
    told: bool,
}

impl<'a> At<'a> {
    pub(crate) fn root(object: &'a Value) -> Self {
        At {
            value: object,
            path: String::new(),
            told: true,
        }
    }

    /// The root for a look at whether anything is wrong: paths are not told below it.
    pub(crate) fn untold(object: &'a Value) -> Self {
        At {
            told: false,
            ..At::root(object)
        }
    }

    /// A value that stands for one at a place.
    pub(crate) fn standing_in(&self, value: &'a Value) -> At<'a> {
        At {
            value,
            path: self.path.clone(),
            told: self.told,
        }
    }

    fn below(&self, value: &'a Value, path: impl FnOnce() -> String) -> At<'a> {
        At {
            value,
            path: if self.told { path() } else { String::new() },
            told: self.told,
        }
    }

    pub(crate) fn absent(path: &str) -> At<'static> {
        At {
            value: &ABSENT,
            path: path.to_owned(),
            told: true,
        }
    }

    pub(crate) fn get(&self, name: &str) -> At<'a> {
        self.below(self.value.get(name).unwrap_or(&ABSENT), || {
            let mut path = String::with_capacity(self.path.len() + name.len() + 1);
            path.push_str(&self.path);
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
            path
        })
    }

    /// A child whose path says something else than its JSON name.
    pub(crate) fn get_as(&self, name: &str, shown: &str) -> At<'a> {
        At {
            value: self.value.get(name).unwrap_or(&ABSENT),
            ..self.get(shown)
        }
    }

    /// The same value under another path.
    pub(crate) fn shown_at(&self, path: impl Into<String>) -> At<'a> {
        self.below(self.value, || path.into())
    }

    /// An entry of a map; its path has the key in brackets.
    pub(crate) fn key(&self, key: &str) -> At<'a> {
        let value = self.value.get(key).unwrap_or(&ABSENT);
        self.below(value, || format!("{}[{key}]", self.path))
    }

    pub(crate) fn index(&self, index: usize) -> At<'a> {
        let value = self.value.get(index).unwrap_or(&ABSENT);
        self.below(value, || format!("{}[{index}]", self.path))
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = At<'a>> + use<'a> {
        let list = self.clone();
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(move |(i, value)| list.below(value, || format!("{}[{i}]", list.path)))
    }

    /// The entries of a map by key, sorted.
    pub(crate) fn entries(&self) -> Vec<(&'a str, At<'a>)> {
        let map = self.value.as_object().into_iter().flatten();
        let mut entries: Vec<_> = map
            .map(|(key, value)| {
                let at = self.below(value, || format!("{}[{key}]", self.path));
                (key.as_str(), at)
            })
            .collect();
        entries.sort_by_key(|(key, _)| *key);
        entries
    }

    pub(crate) fn strings(&self) -> Vec<&'a str> {
        let list = self.value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    }

    pub(crate) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or("")
    }

    pub(crate) fn int(&self) -> i64 {
        self.value.as_i64().unwrap_or(0)
    }

    pub(crate) fn yes(&self) -> bool {
        self.value.as_bool().unwrap_or(false)
    }

    pub(crate) fn quantity(&self) -> Quantity {
        Quantity::parse(self.text()).unwrap_or_else(|_| Quantity::zero())
    }

    /// Not absent and not null.
    pub(crate) fn given(&self) -> bool {
        !self.value.is_null()
    }

    /// Absent, or an empty text, list or map.
    pub(crate) fn empty(&self) -> bool {
        match self.value {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            other => other.is_null(),
        }
    }

    /// The value as Go shows a map: keys sorted, null where absent.
    pub(crate) fn sorted(&self) -> Value {
        let Some(map) = self.value.as_object() else {
            return self.value.clone();
        };
        let mut entries: Vec<_> = map.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Value::Object(entries.into_iter().collect())
    }

    pub(crate) fn count(&self) -> usize {
        match self.value {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        }
    }
}

/// The errors found so far, in the order found.
#[derive(Debug, Default)]
pub(crate) struct Errors(pub(crate) Vec<FieldError>);

impl Errors {
    pub(crate) fn into_list(self) -> Vec<FieldError> {
        self.0
    }

    /// The value as it stands there; an absent one shows as an empty text.
    pub(crate) fn invalid(&mut self, at: &At<'_>, detail: impl Into<String>) {
        let value = if at.given() {
            at.value.clone()
        } else {
            "".into()
        };
        self.0.push(FieldError::invalid(&at.path, value, detail));
    }

    pub(crate) fn invalid_value(
        &mut self,
        at: &At<'_>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) {
        self.0.push(FieldError::invalid(&at.path, value, detail));
    }

    /// Without the value.
    pub(crate) fn invalid_omitted(&mut self, at: &At<'_>, detail: &str) {
        self.0.push(FieldError::invalid_omitted(&at.path, detail));
    }

    /// A number; an absent one shows as 0.
    pub(crate) fn invalid_int(&mut self, at: &At<'_>, detail: impl Into<String>) {
        self.invalid_value(at, at.int(), detail);
    }

    /// One error for each problem of a text.
    pub(crate) fn each(&mut self, at: &At<'_>, problems: Vec<String>) {
        for problem in problems {
            self.invalid(at, problem);
        }
    }

    /// A fault of ours, or of what ours cannot make sense of.
    pub(crate) fn internal(&mut self, at: &At<'_>, detail: &str) {
        self.0.push(FieldError::internal(&at.path, detail));
    }

    pub(crate) fn required(&mut self, at: &At<'_>, detail: &str) {
        self.0.push(FieldError::required(&at.path, detail));
    }

    /// Required when empty; says whether it is there.
    pub(crate) fn need(&mut self, at: &At<'_>) -> bool {
        if at.empty() {
            self.required(at, "");
        }
        !at.empty()
    }

    pub(crate) fn forbidden(&mut self, at: &At<'_>, detail: impl Into<String>) {
        self.0.push(FieldError::forbidden(&at.path, detail));
    }

    pub(crate) fn duplicate(&mut self, at: &At<'_>) {
        let value = if at.given() {
            at.value.clone()
        } else {
            "".into()
        };
        self.0.push(FieldError::duplicate(&at.path, value));
    }

    pub(crate) fn duplicate_value(&mut self, at: &At<'_>, value: impl Into<Value>) {
        self.0.push(FieldError::duplicate(&at.path, value));
    }

    pub(crate) fn not_found(&mut self, at: &At<'_>) {
        self.0.push(FieldError::not_found(&at.path, at.text()));
    }

    pub(crate) fn unsupported(&mut self, at: &At<'_>, supported: &[&str]) {
        let error = FieldError::not_supported(&at.path, at.text(), supported);
        self.0.push(error);
    }

    /// The same for a value that does not stand there.
    pub(crate) fn unsupported_value(&mut self, at: &At<'_>, value: &str, supported: &[&str]) {
        let error = FieldError::not_supported(&at.path, value, supported);
        self.0.push(error);
    }

    /// A closed set of texts.
    pub(crate) fn one_of(&mut self, at: &At<'_>, supported: &[&str]) -> bool {
        let known = supported.contains(&at.text());
        if !known {
            self.unsupported(at, supported);
        }
        known
    }

    /// A closed set of texts, of which one must be given.
    pub(crate) fn need_one_of(&mut self, at: &At<'_>, supported: &[&str]) -> bool {
        self.need(at) && self.one_of(at, supported)
    }

    pub(crate) fn too_long(&mut self, at: &At<'_>, max: usize) {
        self.0.push(FieldError::too_long(&at.path, max as i64));
    }

    pub(crate) fn too_many(&mut self, at: &At<'_>, count: usize, max: usize) {
        let error = FieldError::too_many(&at.path, count as i64, max as i64);
        self.0.push(error);
    }

    pub(crate) fn not_negative(&mut self, at: &At<'_>) {
        if at.int() < 0 {
            self.invalid_int(at, super::formats::NEGATIVE);
        }
    }

    pub(crate) fn positive(&mut self, at: &At<'_>) {
        if at.int() <= 0 {
            self.invalid_int(at, "must be greater than zero");
        }
    }

    pub(crate) fn in_range(&mut self, at: &At<'_>, first: i64, last: i64) {
        if at.int() < first || at.int() > last {
            self.invalid_int(at, super::formats::range(first, last));
        }
    }

    /// Equal to the old value, zero and absent being the same.
    pub(crate) fn immutable(&mut self, new: &At<'_>, old: &At<'_>) {
        if !super::same(new.value, old.value) {
            self.invalid_value(new, new.value.clone(), super::formats::IMMUTABLE);
        }
    }

    /// The same for a struct, shown as Go shows the internal type.
    pub(crate) fn immutable_internal(&mut self, ty: &str, new: &At<'_>, old: &At<'_>) {
        if !super::same(new.value, old.value) {
            let shown = super::go_value::internal(ty, new.value);
            self.invalid_value(new, shown, super::formats::IMMUTABLE);
        }
    }
}
