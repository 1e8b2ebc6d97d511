//! What a command line is read as, and refused for.

use super::*;

fn parse(args: &[&str]) -> Result<Flags, Exit> {
    Flags::parse("triad", args.iter().map(OsString::from))
}

#[test]
fn forms_of_flags() {
    let flags = parse(&[
        "--secure-port=7443",
        "--allow_privileged",
        "--authorization-mode",
        "RBAC",
        "--runtime-config=a=true,b=false",
        "--runtime-config=c=true",
        "-v=4",
    ])
    .expect("parses");
    assert_eq!(flags.integer("secure-port"), 7443);
    assert!(flags.flag("allow-privileged") && !flags.flag("ephemeral"));
    assert_eq!(
        flags.list("runtime-config"),
        ["a=true", "b=false", "c=true"]
    );
    assert_eq!(flags.integer("v"), 4);
    assert_eq!(flags.duration("event-ttl").as_secs(), 3600);
}

#[test]
fn unknown_flag_names_the_nearest() {
    let exit = parse(&["--secure-prot=1"]).err().expect("refused");
    assert_eq!(exit.code, 1);
    assert!(exit.text.contains("--secure-port"), "{}", exit.text);
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (flag, value) in [
        ("secure-port", "abc"),
        ("event-ttl", "5"),
        ("bind-address", "nohost"),
        ("anonymous-auth", "perhaps"),
    ] {
        let exit = parse(&[&format!("--{flag}={value}")])
            .err()
            .unwrap_or_else(|| panic!("{flag} takes {value}"));
        assert!(exit.text.contains(flag), "{}", exit.text);
    }
}

#[test]
fn help_ends_well_and_hides_the_insecure_port() {
    let exit = parse(&["--help"]).err().expect("ends");
    assert_eq!(exit.code, 0);
    assert!(exit.text.contains("--secure-port") && !exit.text.contains("--insecure-port"));
}

/// A flag that nobody asks for would be taken in silence, and do nothing.
#[test]
fn every_flag_that_is_on_is_read() {
    // Not part of the configuration: the program itself asks for these.
    let mut read: std::collections::BTreeSet<String> =
        ["help", "version", "config"].map(str::to_owned).into();
    for args in [
        &[
            "--audit-policy-file=p",
            "--audit-log-path=-",
            "--audit-webhook-config-file=w",
        ][..],
        &[
            "--audit-log-mode=batch",
            "--audit-log-path=-",
            "--audit-log-truncate-enabled",
            "--audit-log-batch-throttle-enable",
            "--audit-log-batch-throttle-qps=1",
            "--audit-log-batch-throttle-burst=1",
            "--backup-dest=/b",
        ],
        &[
            "--audit-webhook-mode=batch",
            "--audit-webhook-config-file=w",
            "--audit-webhook-truncate-enabled",
        ],
        &["--log-file=l"],
        &[
            "--oidc-issuer-url=https://i",
            "--oidc-client-id=c",
            "--oidc-required-claim=a=b",
        ],
        &[
            "--authentication-token-webhook-config-file=w",
            "--requestheader-client-ca-file=c",
        ],
        &[
            "--authorization-mode=Webhook,ABAC",
            "--authorization-webhook-config-file=w",
            "--authorization-policy-file=p",
        ],
    ] {
        let flags = parse(args).expect("parses");
        if let Err(exit) = Config::new(&flags, false) {
            panic!("{args:?}: {}", exit.text);
        }
        read.extend(flags.read.into_inner());
    }
    let unread = table().iter().filter(|spec| {
        matches!(spec.state, State::On | State::Hidden) && !read.contains(spec.name)
    });
    let unread: Vec<&str> = unread.map(|spec| spec.name).collect();
    assert_eq!(unread, [""; 0]);
}

#[test]
fn every_flag_without_effect_warns() {
    let flags = parse(&["--etcd-servers=http://127.0.0.1:2379"]).expect("parses");
    assert_eq!(
        flags.warnings(),
        ["--etcd-servers has no effect: the store is built in"]
    );
}

#[test]
fn under_the_name_of_the_reference_there_are_no_controllers_unless_asked_for() {
    let enabled = |args: &[&str], drop_in: bool| {
        let flags = parse(args).unwrap_or_else(|exit| panic!("{}", exit.text));
        let config = Config::new(&flags, drop_in).unwrap_or_else(|exit| panic!("{}", exit.text));
        config.controllers.enabled("namespace-controller")
    };
    assert!(enabled(&[], false));
    assert!(!enabled(&[], true));
    assert!(enabled(&["--controllers=*"], true));
    assert!(!enabled(&["--controllers=none"], false));
}
