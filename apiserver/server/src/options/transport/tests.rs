//! What is chosen by names and numbers, and what is refused.

use super::*;
use std::ffi::OsString;

fn transport(args: &[&str]) -> Result<Transport, String> {
    let flags = Flags::parse("triad", args.iter().map(OsString::from));
    let flags = flags.unwrap_or_else(|exit| panic!("{}", exit.text));
    Transport::new(&flags).map_err(|exit| exit.text.trim_end().to_owned())
}

/// The names of the suites of TLS 1.2 and the numbers of the groups.
fn chosen(args: &[&str]) -> (Vec<String>, Vec<u16>, usize) {
    let chosen = transport(args).unwrap_or_else(|why| panic!("{args:?}: {why}"));
    let suites = chosen.provider.cipher_suites.iter();
    let suites = suites.filter(|suite| suite.tls13().is_none()).map(name);
    let groups = chosen.provider.kx_groups.iter().map(|group| id_of(*group));
    (suites.collect(), groups.collect(), chosen.versions.len())
}

#[test]
fn suites_are_chosen_by_gos_names() {
    let (all, _, _) = chosen(&[]);
    assert_eq!(all.len(), 6);
    let two = "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let (suites, _, versions) = chosen(&[two]);
    assert_eq!(versions, 2);
    assert_eq!(
        suites,
        [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
        ],
        "in the order of preference, whatever the flag's"
    );
    // All suites of TLS 1.3 are there whichever was named, and no other.
    let (suites, _, versions) = chosen(&["--tls-cipher-suites=TLS_AES_128_GCM_SHA256"]);
    assert_eq!((suites.len(), versions), (0, 1));
}

#[test]
fn wrong_suites_are_refused_by_name() {
    let refused = |names: &str| {
        let refused = transport(&[&format!("--tls-cipher-suites={names}")]);
        refused.err().unwrap_or_else(|| panic!("{names} is taken"))
    };
    let known = "possible values: TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ";
    let unknown = refused("TLS_NONE");
    assert!(unknown.contains("TLS_NONE does not exist") && unknown.contains(known));
    for name in NOT_DONE {
        let refusal = refused(&format!("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,{name}"));
        assert!(refusal.contains(&format!("{name} cannot be served here")));
        assert!(refusal.contains(known), "{refusal}");
    }
    let without = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    assert!(refused(without).contains("HTTP/2 needs one of"));
    let flag = format!("--tls-cipher-suites={without}");
    for more in ["--disable-http2-serving", "--tls-min-version=VersionTLS13"] {
        transport(&[&flag, more]).unwrap_or_else(|why| panic!("{more}: {why}"));
    }
}

#[test]
fn curves_are_chosen_by_number() {
    let (_, groups, _) = chosen(&["--tls-curve-preferences=24,4587,23"]);
    assert_eq!(groups, [23, 24, 4587], "the order of the list is ignored");
    for (asked, why) in [
        ("9999", "curve preference 9999 is not supported"),
        ("25", "curve preference 25 (CurveP521) is not supported"),
        ("4589", "4589 (SecP384r1MLKEM1024) is not supported"),
        ("513", "513 is not supported"),
        ("0", "out of range"),
        ("-1", "out of range"),
        ("70000", "out of range"),
        ("23,29,23", "duplicate curve preference 23"),
        ("P256", "invalid argument \"P256\""),
    ] {
        let refused = transport(&[&format!("--tls-curve-preferences={asked}")]);
        let refused = refused.err().unwrap_or_else(|| panic!("{asked} is taken"));
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn versions_below_what_is_spoken_are_told_of() {
    let warned = |version: &str| {
        let flag = OsString::from(format!("--tls-min-version={version}"));
        let flags = Flags::parse("triad", [flag]).unwrap_or_else(|exit| panic!("{}", exit.text));
        flags.warnings()
    };
    assert!(warned("VersionTLS10")[0].contains("nothing below TLS 1.2"));
    assert_eq!(warned("VersionTLS12"), [""; 0]);
    let unknown = transport(&["--tls-min-version=1.3"]).err();
    assert!(unknown.is_some_and(|why| why.contains("unknown tls version \"1.3\"")));
}

#[test]
fn named_pairs_are_read_one_a_flag() {
    let read = transport(&[
        "--tls-sni-cert-key=a.crt,a.key",
        "--tls-sni-cert-key=b.crt, b.key: *.B.example, b.example",
    ]);
    let read = read.unwrap_or_else(|why| panic!("{why}")).named;
    let pair = |name: &str, names: &[&str]| NamedPair {
        certificate: format!("{name}.crt").into(),
        key: format!("{name}.key").into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let expected = [pair("a", &[]), pair("b", &["*.b.example", "b.example"])];
    assert_eq!(read, expected);
    for wrong in ["a.crt", "a.crt,a.key,b.key", "a.crt,", "a.crt,a.key:", ""] {
        let refused = transport(&[&format!("--tls-sni-cert-key={wrong}")]);
        assert!(refused.is_err(), "{wrong:?} is taken");
    }
}
