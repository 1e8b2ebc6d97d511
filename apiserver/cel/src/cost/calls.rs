//! What calls of the language itself cost (functionCost of cel-go's checker/cost.go).

use super::estimate::Estimate;
use super::{Call, Node, REGEX, Range, TRAVERSAL, libraries};
use crate::ast::Expr;

fn size(node: &Node<'_>) -> Range {
    node.size.unwrap_or(Range::UNKNOWN)
}

impl Estimate<'_> {
    pub(super) fn overload(
        &mut self,
        expr: &Expr,
        function: &str,
        overload: &str,
        target: Option<&Node<'_>>,
        args: &[Node<'_>],
        costs: &[Range],
    ) -> Call {
        let of_args = costs.iter().fold(Range::ZERO, |sum, cost| sum.plus(*cost));
        let known = libraries::lists(self.sizes, overload, target, args)
            .or_else(|| libraries::kubernetes(self.sizes, function, overload, target, args));
        if let Some(call) = known {
            return Call {
                cost: call.cost.plus(of_args),
                ..call
            };
        }
        match (overload, args, costs) {
            ("logical_or" | "logical_and", _, [left, right]) => Call::costing(Range {
                min: left.min,
                max: left.plus(*right).max,
            }),
            ("conditional", [_, yes, no], [test, when, otherwise]) => {
                let entries = self.both(yes, no);
                if let Some(entries) = entries {
                    self.set_entries(expr, entries);
                }
                Call::sized(test.plus(when.union(*otherwise)), size(yes).union(size(no)))
            }
            ("add_string" | "add_bytes" | "add_list", [left, right], _) => {
                if let Some(entries) = self.both(left, right) {
                    self.set_entries(expr, entries);
                }
                let sum = size(left).plus(size(right));
                let cost = match overload {
                    "add_list" => Range::exactly(1),
                    _ => sum.scaled(TRAVERSAL),
                };
                Call::sized(cost.plus(of_args), sum)
            }
            _ => {
                let call = plain(overload, target, args);
                Call {
                    cost: call.cost.plus(of_args),
                    ..call
                }
            }
        }
    }

    fn both(&self, left: &Node<'_>, right: &Node<'_>) -> Option<super::estimate::Entries> {
        let left = self.entries_of(left.expr?)?;
        let right = self.entries_of(right.expr?)?;
        Some(left.union(right))
    }
}

/// Calls whose cost comes from the sizes of their arguments, without the arguments' own cost.
fn plain(overload: &str, target: Option<&Node<'_>>, args: &[Node<'_>]) -> Call {
    match (overload, target, args) {
        ("string_format", Some(target), _) => Call::costing(size(target).scaled(TRAVERSAL)),
        ("string_to_bytes", _, [arg]) => {
            let of = size(arg);
            let result = Range::new(of.min, of.max.wrapping_mul(4));
            Call::sized(of.scaled(TRAVERSAL), result)
        }
        ("bytes_to_string", _, [arg]) => {
            let of = size(arg);
            Call::sized(of.scaled(TRAVERSAL), Range::new(of.min / 4, of.max))
        }
        ("strings_quote", _, [arg]) => {
            let of = size(arg);
            let result = Range::new(
                of.min.wrapping_add(2),
                of.max.wrapping_mul(2).wrapping_add(2),
            );
            Call::sized(of.scaled(TRAVERSAL), result)
        }
        ("starts_with_string" | "ends_with_string", _, [arg]) => {
            Call::costing(size(arg).scaled(TRAVERSAL))
        }
        ("in_list", _, [_, list]) => Call::costing(size(list).scaled(1.0)),
        ("matches_string", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
            let text = size(text).plus(Range::exactly(1)).scaled(TRAVERSAL);
            Call::costing(text.times(size(pattern).scaled(REGEX)))
        }
        ("contains_string", Some(text), [part]) => {
            let text = size(text).scaled(TRAVERSAL);
            Call::costing(text.times(size(part).scaled(TRAVERSAL)))
        }
        (_, _, [left, right]) if compares(overload) => {
            let most = size(left).max.min(size(right).max);
            Call::costing(Range::new(u64::from(most > 0), most).scaled(TRAVERSAL))
        }
        _ => Call::costing(Range::exactly(1)),
    }
}

fn compares(overload: &str) -> bool {
    matches!(
        overload,
        "less_string"
            | "greater_string"
            | "less_equals_string"
            | "greater_equals_string"
            | "less_bytes"
            | "greater_bytes"
            | "less_equals_bytes"
            | "greater_equals_bytes"
            | "equals"
            | "not_equals"
    )
}
