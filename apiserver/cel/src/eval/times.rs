//! Parts of timestamps and durations, and how both are written (cel-go's common/types/timestamp.go, duration.go).

use super::Error;
use super::value::Value;
use crate::time::civil;
use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

type Result<'a> = std::result::Result<Value<'a>, Error>;

pub(super) fn call<'a>(function: &str, _member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    match args {
        [Value::Timestamp(seconds, nanoseconds)] => part(function, *seconds, *nanoseconds).map(Ok),
        [Value::Timestamp(seconds, nanoseconds), Value::String(zone)] => {
            part(function, 0, 0)?;
            Some(offset(zone, *seconds).and_then(|offset| {
                let part = part(function, seconds + offset, *nanoseconds);
                part.ok_or_else(|| Error::new("no such overload"))
            }))
        }
        [Value::Duration(nanoseconds)] => Some(Ok(Value::Int(match function {
            "getHours" => nanoseconds / 3_600_000_000_000,
            "getMinutes" => nanoseconds / 60_000_000_000,
            "getSeconds" => nanoseconds / 1_000_000_000,
            "getMilliseconds" => nanoseconds / 1_000_000,
            _ => return None,
        }))),
        _ => None,
    }
}

fn part<'a>(function: &str, seconds: i64, nanoseconds: u32) -> Option<Value<'a>> {
    let (day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = civil(day);
    Some(Value::Int(match function {
        "getFullYear" => year,
        "getMonth" => month - 1,
        "getDate" => date,
        "getDayOfMonth" => date - 1,
        "getDayOfWeek" => (day + 4).rem_euclid(7),
        "getDayOfYear" => day - day_number(year),
        "getHours" => of_day / 3_600,
        "getMinutes" => of_day / 60 % 60,
        "getSeconds" => of_day % 60,
        "getMilliseconds" => i64::from(nanoseconds / 1_000_000),
        _ => return None,
    }))
}

/// The first day of a year, in days since 1970.
fn day_number(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

/// Seconds east of Greenwich of a zone at a time: `[+-]HH:MM`, or a name of the time zone database. The machine's own is UTC.
fn offset(zone: &str, at: i64) -> std::result::Result<i64, Error> {
    let unknown = || Error::new(format!("unknown time zone {zone}"));
    if ["", "Local"].contains(&zone) {
        return Ok(0);
    }
    let Some((hours, minutes)) = zone.split_once(':') else {
        let zone: Tz = zone.parse().map_err(|_| unknown())?;
        let at = DateTime::from_timestamp(at, 0).ok_or_else(unknown)?;
        let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        return Ok(offset.local_minus_utc().into());
    };
    let (sign, hours) = match hours.as_bytes().first() {
        Some(b'-') => (-1, &hours[1..]),
        Some(b'+') => (1, &hours[1..]),
        _ => (1, hours),
    };
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| text.len() <= 2);
    match (number(hours), number(minutes)) {
        (Some(hours), Some(minutes)) => Ok(sign * (hours * 3_600 + minutes * 60)),
        _ => Err(unknown()),
    }
}

/// A duration in seconds, as it is converted to a text: `1.5s`.
pub(super) fn seconds(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (whole, rest) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
    let fraction = fraction(rest);
    format!("{sign}{whole}{fraction}s")
}

fn fraction(nanoseconds: u64) -> String {
    if nanoseconds == 0 {
        return String::new();
    }
    format!(".{nanoseconds:09}")
        .trim_end_matches('0')
        .to_owned()
}

/// A time as RFC 3339 has it, in UTC.
pub(super) fn rfc3339(seconds: i64, nanoseconds: u32) -> String {
    let (day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = civil(day);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let fraction = fraction(u64::from(nanoseconds));
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}
