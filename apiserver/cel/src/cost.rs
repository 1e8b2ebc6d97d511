//! What an expression may cost at most, before it runs: cel-go's checker/cost.go, with the sizes that declarations give. One unit
//! is about the reading of a variable.

mod calls;
mod estimate;
pub(crate) mod libraries;

use crate::ast::{Expr, Literal};
use crate::check::Checked;
use crate::decl::{Decl, Shape};
use crate::types::Type;

/// Factors and bases of cel-go's common/cost.go.
const TRAVERSAL: f64 = 0.1;
const REGEX: f64 = 0.25;
const LIST_BASE: u64 = 10;
const MAP_BASE: u64 = 30;
const STRUCT_BASE: u64 = 40;

/// The least and the most; a cost, or a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub min: u64,
    pub max: u64,
}

impl Range {
    pub const UNKNOWN: Self = Self {
        min: 0,
        max: u64::MAX,
    };
    const ZERO: Self = Self { min: 0, max: 0 };

    pub const fn new(min: u64, max: u64) -> Self {
        Self { min, max }
    }

    pub const fn exactly(value: u64) -> Self {
        Self {
            min: value,
            max: value,
        }
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    pub fn times(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    pub fn scaled(self, factor: f64) -> Self {
        Self {
            min: scaled(self.min, factor),
            max: scaled(self.max, factor),
        }
    }

    pub fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Rounded up; what is too large is the largest.
fn scaled(value: u64, factor: f64) -> u64 {
    let product = (value as f64 * factor).ceil();
    if product >= 18_446_744_073_709_551_616.0 {
        u64::MAX
    } else {
        product as u64
    }
}

/// Where sizes come from.
#[derive(Debug, Clone, Copy)]
pub enum Sizes<'a> {
    /// None are known.
    None,
    /// Of what all variables are, whatever their name (schema/cel/compilation.go).
    Of(&'a Decl),
    /// Of the variable `device`; a name that is no field of a map of attributes is one of its values.
    Device(&'a Decl),
}

impl Sizes<'_> {
    fn at(&self, path: &[String]) -> Option<Range> {
        let (root, rest) = path.split_first()?;
        let (decl, device) = match self {
            Self::None => return None,
            Self::Of(decl) => (*decl, false),
            Self::Device(_) if root != "device" => return None,
            Self::Device(decl) => (*decl, true),
        };
        let mut at = decl;
        for step in rest {
            at = inside(at, step, device)?;
        }
        // A negative size stands for none, and counts as the largest.
        Some(Range::new(0, at.max_elements as u64))
    }
}

fn inside<'a>(decl: &'a Decl, step: &str, device: bool) -> Option<&'a Decl> {
    match (&decl.shape, step) {
        (Shape::List(element), "@items" | "@values") => Some(element),
        (Shape::Map(both), "@items" | "@values") => Some(&both.1),
        (Shape::Map(both), "@keys") => Some(&both.0),
        (Shape::Object(object), name) => object.fields.get(name),
        (Shape::Map(both), _) if device && is_attribute(&both.1) => Some(&both.1),
        _ => None,
    }
}

fn is_attribute(decl: &Decl) -> bool {
    matches!(&decl.shape, Shape::Simple(Type::Any | Type::Dyn))
}

/// What a checked expression costs at least and at most.
pub fn estimate(checked: &Checked, sizes: Sizes<'_>) -> Range {
    estimate::Estimate::new(checked, sizes).cost(&checked.expr)
}

/// A part of an expression as estimates of calls see it.
#[derive(Debug, Clone)]
struct Node<'a> {
    path: Option<Vec<String>>,
    of: Type,
    expr: Option<&'a Expr>,
    size: Option<Range>,
}

impl Node<'_> {
    fn literal(&self) -> Option<&Literal> {
        match &self.expr?.kind {
            crate::ast::ExprKind::Literal(value) => Some(value),
            _ => None,
        }
    }
}

/// The cost of a call and, where it is known, the size of its result.
#[derive(Debug, Clone, Copy)]
struct Call {
    cost: Range,
    size: Option<Range>,
}

impl Call {
    fn costing(cost: Range) -> Self {
        Self { cost, size: None }
    }

    fn sized(cost: Range, size: Range) -> Self {
        Self {
            cost,
            size: Some(size),
        }
    }
}
