//! Durations and times as people read them: Go's form (`1h2m3.5s`, by the codec) and the short ages of tables (`3d4h`).
//! Times themselves are RFC 3339 texts in objects; `parse_time` makes them comparable.

use crate::codec;
use crate::codec::time::{Instant, Precision};

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
        codec::duration::parse(text).ok().map(Self)
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

impl std::fmt::Display for GoDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&codec::duration::format(self.0))
    }
}

/// Seconds since 1970 and nanoseconds of an RFC 3339 time; `None` when the text is none.
pub fn parse_time(text: &str) -> Option<(i64, u32)> {
    Instant::parse(text, Precision::Seconds)
        .ok()
        .map(|instant| (instant.seconds, instant.nanos))
}

/// RFC 3339 in whole seconds, UTC, as `metav1.Time` is written.
pub fn format_time(unix_seconds: i64) -> String {
    Instant {
        seconds: unix_seconds,
        nanos: 0,
    }
    .format(Precision::Seconds)
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
