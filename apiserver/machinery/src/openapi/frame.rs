//! A Swagger document put together of entries that were encoded elsewhere, some at a time: what stands around them, and how entries
//! of a section are written so that those of others can stand beside them. In JSON a comma goes in between, in protobuf nothing.

use serde_json::{Map, Value};

use super::v2::V2Part;
use super::{gnostic, v2};

/// What entries a document has, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    Paths,
    Definitions,
    Parameters,
}

impl Section {
    pub const ALL: [Section; 3] = [Section::Paths, Section::Definitions, Section::Parameters];

    pub(super) fn key(self) -> &'static str {
        match self {
            Section::Paths => "paths",
            Section::Definitions => "definitions",
            Section::Parameters => "parameters",
        }
    }

    /// The entries of a part, as JSON: `"name":value,"name":value`.
    pub fn json(self, entries: &Map<String, Value>) -> Vec<u8> {
        let text = Value::Object(entries.clone()).to_string();
        text.as_bytes()[1..text.len() - 1].to_vec()
    }

    /// The entries of a part, as fields of gnostic's message of the section.
    pub fn protobuf(self, entries: &Map<String, Value>) -> Vec<u8> {
        gnostic::v2_entries(self, entries)
    }
}

impl V2Part {
    pub fn section(&self, section: Section) -> &Map<String, Value> {
        match section {
            Section::Paths => &self.paths,
            Section::Definitions => &self.definitions,
            Section::Parameters => &self.parameters,
        }
    }
}

/// A document without entries.
pub struct V2Frame(Value);

impl V2Frame {
    pub(super) fn new(version: &str) -> Self {
        V2Frame(v2::document(version, V2Part::default()))
    }

    /// What stands before each section, and behind the last.
    pub fn json(&self) -> [Vec<u8>; 4] {
        let text = self.0.to_string();
        let (mut rest, mut found) = (text.as_str(), Vec::new());
        for section in Section::ALL {
            let open = format!("\"{}\":{{", section.key());
            let at = rest.find(&open).map_or(rest.len(), |at| at + open.len());
            found.push(rest.as_bytes()[..at].to_vec());
            rest = &rest[at..];
        }
        let [paths, definitions, parameters] = [0, 1, 2].map(|at| std::mem::take(&mut found[at]));
        [paths, definitions, parameters, rest.as_bytes().to_vec()]
    }

    /// The same in protobuf, for sections of so many bytes.
    pub fn protobuf(&self, lengths: [usize; 3]) -> [Vec<u8>; 4] {
        gnostic::v2_frame(&self.0, lengths)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Descriptions, Documents, v2_protobuf};
    use super::*;
    use crate::scheme::scheme;

    /// The entries in two runs: those of one end where those of the other begin.
    fn halves(entries: &Map<String, Value>) -> [Map<String, Value>; 2] {
        let half = entries.len() / 2;
        let run = |from: usize, count: usize| {
            let run = entries.iter().skip(from).take(count);
            run.map(|(name, value)| (name.to_string(), value.clone()))
                .collect()
        };
        [run(0, half), run(half, entries.len())]
    }

    #[test]
    fn runs_of_entries_make_the_document() {
        let resources = scheme().resources().iter();
        let documents = Documents::new(resources.filter(|r| r.group == "apps"), "1.37");
        let (part, whole) = (
            documents.v2_part(&Descriptions::default()),
            documents.v2(&Descriptions::default()),
        );
        let frame = documents.v2_frame();
        let runs = Section::ALL.map(|section| halves(part.section(section)));
        assert!(runs.iter().flatten().all(|run| !run.is_empty()));

        let around = frame.json();
        let sections = Section::ALL.map(|section| {
            let [first, second] = &runs[section as usize];
            [section.json(first), b",".to_vec(), section.json(second)].concat()
        });
        let mut json = Vec::new();
        for (before, section) in around.iter().zip(&sections) {
            json.extend([before.as_slice(), section].concat());
        }
        json.extend(&around[3]);
        assert_eq!(String::from_utf8(json).expect("text"), whole.to_string());

        let sections = Section::ALL.map(|section| {
            let [first, second] = &runs[section as usize];
            [section.protobuf(first), section.protobuf(second)].concat()
        });
        let around = frame.protobuf([0, 1, 2].map(|at| sections[at].len()));
        let mut protobuf = Vec::new();
        for (before, section) in around.iter().zip(&sections) {
            protobuf.extend([before.as_slice(), section].concat());
        }
        protobuf.extend(&around[3]);
        assert!(protobuf == v2_protobuf(&whole));
    }
}
