//! Durations as Go writes and reads them (`1h2m3.5s`) and the short ages that tables show (`3d4h`).
//! Times themselves are RFC 3339 texts in objects; `parse_time` makes them comparable.

/// Nanoseconds, negative allowed, as `time.Duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub i64);

const SECOND: i64 = 1_000_000_000;

impl GoDuration {
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// `time.ParseDuration`; `None` where that fails.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (value, after) = part(rest)?;
            total = total.checked_add(value).filter(|t| *t <= 1 << 63)?;
            rest = after;
        }
        match (negative, i64::try_from(total)) {
            (true, Ok(nanos)) => Some(Self(-nanos)),
            (true, Err(_)) => Some(Self(i64::MIN)),
            (false, Ok(nanos)) => Some(Self(nanos)),
            (false, Err(_)) => None,
        }
    }

    /// Whole seconds, cut towards zero.
    pub fn seconds(self) -> i64 {
        self.0 / SECOND
    }

    /// `duration.HumanDuration`: two or three significant figures.
    pub fn human(self) -> String {
        let seconds = self.seconds();
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let days = hours / 24;
        match seconds {
            ..-1 => "<invalid>".into(),
            -1 => "0s".into(),
            0..120 => format!("{seconds}s"),
            _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
            _ if minutes < 180 => format!("{minutes}m"),
            _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
            _ if hours < 48 => format!("{hours}h"),
            _ if hours < 192 => two(days, 'd', hours % 24, 'h'),
            _ if days < 365 * 2 => format!("{days}d"),
            _ if days < 365 * 8 => two(days / 365, 'y', days % 365, 'd'),
            _ => format!("{}y", days / 365),
        }
    }
}

fn two(first: i64, unit: char, second: i64, small: char) -> String {
    match second {
        0 => format!("{first}{unit}"),
        _ => format!("{first}{unit}{second}{small}"),
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn part(text: &str) -> Option<(u64, &str)> {
    let digits_end = |t: &str| t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
    let (whole, mut rest) = text.split_at(digits_end(text));
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = after.split_at(digits_end(after));
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = rest.split_at(
        rest.find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len()),
    );
    let unit: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(unit)?;
    // Digits that no longer fit are dropped, as upstream does.
    let digits: String = fraction.chars().take(18).collect();
    if let Ok(value) = digits.parse::<u64>() {
        let scale = 10u128.pow(u32::try_from(digits.len()).ok()?);
        nanos =
            nanos.checked_add(u64::try_from(u128::from(value) * u128::from(unit) / scale).ok()?)?;
    }
    Some((nanos, rest))
}

impl std::fmt::Display for GoDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => return write!(f, "{nanos}ns"),
            1_000..1_000_000 => return write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => return write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {}
        }
        let seconds = nanos / 1_000_000_000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", decimal(nanos % 60_000_000_000, 1_000_000_000))
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds since 1970 and nanoseconds of an RFC 3339 time; `None` when the text is none.
pub fn parse_time(text: &str) -> Option<(i64, u32)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0i64, |sum, b| {
            b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0'))
        })
    };
    let at = |i: usize, want: u8| bytes.get(i) == Some(&want);
    let separators = at(4, b'-') && at(7, b'-') && at(10, b'T') && at(13, b':') && at(16, b':');
    if !separators {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let mut rest = &bytes[19..];
    let mut nanos = 0u32;
    if let [b'.' | b',', fraction @ ..] = rest {
        let len = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if len == 0 {
            return None;
        }
        for i in 0..9 {
            nanos = nanos * 10 + fraction[..len].get(i).map_or(0, |b| u32::from(b - b'0'));
        }
        rest = &fraction[len..];
    }
    let offset = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) =>
        {
            let digit = |b: &u8| i64::from(b - b'0');
            let seconds = (digit(h1) * 10 + digit(h2)) * 3600 + (digit(m1) * 10 + digit(m2)) * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some((
        days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset,
        nanos,
    ))
}

/// RFC 3339 in whole seconds, UTC, as `metav1.Time` is written.
pub fn format_time(unix_seconds: i64) -> String {
    let (days, seconds) = (
        unix_seconds.div_euclid(86_400),
        unix_seconds.rem_euclid(86_400),
    );
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, by eras of 400 years from March on.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The age shown for a time, against the clock of the request; `<unknown>` when there is none.
pub fn age(time: &str, now_unix_seconds: i64) -> String {
    match parse_time(time) {
        Some((then, _)) => GoDuration::from_seconds(now_unix_seconds - then).human(),
        None => "<unknown>".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, want) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (8 * 3600, "8h"),
            (48 * 3600, "2d"),
            (49 * 3600, "2d1h"),
            (8 * 86_400, "8d"),
            (2 * 365 * 86_400, "2y"),
            (2 * 365 * 86_400 + 86_400, "2y1d"),
            (9 * 365 * 86_400, "9y"),
        ] {
            assert_eq!(GoDuration::from_seconds(seconds).human(), want, "{seconds}");
        }
        assert_eq!(age("1970-01-01T00:00:10Z", 15), "5s");
        assert_eq!(age("", 15), "<unknown>");
    }

    #[test]
    fn go_durations() {
        for (text, want) in [
            ("1h2m3.5s", "1h2m3.5s"),
            ("90m", "1h30m0s"),
            ("1.5us", "1.5µs"),
            ("-2ms", "-2ms"),
            ("0", "0s"),
            (".5s", "500ms"),
            ("100ns", "100ns"),
            ("-2562047h47m16.854775808s", "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(
                GoDuration::parse(text).map(|d| d.to_string()),
                Some(want.to_owned()),
                "{text}"
            );
        }
        for bad in ["", "1", "s", "1x", "-", ".s", "9999999999h", "1h 2m"] {
            assert_eq!(GoDuration::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn times() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2024-02-29T12:30:15.25+02:00", 1_709_202_615, 250_000_000),
            ("1969-12-31T23:59:59Z", -1, 0),
        ] {
            assert_eq!(parse_time(text), Some((seconds, nanos)), "{text}");
        }
        for bad in [
            "",
            "2024",
            "2024-13-01T00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00Z",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        for seconds in [0, -1, 951_782_400, 1_709_202_615, 4_102_444_800] {
            assert_eq!(parse_time(&format_time(seconds)), Some((seconds, 0)));
        }
    }
}
