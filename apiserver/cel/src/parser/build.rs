//! The parse tree to the syntax tree: cel-go's visitor (parser/parser.go). After a syntax error it goes over what there is, as
//! the reference does, for it may have more to say.

use super::lexer::Token;
use super::literal;
use super::macros::{self, Misuse};
use super::net::NET;
use super::nodes::{Expander, NODES, Nodes};
use super::recovery::missing_text;
use super::tree::{NodeId, Tree};
use crate::ast::{Entry, Expr, ExprId, ExprKind, Field, Literal, Positions};
use crate::issue::Issues;
use crate::source::{Location, NO_LOCATION, Source};

/// How deep expressions may lie in each other (parser.go's maxRecursionDepth).
const DEPTH: usize = 250;

const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// The expression lies too deep or grew too large; nothing more is built.
struct Stop;

pub(super) struct Build<'a> {
    source: &'a Source,
    tree: &'a Tree,
    issues: &'a mut Issues,
    nodes: Nodes<'a>,
    depth: usize,
    bindings: bool,
}

/// The syntax tree of a parse, and where its nodes stand. Errors are in `issues`.
pub(super) fn build(
    source: &Source,
    tree: &Tree,
    bindings: bool,
    issues: &mut Issues,
) -> Option<(Expr, Positions)> {
    let mut build = Build {
        source,
        tree,
        issues,
        nodes: Nodes::new(source),
        depth: 0,
        bindings,
    };
    let root = tree.child(0, "e");
    let expr = build.visit(root).ok()?;
    Some((expr, build.nodes.positions))
}

type Built = Result<Expr, Stop>;

