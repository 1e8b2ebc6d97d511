//! Points in time as upstream reads and writes them: RFC 3339 in seconds (Time) or with six fraction digits (MicroTime), always
//! written in UTC. Errors are the texts of Go's time.Parse.

use triad_cel::time::{civil, days, month_length};

/// Seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    pub seconds: i64,
    pub nanos: u32,
}

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Seconds,
    Micros,
}

/// Go's zero time, 0001-01-01T00:00:00Z: written as null.
pub const ZERO: Instant = Instant {
    seconds: -62_135_596_800,
    nanos: 0,
};

impl Instant {
    /// Reads a time in the form of the given precision.
    pub fn parse(text: &str, precision: Precision) -> Result<Self, String> {
        let mut parser = Parser {
            layout: precision.layout(),
            whole: text,
            rest: text,
        };
        parser.read(precision)
    }

    /// Writes it in UTC; what is finer than the precision is dropped.
    pub fn format(self, precision: Precision) -> String {
        let (days, second) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        match precision {
            Precision::Seconds => {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
            }
            Precision::Micros => {
                let micros = self.nanos / 1000;
                format!(
                    "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
                )
            }
        }
    }

    /// Appends it as `format` writes it.
    pub(crate) fn write(self, precision: Precision, out: &mut Vec<u8>) {
        let (days, second) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = civil(days);
        if !(0..10_000).contains(&year) {
            return out.extend_from_slice(self.format(precision).as_bytes());
        }
        digits(out, year / 100, 2);
        digits(out, year % 100, 2);
        for (before, number) in [
            (b'-', month),
            (b'-', day),
            (b'T', second / 3600),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            out.push(before);
            digits(out, number, 2);
        }
        if precision == Precision::Micros {
            out.push(b'.');
            digits(out, i64::from(self.nanos / 1000), 6);
        }
        out.push(b'Z');
    }

    /// The same time without what the precision does not keep.
    pub fn truncated(self, precision: Precision) -> Self {
        let nanos = match precision {
            Precision::Seconds => 0,
            Precision::Micros => self.nanos / 1000 * 1000,
        };
        Instant { nanos, ..self }
    }
}

impl Precision {
    fn layout(self) -> &'static str {
        match self {
            Precision::Seconds => "2006-01-02T15:04:05Z07:00",
            Precision::Micros => "2006-01-02T15:04:05.000000Z07:00",
        }
    }
}

/// A number in so many digits.
fn digits(out: &mut Vec<u8>, number: i64, count: usize) {
    let at = out.len();
    out.resize(at + count, b'0');
    let mut rest = number;
    for digit in out[at..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Walks the layout the way Go does: as lenient, and with the same complaints.
struct Parser<'a> {
    layout: &'static str,
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn read(&mut self, precision: Precision) -> Result<Instant, String> {
        let year = self.year()?;
        self.skip("-")?;
        let month = self.number("01", true, 1..=12, "month")?;
        self.skip("-")?;
        let day = self.number("02", true, 0..=99, "day")?;
        self.skip("T")?;
        let hour = self.number("15", false, 0..=23, "hour")?;
        self.skip(":")?;
        let minute = self.number("04", true, 0..=59, "minute")?;
        self.skip(":")?;
        let second = self.number("05", true, 0..=59, "second")?;
        let nanos = self.fraction(precision)?;
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(self.message(&format!(": extra text: {}", quote(self.rest))));
        }
        if day < 1 || day > month_length(year, month) {
            return Err(self.message(": day out of range"));
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Ok(Instant { seconds, nanos })
    }

    fn year(&mut self) -> Result<i64, String> {
        let digits = self
            .rest
            .get(..4)
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
        let Some(year) = digits.and_then(|t| t.parse().ok()) else {
            return Err(self.cannot(self.rest, "2006"));
        };
        self.rest = &self.rest[4..];
        Ok(year)
    }

    fn skip(&mut self, literal: &'static str) -> Result<(), String> {
        self.rest = self
            .rest
            .strip_prefix(literal)
            .ok_or_else(|| self.cannot(self.rest, literal))?;
        Ok(())
    }

    fn number(
        &mut self,
        element: &'static str,
        two_digits: bool,
        range: std::ops::RangeInclusive<i64>,
        what: &str,
    ) -> Result<i64, String> {
        let (number, rest) =
            two(self.rest, two_digits).ok_or_else(|| self.cannot(self.rest, element))?;
        self.rest = rest;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(self.message(&format!(": {what} out of range")))
        }
    }

    /// Fraction digits: as many as there are in seconds precision, exactly six in micros.
    fn fraction(&mut self, precision: Precision) -> Result<u32, String> {
        let bytes = self.rest.as_bytes();
        let starts = matches!(bytes.first(), Some(b'.' | b','));
        let digits = bytes
            .iter()
            .skip(1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let take = match precision {
            Precision::Seconds if !starts || digits == 0 => return Ok(0),
            Precision::Seconds => digits,
            Precision::Micros if starts && digits >= 6 => 6,
            Precision::Micros => return Err(self.cannot(self.rest, ".000000")),
        };
        let text = &self.rest[1..=take];
        self.rest = &self.rest[take + 1..];
        Ok(text
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |n, b| n * 10 + u32::from(b - b'0')))
    }

    fn offset(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let hold = self.rest;
        let bad = || self.cannot(hold, "Z07:00");
        let text = hold.get(..6).ok_or_else(bad)?;
        if text.as_bytes()[3] != b':' || !text.is_ascii() {
            return Err(bad());
        }
        let (hours, _) = two(&text[1..3], true).ok_or_else(bad)?;
        let (minutes, _) = two(&text[4..6], true).ok_or_else(bad)?;
        self.rest = &hold[6..];
        if hours > 24 {
            return Err(self.message(": time zone offset hour out of range"));
        }
        if minutes > 60 {
            return Err(self.message(": time zone offset minute out of range"));
        }
        match text.as_bytes()[0] {
            b'+' => Ok(hours * 3600 + minutes * 60),
            b'-' => Ok(-(hours * 3600 + minutes * 60)),
            _ => Err(self.cannot(hold, "Z07:00")),
        }
    }

    fn cannot(&self, value: &str, element: &str) -> String {
        let (whole, layout) = (quote(self.whole), quote(self.layout));
        format!(
            "parsing time {whole} as {layout}: cannot parse {} as {}",
            quote(value),
            quote(element)
        )
    }

    fn message(&self, message: &str) -> String {
        format!("parsing time {}{message}", quote(self.whole))
    }
}

/// One or two digits at the start.
fn two(text: &str, both: bool) -> Option<(i64, &str)> {
    let bytes = text.as_bytes();
    let digit = |i: usize| {
        bytes
            .get(i)
            .filter(|b| b.is_ascii_digit())
            .map(|b| i64::from(b - b'0'))
    };
    match (digit(0)?, digit(1)) {
        (tens, Some(ones)) => Some((tens * 10 + ones, &text[2..])),
        (one, None) if !both => Some((one, &text[1..])),
        _ => None,
    }
}

/// How Go's time package quotes what it complains about.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if !(' '..'\u{80}').contains(&c) {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer)
                .bytes()
                .for_each(|b| quoted.push_str(&format!("\\x{b:02x}")));
        } else {
            if matches!(c, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}
