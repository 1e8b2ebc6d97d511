//! How a string may be written: libyaml's analysis of a scalar, and go-yaml's choice among the styles that it leaves.

use super::resolve::{Scalar, is_base_60, resolve};

/// The way a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What libyaml finds out about a text.
struct Analysis {
    plain: bool,
    single_quoted: bool,
    literal: bool,
}

/// The style of a string; keys are never literal.
pub(super) fn choose(text: &str, key: bool) -> Style {
    let analysis = analyze(text);
    if text.contains('\n') {
        return if analysis.literal && !key {
            Style::Literal
        } else {
            Style::DoubleQuoted
        };
    }
    if resolve(text) != Scalar::String || is_base_60(text) {
        return Style::DoubleQuoted;
    }
    if analysis.plain {
        Style::Plain
    } else if analysis.single_quoted {
        Style::SingleQuoted
    } else {
        Style::DoubleQuoted
    }
}

fn analyze(text: &str) -> Analysis {
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut special, mut line_breaks, mut space_break, mut break_space) =
        (false, false, false, false);
    let (mut before_is_blank, mut previous_space, mut previous_break) = (true, false, false);
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        let blank_follows = chars.peek().is_none_or(|c| is_blank(*c) || is_break(*c));
        indicators |= match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`'
                if first =>
            {
                true
            }
            '?' | '-' if first => blank_follows,
            ':' => blank_follows,
            '#' => before_is_blank,
            _ => false,
        };
        special |= !is_printable(c);
        if c == ' ' {
            break_space |= previous_break;
        } else if is_break(c) {
            line_breaks = true;
            space_break |= previous_space;
        }
        (previous_space, previous_break) = (c == ' ', is_break(c));
        before_is_blank = is_blank(c) || is_break(c);
        first = false;
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
    let edges = edge(text.chars().next()) || edge(text.chars().last());
    let unwritable = space_break || special;
    Analysis {
        plain: !edges && !break_space && !unwritable && !line_breaks && !indicators,
        single_quoted: !break_space && !unwritable,
        literal: !text.ends_with(' ') && !unwritable,
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What may stand in a text unescaped. Tabs may not, nor anything outside the basic plane.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}
