//! Calls that the parser replaces: cel-go's standard macros (parser/macro.go), optional values (cel/library.go), folds over two
//! variables (ext/comprehensions.go), `sortBy` (ext/lists.go) and `cel.bind` (ext/bindings.go).

use super::nodes::Expander;
use crate::ast::{ACCUMULATOR, Comprehension, Expr, ExprId, ExprKind, Literal};

/// The variable that older macros accumulated in; still not to be used (parser.AccumulatorName).
const OLD_ACCUMULATOR: &str = "__result__";
const UNUSED: &str = "#unused";
const SORT_INPUT: &str = "@__sortBy_input__";

/// Which calls are macros: name, number of arguments, whether there is a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Macro {
    Has,
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    OptionalMap,
    OptionalFlatMap,
    AllPairs,
    ExistsPair,
    ExistsOnePair,
    TransformList,
    TransformMap,
    TransformMapEntry,
    SortBy,
    Bind,
}

const TABLE: [(&str, usize, bool, Macro); 21] = [
    ("has", 1, false, Macro::Has),
    ("all", 2, true, Macro::All),
    ("exists", 2, true, Macro::Exists),
    ("exists_one", 2, true, Macro::ExistsOne),
    ("map", 2, true, Macro::Map),
    ("map", 3, true, Macro::Map),
    ("filter", 2, true, Macro::Filter),
    ("optMap", 2, true, Macro::OptionalMap),
    ("optFlatMap", 2, true, Macro::OptionalFlatMap),
    ("all", 3, true, Macro::AllPairs),
    ("exists", 3, true, Macro::ExistsPair),
    ("existsOne", 3, true, Macro::ExistsOnePair),
    ("exists_one", 3, true, Macro::ExistsOnePair),
    ("transformList", 3, true, Macro::TransformList),
    ("transformList", 4, true, Macro::TransformList),
    ("transformMap", 3, true, Macro::TransformMap),
    ("transformMap", 4, true, Macro::TransformMap),
    ("transformMapEntry", 3, true, Macro::TransformMapEntry),
    ("transformMapEntry", 4, true, Macro::TransformMapEntry),
    ("sortBy", 2, true, Macro::SortBy),
    ("bind", 3, true, Macro::Bind),
];

/// The macro that a call is. `bindings`: the environment has `cel.bind`.
pub(crate) fn find(
    function: &str,
    args: usize,
    target: Option<&Expr>,
    bindings: bool,
) -> Option<Macro> {
    let (.., found) = TABLE.iter().find(|(name, count, member, _)| {
        *name == function && *count == args && *member == target.is_some()
    })?;
    let is_cel = || target.and_then(Expr::ident) == Some("cel");
    match found {
        Macro::Bind if !(bindings && is_cel()) => None,
        other => Some(*other),
    }
}

/// What is wrong with a macro's arguments, and at which node.
pub(crate) type Misuse = (ExprId, String);

impl Expander<'_, '_> {
    /// The expansion of a macro that `find` found.
    pub(crate) fn expand(
        &mut self,
        which: Macro,
        target: Option<Expr>,
        args: Vec<Expr>,
    ) -> Result<Expr, Misuse> {
        let mut args = args.into_iter();
        let mut arg = move || args.next();
        let missing = || (self.call, "macro called without its arguments".to_owned());
        let first = arg().ok_or_else(missing)?;
        if which == Macro::Has {
            return self.has(first);
        }
        let target = target.ok_or_else(missing)?;
        let second = arg().ok_or_else(missing)?;
        let rest: Vec<Expr> = std::iter::from_fn(arg).collect();
        match which {
            Macro::Has => self.has(first),
            Macro::All | Macro::Exists | Macro::ExistsOne => {
                let variable = name(&first, "argument must be a simple name")?;
                let variable = free(&first, variable)?;
                Ok(self.quantifier(which, target, (variable, None), second))
            }
            Macro::Map => self.map_macro(target, &first, second, rest),
            Macro::Filter => self.filter(target, first, second),
            Macro::OptionalMap | Macro::OptionalFlatMap => {
                self.optional(which, target, &first, second)
            }
            Macro::SortBy => self.sort_by(target, &first, second),
            Macro::Bind => self.bind(&first, second, rest),
            _ => {
                let names = pair(&first, &second)?;
                Ok(self.over_pairs(which, target, names, rest))
            }
        }
    }

