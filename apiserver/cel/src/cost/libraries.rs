//! What calls of libraries cost: cel-go's ext/lists.go and ext/sets.go, k8s.io/apiserver pkg/cel/library/cost.go.

use super::{Call, LIST_BASE, Node, REGEX, Range, Sizes, TRAVERSAL};
use crate::ast::Literal;
use crate::types::Type;

/// Authorizers ask others: the dearest call there is.
pub(crate) const CHECK: u64 = 350_000;
/// How label and field selectors are parsed (library/cost.go).
const SELECTOR_BASE: u64 = 10;
const SELECTOR_REQUIREMENTS: f64 = 0.5;
const REQUIREMENT: f64 = 50.0;
/// The longest pattern of a named format, and the longest name (pkg/cel/limits.go).
const FORMAT_PATTERN: f64 = 128.0;
const FORMAT_NAME: u64 = 64;

/// Functions of Kubernetes' own that look something up or compare two numbers.
pub(crate) const COSTING_ONE: [&str; 38] = [
    "serviceAccount",
    "path",
    "group",
    "resource",
    "subresource",
    "namespace",
    "name",
    "allowed",
    "reason",
    "error",
    "errored",
    "masked",
    "prefixLength",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "format.named",
    "sign",
    "asInteger",
    "isInteger",
    "asApproximateFloat",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "add",
    "sub",
    "major",
    "minor",
    "patch",
    "getScheme",
    "getHostname",
    "getHost",
    "getPort",
    "getEscapedPath",
    "getQuery",
];

/// Known at once, by declaration, or not at all.
fn size(sizes: Sizes<'_>, node: &Node<'_>) -> Range {
    node.size
        .or_else(|| sizes.at(node.path.as_deref()?))
        .unwrap_or(Range::UNKNOWN)
}

/// A count written as a literal.
fn written(node: &Node<'_>, otherwise: u64) -> u64 {
    match node.literal() {
        Some(Literal::Int(value)) => u64::try_from(*value).unwrap_or(0),
        _ => otherwise,
    }
}

/// Calls on lists and sets that walk them or make new ones.
pub(super) fn lists(
    sizes: Sizes<'_>,
    overload: &str,
    target: Option<&Node<'_>>,
    args: &[Node<'_>],
) -> Option<Call> {
    let made = |factor: f64, size: Range| {
        let cost = size.scaled(factor).plus(Range::exactly(1 + LIST_BASE));
        Some(Call::sized(cost, size))
    };
    let sets = |factor: f64, left: &Node<'_>, right: &Node<'_>| {
        let pairs = size(sizes, left).times(size(sizes, right));
        Some(Call::costing(pairs.scaled(factor).plus(Range::exactly(1))))
    };
    match (overload, target, args) {
        ("list_slice", Some(list), [from, to]) => {
            let to = written(to, size(sizes, list).max);
            made(1.0, Range::exactly(to.wrapping_sub(written(from, 0))))
        }
        ("list_flatten", Some(list), []) => made(1.0, size(sizes, list)),
        ("list_flatten_int", Some(list), [depth]) => {
            made(written(depth, u64::MAX) as f64, size(sizes, list))
        }
        ("lists_range", None, [count]) => made(1.0, Range::exactly(written(count, u64::MAX))),
        ("list_reverse", Some(list), []) => made(1.0, size(sizes, list)),
        ("list_distinct", Some(list), []) => {
            let count = size(sizes, list);
            made(2.0, count.times(count))
        }
        (_, Some(list), []) if overload.ends_with("_sort") => sorted(sizes, overload, list, made),
        (_, Some(_), [keys]) if overload.ends_with("_sortByAssociatedKeys") => {
            sorted(sizes, overload, keys, made)
        }
        ("list_sets_contains_list" | "list_sets_intersects_list", None, [left, right]) => {
            sets(1.0, left, right)
        }
        ("list_sets_equivalent_list", None, [left, right]) => sets(2.0, left, right),
        _ => None,
    }
}

fn sorted(
    sizes: Sizes<'_>,
    overload: &str,
    list: &Node<'_>,
    made: impl Fn(f64, Range) -> Option<Call>,
) -> Option<Call> {
    let count = size(sizes, list);
    let texts = overload.starts_with("list_string_") || overload.starts_with("list_bytes_");
    made(
        if texts { 2.0 + TRAVERSAL } else { 2.0 },
        count.times(count),
    )
}

/// Calls of Kubernetes' libraries, and of others that it says the cost of.
pub(super) fn kubernetes(
    sizes: Sizes<'_>,
    function: &str,
    overload: &str,
    target: Option<&Node<'_>>,
    args: &[Node<'_>],
) -> Option<Call> {
    let size = |node: &Node<'_>| size(sizes, node);
    let one = || Some(Call::costing(Range::exactly(1)));
    let walked = |node: &Node<'_>| Some(Call::costing(size(node).scaled(TRAVERSAL)));
    let same_size = |node: &Node<'_>| {
        let of = size(node);
        Some(Call::sized(of.scaled(TRAVERSAL), of))
    };
    match (function, target, args) {
        ("check", ..) => Some(Call::costing(Range::exactly(CHECK))),
        _ if COSTING_ONE.contains(&function) => one(),
        ("fieldSelector" | "labelSelector", _, [arg]) => Some(selector(size(arg))),
        (
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes",
            Some(target),
            _,
        ) => Some(searched(sizes, function, target)),
        ("url" | "jsonpatch.escapeKey", _, [arg]) => same_size(arg),
        ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(target), _) => same_size(target),
        ("replace", Some(target), [from, to, ..]) => {
            let of = size(target);
            let result = replaced(of, size(from), size(to));
            Some(Call::sized(of.scaled(2.0 * TRAVERSAL), result))
        }
        ("split", Some(target), _) => {
            let of = size(target);
            let most = match args.get(1).and_then(Node::literal) {
                Some(Literal::Int(most)) => *most as u64,
                _ => of.max,
            };
            Some(Call::sized(of.scaled(2.0 * TRAVERSAL), Range::new(0, most)))
        }
        ("join", Some(target), _) => {
            let of = joined(sizes, target, args.first());
            Some(Call::sized(of.scaled(TRAVERSAL), of))
        }
        ("find" | "findAll", Some(target), [pattern, ..]) => {
            let of = size(target);
            let text = of.plus(Range::exactly(1)).scaled(TRAVERSAL);
            let cost = text.times(size(pattern).scaled(REGEX));
            Some(Call::sized(cost, Range::new(0, of.max)))
        }
        ("ip", ..) if overload == "cidr_ip" => one(),
        ("ip" | "cidr" | "isIP" | "isCIDR", _, [arg, ..]) => walked(arg),
        ("ip.isCanonical", _, [arg, ..]) => Some(Call::costing(size(arg).scaled(2.0 * TRAVERSAL))),
        ("containsIP" | "containsCIDR", _, [arg, ..]) => {
            Some(contained(function, overload, size(arg)))
        }
        ("quantity" | "isQuantity" | "semver" | "isSemver", _, [arg, ..]) => walked(arg),
        ("validate", _, [arg, ..]) => Some(Call::costing(
            size(arg).scaled(TRAVERSAL).scaled(FORMAT_PATTERN * REGEX),
        )),
        ("_==_", _, [left, right]) => equal(left, right),
        _ => None,
    }
}

