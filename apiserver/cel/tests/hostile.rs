//! No expression ends the process, takes long or much memory, whatever it is made of.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use triad_cel::compile::compile;
use triad_cel::cost::{Sizes, estimate};
use triad_cel::env::{Env, Mode};

/// Far above what any of these takes, far below what a server could bear of it.
const PATIENCE: Duration = Duration::from_secs(5);

fn refused(text: &str) -> String {
    let begun = Instant::now();
    let error = compile(&Env::base(Mode::Stored), text).expect_err("too much");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    error
}

#[test]
fn nesting_is_bounded() {
    for open in [
        "(",
        "[",
        "{1:",
        "f(",
        "has(",
        "a[",
        "[1].all(x,",
        "a{b:",
        "a?",
    ] {
        let error = refused(&open.repeat(9_000));
        assert!(error.contains("limit exceeded"), "{open}: {error:.200}");
    }
}

#[test]
fn chains_are_bounded() {
    for (first, more) in [
        ("1", "+1"),
        ("a", ".b"),
        ("a", "[0]"),
        ("1", "<1"),
        ("a", ".b()"),
    ] {
        let error = refused(&format!("{first}{}", more.repeat(20_000)));
        assert!(
            error.contains("max recursion depth exceeded"),
            "{more}: {error:.200}"
        );
    }
}

#[test]
fn looking_ahead_is_bounded() {
    // What a dash or a name begins is known only far behind it.
    for text in [
        "-1[".repeat(33_000),
        format!("{}a{{", "a.".repeat(49_000)),
        "-1[0".repeat(24_000),
    ] {
        refused(&text);
    }
}

#[test]
fn long_expressions_are_refused_unread() {
    let error = refused(&"a".repeat(100_001));
    assert_eq!(
        error,
        "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000"
    );
}

/// `optMap` copies what it is called on, so each link doubles the tree.
#[test]
fn macros_do_not_multiply_without_end() {
    let error = refused(&format!("optional.of(1){}", ".optMap(x, x)".repeat(200)));
    assert!(
        error.contains("grows too large by its macros"),
        "{error:.200}"
    );
}

#[test]
fn patterns_are_read_in_time() {
    for part in [
        "a",
        "a|",
        "(a)",
        "[a]",
        "a{1}",
        "[[:alpha:]]",
        "\\pL",
        "[[:",
        "((((",
        "\\Q",
    ] {
        let text = format!("'a'.matches(r'{}')", part.repeat(90_000 / part.len()));
        let begun = Instant::now();
        // Good or bad, the answer comes.
        let _ = compile(&Env::base(Mode::New), &text);
        assert!(begun.elapsed() < PATIENCE, "{part}: {:?}", begun.elapsed());
    }
}

/// Each link doubles the type.
#[test]
fn types_do_not_multiply_without_end() {
    let mut text = "x".to_owned();
    for _ in 0..18 {
        text = format!("optional.of({{x: x}}).optMap(x, {text})");
    }
    let error = refused(&format!("optional.of(1).optMap(x, {text})"));
    assert!(error.contains("type has more than"), "{error:.200}");
}

#[test]
fn many_errors_are_counted_not_shown() {
    let error = refused(&"#".repeat(5_000));
    assert!(error.len() < 1_000_000, "{}", error.len());
    let error = refused("nosuch && ".repeat(300).trim_end_matches(" && "));
    assert!(
        error.ends_with("200 more errors were truncated"),
        "{error:.200}"
    );
}

#[test]
fn wide_expressions_are_fine() {
    for text in [
        format!("[{}]", "1,".repeat(20_000)),
        format!("{}true", "true && ".repeat(10_000)),
        format!("{}true", "!".repeat(90_000)),
        format!("{{{}}}", "1:2,".repeat(10_000)),
    ] {
        let begun = Instant::now();
        let checked = compile(&Env::base(Mode::New), &text).expect("wide");
        estimate(&checked, Sizes::None);
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
}

/// Words that expressions are made of, and some that they are not.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "b",
        "self",
        "1",
        "2u",
        "1.5",
        "\"s\"",
        "b'x'",
        "true",
        "null",
        "in",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "<",
        "==",
        "&&",
        "||",
        "has",
        "all",
        "map",
        "exists",
        "optMap",
        "sortBy",
        "size",
        "`e f`",
        "\"cut",
        "#",
        "&",
        "\n",
        "\t",
        "'''m'''",
        "if",
        ".5",
        "0x1f",
        "é",
        "//c\n",
        "r'q'",
        "google.protobuf.Any",
        "format",
        "duration",
        "\u{10ffff}",
        "\\",
        "\0",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn nothing_panics(words in proptest::collection::vec(word(), 0..40), spaced in any::<bool>()) {
        let text = words.join(if spaced { " " } else { "" });
        if let Ok(checked) = compile(&Env::base(Mode::New), &text) {
            let cost = estimate(&checked, Sizes::None);
            prop_assert!(cost.min <= cost.max);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = compile(&Env::base(Mode::New), &text);
    }
}