    fn has(&mut self, arg: Expr) -> Result<Expr, Misuse> {
        match arg.kind {
            ExprKind::Select { operand, field, .. } => Ok(self.presence(operand, field)),
            _ => Err((arg.id, "invalid argument to has() macro".to_owned())),
        }
    }

    fn quantifier(
        &mut self,
        which: Macro,
        range: Expr,
        (variable, variable2): (String, Option<String>),
        test: Expr,
    ) -> Expr {
        let (init, condition, step, result) = match which {
            Macro::All | Macro::AllPairs => {
                let init = self.literal(Literal::Bool(true));
                let so_far = self.accumulator();
                let condition = self.call("@not_strictly_false", vec![so_far]);
                let so_far = self.accumulator();
                let step = self.call("_&&_", vec![so_far, test]);
                (init, condition, step, self.accumulator())
            }
            Macro::Exists | Macro::ExistsPair => {
                let init = self.literal(Literal::Bool(false));
                let so_far = self.accumulator();
                let none = self.call("!_", vec![so_far]);
                let condition = self.call("@not_strictly_false", vec![none]);
                let so_far = self.accumulator();
                let step = self.call("_||_", vec![so_far, test]);
                (init, condition, step, self.accumulator())
            }
            _ => {
                let init = self.literal(Literal::Int(0));
                let condition = self.literal(Literal::Bool(true));
                let (so_far, one) = (self.accumulator(), self.literal(Literal::Int(1)));
                let more = self.call("_+_", vec![so_far, one]);
                let same = self.accumulator();
                let step = self.call("_?_:_", vec![test, more, same]);
                let (count, one) = (self.accumulator(), self.literal(Literal::Int(1)));
                (init, condition, step, self.call("_==_", vec![count, one]))
            }
        };
        self.fold(Comprehension {
            range,
            variable,
            variable2,
            accumulator: ACCUMULATOR.to_owned(),
            init,
            condition,
            step,
            result,
        })
    }

    /// A fold that adds to a list or a map, with or without a filter.
    fn collect(
        &mut self,
        range: Expr,
        (variable, variable2): (String, Option<String>),
        init: Expr,
        added: Expr,
        filter: Option<Expr>,
    ) -> Expr {
        let condition = self.literal(Literal::Bool(true));
        let step = match filter {
            None => added,
            Some(test) => {
                let same = self.accumulator();
                self.call("_?_:_", vec![test, added, same])
            }
        };
        let result = self.accumulator();
        self.fold(Comprehension {
            range,
            variable,
            variable2,
            accumulator: ACCUMULATOR.to_owned(),
            init,
            condition,
            step,
            result,
        })
    }

    fn appended(&mut self, element: Expr) -> Expr {
        let so_far = self.accumulator();
        let one = self.list(vec![element]);
        self.call("_+_", vec![so_far, one])
    }

    fn map_macro(
        &mut self,
        target: Expr,
        first: &Expr,
        second: Expr,
        rest: Vec<Expr>,
    ) -> Result<Expr, Misuse> {
        let variable = name(first, "argument is not an identifier")?;
        let variable = free(first, variable)?;
        let (filter, transform) = match rest.into_iter().next() {
            Some(third) => (Some(second), third),
            None => (None, second),
        };
        let init = self.list(Vec::new());
        let added = self.appended(transform);
        Ok(self.collect(target, (variable, None), init, added, filter))
    }

    fn filter(&mut self, target: Expr, first: Expr, test: Expr) -> Result<Expr, Misuse> {
        let variable = name(&first, "argument is not an identifier")?;
        let variable = free(&first, variable)?;
        let init = self.list(Vec::new());
        let added = self.appended(first);
        Ok(self.collect(target, (variable, None), init, added, Some(test)))
    }

