//! Whether a text is a regular expression, as Go's regexp/syntax reads it with Perl's extensions, and what is wrong with one that
//! is not. Nothing is matched here.

use std::collections::HashMap;

/// Repetitions of repetitions may come to this at most.
const REPEAT: i64 = 1_000;
/// Groups in groups.
const HEIGHT: usize = 1_000;

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// What is wrong, and the part of the pattern that is.
type Wrong = (&'static str, String);

/// Checks a pattern; what is wrong reads as the reference has it.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let mut reader = Reader {
        whole: pattern,
        stack: Vec::new(),
        open: 0,
        names: HashMap::new(),
        after_names: pattern
            .rfind(":]")
            .map_or(pattern.len(), |at| pattern.len() - at),
    };
    reader
        .read()
        .map_err(|(what, part)| format!("error parsing regexp: {what}: `{part}`"))
}

/// What has been read: marks, or an expression with the most that its repetitions multiply to.
enum Entry {
    Group,
    Bar,
    Part(Repeats),
}

/// The repetitions in an expression, each inside the one before, where they multiply to most.
#[derive(Clone, Default)]
struct Repeats(Vec<Vec<i64>>);

impl Repeats {
    fn joined(parts: impl Iterator<Item = Repeats>) -> Self {
        let mut all: Vec<Vec<i64>> = parts.flat_map(|part| part.0).collect();
        all.sort_by_key(|chain| std::cmp::Reverse(chain.iter().product::<i64>()));
        all.truncate(4);
        Self(all)
    }

    fn repeated(mut self, min: i64, max: i64) -> Self {
        let times = if max < 0 { min } else { max };
        if self.0.is_empty() {
            self.0.push(Vec::new());
        }
        if max == 0 {
            return Self::default();
        }
        for chain in &mut self.0 {
            chain.insert(0, times);
        }
        self
    }

    fn fit(&self) -> bool {
        self.0.iter().all(|chain| {
            let mut left = REPEAT;
            chain.iter().all(|times| {
                let fits = *times <= left;
                if *times > 0 {
                    left /= times;
                }
                fits
            })
        })
    }
}

struct Reader<'a> {
    whole: &'a str,
    stack: Vec<Entry>,
    /// Groups that are not closed yet.
    open: usize,
    /// Names of classes, and whether there is such a one: each is looked up once.
    names: HashMap<&'a str, bool>,
    /// How much of the pattern lies behind the last `:]`, so that none is looked for there again and again.
    after_names: usize,
}

fn part(before: &str, after: &str) -> String {
    before[..before.len() - after.len()].to_owned()
}

