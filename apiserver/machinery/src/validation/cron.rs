//! Cron schedules and time zones of cron jobs, with the messages of the parser that upstream uses (robfig/cron).

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// First and last value of a field, and the names of its values from the first on.
struct Bounds(u32, u32, &'static [&'static str]);

const FIELDS: [Bounds; 5] = [
    Bounds(0, 59, &[]),
    Bounds(0, 23, &[]),
    Bounds(1, 31, &[]),
    Bounds(1, 12, MONTHS),
    Bounds(0, 6, DAYS),
];

/// What is wrong with a schedule.
pub(crate) fn schedule(text: &str) -> Result<(), String> {
    let mut text = text;
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        let Some((zone, rest)) = text.split_once(' ') else {
            return Err("parser panic: runtime error: slice bounds out of range [:-1]".into());
        };
        let zone = zone.split_once('=').map_or("", |(_, zone)| zone);
        if let Err(problem) = time_zone(zone) {
            return Err(format!("provided bad location {zone}: {problem}"));
        }
        text = rest.trim();
    }
    if text.is_empty() {
        return Err("empty spec string".into());
    }
    if text.starts_with('@') {
        return descriptor(text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "expected exactly 5 fields, found {}: [{}]",
            fields.len(),
            fields.join(" ")
        ));
    }
    for (field, bounds) in fields.iter().zip(&FIELDS) {
        for part in field.split(',').filter(|part| !part.is_empty()) {
            range(part, bounds)?;
        }
    }
    Ok(())
}

fn descriptor(text: &str) -> Result<(), String> {
    match text {
        "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly" => {
            Ok(())
        }
        _ => match text.strip_prefix("@every ") {
            Some(duration) if crate::duration::GoDuration::parse(duration).is_some() => Ok(()),
            Some(duration) => Err(format!(
                "failed to parse duration {text}: time: invalid duration {}",
                crate::goformat::quote(duration)
            )),
            None => Err(format!("unrecognized descriptor: {text}")),
        },
    }
}

fn range(text: &str, Bounds(first, last, names): &Bounds) -> Result<(), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let (start, mut end) = if matches!(ends[0], "*" | "?") {
        (*first, *last)
    } else {
        let start = value(ends[0], *first, names)?;
        match ends.as_slice() {
            [_] => (start, start),
            [_, end] => (start, value(end, *first, names)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match parts.as_slice() {
        [_] => 1,
        [_, step] => {
            if ends.len() == 1 {
                end = *last;
            }
            number(step)?
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    if start < *first {
        return Err(format!(
            "beginning of range ({start}) below minimum ({first}): {text}"
        ));
    }
    if end > *last {
        return Err(format!(
            "end of range ({end}) above maximum ({last}): {text}"
        ));
    }
    if start > end {
        return Err(format!(
            "beginning of range ({start}) beyond end of range ({end}): {text}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn value(text: &str, first: u32, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    match names.iter().position(|name| *name == lower) {
        Some(at) => Ok(first + at as u32),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    let quoted = crate::goformat::quote(text);
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {text}")),
        Ok(number) => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {quoted}: invalid syntax"
        )),
    }
}

/// What is wrong with the name of a time zone.
pub(crate) fn time_zone(name: &str) -> Result<(), String> {
    // The first is the machine's own, the second says that none was chosen; the others are the database's.
    let known = ["Local", "Factory"].contains(&name) || name.parse::<chrono_tz::Tz>().is_ok();
    if known {
        Ok(())
    } else {
        Err(format!("unknown time zone {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_those_of_the_database() {
        for known in [
            "Europe/Berlin",
            "US/Central",
            "America/Argentina/Ushuaia",
            "Etc/GMT+12",
            "UTC",
            "GB-Eire",
            "Local",
        ] {
            assert_eq!(time_zone(known), Ok(()));
        }
        for unknown in ["Europe/Atlantis", "europe/berlin", "Berlin", "Etc/", ""] {
            assert_eq!(
                time_zone(unknown),
                Err(format!("unknown time zone {unknown}"))
            );
        }
    }
}
