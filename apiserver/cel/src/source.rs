//! An expression's text by code points: lines, offsets and the line that an error shows. Positions are cel-go's
//! (common/source.go, common/ast): lines from 1, columns from 0, and an unknown place is line -1.

/// A place in an expression: line from 1, column from 0 (an error shows the column plus one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) line: i32,
    pub(crate) column: i32,
}

/// Where an error lies that belongs to no place.
pub(crate) const NO_LOCATION: Location = Location {
    line: -1,
    column: -1,
};

/// The text of one expression.
#[derive(Debug)]
pub(crate) struct Source {
    chars: Vec<char>,
    /// The offset after each newline, and one past the end.
    line_offsets: Vec<i32>,
}

impl Source {
    /// `text` must be shorter than 2^31 code points; callers bound it long before.
    pub(crate) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut line_offsets: Vec<i32> = (1..)
            .zip(&chars)
            .filter_map(|(after, c)| (*c == '\n').then_some(after))
            .collect();
        line_offsets.push(i32::try_from(chars.len()).unwrap_or(i32::MAX - 1) + 1);
        Self {
            chars,
            line_offsets,
        }
    }

    pub(crate) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The code points from `start` up to, not including, `end`.
    pub(crate) fn slice(&self, start: usize, end: usize) -> String {
        let end = end.min(self.chars.len());
        self.chars[start.min(end)..end].iter().collect()
    }

    pub(crate) fn offset(&self, line: i32, column: i32) -> i32 {
        if line == 1 {
            return column;
        }
        usize::try_from(line - 2)
            .ok()
            .filter(|index| index + 1 < self.line_offsets.len())
            .map_or(-1, |index| self.line_offsets[index] + column)
    }

    pub(crate) fn location(&self, offset: i32) -> Location {
        let mut at = Location {
            line: 1,
            column: offset,
        };
        for start in &self.line_offsets {
            if *start > offset {
                break;
            }
            at.line += 1;
            at.column = offset - start;
        }
        at
    }

    /// The line as written, without its newline; none for a line that does not exist and for an empty text.
    pub(crate) fn snippet(&self, line: i32) -> Option<String> {
        let line = usize::try_from(line).ok().filter(|line| *line >= 1)?;
        if self.chars.is_empty() || line > self.line_offsets.len() {
            return None;
        }
        let start = match line {
            1 => 0,
            _ => usize::try_from(self.line_offsets[line - 2]).ok()?,
        };
        let end = self
            .line_offsets
            .get(line - 1)
            .map_or(Some(self.chars.len()), |next| {
                usize::try_from(next - 1).ok()
            })?;
        Some(self.slice(start, end))
    }
}
