//! Quantities: canonical texts, refusals, comparison and rounding.

use triad_machinery::quantity::{Quantity, QuantityError};

#[test]
fn canonical_forms() {
    for (text, canonical) in [
        ("0", "0"),
        ("0Ki", "0"),
        ("000", "0"),
        ("1", "1"),
        ("1000", "1k"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        (".5", "500m"),
        ("1.", "1."),
        ("m", "0"),
        ("-", "0"),
        ("1.500", "1.500"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("100Mi", "100Mi"),
        ("1024", "1024"),
        ("1e3", "1e3"),
        ("1000e3", "1e6"),
        ("12E", "12E"),
        ("1000E", "1e21"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("8Ei", "9223372036854775807"),
        ("18446744073709551616", "18446744073709551616"),
        ("1.2345", "1234500u"),
        ("0.5Ki", "512"),
        ("0.0001Ki", "102400u"),
        ("+5", "+5"),
        ("-1500m", "-1500m"),
        ("100000000", "100M"),
        ("1e-3", "1e-3"),
        ("1023Ki", "1023Ki"),
        ("8Ki", "8Ki"),
        ("2048", "2048"),
        ("1e60", "1e60"),
    ] {
        assert_eq!(
            Quantity::parse(text).map(|q| q.to_string()),
            Ok(canonical.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn refusals() {
    for (text, error) in [
        ("", QuantityError::Format),
        ("bad value!", QuantityError::Format),
        ("1.1.", QuantityError::Format),
        ("1X", QuantityError::Format),
        ("1mi", QuantityError::Suffix),
        ("1e", QuantityError::Suffix),
        ("1kk", QuantityError::Suffix),
        ("{}", QuantityError::Format),
        ("1 ", QuantityError::Format),
        ("Ei", QuantityError::Number),
    ] {
        assert_eq!(
            Quantity::parse(text).map(|q| q.to_string()),
            Err(error),
            "{text:?}"
        );
    }
}

#[test]
fn order_and_rounding() {
    let q = |t: &str| Quantity::parse(t).unwrap();
    assert!(
        q("1Gi") > q("1G") && q("1e60") > q("1Ei") && q("-1") < q("1n") && q("1000m") == q("1")
    );
    let mut fine = q("1u");
    fine.round_up(-3);
    assert_eq!(fine.to_string(), "1m");
    let mut sum = q("0");
    sum.add(&q("512Mi"));
    sum.add(&q("512Mi"));
    assert_eq!(sum.to_string(), "1Gi");
    assert_eq!(
        (
            q("1500m").value(),
            q("1500m").milli_value(),
            q("-1500m").value()
        ),
        (2, 1500, -2)
    );
}
