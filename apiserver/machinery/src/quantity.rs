//! Quantities such as `500m` or `1536Mi`: parsing, the canonical form, comparison and arithmetic, by the rules of upstream's
//! resource.Quantity. Numbers hold up to 36 digits; nothing here is a floating point number.

mod parse;

use std::cmp::Ordering;
use std::fmt;

pub use parse::QuantityError;

/// How a quantity writes its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    DecimalSi,
}

/// `value * 10^scale`. Two quantities are equal when their amounts are, whatever their format.
#[derive(Clone, Debug)]
pub struct Quantity {
    value: i128,
    scale: i32,
    format: Format,
    /// The text it was parsed from, where upstream writes that one again.
    text: Option<Box<str>>,
}

/// Nano: nothing finer is kept.
const FINEST: i32 = -9;

impl Quantity {
    /// Parses as upstream's ParseQuantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text)
    }

    /// An integer.
    pub fn from_int(value: i64, format: Format) -> Self {
        Quantity {
            value: value.into(),
            scale: 0,
            format,
            text: None,
        }
    }

    pub fn zero() -> Self {
        Quantity::from_int(0, Format::DecimalSi)
    }

    pub fn is_zero(&self) -> bool {
        self.value == 0
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.value.signum() as i32
    }

    /// Rounds away from zero to a multiple of `10^scale`.
    pub fn round_up(&mut self, scale: i32) {
        if self.scale < scale {
            (self.value, _) = shrink(self.value, (scale - self.scale) as u32);
            self.scale = scale;
            self.text = None;
        }
    }

    /// The amount in units of `10^scale`, rounded away from zero; saturates at the ends of i64.
    pub fn scaled_value(&self, scale: i32) -> i64 {
        let value = match self.scale - scale {
            0 => self.value,
            up if up > 0 => grow(self.value, up as u32).unwrap_or(i128::MAX * self.value.signum()),
            down => shrink(self.value, down.unsigned_abs()).0,
        };
        i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whole units, rounded away from zero.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// Thousandths, rounded away from zero.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// Adds; a zero takes the other's format.
    pub fn add(&mut self, other: &Quantity) {
        self.combine(other, 1);
    }

    /// Subtracts; a zero takes the other's format.
    pub fn sub(&mut self, other: &Quantity) {
        self.combine(other, -1);
    }

    fn combine(&mut self, other: &Quantity, sign: i128) {
        if self.is_zero() {
            self.format = other.format;
        }
        let scale = self.scale.min(other.scale);
        let at = |q: &Quantity| {
            grow(q.value, (q.scale - scale) as u32).unwrap_or(i128::MAX * q.value.signum())
        };
        self.value = at(self).saturating_add(sign * at(other));
        self.scale = scale;
        self.text = None;
    }

    /// Number and exponent of ten with no zeros at the end of the number.
    fn stripped(&self) -> (i128, i32) {
        let (mut value, mut scale) = (self.value, self.scale);
        while value != 0 && value % 10 == 0 {
            value /= 10;
            scale += 1;
        }
        (value, scale)
    }

    fn write_decimal(&self, f: &mut fmt::Formatter<'_>, format: Format) -> fmt::Result {
        let (mut value, mut scale) = self.stripped();
        while scale.rem_euclid(3) != 0 {
            value *= 10;
            scale -= 1;
        }
        let suffix = match scale {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            0 => "",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => return write!(f, "{value}e{scale}"),
        };
        match format {
            Format::DecimalExponent if scale != 0 => write!(f, "{value}e{scale}"),
            _ => write!(f, "{value}{suffix}"),
        }
    }

    /// The whole number that a binary suffix can be put to: not between -1024 and 1024, and no fraction.
    fn binary_value(&self) -> Option<i128> {
        let (value, scale) = self.stripped();
        let whole = grow(value, u32::try_from(scale).ok()?)?;
        (whole.abs() >= 1024).then_some(whole)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        let binary = if self.format == Format::BinarySi {
            self.binary_value()
        } else {
            None
        };
        let Some(mut value) = binary else {
            return self.write_decimal(f, self.format);
        };
        let mut power = 0;
        while value % 1024 == 0 && power < 6 {
            value /= 1024;
            power += 1;
        }
        write!(
            f,
            "{value}{}",
            ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]
        )
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.value.signum().cmp(&other.value.signum());
        if signs != Ordering::Equal || self.value == 0 {
            return signs;
        }
        let scale = self.scale.min(other.scale);
        let at = |q: &Quantity| grow(q.value, (q.scale - scale) as u32);
        match (at(self), at(other)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // Only one can be too large for the common scale: it is the larger in magnitude.
            (None, _) => self.value.signum().cmp(&0),
            (_, None) => 0.cmp(&other.value.signum()),
        }
    }
}

/// `value * 10^by`, if it fits.
fn grow(value: i128, by: u32) -> Option<i128> {
    if value == 0 {
        Some(0)
    } else {
        value.checked_mul(10_i128.checked_pow(by)?)
    }
}

/// `value / 10^by` rounded away from zero, and whether that was exact.
fn shrink(value: i128, by: u32) -> (i128, bool) {
    let Some(unit) = 10_i128.checked_pow(by) else {
        return (value.signum(), value == 0);
    };
    let rest = value % unit;
    (value / unit + rest.signum(), rest == 0)
}
