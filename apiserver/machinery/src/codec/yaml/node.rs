//! The first YAML document as a table of nodes. Aliases stay references, so that a small text cannot grow before it is counted.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag, options};

/// Nesting that the recursion over nodes is good for.
pub(super) const MAX_DEPTH: usize = 1_000;

/// Place of a node in its document.
pub(super) type NodeId = usize;

pub(super) struct Document {
    pub(super) nodes: Vec<Node>,
    /// None for an empty document.
    pub(super) root: Option<NodeId>,
}

pub(super) struct Node {
    pub(super) kind: Kind,
    /// The tag without `tag:yaml.org,2002:`, such as `str`; empty where none is given.
    pub(super) tag: String,
    /// Counted from 1.
    pub(super) line: usize,
}

pub(super) enum Kind {
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<NodeId>),
    /// Keys and values, alternating.
    Map(Vec<NodeId>),
    Alias(NodeId),
}

/// Reads the first document.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let options = options! { emit_comments: false, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| complaint(&error))?;
        let line = span.start.line();
        match event {
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Alias(anchor) => builder.alias(anchor, line)?,
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                };
                builder.add(kind, anchor, tag.as_deref(), line);
            }
            Event::SequenceStart(_, anchor, tag) => {
                builder.open(Kind::List(Vec::new()), anchor, tag.as_deref(), line)
            }
            Event::MappingStart(_, anchor, tag) => {
                builder.open(Kind::Map(Vec::new()), anchor, tag.as_deref(), line)
            }
            Event::SequenceEnd | Event::MappingEnd => drop(builder.open.pop()),
            _ => {}
        }
    }
    Ok(Document {
        nodes: builder.nodes,
        root: builder.root,
    })
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<NodeId>,
    anchors: HashMap<usize, NodeId>,
    root: Option<NodeId>,
}

impl Builder {
    fn add(&mut self, kind: Kind, anchor: usize, tag: Option<&Tag>, line: usize) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind,
            tag: tag.map(short_tag).unwrap_or_default(),
            line,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        match self.open.last().map(|parent| &mut self.nodes[*parent].kind) {
            Some(Kind::List(children) | Kind::Map(children)) => children.push(id),
            _ => self.root = Some(id),
        }
        id
    }

    fn open(&mut self, kind: Kind, anchor: usize, tag: Option<&Tag>, line: usize) {
        let id = self.add(kind, anchor, tag, line);
        self.open.push(id);
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<(), String> {
        let target = *self
            .anchors
            .get(&anchor)
            .ok_or("unknown anchor referenced")?;
        if self.open.contains(&target) {
            return Err("anchor value contains itself".to_owned());
        }
        self.add(Kind::Alias(target), 0, None, line);
        Ok(())
    }
}

fn short_tag(tag: &Tag) -> String {
    let full = format!("{}{}", tag.handle(), tag.suffix());
    full.strip_prefix("tag:yaml.org,2002:")
        .unwrap_or(&full)
        .to_owned()
}

/// The parser's complaint, in libyaml's words where it has them for the same fault. Like there, the first line is not named.
fn complaint(error: &ScanError) -> String {
    let problem = match error.kind() {
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            "mapping values are not allowed in this context".to_owned()
        }
        ErrorKind::BlockSequenceEntryNotAllowed => {
            "block sequence entries are not allowed in this context".to_owned()
        }
        ErrorKind::MappingKeyNotAllowed => {
            "mapping keys are not allowed in this context".to_owned()
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation => "found character that cannot start any token".to_owned(),
        ErrorKind::InvalidSimpleKey | ErrorKind::SimpleKeyExpected => {
            "could not find expected ':'".to_owned()
        }
        ErrorKind::UnclosedQuotedScalar => "found unexpected end of stream".to_owned(),
        ErrorKind::UnknownAnchor => return "unknown anchor referenced".to_owned(),
        ErrorKind::RecursionLimitExceeded => format!("exceeded max depth of {MAX_DEPTH}"),
        ErrorKind::ExpectedBlockMappingKey => "did not find expected key".to_owned(),
        ErrorKind::ExpectedBlockSequenceEntry => "did not find expected '-' indicator".to_owned(),
        ErrorKind::ExpectedFlowMappingSeparator => "did not find expected ',' or '}'".to_owned(),
        ErrorKind::ExpectedFlowSequenceSeparator => "did not find expected ',' or ']'".to_owned(),
        kind => kind.to_string(),
    };
    match error.marker().line() {
        0 | 1 => problem,
        line => format!("line {line}: {problem}"),
    }
}
