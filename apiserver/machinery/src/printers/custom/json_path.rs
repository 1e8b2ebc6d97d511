//! The part of Kubernetes' JSONPath that definitions use: fields (with `\.` for a dot), quoted keys, indices,
//! `[*]`, and filters that compare a field with a literal, `[?(@.type=="Ready")]`.

use serde_json::Value;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Each,
    Filter {
        path: Vec<Step>,
        equal: bool,
        literal: Value,
    },
}

impl JsonPath {
    /// `None` when the text is no path of this kind.
    pub fn parse(text: &str) -> Option<Self> {
        steps(text).map(Self)
    }

    /// The first value that the path reaches.
    pub fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        walk(&self.0, object).into_iter().next()
    }
}

fn walk<'a>(steps: &[Step], object: &'a Value) -> Vec<&'a Value> {
    steps.iter().fold(vec![object], |found, step| {
        found.into_iter().flat_map(|value| step.of(value)).collect()
    })
}

impl Step {
    fn of<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let len = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { index + len } else { *index };
                usize::try_from(index)
                    .ok()
                    .and_then(|index| items.get(index))
                    .into_iter()
                    .collect()
            }
            Self::Each => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Filter {
                path,
                equal,
                literal,
            } => {
                let items = value.as_array().into_iter().flatten();
                let holds = |item: &&Value| {
                    let found = walk(path, item).into_iter().next();
                    found.is_some_and(|found| (found == literal) == *equal)
                };
                items.filter(holds).collect()
            }
        }
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = field(after);
            match name.as_str() {
                "" if after.starts_with('[') || after.is_empty() && steps.is_empty() => {}
                "" => return None,
                "*" => steps.push(Step::Each),
                _ => steps.push(Step::Field(name)),
            }
            rest = after;
        } else {
            let end = closing(rest.strip_prefix('[')?)?;
            steps.push(bracket(&rest[1..=end])?);
            rest = &rest[end + 2..];
        }
    }
    Some(steps)
}

/// A field's name up to the next unescaped dot or bracket.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[i..]),
            c => name.push(c),
        }
    }
    (name, "")
}

/// Where the bracket that is open at the start of the text closes, quotes respected.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (1, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

fn bracket(inner: &str) -> Option<Step> {
    if inner == "*" {
        return Some(Step::Each);
    }
    if let Some(condition) = inner
        .strip_prefix("?(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let (path, equal, literal) = match (condition.split_once("=="), condition.split_once("!="))
        {
            (Some((path, literal)), _) => (path, true, literal),
            (None, Some((path, literal))) => (path, false, literal),
            (None, None) => return None,
        };
        let path = steps(path.trim().strip_prefix('@')?)?;
        return Some(Step::Filter {
            path,
            equal,
            literal: literal_value(literal.trim())?,
        });
    }
    match literal_value(inner)? {
        Value::String(name) => Some(Step::Field(name)),
        Value::Number(index) => index.as_i64().map(Step::Index),
        _ => None,
    }
}

fn literal_value(text: &str) -> Option<Value> {
    match text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        Some(quoted) => Some(quoted.into()),
        None => serde_json::from_str(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let object = json!({"a": {"b.c/d": 1, "l": [{"t": "x", "v": 1}, {"t": "y", "v": 2}]}});
        for (path, want) in [
            (r".a.b\.c/d", Some(json!(1))),
            (".a['b.c/d']", Some(json!(1))),
            (".a.l[1].v", Some(json!(2))),
            (".a.l[-1].v", Some(json!(2))),
            (".a.l[*].v", Some(json!(1))),
            (r#".a.l[?(@.t=="y")].v"#, Some(json!(2))),
            (".a.l[?(@.t!='x')].v", Some(json!(2))),
            (".a.l[9].v", None),
            (".x.y", None),
        ] {
            let found = JsonPath::parse(path).map(|path| path.first(&object).cloned());
            assert_eq!(found, Some(want), "{path}");
        }
        for bad in ["x[", ".a[", ".a..b", ".a[?(x)]"] {
            assert_eq!(JsonPath::parse(bad), None, "{bad}");
        }
    }
}
