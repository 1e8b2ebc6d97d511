//! The difference between two values as upstream shows it: a unified diff of their indented JSON, without file names
//! (apimachinery pkg/util/diff).

use serde_json::Value;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// One step from old to new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Remove,
    Add,
}

pub(crate) fn unified(old: &Value, new: &Value) -> String {
    let (old, new) = (indented(old), indented(new));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let steps = steps(&old, &new);
    let mut out = String::new();
    let mut from = 0;
    while let Some(first) = (from..steps.len()).find(|i| steps[*i].0 != Step::Keep) {
        let mut last = first;
        for (i, step) in steps.iter().enumerate().skip(first) {
            if step.0 != Step::Keep {
                last = i;
            } else if i - last > 2 * CONTEXT {
                break;
            }
        }
        let (begin, end) = (
            first.saturating_sub(CONTEXT).max(from),
            (last + CONTEXT + 1).min(steps.len()),
        );
        hunk(&steps[begin..end], &old, &new, &mut out);
        from = end;
    }
    out
}

fn indented(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    let written = serde::Serialize::serialize(value, &mut serializer);
    debug_assert!(written.is_ok());
    String::from_utf8(out).unwrap_or_default()
}

/// Each step with the lines (old, new) that it stands at; common heads and tails are cut off before the search.
fn steps(old: &[&str], new: &[&str]) -> Vec<(Step, usize, usize)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    // Longest common subsequences of all ends.
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let mut steps: Vec<_> = (0..head).map(|i| (Step::Keep, i, i)).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let at = (head + i, head + j);
        if i < a.len() && j < b.len() && a[i] == b[j] {
            steps.push((Step::Keep, at.0, at.1));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len()
            && (j == b.len() || longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            steps.push((Step::Remove, at.0, at.1));
            i += 1;
        } else {
            steps.push((Step::Add, at.0, at.1));
            j += 1;
        }
    }
    steps.extend((0..tail).map(|k| (Step::Keep, old.len() - tail + k, new.len() - tail + k)));
    steps
}

fn hunk(steps: &[(Step, usize, usize)], old: &[&str], new: &[&str], out: &mut String) {
    let count = |skip: Step| steps.iter().filter(|step| step.0 != skip).count();
    let (removed, added) = (count(Step::Add), count(Step::Remove));
    let side = |first: usize, count: usize| match count {
        1 => format!("{}", first + 1),
        0 => format!("{first},0"),
        _ => format!("{},{count}", first + 1),
    };
    let (_, first_old, first_new) = steps[0];
    out.push_str(&format!(
        "@@ -{} +{} @@\n",
        side(first_old, removed),
        side(first_new, added)
    ));
    for (step, i, j) in steps {
        let (sign, line) = match step {
            Step::Keep => (' ', old[*i]),
            Step::Remove => ('-', old[*i]),
            Step::Add => ('+', new[*j]),
        };
        out.push(sign);
        out.push_str(line);
        out.push('\n');
    }
}
