//! Reads quantities as upstream does, with its three error texts and its rule on which texts are written again unchanged.

use std::fmt;

use super::{FINEST, Format, Quantity, grow, shrink};

/// Why a text is no quantity; the message is upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    Format,
    Number,
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QuantityError::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            QuantityError::Number => "unable to parse numeric part of quantity",
            QuantityError::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for QuantityError {}

/// A text cut into its parts; `whole` has no leading zeros and is `0` when there is no other digit.
struct Parts<'a> {
    positive: bool,
    /// Whether there was any digit before the suffix; upstream's quick path does not ask.
    digits: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    let parts = cut(text)?;
    let (format, exponent) = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
    let digits = Digits {
        whole: parts.whole,
        fraction: parts.fraction,
    };
    match format {
        Format::BinarySi => parse_binary(text, &parts, digits, exponent),
        _ => parse_decimal(text, &parts, digits, exponent, format),
    }
}

fn parse_decimal(
    text: &str,
    parts: &Parts<'_>,
    digits: Digits<'_>,
    exponent: i32,
    format: Format,
) -> Result<Quantity, QuantityError> {
    let scale = exponent.saturating_sub(digits.fraction.len() as i32);
    let short = digits.len() <= 18 && scale >= FINEST;
    let keep = short
        && scale % 3 == 0
        && !digits.ends_with_000()
        && !digits.starts_with_0()
        && parts.whole != "0";
    let keep = keep || text == "0";
    if !short && !parts.digits {
        return Err(QuantityError::Number);
    }
    // Digits finer than nano only matter for rounding: a few of them are enough.
    let surplus = usize::try_from(i64::from(FINEST) - i64::from(scale))
        .unwrap_or(0)
        .saturating_sub(2);
    let (value, scale) = digits.number(surplus, scale)?;
    let mut quantity = Quantity {
        value: if parts.positive { value } else { -value },
        scale,
        format,
        text: None,
    };
    quantity.round_up(FINEST);
    quantity.text = keep.then(|| text.into());
    Ok(quantity)
}

fn parse_binary(
    text: &str,
    parts: &Parts<'_>,
    digits: Digits<'_>,
    exponent: i32,
) -> Result<Quantity, QuantityError> {
    let fraction = digits.fraction.len() as i32;
    let short =
        fraction == 0 && 15 - digits.whole.len() as i32 - (exponent as f32 * 3.0 / 10.0) as i32 > 0;
    if !short && !parts.digits {
        return Err(QuantityError::Number);
    }
    let (number, scale) = digits.number(0, -fraction)?;
    let keep = short && number & 7 != 0;
    let mut quantity = Quantity {
        value: i128::from(i64::MAX),
        scale: 0,
        format: Format::BinarySi,
        text: None,
    };
    if let Some(value) = number.checked_mul(1 << exponent) {
        (quantity.value, quantity.scale) = if scale < FINEST {
            (shrink(value, (FINEST - scale) as u32).0, FINEST)
        } else {
            (value, scale)
        };
    }
    let limit = Quantity::from_int(i64::MAX, Format::BinarySi);
    if quantity > limit {
        quantity = limit;
    } else if quantity.value > 0 && quantity < Quantity::from_int(1, Format::BinarySi) {
        quantity.format = Format::DecimalSi;
    }
    if !parts.positive {
        quantity.value = -quantity.value;
    }
    quantity.text = keep.then(|| text.into());
    Ok(quantity)
}

/// The digits of a number without its point.
#[derive(Clone, Copy)]
struct Digits<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl Digits<'_> {
    fn len(&self) -> usize {
        self.whole.len() + self.fraction.len()
    }

    fn starts_with_0(&self) -> bool {
        self.whole.starts_with('0')
    }

    fn ends_with_000(&self) -> bool {
        let mut last = self.whole.bytes().chain(self.fraction.bytes()).rev();
        self.len() >= 3 && last.by_ref().take(3).all(|b| b == b'0')
    }

    /// Number and scale; up to `surplus` last digits of the fraction may be folded into one that only says "not zero".
    fn number(&self, surplus: usize, scale: i32) -> Result<(i128, i32), QuantityError> {
        let kept = self.fraction.len() - surplus.min(self.fraction.len());
        let mut value: i128 = 0;
        for digit in self.whole.bytes().chain(self.fraction.bytes().take(kept)) {
            value = value.checked_mul(10).ok_or(QuantityError::Number)? + i128::from(digit - b'0');
        }
        let folded = self.fraction.len() - kept;
        if folded > 0 {
            let rest = self.fraction.bytes().skip(kept).any(|b| b != b'0');
            value = grow(value, 1).ok_or(QuantityError::Number)? + i128::from(rest);
            return Ok((value, scale + folded as i32 - 1));
        }
        Ok((value, scale))
    }
}

fn cut(text: &str) -> Result<Parts<'_>, QuantityError> {
    let positive = !text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let (whole, rest) = split_digits(unsigned);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let letters =
        suffix.trim_start_matches(['e', 'E', 'i', 'n', 'u', 'm', 'k', 'K', 'M', 'G', 'T', 'P']);
    let number = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if number.bytes().all(|b| b.is_ascii_digit()) {
        let digits = unsigned.len() > suffix.len() + usize::from(rest.starts_with('.'));
        Ok(Parts {
            positive,
            digits,
            whole,
            fraction,
            suffix,
        })
    } else {
        Err(QuantityError::Format)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.bytes()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// Format, and the power of ten or of two.
fn interpret(suffix: &str) -> Option<(Format, i32)> {
    let (format, exponent) = match suffix {
        "" => (Format::DecimalSi, 0),
        "n" => (Format::DecimalSi, -9),
        "u" => (Format::DecimalSi, -6),
        "m" => (Format::DecimalSi, -3),
        "k" => (Format::DecimalSi, 3),
        "M" => (Format::DecimalSi, 6),
        "G" => (Format::DecimalSi, 9),
        "T" => (Format::DecimalSi, 12),
        "P" => (Format::DecimalSi, 15),
        "E" => (Format::DecimalSi, 18),
        "Ki" => (Format::BinarySi, 10),
        "Mi" => (Format::BinarySi, 20),
        "Gi" => (Format::BinarySi, 30),
        "Ti" => (Format::BinarySi, 40),
        "Pi" => (Format::BinarySi, 50),
        "Ei" => (Format::BinarySi, 60),
        _ => {
            let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (Format::DecimalExponent, exponent as i32)
        }
    };
    Some((format, exponent))
}