fn next(text: &str) -> Option<(char, &str)> {
    let c = text.chars().next()?;
    Some((c, &text[c.len_utf8()..]))
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), Wrong> {
        let mut rest = self.whole;
        let mut last = "";
        while let Some((c, after)) = next(rest) {
            let mut repeat = "";
            rest = match c {
                '(' if after.starts_with('?') => self.flags(rest)?,
                '(' => {
                    self.begin();
                    after
                }
                '|' => {
                    self.join();
                    self.stack.push(Entry::Bar);
                    after
                }
                ')' => {
                    self.close()?;
                    after
                }
                '[' => self.class(rest)?,
                '*' | '+' | '?' => {
                    repeat = rest;
                    self.repeat(rest, after, last, None)?
                }
                '{' => match counted(rest) {
                    None => self.literal(after),
                    Some((min, max, after)) => {
                        let bad =
                            !(0..=REPEAT).contains(&min) || max > REPEAT || (max >= 0 && min > max);
                        if bad {
                            return Err(("invalid repeat count", part(rest, after)));
                        }
                        repeat = rest;
                        self.repeat(rest, after, last, Some((min, max)))?
                    }
                },
                '\\' => self.backslash(rest)?,
                _ => self.literal(after),
            };
            last = repeat;
            if self.open > HEIGHT {
                return Err(("expression nests too deeply", self.whole.to_owned()));
            }
        }
        if self.open > 0 {
            return Err(("missing closing )", self.whole.to_owned()));
        }
        Ok(())
    }

    fn literal(&mut self, after: &'a str) -> &'a str {
        self.stack.push(Entry::Part(Repeats::default()));
        after
    }

    fn begin(&mut self) {
        self.open += 1;
        self.stack.push(Entry::Group);
    }

    /// Makes one part of those since the last mark.
    fn join(&mut self) {
        let from = self
            .stack
            .iter()
            .rposition(|entry| !matches!(entry, Entry::Part(_)))
            .map_or(0, |mark| mark + 1);
        let parts = self
            .stack
            .split_off(from)
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Part(repeats) => Some(repeats),
                _ => None,
            });
        let joined = Repeats::joined(parts);
        self.stack.push(Entry::Part(joined));
    }

    fn close(&mut self) -> Result<(), Wrong> {
        let open = self
            .stack
            .iter()
            .rposition(|entry| matches!(entry, Entry::Group));
        let Some(open) = open else {
            return Err(("unexpected )", self.whole.to_owned()));
        };
        self.open -= 1;
        let inside = self
            .stack
            .split_off(open)
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Part(repeats) => Some(repeats),
                _ => None,
            });
        let joined = Repeats::joined(inside);
        self.stack.push(Entry::Part(joined));
        Ok(())
    }

    fn repeat(
        &mut self,
        before: &'a str,
        after: &'a str,
        last: &str,
        times: Option<(i64, i64)>,
    ) -> Result<&'a str, Wrong> {
        let after = after.strip_prefix('?').unwrap_or(after);
        if !last.is_empty() {
            return Err(("invalid nested repetition operator", part(last, after)));
        }
        let Some(Entry::Part(repeated)) = self.stack.last_mut() else {
            return Err((
                "missing argument to repetition operator",
                part(before, after),
            ));
        };
        if let Some((min, max)) = times {
            *repeated = repeated.clone().repeated(min, max);
            if (min >= 2 || max >= 2) && !repeated.fit() {
                return Err(("invalid repeat count", part(before, after)));
            }
        }
        Ok(after)
    }

    /// `(?`: a name, or flags.
    fn flags(&mut self, text: &'a str) -> Result<&'a str, Wrong> {
        let name = match text.as_bytes() {
            [_, _, b'P', b'<', _, ..] => Some(4),
            [_, _, b'<', _, ..] => Some(3),
            _ => None,
        };
        if let Some(from) = name {
            let Some(end) = text.find('>') else {
                return Err(("invalid named capture", text.to_owned()));
            };
            let name = &text[from..end];
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(word) {
                return Err(("invalid named capture", text[..=end].to_owned()));
            }
            self.begin();
            return Ok(&text[end + 1..]);
        }
        let mut rest = &text[2..];
        let (mut negated, mut seen) = (false, false);
        while let Some((c, after)) = next(rest) {
            rest = after;
            match c {
                'i' | 'm' | 's' | 'U' => seen = true,
                '-' if !negated => (negated, seen) = (true, false),
                ':' | ')' if !negated || seen => {
                    if c == ':' {
                        self.begin();
                    }
                    return Ok(rest);
                }
                _ => break,
            }
        }
        Err(("invalid or unsupported Perl syntax", part(text, rest)))
    }

    fn backslash(&mut self, text: &'a str) -> Result<&'a str, Wrong> {
        let after = match text.as_bytes().get(1) {
            Some(b'A' | b'b' | b'B' | b'z' | b'd' | b's' | b'w' | b'D' | b'S' | b'W') => &text[2..],
            Some(b'C') => return Err(("invalid escape sequence", text[..2].to_owned())),
            Some(b'Q') => {
                let quoted = &text[2..];
                let (inside, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                if inside.is_empty() {
                    return Ok(rest);
                }
                rest
            }
            Some(b'p' | b'P') => self.unicode(text)?,
            _ => escape(text)?.1,
        };
        Ok(self.literal(after))
    }

    fn class(&mut self, text: &'a str) -> Result<&'a str, Wrong> {
        let mut rest = &text[1..];
        rest = rest.strip_prefix('^').unwrap_or(rest);
        let mut first = true;
        while first || !rest.starts_with(']') {
            first = false;
            if rest.starts_with("[:")
                && rest.len() > self.after_names
                && let Some(end) = rest[2..].find(":]")
            {
                let (name, after) = (&rest[..end + 4], &rest[end + 4..]);
                let bare = name[2..end + 2].trim_start_matches('^');
                if !POSIX.contains(&bare) {
                    return Err(("invalid character class range", name.to_owned()));
                }
                rest = after;
                continue;
            }
            rest = match rest.as_bytes() {
                [b'\\', b'p' | b'P', ..] => self.unicode(rest)?,
                [b'\\', b'd' | b's' | b'w' | b'D' | b'S' | b'W', ..] => &rest[2..],
                _ => range(rest, text)?,
            };
        }
        Ok(self.literal(&rest[1..]))
    }
}

impl<'a> Reader<'a> {
    /// `\p{Name}`, `\pN`.
    fn unicode(&mut self, text: &'a str) -> Result<&'a str, Wrong> {
        const WHAT: &str = "invalid character class range";
        let (name, sequence, rest) = match next(&text[2..]) {
            Some(('{', _)) => {
                let Some(end) = text.find('}') else {
                    return Err((WHAT, text.to_owned()));
                };
                (&text[3..end], &text[..=end], &text[end + 1..])
            }
            Some((_, rest)) => {
                let sequence = &text[..text.len() - rest.len()];
                (&sequence[2..], sequence, rest)
            }
            None => ("", text, ""),
        };
        let bare = name.strip_prefix('^').unwrap_or(name);
        match *self.names.entry(bare).or_insert_with(|| is_class(bare)) {
            true => Ok(rest),
            false => Err((WHAT, sequence.to_owned())),
        }
    }
}

fn is_class(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.chars().all(word)
        && regex_syntax::Parser::new()
            .parse(&format!("\\p{{{name}}}"))
            .is_ok()
}

/// `{n}`, `{n,}` or `{n,m}`; a number too large is negative. Anything else is no repetition.
fn counted(text: &str) -> Option<(i64, i64, &str)> {
    let (mut min, rest) = number(&text[1..])?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (min, rest),
        Some(rest) if rest.starts_with('}') => (-1, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            if max < 0 {
                min = -1;
            }
            (max, rest)
        }
    };
    Some((min, max, rest.strip_prefix('}')?))
}

fn number(text: &str) -> Option<(i64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || (length > 1 && text.starts_with('0')) {
        return None;
    }
    let value = text[..length]
        .parse()
        .ok()
        .filter(|value| *value < 1_000_000_000);
    Some((value.unwrap_or(-1), &text[length..]))
}

/// One character of a class, or a range of them. `class` is where the class begins.
fn range<'a>(text: &'a str, class: &str) -> Result<&'a str, Wrong> {
    let (low, rest) = one(text, class)?;
    let ranged = rest
        .strip_prefix('-')
        .filter(|after| !after.is_empty() && !after.starts_with(']'));
    let Some(after) = ranged else {
        return Ok(rest);
    };
    let (high, rest) = one(after, class)?;
    if high < low {
        return Err(("invalid character class range", part(text, rest)));
    }
    Ok(rest)
}

fn one<'a>(text: &'a str, class: &str) -> Result<(u32, &'a str), Wrong> {
    match next(text) {
        None => Err(("missing closing ]", class.to_owned())),
        Some(('\\', _)) => escape(text),
        Some((c, rest)) => Ok((u32::from(c), rest)),
    }
}

