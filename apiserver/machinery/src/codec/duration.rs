//! Durations as Go writes and reads them: `1m30s`, `1.5ms`, `0s`. The value is nanoseconds.

/// Go's Duration.String.
pub fn format(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let amount = nanos.unsigned_abs();
    let text = match amount {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{amount}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(amount, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(amount, 1_000_000)),
        _ => {
            let (hours, minutes) = (amount / 3_600_000_000_000, amount / 60_000_000_000 % 60);
            let seconds = decimal(amount % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// Go's ParseDuration.
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit_name, next) = after.split_at(end);
        if unit_name.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let unit = unit(unit_name)
            .ok_or_else(|| format!("time: unknown unit {unit_name:?} in duration {text:?}"))?;
        let amount = if whole.is_empty() {
            0
        } else {
            whole.parse::<u64>().map_err(|_| invalid())?
        };
        let amount = amount
            .checked_mul(unit)
            .and_then(|a| a.checked_add(part(fraction, unit)));
        total = amount
            .and_then(|a| total.checked_add(a))
            .filter(|t| *t <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = next;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(nanos)) => Ok(nanos),
        (true, Ok(nanos)) => Ok(-nanos),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.bytes()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// `0.fraction * unit`, rounded down.
fn part(fraction: &str, unit: u64) -> u64 {
    let (mut number, mut scale) = (0_u128, 1_u128);
    for digit in fraction.bytes().take(18) {
        number = number * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    (number * u128::from(unit) / scale) as u64
}

/// `amount / unit` with the fraction digits that it needs.
fn decimal(amount: u64, unit: u64) -> String {
    let (whole, rest) = (amount / unit, amount % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}
