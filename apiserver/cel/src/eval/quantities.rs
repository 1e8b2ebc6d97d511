//! Quantities (k8s.io/apiserver pkg/cel/library/quantity.go): numbers with a suffix, exact to a billionth, as the API keeps them.

use super::Error;
use super::value::{Opaque, Value};
use std::cmp::Ordering;

/// One, in the parts that are counted.
const ONE: i128 = 1_000_000_000;
/// The most that a quantity can be; what is more counts as that.
const MOST: i128 = i64::MAX as i128 * ONE;
const INVALID: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    billionths: i128,
    /// It was written such that the reference keeps it as a machine's integer with a scale: only then it may be an integer.
    plain: bool,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.billionths == other.billionths
    }
}

impl Quantity {
    /// Reads a quantity such as `1.5Gi`, `100m` or `12e6`; digits beyond a billionth are rounded up (apimachinery
    /// pkg/api/resource/quantity.go).
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let (base, exponent) = scale(suffix)?;
        let magnitude = magnitude(whole, fraction, base, exponent);
        Some(Self {
            billionths: if negative { -magnitude } else { magnitude },
            plain: is_plain(whole, fraction, base, exponent),
        })
    }

    fn whole(self) -> Option<i64> {
        let whole = self.plain && self.billionths % ONE == 0;
        whole.then(|| i64::try_from(self.billionths / ONE).ok())?
    }

    fn of(value: i64) -> Self {
        Self {
            billionths: i128::from(value) * ONE,
            plain: true,
        }
    }

    fn plus(self, other: Self, sign: i128) -> Self {
        Self {
            billionths: self.billionths.saturating_add(sign * other.billionths),
            plain: self.plain && other.plain,
        }
    }
}

/// Few enough digits, a binary scale without a fraction, nothing below a billionth.
fn is_plain(whole: &str, fraction: &str, base: u32, exponent: i32) -> bool {
    let digits = i32::try_from(whole.len() + fraction.len()).unwrap_or(i32::MAX);
    let behind = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    match base {
        2 => fraction.is_empty() && 14 - digits - exponent * 3 / 10 >= 0,
        _ => digits <= 18 && exponent.saturating_sub(behind) >= -9,
    }
}

/// Base and exponent of a suffix.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (10, 0),
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        "Ki" => (2, 10),
        "Mi" => (2, 20),
        "Gi" => (2, 30),
        "Ti" => (2, 40),
        "Pi" => (2, 50),
        "Ei" => (2, 60),
        other => (10, other.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// The most digits that matter: more whole ones are beyond any quantity, more behind the point only round.
const DIGITS: usize = 36;

/// Billionths of `whole.fraction` times the scale, rounded up, at most what a quantity can be.
fn magnitude(whole: &str, fraction: &str, base: u32, exponent: i32) -> i128 {
    let whole = whole.trim_start_matches('0');
    let written: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let leading = written.iter().take_while(|digit| **digit == b'0').count();
    let digits = &written[leading..];
    let kept = digits.len().min(DIGITS);
    let mut value: i128 = digits[..kept]
        .iter()
        .fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
    let mut rest = digits[kept..].iter().any(|digit| *digit != b'0');
    if value == 0 {
        return 0;
    }
    // The value is these digits times ten to this power.
    let dropped = digits.len() - kept;
    let behind =
        i64::try_from(fraction.len()).unwrap_or(i64::MAX) - i64::try_from(dropped).unwrap_or(0);
    let mut power = 9 - behind + if base == 10 { i64::from(exponent) } else { 0 };
    let mut doublings = if base == 2 { exponent } else { 0 };
    // Up by what there is to go up by, as long as it fits; then down.
    while power > 0 {
        if value > MOST {
            return MOST;
        }
        value *= 10;
        power -= 1;
    }
    while power < 0 || doublings > 0 {
        if doublings > 0 && value < i128::MAX / 4 {
            value *= 2;
            doublings -= 1;
        } else if power < 0 {
            rest |= value % 10 != 0;
            value /= 10;
            power += 1;
        } else {
            return MOST;
        }
        if value == 0 && doublings == 0 {
            break;
        }
    }
    (value + i128::from(rest)).min(MOST)
}

pub(super) fn call<'a>(
    function: &str,
    _member: bool,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, Error>> {
    let made = |quantity: Quantity| Ok(Value::Opaque(Opaque::Quantity(quantity)));
    if let [Value::String(text)] = args {
        return match function {
            "quantity" => {
                Some(Quantity::parse(text).map_or_else(|| Err(Error::new(INVALID)), made))
            }
            "isQuantity" => Some(Ok(Value::Bool(Quantity::parse(text).is_some()))),
            _ => None,
        };
    }
    let [Value::Opaque(Opaque::Quantity(own)), rest @ ..] = args else {
        return None;
    };
    Some(match (function, rest) {
        ("isInteger", []) => Ok(Value::Bool(own.whole().is_some())),
        ("asInteger", []) => own
            .whole()
            .map(Value::Int)
            .ok_or_else(|| Error::new("cannot convert value to integer")),
        ("asApproximateFloat", []) => Ok(Value::Double(own.billionths as f64 / ONE as f64)),
        ("sign", []) => Ok(Value::Int(own.billionths.signum() as i64)),
        ("add", [Value::Int(by)]) => made(own.plus(Quantity::of(*by), 1)),
        ("sub", [Value::Int(by)]) => made(own.plus(Quantity::of(*by), -1)),
        (_, [Value::Opaque(Opaque::Quantity(other))]) => match function {
            "add" => made(own.plus(*other, 1)),
            "sub" => made(own.plus(*other, -1)),
            "compareTo" => Ok(Value::Int(own.billionths.cmp(&other.billionths) as i64)),
            "isGreaterThan" => Ok(Value::Bool(
                own.billionths.cmp(&other.billionths) == Ordering::Greater,
            )),
            "isLessThan" => Ok(Value::Bool(
                own.billionths.cmp(&other.billionths) == Ordering::Less,
            )),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        let billionths = |text: &str| Quantity::parse(text).map(|quantity| quantity.billionths);
        assert_eq!(billionths("1"), Some(ONE));
        assert_eq!(billionths("100m"), Some(ONE / 10));
        assert_eq!(billionths("1.5Gi"), Some(1_610_612_736 * ONE));
        assert_eq!(billionths("0.5n"), Some(1));
        assert_eq!(billionths("-1k"), Some(-1_000 * ONE));
        assert_eq!(billionths("12e6"), Some(12_000_000 * ONE));
        assert_eq!(billionths("1.1Ki"), Some(1_126_400_000_000));
        assert_eq!(billionths("9999999999999999999999"), Some(MOST));
        for wrong in ["", "1.2.3", "x", "1Zi", "--1", "1 "] {
            assert_eq!(billionths(wrong), None, "{wrong}");
        }
    }
}