    fn over_pairs(
        &mut self,
        which: Macro,
        target: Expr,
        (variable, variable2): (String, String),
        rest: Vec<Expr>,
    ) -> Expr {
        let names = (variable.clone(), Some(variable2));
        let mut rest = rest.into_iter();
        let (first, second) = (rest.next(), rest.next());
        let Some(first) = first else {
            unreachable!("the table gives three arguments or more")
        };
        let (filter, transform) = match second {
            Some(second) => (Some(first), second),
            None => (None, first),
        };
        let (init, added) = match which {
            Macro::TransformList => {
                let added = self.appended(transform);
                (self.list(Vec::new()), added)
            }
            Macro::TransformMap => {
                let (so_far, key) = (self.accumulator(), self.ident(&variable));
                let added = self.call("cel.@mapInsert", vec![so_far, key, transform]);
                (self.map(), added)
            }
            Macro::TransformMapEntry => {
                let so_far = self.accumulator();
                let added = self.call("cel.@mapInsert", vec![so_far, transform]);
                (self.map(), added)
            }
            _ => return self.quantifier(which, target, names, transform),
        };
        self.collect(target, names, init, added, filter)
    }

    fn optional(
        &mut self,
        which: Macro,
        target: Expr,
        first: &Expr,
        body: Expr,
    ) -> Result<Expr, Misuse> {
        let called = match which {
            Macro::OptionalMap => "optMap",
            _ => "optFlatMap",
        };
        let Some(variable) = first.ident().map(str::to_owned) else {
            let message = format!("{called}() variable name must be a simple identifier");
            return Err((first.id, message));
        };
        let copied = self.copy(&target);
        let value = self.member_call("value", copied, Vec::new());
        let test = self.member_call("hasValue", target, Vec::new());
        let mut some = self.let_in(&variable, value, body);
        if which == Macro::OptionalMap {
            some = self.call("optional.of", vec![some]);
        }
        let none = self.call("optional.none", Vec::new());
        Ok(self.call("_?_:_", vec![test, some, none]))
    }

    /// A fold over nothing that gives a value a name.
    fn let_in(&mut self, variable: &str, value: Expr, body: Expr) -> Expr {
        let range = self.list(Vec::new());
        let condition = self.literal(Literal::Bool(false));
        let step = self.ident(variable);
        self.fold(Comprehension {
            range,
            variable: UNUSED.to_owned(),
            variable2: None,
            accumulator: variable.to_owned(),
            init: value,
            condition,
            step,
            result: body,
        })
    }

    fn bind(&mut self, first: &Expr, value: Expr, rest: Vec<Expr>) -> Result<Expr, Misuse> {
        let Some(variable) = first.ident().map(str::to_owned) else {
            let message = "cel.bind() variable names must be simple identifiers";
            return Err((first.id, message.to_owned()));
        };
        let Some(body) = rest.into_iter().next() else {
            unreachable!("the table gives three arguments")
        };
        Ok(self.let_in(&variable, value, body))
    }

    fn sort_by(&mut self, target: Expr, first: &Expr, key: Expr) -> Result<Expr, Misuse> {
        let fits = matches!(
            target.kind,
            ExprKind::List { .. }
                | ExprKind::Select { .. }
                | ExprKind::Ident(_)
                | ExprKind::Comprehension(_)
                | ExprKind::Call { .. }
        );
        if !fits {
            let message = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
            return Err((target.id, message.to_owned()));
        }
        let input = self.ident(SORT_INPUT);
        let keys = self.map_macro(input, first, key, Vec::new())?;
        let input = self.ident(SORT_INPUT);
        let sorted = self.member_call("@sortByAssociatedKeys", input, vec![keys]);
        Ok(self.let_in(SORT_INPUT, target, sorted))
    }
}

fn name(arg: &Expr, misuse: &str) -> Result<String, Misuse> {
    arg.ident()
        .map(str::to_owned)
        .ok_or_else(|| (arg.id, misuse.to_owned()))
}

fn free(arg: &Expr, variable: String) -> Result<String, Misuse> {
    if variable == ACCUMULATOR || variable == OLD_ACCUMULATOR {
        let message = "iteration variable overwrites accumulator variable";
        return Err((arg.id, message.to_owned()));
    }
    Ok(variable)
}

fn pair(first: &Expr, second: &Expr) -> Result<(String, String), Misuse> {
    const SIMPLE: &str = "argument must be a simple name";
    let (one, two) = (name(first, SIMPLE)?, name(second, SIMPLE)?);
    if one == two {
        return Err((second.id, format!("duplicate variable name: {one}")));
    }
    Ok((free(first, one)?, free(second, two)?))
}
