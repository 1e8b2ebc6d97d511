//! The query of a request, decoded once, with the forms of values that kube-apiserver accepts.

use crate::filters::request_info::{percent_decode, percent_encode};
use triad_machinery::codec::query::is_true;

/// Parameters in the order of the request; the first of a repeated name counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'));
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (plus_decode(name), plus_decode(value))
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Written anew: ordered by name, as Go's url.Values does.
    pub(crate) fn encoded(&self) -> String {
        let mut pairs: Vec<&(String, String)> = self.0.iter().collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// A boolean parameter as apimachinery converts it; absent is None.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name).map(is_true)
    }

    /// A whole number; the error is Go's text for the value.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
        }
    }
}

/// A name or value as it stands in a query (Go's url.QueryEscape).
fn escaped(text: &str) -> String {
    percent_encode(text, b"-_.~ ").replace(' ', "+")
}

fn plus_decode(text: &str) -> String {
    if text.contains('+') {
        percent_decode(&text.replace('+', " "))
    } else {
        percent_decode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let query = Query::parse("a=1&b=x%20y+z&watch&c=&a=2&limit=abc");
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("b"), Some("x y z"));
        assert_eq!(query.boolean("watch"), Some(true));
        assert_eq!(query.boolean("none"), None);
        assert_eq!(query.integer("a"), Ok(Some(1)));
        assert_eq!(
            query.integer("limit"),
            Err("strconv.ParseInt: parsing \"abc\": invalid syntax".to_owned())
        );
    }
}