/// An escaped character.
fn escape(text: &str) -> Result<(u32, &str), Wrong> {
    let Some((c, rest)) = next(&text[1..]) else {
        return Err(("trailing backslash at end of expression", String::new()));
    };
    let octal = |text: &str| {
        text.bytes()
            .take_while(|b| (b'0'..=b'7').contains(b))
            .count()
    };
    let value = match c {
        '0'..='7' if c == '0' || octal(rest) > 0 => {
            let length = octal(rest).min(2);
            let digits = format!("{c}{}", &rest[..length]);
            return Ok((
                u32::from_str_radix(&digits, 8).unwrap_or(0),
                &rest[length..],
            ));
        }
        'x' => return hexadecimal(text, rest),
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return Err(("invalid escape sequence", part(text, rest))),
    };
    Ok((value, rest))
}

/// `\x41` or `\x{41}`; `text` is where the escape begins.
fn hexadecimal<'a>(text: &'a str, mut rest: &'a str) -> Result<(u32, &'a str), Wrong> {
    let wrong = |rest: &str| Err(("invalid escape sequence", part(text, rest)));
    let Some((first, after)) = next(rest) else {
        return wrong(rest);
    };
    rest = after;
    if first != '{' {
        let Some((second, after)) = next(rest) else {
            return wrong(rest);
        };
        return match (first.to_digit(16), second.to_digit(16)) {
            (Some(high), Some(low)) => Ok((high * 16 + low, after)),
            _ => wrong(after),
        };
    }
    let (mut value, mut digits) = (0_u32, 0);
    while let Some((c, after)) = next(rest) {
        rest = after;
        match c.to_digit(16) {
            None if c == '}' && digits > 0 => return Ok((value, rest)),
            None => break,
            Some(digit) => value = value * 16 + digit,
        }
        digits += 1;
        if value > u32::from(char::MAX) {
            break;
        }
    }
    wrong(rest)
}
