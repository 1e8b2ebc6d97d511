//! The text form of label selectors: a scanner and a recursive parser with upstream's tokens and error texts.
//! A word such as `in` is a keyword only where an operator may stand.

use std::collections::BTreeSet;

use super::{Operator, Requirement, key_error};
use crate::selector::SelectorError;

/// Reads all requirements in the order of the text.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    Parser {
        tokens: scan(text),
        position: 0,
    }
    .selector()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `in` and `notin`, which are words where a value may stand.
    Keyword(&'static str),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 9] = [")", ",", "!", "==", "=", ">", "<", "!=", "("];

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn scan(text: &str) -> Vec<Token> {
    // The scanner takes a NUL for the end of the text.
    let mut rest = text.split('\0').next().unwrap_or("");
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            tokens.push(Token::End);
            return tokens;
        }
        if let Some(symbol) = SYMBOLS
            .iter()
            .filter(|s| rest.starts_with(**s))
            .max_by_key(|s| s.len())
        {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
            continue;
        }
        let end = rest
            .find(|c| is_symbol(c) || is_space(c))
            .unwrap_or(rest.len());
        tokens.push(match &rest[..end] {
            "in" => Token::Keyword("in"),
            "notin" => Token::Keyword("notin"),
            word => Token::Word(word.to_owned()),
        });
        rest = &rest[end..];
    }
}

impl Token {
    fn literal(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Keyword(text) | Self::Symbol(text) => text,
            Self::End => "",
        }
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self, Self::Symbol(s) if *s == symbol)
    }

    fn is_word(&self) -> bool {
        matches!(self, Self::Word(_) | Self::Keyword(_))
    }

    fn ends_requirement(&self) -> bool {
        *self == Self::End || self.is(",")
    }
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    /// Behind the last token stands `End`, for ever.
    fn peek(&self) -> &Token {
        self.tokens.get(self.position).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.position += 1;
        token
    }

    fn selector(mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        loop {
            let token = self.peek();
            if *token == Token::End {
                return Ok(requirements);
            }
            if !token.is_word() && !token.is("!") {
                return Err(found(token, ", expected: !, identifier, or 'end of string'").into());
            }
            let requirement = self
                .requirement()
                .map_err(|e| format!("unable to parse requirement: {e}"))?;
            requirements.push(requirement);
            let token = self.next();
            if token == Token::End {
                return Ok(requirements);
            }
            if !token.is(",") {
                return Err(found(&token, ", expected: ',' or 'end of string'").into());
            }
            let token = self.peek();
            if !token.is_word() && !token.is("!") {
                return Err(found(token, ", expected: identifier after ','").into());
            }
        }
    }

    fn requirement(&mut self) -> Parsed<Requirement> {
        let mut token = self.next();
        let negated = token.is("!");
        if negated {
            token = self.next();
        }
        if !token.is_word() {
            return Err(found(&token, ", expected: identifier"));
        }
        let key = token.literal().to_owned();
        if let Some(error) = key_error(&key, "<nil>") {
            return Err(error.to_string());
        }
        if negated || self.peek().ends_requirement() {
            let operator = if negated {
                Operator::DoesNotExist
            } else {
                Operator::Exists
            };
            return Requirement::new(&key, operator, Vec::new()).map_err(|e| e.0);
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => self.exact_value()?,
        };
        Requirement::new(&key, operator, values.into_iter().collect()).map_err(|e| e.0)
    }

    fn operator(&mut self) -> Parsed<Operator> {
        let token = self.next();
        Ok(match token {
            Token::Keyword("in") => Operator::In,
            Token::Keyword("notin") => Operator::NotIn,
            Token::Symbol("=") => Operator::Equals,
            Token::Symbol("==") => Operator::DoubleEquals,
            Token::Symbol("!=") => Operator::NotEquals,
            Token::Symbol(">") => Operator::GreaterThan,
            Token::Symbol("<") => Operator::LessThan,
            _ => return Err(found(&token, ", expected: in, notin, =, ==, !=, gt, lt")),
        })
    }

    fn values(&mut self) -> Parsed<BTreeSet<String>> {
        let token = self.next();
        if !token.is("(") {
            return Err(found(&token, " expected: '('"));
        }
        let first = self.peek().clone();
        if first.is(")") {
            self.next();
            return Ok(BTreeSet::from([String::new()]));
        }
        if !first.is_word() && !first.is(",") {
            return Err(found(&first, ", expected: ',', ')' or identifier"));
        }
        let values = self.value_list()?;
        match self.next() {
            token if token.is(")") => Ok(values),
            _ => Err(found(&first, ", expected: ')'")),
        }
    }

    /// Values up to the closing bracket; between two commas stands an empty one.
    fn value_list(&mut self) -> Parsed<BTreeSet<String>> {
        let mut values = BTreeSet::new();
        loop {
            let token = self.next();
            let following = self.peek();
            if token.is_word() {
                values.insert(token.literal().to_owned());
                if following.is(")") {
                    return Ok(values);
                }
                if !following.is(",") {
                    return Err(found(following, ", expected: ',' or ')'"));
                }
            } else if token.is(",") {
                if values.is_empty() || following.is(")") || following.is(",") {
                    values.insert(String::new());
                }
                if following.is(")") {
                    return Ok(values);
                }
            } else {
                return Err(found(&token, ", expected: ',', or identifier"));
            }
        }
    }

    fn exact_value(&mut self) -> Parsed<BTreeSet<String>> {
        if self.peek().ends_requirement() {
            return Ok(BTreeSet::from([String::new()]));
        }
        let token = self.next();
        if !token.is_word() {
            return Err(found(&token, ", expected: identifier"));
        }
        Ok(BTreeSet::from([token.literal().to_owned()]))
    }
}

fn found(token: &Token, expected: &str) -> String {
    format!("found '{}'{expected}", token.literal())
}

impl From<String> for SelectorError {
    fn from(text: String) -> Self {
        Self(text)
    }
}
