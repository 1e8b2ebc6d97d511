//! What a parser says when the text does not fit, and how it goes on: ANTLR's default error strategy (error_strategy.go) with
//! the limits that cel-go sets (parser.go). Every message of a syntax error is made here.

use std::collections::HashSet;

use super::engine::{Ended, Engine, Fault};
use super::lexer::Token;
use super::net::{NET, StateId, StateKind};
use super::token::{self, EOF, Set};

/// Recoveries in one parse (parser.go's errorRecoveryLimit).
const RECOVERIES: usize = 30;
/// Tokens skipped in one recovery (errorRecoveryTokenLookaheadLimit).
const SKIPPED: usize = 256;
/// Syntax errors in one parse (errorReportingLimit).
const REPORTS: usize = 100;

/// Where recovery stands.
#[derive(Default)]
pub(super) struct Recovery {
    /// An error was reported and no token has matched since: further ones are its consequences.
    active: bool,
    last: Option<(usize, HashSet<StateId>)>,
    attempts: usize,
    /// What is left of `SKIPPED`, inside a recovery that is bounded.
    skips: Option<usize>,
}

impl Engine<'_> {
    /// Matches one token of `set`, or makes up for it.
    pub(super) fn expect(&mut self, set: Set) -> Result<Result<Token, Fault>, Ended> {
        if set.has(self.la(1)) {
            self.matched();
            let token = self.current();
            self.consume();
            return Ok(Ok(token));
        }
        self.attempt()?;
        let outcome = self.recover_inline();
        self.recovery.skips = None;
        outcome
    }

    fn recover_inline(&mut self) -> Result<Result<Token, Fault>, Ended> {
        if let Some(token) = self.delete_one()? {
            self.consume();
            return Ok(Ok(token));
        }
        if self.insertion_helps() {
            self.report_missing()?;
            return Ok(Ok(self.made_up()));
        }
        Ok(Err(self.mismatch()))
    }

    fn matched(&mut self) {
        self.recovery.active = false;
        self.recovery.last = None;
    }

    fn mismatch(&self) -> Fault {
        Fault::Mismatch {
            offending: self.position,
            expected: self.expected(),
        }
    }

    /// Looks whether the next token fits before a fork or a loop.
    pub(super) fn sync(&mut self) -> Result<Result<(), Fault>, Ended> {
        let state = NET.state(self.state);
        if self.recovery.active || state.next.has_epsilon() || state.next.has(self.la(1)) {
            return Ok(Ok(()));
        }
        match state.kind {
            StateKind::BlockStart | StateKind::LoopEntry => {
                if self.delete_one()?.is_some() {
                    return Ok(Ok(()));
                }
                Ok(Err(self.mismatch()))
            }
            StateKind::LoopBack => {
                self.report_unwanted()?;
                let stop = self.expected().union(self.recovery_set());
                self.skip_until(stop)?;
                Ok(Ok(()))
            }
            _ => Ok(Ok(())),
        }
    }

    pub(super) fn report(&mut self, fault: &Fault) -> Result<(), Ended> {
        if self.recovery.active {
            return Ok(());
        }
        self.recovery.active = true;
        match fault {
            Fault::NoViable { start, offending } => {
                let text = self.between(*start, *offending);
                let message = format!("no viable alternative at input {}", quoted(&text));
                self.notify(self.visible_token(*offending), &reserved(&message))
            }
            Fault::Mismatch {
                offending,
                expected,
            } => {
                let token = self.visible_token(*offending);
                let shown = self.shown(token);
                let message = format!("mismatched input {shown} expecting {}", expected.display());
                self.notify(token, &message)
            }
            Fault::Precedence { offending } => {
                let rule = NET.rule(self.tree.node(self.node).rule).name;
                let message = format!("rule {rule} failed predicate");
                self.notify(self.visible_token(*offending), &message)
            }
        }
    }

    /// Skips to a token with which a rule that is open can go on.
    pub(super) fn recover(&mut self) -> Result<(), Ended> {
        self.attempt()?;
        let stuck = self
            .recovery
            .last
            .as_ref()
            .is_some_and(|(position, states)| {
                *position == self.position && states.contains(&self.state)
            });
        if stuck {
            self.skip()?;
        }
        let (position, state) = (self.position, self.state);
        let last = self.recovery.last.get_or_insert_default();
        last.0 = position;
        last.1.insert(state);
        let stop = self.recovery_set();
        self.skip_until(stop)?;
        self.recovery.skips = None;
        Ok(())
    }

    fn attempt(&mut self) -> Result<(), Ended> {
        if self.recovery.attempts == RECOVERIES {
            let message = format!("error recovery attempt limit exceeded: {RECOVERIES}");
            self.notify(self.current(), &message)?;
            return Err(Ended);
        }
        self.recovery.attempts += 1;
        self.recovery.skips = Some(SKIPPED);
        Ok(())
    }

    fn skip(&mut self) -> Result<(), Ended> {
        match &mut self.recovery.skips {
            Some(0) => {
                let message = format!("error recovery token lookahead limit exceeded: {SKIPPED}");
                return Err(self.end(&message));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.consume();
        Ok(())
    }

    fn skip_until(&mut self, stop: Set) -> Result<(), Ended> {
        while self.la(1) != EOF && !stop.has(self.la(1)) {
            self.skip()?;
        }
        Ok(())
    }

    /// Drops the next token when the one after it fits, and gives that one.
    fn delete_one(&mut self) -> Result<Option<Token>, Ended> {
        if !self.expected().has(self.la(2)) {
            return Ok(None);
        }
        self.report_unwanted()?;
        self.skip()?;
        let token = self.current();
        self.matched();
        Ok(Some(token))
    }

    /// Whether the next token would fit if the expected one stood before it.
    fn insertion_helps(&self) -> bool {
        let step = NET.state(self.state).steps.first();
        match step {
            Some(super::net::Step::Token { to, .. }) => self.expected_at(*to).has(self.la(1)),
            _ => false,
        }
    }

    fn report_unwanted(&mut self) -> Result<(), Ended> {
        let shown = self.shown(self.current());
        let expected = self.expected().display();
        self.begin(&format!("extraneous input {shown} expecting {expected}"))
    }

    fn report_missing(&mut self) -> Result<(), Ended> {
        let shown = self.shown(self.current());
        let expected = self.expected().display();
        self.begin(&format!("missing {expected} at {shown}"))
    }

    fn begin(&mut self, message: &str) -> Result<(), Ended> {
        if self.recovery.active {
            return Ok(());
        }
        self.recovery.active = true;
        self.notify(self.current(), message)
    }

    /// The token that was missing, placed where it was missed.
    fn made_up(&self) -> Token {
        let mut place = self.current();
        if place.kind == EOF && self.position > 0 {
            place = self.visible_token(self.position - 1);
        }
        Token {
            kind: self.expected().kinds().next().unwrap_or(EOF),
            start: 1,
            end: 0,
            offset: place.offset,
        }
    }

    fn expected(&self) -> Set {
        self.expected_at(self.state)
    }

    /// What may come at a state, with the rules that are open (ATN.getExpectedTokens).
    fn expected_at(&self, state: StateId) -> Set {
        let mut following = NET.state(state).next;
        let mut all = following.without_epsilon();
        let mut node = Some(self.node);
        while let Some(id) = node
            && following.has_epsilon()
        {
            let Some(caller) = self.tree.node(id).caller else {
                break;
            };
            following = NET.state(NET.follow(caller)).next;
            all = all.union(following.without_epsilon());
            node = self.tree.node(id).parent;
        }
        if following.has_epsilon() {
            all = all.union(Set::of(EOF));
        }
        all
    }

    fn recovery_set(&self) -> Set {
        let mut all = Set::default();
        let mut node = Some(self.node);
        while let Some(id) = node {
            let Some(caller) = self.tree.node(id).caller else {
                break;
            };
            all = all.union(NET.state(NET.follow(caller)).next);
            node = self.tree.node(id).parent;
        }
        all.without_epsilon()
    }

    /// The text from one visible token to another, hidden tokens included.
    fn between(&self, start: usize, end: usize) -> String {
        if self.visible_token(start).kind == EOF {
            return "<EOF>".to_owned();
        }
        let last = self.visible.len() - 1;
        let (start, end) = (self.visible[start.min(last)], self.visible[end.min(last)]);
        self.tokens[start..=end]
            .iter()
            .take_while(|token| token.kind != EOF)
            .map(|token| self.source.slice(token.start, token.end))
            .collect()
    }

    fn shown(&self, token: Token) -> String {
        match token.kind {
            EOF => "'<EOF>'".to_owned(),
            _ => quoted(&self.source.slice(token.start, token.end)),
        }
    }

    fn notify(&mut self, token: Token, message: &str) -> Result<(), Ended> {
        let at = self.source.location(token.offset);
        if self.reports >= REPORTS {
            let message = format!("Syntax error: More than {REPORTS} syntax errors");
            self.issues.report(at, message);
            return Err(Ended);
        }
        self.reports += 1;
        self.issues.report(at, format!("Syntax error: {message}"));
        Ok(())
    }
}

/// What the text of a token that was made up reads as.
pub(super) fn missing_text(kind: token::Kind) -> String {
    let name = token::name(kind);
    match kind {
        EOF => "<missing EOF>".to_owned(),
        _ if name.starts_with('\'') => format!("<missing {name}>"),
        _ => "<missing undefined>".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let shown = text
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!("'{shown}'")
}

/// parser.go keeps an older wording for a keyword where a name should stand.
fn reserved(message: &str) -> String {
    const HEAD: &str = "no viable alternative at input '";
    let mut found = message.to_owned();
    for word in ["true", "false", "null"] {
        let tail = format!("{word}'");
        if let Some(rest) = message.strip_prefix(HEAD)
            && rest.ends_with(&tail)
            && rest.chars().count() == tail.len() + 1
        {
            found = format!("mismatched input '{word}' expecting IDENTIFIER");
        }
    }
    found
}
