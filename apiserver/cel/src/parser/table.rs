//! Reads the grammar's table (`grammar::RULES`) into rules of items. The table is ours, so a mistake in it is a bug.

use super::token::{self, Set};

/// How often what stands in parentheses may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Optional,
    Star,
    Plus,
    /// A loop of a left-recursive rule.
    Recursive,
}

#[derive(Debug)]
pub(crate) enum Item {
    Match {
        label: &'static str,
        set: Set,
    },
    Call {
        label: &'static str,
        rule: &'static str,
        precedence: u8,
    },
    Precedence(u8),
    Group(Repeat, Vec<Alternative>),
}

#[derive(Debug, Default)]
pub(crate) struct Alternative {
    pub(crate) form: &'static str,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) alternatives: Vec<Alternative>,
}

pub(crate) fn rules(text: &'static str) -> Vec<Rule> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(rule)
        .collect()
}

fn rule(line: &'static str) -> Rule {
    let (name, body) = line.split_once(": ").expect("a rule is `name: body`");
    let mut words = body.split(' ').peekable();
    let alternatives = alternatives(&mut words);
    assert!(words.next().is_none(), "{name}: a parenthesis too many");
    Rule { name, alternatives }
}

/// Alternatives up to the closing parenthesis, which stays.
fn alternatives<I: Iterator<Item = &'static str>>(
    words: &mut std::iter::Peekable<I>,
) -> Vec<Alternative> {
    let mut found = vec![Alternative::default()];
    while let Some(word) = words.next_if(|word| !word.starts_with(')')) {
        let current = found.last_mut().expect("never empty");
        match word {
            "|" => found.push(Alternative::default()),
            "(" | "^(" => current.items.push(group(word, words)),
            _ => match word.strip_prefix('#') {
                Some(form) => current.form = form,
                None => current.items.push(item(word)),
            },
        }
    }
    found
}

fn group<I: Iterator<Item = &'static str>>(open: &str, words: &mut std::iter::Peekable<I>) -> Item {
    let inside = alternatives(words);
    let repeat = match (open, words.next()) {
        ("^(", Some(")*")) => Repeat::Recursive,
        (_, Some(")*")) => Repeat::Star,
        (_, Some(")+")) => Repeat::Plus,
        (_, Some(")?")) => Repeat::Optional,
        (_, end) => panic!("a group ends in )* )+ or )?, not {end:?}"),
    };
    Item::Group(repeat, inside)
}

fn item(word: &'static str) -> Item {
    if let Some(level) = word.strip_prefix('{') {
        return Item::Precedence(number(level.trim_end_matches('}')));
    }
    // A quoted literal may hold the colon itself.
    let (label, what) = match word.split_once(':') {
        Some((label, what)) if !label.is_empty() && !label.contains('\'') => (label, what),
        _ => ("", word),
    };
    if what.starts_with(|c: char| c.is_ascii_lowercase()) {
        let (rule, level) = what.split_once('.').unwrap_or((what, "0"));
        return Item::Call {
            label,
            rule,
            precedence: number(level),
        };
    }
    Item::Match {
        label,
        set: literals(what),
    }
}

/// One name, or quoted literals with commas between them.
fn literals(text: &str) -> Set {
    if let Some(kind) = token::by_name(text) {
        return Set::of(kind);
    }
    text.split(',')
        .map(|one| token::by_name(one).unwrap_or_else(|| panic!("no token is called {one}")))
        .fold(Set::default(), |set, kind| set.union(Set::of(kind)))
}

fn number(text: &str) -> u8 {
    text.parse().expect("a precedence is a number")
}