impl Build<'_> {
    fn visit(&mut self, node: Option<NodeId>) -> Built {
        let Some(id) = node.and_then(|node| self.unnest(node)) else {
            return Ok(self.unknown());
        };
        let node = self.tree.node(id);
        match (NET.rule(node.rule).name, node.form) {
            ("expr", _) => self.deeper(|build| build.conditional(id)),
            ("conditionalOr", _) => self.logic(id, "_||_"),
            ("conditionalAnd", _) => self.logic(id, "_&&_"),
            ("relation" | "calc", _) => self.deeper(|build| build.binary(id)),
            ("unary", "LogicalNot") => self.prefix(id, "!_"),
            ("unary", "Negate") => self.prefix(id, "-_"),
            ("unary", _) => Ok(self.at_node(
                id,
                ExprKind::Literal(Literal::String("<<error>>".to_owned())),
            )),
            ("member", "Select") => self.deeper(|build| build.select(id)),
            ("member", "MemberCall") => self.deeper(|build| build.member_call(id)),
            ("member", "Index") => self.deeper(|build| build.index(id)),
            ("primary", "Ident") => Ok(self.ident(id)),
            ("primary", "GlobalCall") => self.global_call(id),
            ("primary", "CreateList") => self.list(id),
            ("primary", "CreateStruct") => self.map(id),
            ("primary", "CreateMessage") => self.message(id),
            ("literal", form) if !form.is_empty() => Ok(self.literal(id, form)),
            _ => Ok(self.unknown()),
        }
    }

    /// What could not be parsed; the reason has been said.
    fn unknown(&mut self) -> Expr {
        if self.issues.is_empty() {
            return self.report(NO_LOCATION, "unknown parse element encountered: <<nil>>");
        }
        self.nodes.unspecified(NO_LOCATION)
    }

    fn deeper(&mut self, visit: impl FnOnce(&mut Self) -> Built) -> Built {
        self.depth += 1;
        if self.depth > DEPTH {
            self.issues
                .report(NO_LOCATION, "max recursion depth exceeded");
            return Err(Stop);
        }
        let built = visit(self)?;
        self.depth -= 1;
        Ok(built)
    }

    /// Down through nodes that add nothing.
    fn unnest(&self, mut id: NodeId) -> Option<NodeId> {
        loop {
            let node = self.tree.node(id);
            let next = match (NET.rule(node.rule).name, node.form) {
                ("expr", _) if self.tree.token(id, "op").is_none() => "e",
                ("conditionalOr" | "conditionalAnd", _) if self.tree.token(id, "ops").is_none() => {
                    "e"
                }
                ("relation", _) if self.tree.token(id, "op").is_none() => "calc",
                ("calc", _) if self.tree.token(id, "op").is_none() => "unary",
                ("unary", "MemberExpr") => "member",
                ("member", "PrimaryExpr") => "primary",
                ("primary", "Nested") => "e",
                ("primary", "ConstantLiteral") => "literal",
                _ => return Some(id),
            };
            id = self.tree.child(id, next)?;
        }
    }

    fn text(&self, token: Token) -> String {
        match token.start > token.end {
            true => missing_text(token.kind),
            false => self.source.slice(token.start, token.end),
        }
    }

    /// The number of a node at a token; a token that is missing gives the number that no node has.
    fn id(&mut self, token: Option<Token>) -> ExprId {
        token.map_or(-1, |token| self.nodes.id(token.offset))
    }

    fn at_node(&mut self, node: NodeId, kind: ExprKind) -> Expr {
        let id = self.nodes.id(self.tree.node(node).start.offset);
        Expr { id, kind }
    }

    fn report(&mut self, at: Location, message: &str) -> Expr {
        self.issues.report(at, message);
        self.nodes.unspecified(at)
    }

    fn report_node(&mut self, node: NodeId, message: &str) -> Expr {
        let expr = self.at_node(node, ExprKind::Unspecified);
        let at = self.nodes.location(expr.id);
        self.issues.report(at, message);
        expr
    }

    fn conditional(&mut self, node: NodeId) -> Built {
        let test = self.visit(self.tree.child(node, "e"))?;
        let id = self.id(self.tree.token(node, "op"));
        let yes = self.visit(self.tree.child(node, "e1"))?;
        let no = self.visit(self.tree.child(node, "e2"))?;
        self.call(id, "_?_:_", None, vec![test, yes, no])
    }

    /// A chain of one logical operator, as a balanced tree (helper.go's logicManager).
    fn logic(&mut self, node: NodeId, function: &str) -> Built {
        let mut terms = vec![self.visit(self.tree.child(node, "e"))?];
        let rest = self.tree.children(node, "e1");
        let mut operators = Vec::new();
        for (index, token) in self.tree.tokens(node, "ops").into_iter().enumerate() {
            let Some(next) = rest.get(index) else {
                let symbol = &function[1..3];
                return Ok(
                    self.report_node(node, &format!("unexpected character, wanted '{symbol}'"))
                );
            };
            terms.push(self.visit(Some(*next))?);
            operators.push(self.nodes.id(token.offset));
        }
        Ok(balanced(function, &mut terms.into_iter(), &operators))
    }

    fn binary(&mut self, node: NodeId) -> Built {
        let operator = self.tree.token(node, "op");
        let symbol = operator.map(|token| self.text(token)).unwrap_or_default();
        let known = [
            "<", "<=", ">=", ">", "==", "!=", "in", "*", "/", "%", "+", "-",
        ];
        if !known.contains(&symbol.as_str()) {
            return Ok(self.report_node(node, "operator not found"));
        }
        let left = self.visit(self.tree.child(node, "left"))?;
        let id = self.id(operator);
        let right = self.visit(self.tree.child(node, "right"))?;
        let function = match symbol.as_str() {
            "in" => "@in".to_owned(),
            symbol => format!("_{symbol}_"),
        };
        self.call(id, &function, None, vec![left, right])
    }

    fn prefix(&mut self, node: NodeId, function: &str) -> Built {
        let operators = self.tree.tokens(node, "ops");
        let member = self.tree.child(node, "member");
        match operators.first() {
            Some(first) if operators.len() % 2 == 1 => {
                let id = self.nodes.id(first.offset);
                let operand = self.visit(member)?;
                self.call(id, function, None, vec![operand])
            }
            _ => self.visit(member),
        }
    }

    fn select(&mut self, node: NodeId) -> Built {
        let operand = self.visit(self.tree.child(node, "left"))?;
        let (Some(name), Some(dot)) = (self.tree.child(node, "id"), self.tree.token(node, "op"))
        else {
            return Ok(self.at_node(node, ExprKind::Unspecified));
        };
        let field = match self.field_name(name) {
            Ok(field) => field,
            Err(message) => {
                self.report_node(name, &message);
                String::new()
            }
        };
        if self.tree.token(node, "opt").is_some() {
            let id = self.nodes.id(dot.offset);
            let field = self.at_node(name, ExprKind::Literal(Literal::String(field)));
            return Ok(Expr {
                id,
                kind: ExprKind::Call {
                    function: "_?._".to_owned(),
                    target: None,
                    args: vec![operand, field],
                },
            });
        }
        let id = self.nodes.id(dot.offset);
        Ok(Expr {
            id,
            kind: ExprKind::Select {
                operand: Box::new(operand),
                field,
                test: false,
            },
        })
    }

    fn field_name(&self, node: NodeId) -> Result<String, String> {
        let token = self.tree.token(node, "id");
        match (self.tree.node(node).form, token) {
            ("SimpleIdentifier", Some(token)) => Ok(self.text(token)),
            ("EscapedIdentifier", Some(token)) => {
                let text = self.text(token);
                Ok(text.trim_matches('`').to_owned())
            }
            _ => Err("unsupported ident kind".to_owned()),
        }
    }

    fn member_call(&mut self, node: NodeId) -> Built {
        let target = self.visit(self.tree.child(node, "left"))?;
        let Some(name) = self.tree.token(node, "id") else {
            return Ok(self.at_node(node, ExprKind::Unspecified));
        };
        let function = self.text(name);
        let id = self.id(self.tree.token(node, "open"));
        let args = self.arguments(node)?;
        self.call(id, &function, Some(target), args)
    }

    fn arguments(&mut self, node: NodeId) -> Result<Vec<Expr>, Stop> {
        let Some(list) = self.tree.child(node, "args") else {
            return Ok(Vec::new());
        };
        let args = self.tree.children(list, "e");
        args.into_iter().map(|arg| self.visit(Some(arg))).collect()
    }

    fn index(&mut self, node: NodeId) -> Built {
        let target = self.visit(self.tree.child(node, "left"))?;
        let Some(open) = self.tree.token(node, "op") else {
            return Ok(self.at_node(node, ExprKind::Unspecified));
        };
        let id = self.nodes.id(open.offset);
        let index = self.visit(self.tree.child(node, "index"))?;
        let function = match self.tree.token(node, "opt") {
            Some(_) => "_[?_]",
            None => "_[_]",
        };
        self.call(id, function, None, vec![target, index])
    }

    /// The identifier of an `Ident` or `GlobalCall`, with its leading dot; or what stands for a bad one.
    fn plain_name(&mut self, node: NodeId) -> Result<(Token, String), Expr> {
        let Some(token) = self.tree.token(node, "id") else {
            return Err(self.at_node(node, ExprKind::Unspecified));
        };
        let name = self.text(token);
        if RESERVED.contains(&name.as_str()) {
            return Err(self.report_node(node, &format!("reserved identifier: {name}")));
        }
        let dot = self.tree.token(node, "leadingDot").map_or("", |_| ".");
        Ok((token, format!("{dot}{name}")))
    }

    fn ident(&mut self, node: NodeId) -> Expr {
        match self.plain_name(node) {
            Ok((token, name)) => Expr {
                id: self.nodes.id(token.offset),
                kind: ExprKind::Ident(name),
            },
            Err(expr) => expr,
        }
    }

    fn global_call(&mut self, node: NodeId) -> Built {
        let name = match self.plain_name(node) {
            Ok((_, name)) => name,
            Err(expr) => return Ok(expr),
        };
        let id = self.id(self.tree.token(node, "op"));
        let args = self.arguments(node)?;
        self.call(id, &name, None, args)
    }

    fn list(&mut self, node: NodeId) -> Built {
        let id = self.id(self.tree.token(node, "op"));
        let mut elements = Vec::new();
        let mut optional = Vec::new();
        let written = self
            .tree
            .child(node, "elems")
            .map(|list| self.tree.children(list, "elems"));
        for (index, element) in written.unwrap_or_default().into_iter().enumerate() {
            elements.push(self.visit(self.tree.child(element, "e"))?);
            if self.tree.token(element, "opt").is_some() {
                optional.push(index);
            }
        }
        let kind = ExprKind::List { elements, optional };
        Ok(Expr { id, kind })
    }

    fn map(&mut self, node: NodeId) -> Built {
        let id = self.id(self.tree.token(node, "op"));
        let mut entries = Vec::new();
        if let Some(list) = self.tree.child(node, "entries") {
            let keys = self.tree.children(list, "keys");
            let values = self.tree.children(list, "values");
            for (index, colon) in self.tree.tokens(list, "cols").into_iter().enumerate() {
                let id = self.nodes.id(colon.offset);
                let (Some(key), Some(value)) = (keys.get(index), values.get(index)) else {
                    entries.clear();
                    break;
                };
                entries.push(Entry {
                    id,
                    optional: self.tree.token(*key, "opt").is_some(),
                    key: self.visit(self.tree.child(*key, "e"))?,
                    value: self.visit(Some(*value))?,
                });
            }
        }
        let kind = ExprKind::Map(entries);
        Ok(Expr { id, kind })
    }

    fn message(&mut self, node: NodeId) -> Built {
        let dot = self.tree.token(node, "leadingDot").map_or("", |_| ".");
        let names: Vec<String> = self
            .tree
            .tokens(node, "ids")
            .into_iter()
            .map(|token| self.text(token))
            .collect();
        let id = self.id(self.tree.token(node, "op"));
        let mut fields = Vec::new();
        if let Some(list) = self.tree.child(node, "entries") {
            let colons = self.tree.tokens(list, "cols");
            let values = self.tree.children(list, "values");
            for (index, field) in self.tree.children(list, "fields").into_iter().enumerate() {
                let (Some(colon), Some(value)) = (colons.get(index), values.get(index)) else {
                    fields.clear();
                    break;
                };
                if let Some(field) = self.initializer(list, field, *colon, *value)? {
                    fields.push(field);
                }
            }
        }
        let kind = ExprKind::Struct {
            name: format!("{dot}{}", names.join(".")),
            fields,
        };
        Ok(Expr { id, kind })
    }

    fn initializer(
        &mut self,
        list: NodeId,
        field: NodeId,
        colon: Token,
        value: NodeId,
    ) -> Result<Option<Field>, Stop> {
        let id = self.nodes.id(colon.offset);
        let name = match self.tree.child(field, "escapeIdent") {
            Some(name) => self.field_name(name),
            None => Err("unsupported ident kind".to_owned()),
        };
        match name {
            Err(message) => {
                self.report_node(list, &message);
                Ok(None)
            }
            Ok(name) => Ok(Some(Field {
                id,
                name,
                optional: self.tree.token(field, "opt").is_some(),
                value: self.visit(Some(value))?,
            })),
        }
    }

    fn literal(&mut self, node: NodeId, form: &str) -> Expr {
        let Some(token) = self.tree.token(node, "tok") else {
            return self.at_node(node, ExprKind::Unspecified);
        };
        let text = self.text(token);
        let negative = self.tree.token(node, "sign").is_some();
        let value = match form {
            "Int" => literal::int(&text, negative)
                .map(Literal::Int)
                .ok_or("invalid int literal"),
            "Uint" => literal::uint(&text)
                .map(Literal::Uint)
                .ok_or("invalid uint literal"),
            "Double" => literal::double(&text, negative)
                .map(Literal::Double)
                .ok_or("invalid double literal"),
            "String" => literal::unescape(&text, false)
                .map(|bytes| Literal::String(String::from_utf8_lossy(&bytes).into_owned())),
            "Bytes" => {
                let quoted = text.strip_prefix(['b', 'B']).unwrap_or(&text);
                literal::unescape(quoted, true).map(Literal::Bytes)
            }
            "BoolTrue" => Ok(Literal::Bool(true)),
            "BoolFalse" => Ok(Literal::Bool(false)),
            _ => Ok(Literal::Null),
        };
        match value {
            Ok(value) => self.at_node(node, ExprKind::Literal(value)),
            Err(message) => self.report_node(node, message),
        }
    }

    /// A call, or what the macro of that name makes of it.
    fn call(&mut self, id: ExprId, function: &str, target: Option<Expr>, args: Vec<Expr>) -> Built {
        let found = macros::find(function, args.len(), target.as_ref(), self.bindings);
        let Some(which) = found else {
            let kind = ExprKind::Call {
                function: function.to_owned(),
                target: target.map(Box::new),
                args,
            };
            return Ok(Expr { id, kind });
        };
        if self.nodes.count() > NODES {
            self.issues
                .report(NO_LOCATION, "expression grows too large by its macros");
            return Err(Stop);
        }
        let mut expander = Expander {
            nodes: &mut self.nodes,
            call: id,
        };
        match expander.expand(which, target, args) {
            Ok(expr) => {
                self.nodes.forget(id);
                Ok(expr)
            }
            Err(misuse) => Ok(self.misuse(id, misuse)),
        }
    }

    fn misuse(&mut self, id: ExprId, (at, message): Misuse) -> Expr {
        let place = self.nodes.location(at);
        self.nodes.forget(id);
        self.report(place, &message)
    }
}

/// Operators over terms, split in the middle again and again.
fn balanced(function: &str, terms: &mut impl Iterator<Item = Expr>, operators: &[ExprId]) -> Expr {
    let middle = operators.len() / 2;
    let Some(id) = operators.get(middle) else {
        return terms.next().expect("one term more than operators");
    };
    let left = balanced(function, terms, &operators[..middle]);
    let right = balanced(function, terms, &operators[middle + 1..]);
    Expr {
        id: *id,
        kind: ExprKind::Call {
            function: function.to_owned(),
            target: None,
            args: vec![left, right],
        },
    }
}
