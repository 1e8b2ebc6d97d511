//! Real handshakes: what is spoken, who is shown which certificate, and files that change meanwhile.

mod clients;

use super::*;
use crate::options::{Config, Flags};
use clients::{Asked, Shaken, openssl, shake};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a pair with a common name and names of hosts in files NAME.crt and NAME.key.
fn make(dir: &TempDir, file: &str, common: &str, hosts: &[&str]) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, common);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    write(dir, &format!("{file}.crt"), &made.pem());
    write(dir, &format!("{file}.key"), &key.serialize_pem());
}

/// Puts a file in place whole.
fn write(dir: &TempDir, file: &str, text: &str) {
    let partial = dir.path().join("partial");
    std::fs::write(&partial, text).expect("written");
    std::fs::rename(partial, dir.path().join(file)).expect("in place");
}

/// A port that shakes hands and says nothing more, on two addresses of loopback.
struct Bed {
    dir: TempDir,
    serving: Arc<Serving>,
    ports: [SocketAddr; 2],
    _tasks: JoinSet<()>,
}

impl Bed {
    /// `DIR` in flags is the directory of files.
    async fn start(dir: TempDir, flags: &[&str]) -> Self {
        if !dir.path().join("serving.crt").exists() {
            make(&dir, "serving", "serving", &["serving.example"]);
        }
        let serving = Arc::new(open(&dir, flags).expect("it opens"));
        let mut tasks = JoinSet::new();
        let mut ports = Vec::new();
        for address in ["127.0.0.1:0", "127.0.0.2:0"] {
            let listener = TcpListener::bind(address).await.expect("a port");
            ports.push(listener.local_addr().expect("an address"));
            tasks.spawn(accept(listener, serving.clone()));
        }
        let followed = serving.clone();
        tasks.spawn(async move { followed.follow().await });
        Bed {
            dir,
            serving,
            ports: [ports[0], ports[1]],
            _tasks: tasks,
        }
    }

    async fn ask(&self, asked: Asked<'_>) -> Result<Shaken, String> {
        shake(self.ports[0], asked).await
    }

    /// The file of the certificate that who asks for a name is shown.
    async fn shown(&self, name: &str) -> String {
        let asked = Asked::name(name);
        let shaken = self.ask(asked).await.expect("shaken");
        self.file_of(&shaken)
    }

    fn file_of(&self, shaken: &Shaken) -> String {
        let files = std::fs::read_dir(self.dir.path()).expect("a directory");
        let names = files.map(|file| file.expect("a file").path());
        for path in names.filter(|path| path.extension().is_some_and(|end| end == "crt")) {
            let read = super::super::certificates(&path).expect("a certificate");
            if read[0] == shaken.certificate {
                return path.file_stem().expect("a name").display().to_string();
            }
        }
        "none".to_owned()
    }
}

fn open(dir: &TempDir, flags: &[&str]) -> Result<Serving> {
    let at = dir.path().display().to_string();
    let flags = flags
        .iter()
        .map(|flag| OsString::from(flag.replace("DIR", &at)));
    let flags = Flags::parse("test", flags).unwrap_or_else(|exit| panic!("{}", exit.text));
    let config = Config::new(&flags, false).unwrap_or_else(|exit| panic!("{}", exit.text));
    let file = |name: &str| dir.path().join(name);
    let serving = (file("serving.crt"), file("serving.key"));
    Serving::open(&config.transport, &serving, vec![file("serving.crt")])
}

