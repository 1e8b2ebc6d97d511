//! Tables for people: columns as wide as their widest cell, three spaces between, as kubectl prints them.

/// Renders the head and the rows; ends with a newline.
#[must_use]
pub fn render(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = std::iter::once(&head)
                .chain(rows)
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}   "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let rows = [
            vec!["a".into(), "voter".into(), String::new()],
            vec!["long-name".into(), "x".into(), "y".into()],
        ];
        let table = render(&["NAME", "ROLE", "TROUBLE"], &rows);
        let expected = "NAME        ROLE    TROUBLE\na           voter\nlong-name   x       y\n";
        assert_eq!(table, expected);
    }
}
