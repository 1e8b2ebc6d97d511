//! Configuration files: versioned documents of one kind each, in which every field is known. A misspelt field would let in more
//! than is meant.

use serde_json::Value;
use triad_machinery::codec::yaml;

/// What a file of one kind looks like.
pub(crate) struct Form {
    pub(crate) kind: &'static str,
    pub(crate) versions: &'static [&'static str],
    /// The fields that there may be, by the path of what has them; what lies under other paths is not looked at.
    pub(crate) fields: &'static [(&'static str, &'static [&'static str])],
}

impl Form {
    pub(crate) fn read(&self, text: &[u8]) -> Result<Value, String> {
        let document = yaml::to_value(text).map_err(|error| error.to_string())?;
        self.check(&document)?;
        Ok(document)
    }

    /// Whether a document says that it is of this kind.
    pub(crate) fn is_of(&self, document: &Value) -> bool {
        let version = document["apiVersion"].as_str().unwrap_or_default();
        self.versions.contains(&version) && document["kind"] == self.kind
    }

    pub(crate) fn check(&self, document: &Value) -> Result<(), String> {
        if !self.is_of(document) {
            let (kind, version) = (&document["kind"], &document["apiVersion"]);
            return Err(format!(
                "no kind {kind} is registered for version {version}"
            ));
        }
        match self.unknown(document, "") {
            Some(field) => Err(format!("strict decoding error: unknown field {field:?}")),
            None => Ok(()),
        }
    }

    /// The first field that is not known.
    fn unknown(&self, value: &Value, at: &str) -> Option<String> {
        if let Some(list) = value.as_array() {
            return list.iter().find_map(|one| self.unknown(one, at));
        }
        let (_, known) = self.fields.iter().find(|(path, _)| *path == at)?;
        let mut inner = value.as_object()?.iter();
        inner.find_map(|(field, value)| {
            let path = format!("{at}/{field}");
            let typed = at.is_empty() && ["apiVersion", "kind"].contains(&field.as_str());
            if !typed && !known.contains(&field.as_str()) {
                return Some(path.trim_start_matches('/').replace('/', "."));
            }
            self.unknown(value, &path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_its_kind_and_has_no_other_fields() {
        let form = Form {
            kind: "Limits",
            versions: &["a.io/v1"],
            fields: &[("", &["limits", "free"]), ("/limits", &["qps"])],
        };
        let read =
            |rest: &str| form.read(format!("kind: Limits\napiVersion: a.io/v1\n{rest}").as_bytes());
        assert!(read("limits: [{qps: 1}]\nfree: {any: 1}").is_ok());
        assert_eq!(
            read("limits: [{qps: 1}, {pqs: 1}]").expect_err("unknown"),
            "strict decoding error: unknown field \"limits.pqs\""
        );
        assert!(read("limit: []").is_err_and(|why| why.contains("\"limit\"")));
        let other = form.read(b"kind: Limits\napiVersion: a.io/v2");
        assert!(other.is_err_and(|why| why.contains("no kind \"Limits\"")));
    }
}