async fn accept(listener: TcpListener, serving: Arc<Serving>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let local = stream.local_addr().expect("an address").ip();
        let acceptor = TlsAcceptor::from(serving.at(Some(local)));
        connections.spawn(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                // Until the client goes.
                let _ = stream.read(&mut [0; 1]).await;
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_chosen_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    make(
        &dir,
        "extracted",
        "common.example",
        &["one.example", "*.wild.example"],
    );
    make(
        &dir,
        "explicit",
        "explicit",
        &["unlisted.example", "one.example"],
    );
    make(&dir, "second", "second", &["second.example"]);
    make(&dir, "address", "10.0.0.1", &["address.example"]);
    let bed = Bed::start(
        dir,
        &[
            "--tls-sni-cert-key=DIR/extracted.crt,DIR/extracted.key",
            "--tls-sni-cert-key=DIR/explicit.crt,DIR/explicit.key:a.wild.example,*.DEEP.example,shared.example,127.0.0.2",
            "--tls-sni-cert-key=DIR/second.crt,DIR/second.key:shared.example,common.example",
            "--tls-sni-cert-key=DIR/address.crt,DIR/address.key",
        ],
    )
    .await;
    for (name, shown) in [
        ("one.example", "extracted"),
        ("ONE.example", "extracted"),
        ("b.wild.example", "extracted"),
        ("b.a.wild.example", "serving"),
        ("wild.example", "serving"),
        // Exact names go before wildcards, explicit ones before those of a certificate, earlier pairs before later ones.
        ("a.wild.example", "explicit"),
        ("x.deep.example", "explicit"),
        ("common.example", "second"),
        ("shared.example", "explicit"),
        ("address.example", "address"),
        // A name that no pair was given for, but is valid for.
        ("unlisted.example", "explicit"),
        ("serving.example", "serving"),
        ("nobody.example", "serving"),
    ] {
        assert_eq!(bed.shown(name).await, shown, "{name}");
    }
    // Who asks for no name is shown what the address that it reached has.
    for (port, shown) in [(bed.ports[0], "serving"), (bed.ports[1], "explicit")] {
        let shaken = shake(port, Asked::default()).await.expect("shaken");
        assert_eq!(bed.file_of(&shaken), shown);
        let named = shake(port, Asked::name("one.example")).await;
        assert_eq!(bed.file_of(&named.expect("shaken")), "extracted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_pairs_are_shown_and_wrong_ones_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    make(&dir, "named", "named", &["named.example"]);
    let flag = "--tls-sni-cert-key=DIR/named.crt,DIR/named.key";
    let bed = Bed::start(dir, &[flag]).await;
    assert_eq!(bed.shown("named.example").await, "named");

    // The key does not belong to it: neither pair changes what the other shows.
    let before = std::fs::read_to_string(bed.dir.path().join("named.crt")).expect("a file");
    make(
        &bed.dir,
        "other",
        "other",
        &["named.example", "new.example"],
    );
    let other = |end: &str| {
        let text = std::fs::read_to_string(bed.dir.path().join(format!("other.{end}")));
        text.expect("a file")
    };
    write(&bed.dir, "before.crt", &before);
    write(&bed.dir, "named.crt", &other("crt"));
    make(&bed.dir, "serving", "again", &["serving.example"]);
    eventually(&bed, "serving.example", "serving").await;
    assert_eq!(bed.shown("named.example").await, "before");
    // With its key it is shown, under the names that it bears now.
    write(&bed.dir, "named.key", &other("key"));
    std::fs::remove_file(bed.dir.path().join("other.crt")).expect("removed");
    eventually(&bed, "named.example", "named").await;
    assert_eq!(bed.shown("new.example").await, "named");
}

/// Waits until a name is shown what a file holds.
async fn eventually(bed: &Bed, name: &str, file: &str) {
    let end = Instant::now() + PATIENCE;
    while bed.shown(name).await != file {
        assert!(Instant::now() < end, "{name} is not shown {file}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_make_no_pair_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    for file in ["serving", "one", "two"] {
        make(&dir, file, file, &["a.example"]);
    }
    write(&dir, "empty.crt", "");
    for (pair, why) in [
        ("DIR/one.crt,DIR/two.key", "do not make a pair"),
        ("DIR/none.crt,DIR/two.key", "cannot read"),
        ("DIR/empty.crt,DIR/two.key", "holds no certificate"),
        ("DIR/one.crt,DIR/empty.crt", "holds no private key"),
    ] {
        let refused = open(&dir, &[&format!("--tls-sni-cert-key={pair}")]);
        let refused = refused.err().unwrap_or_else(|| panic!("{pair} is taken"));
        let said = format!("{refused:#}");
        assert!(said.contains(why) && said.contains("/"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suites_groups_and_versions_are_what_was_asked_for() {
    const GCM: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let suites = format!("--tls-cipher-suites={GCM},TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
    let fresh = || tempfile::tempdir().expect("a directory");
    let bed = Bed::start(fresh(), &[&suites, "--tls-curve-preferences=24,4588"]).await;
    let old = Asked {
        tls12: true,
        ..Asked::name("a.example")
    };
    let shaken = bed.ask(old.clone()).await.expect("shaken");
    assert_eq!((shaken.suite.as_str(), shaken.group), (GCM, 24));
    let shaken = bed.ask(Asked::name("a.example")).await.expect("shaken");
    assert!(shaken.suite.starts_with("TLS13_"), "{}", shaken.suite);
    assert!([24, 4588].contains(&shaken.group), "{}", shaken.group);
    for (group, taken) in [(23, false), (24, true), (29, false), (4588, true)] {
        let only = Asked {
            group: Some(group),
            ..Asked::name("a.example")
        };
        let shaken = bed.ask(only).await;
        assert_eq!(shaken.is_ok(), taken, "{group}: {shaken:?}");
    }
    let other = Asked {
        suite: Some("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ..old.clone()
    };
    assert!(bed.ask(other).await.is_err(), "a suite that was left out");

    let newest = Bed::start(fresh(), &["--tls-min-version=VersionTLS13"]).await;
    assert!(newest.ask(old).await.is_err());
    assert!(newest.ask(Asked::name("a.example")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_finds_what_was_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    make(&dir, "named", "of-the-name", &["named.example"]);
    let bed = Bed::start(
        dir,
        &[
            "--tls-sni-cert-key=DIR/named.crt,DIR/named.key",
            "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "--tls-curve-preferences=24",
        ],
    )
    .await;
    let ask = async |args: &[&str]| openssl(bed.ports[0], args).await;
    // Where there is no openssl there is nothing to find.
    let Some(plain) = ask(&["-tls1_2", "-servername", "named.example"]).await else {
        return;
    };
    for part in [
        "Protocol version: TLSv1.2",
        "Ciphersuite: ECDHE-ECDSA-AES128-GCM-SHA256",
        "CN = of-the-name",
    ] {
        assert!(plain.contains(part), "{part} is not in {plain}");
    }
    let unknown = ask(&["-servername", "other.example"]).await;
    assert!(unknown.is_some_and(|said| said.contains("CN = serving") && said.contains("TLSv1.3")));
    for refused in [
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"][..],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
        &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"],
        &["-tls1_3", "-groups", "P-256"],
    ] {
        let said = ask(refused).await.expect("openssl is there");
        assert!(
            !said.contains("CONNECTION ESTABLISHED"),
            "{refused:?}: {said}"
        );
    }
    drop(bed.serving);
}