fn selector(length: Range) -> Call {
    let requirements = length.scaled(SELECTOR_REQUIREMENTS).scaled(REQUIREMENT);
    let cost = Range::exactly(SELECTOR_BASE)
        .plus(length.scaled(TRAVERSAL))
        .plus(requirements);
    Call::costing(cost)
}

/// The elements of a list as a node of their own; none for what is no list.
fn element(list: &Node<'_>) -> Option<Node<'static>> {
    let of = (*list.of.params().first()?).clone();
    let path = list.path.as_ref().map(|path| {
        let mut path = path.clone();
        path.push("@items".to_owned());
        path
    });
    Some(Node {
        path,
        of,
        expr: None,
        size: None,
    })
}

fn searched(sizes: Sizes<'_>, function: &str, target: &Node<'_>) -> Call {
    let count = size(sizes, target);
    let Some(element) = element(target) else {
        return match function {
            "includes" => Call::costing(count.times(Range::exactly(1))),
            _ => Call::costing(count.scaled(TRAVERSAL)),
        };
    };
    let mut each = Range::exactly(1);
    if matches!(unwrapped(&element.of), Type::String | Type::Bytes) {
        each = each.plus(size(sizes, &element).scaled(TRAVERSAL));
    }
    Call::costing(count.times(each))
}

fn unwrapped(of: &Type) -> &Type {
    match of {
        Type::Wrapper(inner) => inner,
        other => other,
    }
}

/// The size of a text in which `from` is replaced by `to`.
fn replaced(of: Range, from: Range, to: Range) -> Range {
    let (mut count, mut kept) = (Range::ZERO, Range::ZERO);
    if from.min == 0 {
        count.max = of.max.saturating_add(1);
        kept.max = of.max;
    } else if to.max <= from.min {
        kept.max = of.max;
    } else {
        count.max = (of.max as f64 / from.min as f64).ceil() as u64;
    }
    if from.max == 0 {
        count.min = of.min.saturating_add(1);
        kept.min = of.min;
    } else if from.max <= to.min {
        kept.min = of.min;
    } else {
        count.min = (of.min as f64 / from.max as f64).ceil() as u64;
    }
    count.times(to).plus(kept)
}

fn joined(sizes: Sizes<'_>, list: &Node<'_>, separator: Option<&Node<'_>>) -> Range {
    let count = size(sizes, list);
    let mut of = match element(list) {
        Some(element) => count.times(size(sizes, &element)),
        None => Range::ZERO,
    };
    if let Some(separator) = separator {
        let between = Range::new(count.min.saturating_sub(1), count.max.saturating_sub(1));
        of = of.plus(size(sizes, separator).times(between));
    }
    of
}

fn contained(function: &str, overload: &str, text: Range) -> Call {
    let address = Range::new(4, 16);
    let mut cost = address.plus(address).scaled(TRAVERSAL);
    if function == "containsCIDR" {
        cost = cost.plus(address.scaled(TRAVERSAL)).plus(Range::exactly(1));
    }
    if overload.ends_with("_string") {
        cost = cost.plus(text.scaled(TRAVERSAL));
    }
    Call::costing(cost)
}

/// Equality of Kubernetes' own types does not depend on sizes.
fn equal(left: &Node<'_>, right: &Node<'_>) -> Option<Call> {
    if left.of.name() != right.of.name() {
        return None;
    }
    match left.of.name().as_str() {
        "net.IP"
        | "net.CIDR"
        | "kubernetes.Quantity"
        | "kubernetes.Semver"
        | "kubernetes.authorization.Authorizer"
        | "kubernetes.authorization.PathCheck"
        | "kubernetes.authorization.GroupCheck"
        | "kubernetes.authorization.ResourceCheck"
        | "kubernetes.authorization.Decision" => Some(Call::costing(Range::exactly(1))),
        "kubernetes.NamedFormat" => {
            Some(Call::costing(Range::new(1, FORMAT_NAME).scaled(TRAVERSAL)))
        }
        "kubernetes.URL" => {
            let most = right.size.map_or(1, |size| size.max);
            Some(Call::costing(Range::new(1, most).scaled(TRAVERSAL)))
        }
        _ => None,
    }
}
