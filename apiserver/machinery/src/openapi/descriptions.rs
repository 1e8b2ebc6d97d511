//! What types and fields are for, in words: a view of the table that apiserver/docs builds (its build.rs has the layout).
//! Types are called by their OpenAPI names, `io.k8s.api.core.v1.Pod`. Looked up only while a document is made.

use std::collections::HashMap;

/// Descriptions by type, and by type and field.
#[derive(Debug, Default)]
pub struct Descriptions<'a> {
    by_name: HashMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Descriptions<'a> {
    /// Reads the table; lines that are none of it are passed over.
    pub fn read(table: &'a str) -> Self {
        let mut by_name = HashMap::with_capacity(table.len() / 128);
        let mut current = "";
        for line in table.lines() {
            match line.strip_prefix('\t') {
                None => {
                    let (name, text) = line.split_once('\t').unwrap_or((line, ""));
                    current = name;
                    by_name.insert((name, ""), text);
                }
                Some(field) => {
                    let (field, text) = field.split_once('\t').unwrap_or((field, ""));
                    by_name.insert((current, field), text);
                }
            }
        }
        Descriptions { by_name }
    }

    /// The lines of a table about some types.
    pub fn excerpt(table: &str, types: &[&str]) -> String {
        let (mut out, mut wanted) = (String::new(), false);
        for line in table.lines() {
            if !line.starts_with('\t') {
                let name = line.split('\t').next().unwrap_or("");
                wanted = types.contains(&name);
            }
            if wanted {
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }

    pub fn of_type(&self, name: &str) -> Option<String> {
        self.of_field(name, "")
    }

    pub fn of_field(&self, name: &str, field: &str) -> Option<String> {
        let text = self.by_name.get(&(name, field))?;
        (!text.is_empty()).then(|| unescape(text))
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                other => out.extend(other),
            },
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_and_fields() {
        let table = "a.Pod\tA pod.\n\tspec\tTwo\\nlines \\\\ a\\ttab\na.Node\t\n\tname\tIts name\n";
        let descriptions = Descriptions::read(table);
        assert_eq!(descriptions.of_type("a.Pod").as_deref(), Some("A pod."));
        assert_eq!(
            descriptions.of_field("a.Pod", "spec").as_deref(),
            Some("Two\nlines \\ a\ttab")
        );
        assert_eq!(descriptions.of_type("a.Node"), None);
        assert_eq!(
            descriptions.of_field("a.Node", "name").as_deref(),
            Some("Its name")
        );
        assert_eq!(descriptions.of_field("a.Node", "spec"), None);
        assert_eq!(
            Descriptions::excerpt(table, &["a.Node"]),
            "a.Node\t\n\tname\tIts name\n"
        );
    }
}
