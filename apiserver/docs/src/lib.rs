//! The descriptions of all built-in API types and fields, for OpenAPI and the columns of tables. They are taken from
//! k8s-openapi when this crate is built (build.rs says how the text is laid out) and lie compressed in the program.
//! Nothing is kept in memory here: who asks gets a text of its own.

use std::io::Read;

use flate2::read::GzDecoder;

/// The compressed table.
const DESCRIPTIONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.gz"));

/// The table as text, decompressed anew: a few milliseconds.
pub fn text() -> String {
    let mut text = String::new();
    // What build.rs wrote reads back; if it ever does not, documents are served without descriptions.
    match GzDecoder::new(DESCRIPTIONS).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_small_and_reads_back() {
        assert!(
            DESCRIPTIONS.len() < 1_500_000,
            "{} bytes",
            DESCRIPTIONS.len()
        );
        let text = text();
        assert!(
            text.lines()
                .any(|line| line.starts_with("io.k8s.api.core.v1.Pod\t"))
        );
        assert!(text.lines().filter(|line| !line.starts_with('\t')).count() > 600);
        assert!(
            text.lines()
                .all(|line| line.matches('\t').count() == 1 + usize::from(line.starts_with('\t')))
        );
    }
}
