//! The server's own PKI: made at the first start, renewed when a pair is near its end or names change.
//!
//! Layout under DATA/pki: ca.{crt,key}, apiserver.{crt,key}, admin.{crt,key}, front-proxy-{ca,client}.{crt,key}, sa.{key,pub}, and peer-ca.{crt,key} of cluster::certificates. Keys are ECDSA P-256 in
//! files of mode 0600. Given files (--tls-cert-file, --client-ca-file, ...) always win and are never written.

mod certificate;
pub(crate) mod front_proxy;

use crate::options::Config;
use anyhow::{Context, Result};
use certificate::{belongs, issued, still_good};
use front_proxy::FrontProxy;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use triad_kv::durable;

const YEAR: Duration = Duration::days(365);

/// Where the files are that the server starts from.
pub(crate) struct Pki {
    pub(crate) serving: (PathBuf, PathBuf),
    /// The CA that signed the serving pair when it is our own; clients pin it.
    pub(crate) serving_ca: Option<PathBuf>,
    pub(crate) client_ca: PathBuf,
    /// The admin client pair; None where --client-ca-file names a CA whose key we do not have.
    pub(crate) admin: Option<(PathBuf, PathBuf)>,
    /// The key that signs service-account tokens.
    pub(crate) account_key: PathBuf,
    pub(crate) front_proxy: FrontProxy,
    pub(crate) made: bool,
}

impl Pki {
    pub(crate) fn prepare(config: &Config) -> Result<Self> {
        let dir = config.data_dir.join("pki");
        durable::make_dirs(&dir)
            .with_context(|| format!("cannot make the PKI directory {}", dir.display()))?;
        let ca = Authority::open_or_make(&dir, "ca", "triad-ca")?;
        let (serving, serving_ca) = match (&config.tls_pair, &config.cert_dir) {
            (Some(pair), _) => (pair.clone(), None),
            (None, Some(cert_dir)) => {
                durable::make_dirs(cert_dir)
                    .with_context(|| format!("cannot make --cert-dir {}", cert_dir.display()))?;
                let pair = (
                    cert_dir.join("apiserver.crt"),
                    cert_dir.join("apiserver.key"),
                );
                let own = !pair.0.exists() || !pair.1.exists();
                if own {
                    ca.issue(&pair, serving_params(config)?)?;
                }
                (pair, own.then(|| ca.cert_path.clone()))
            }
            (None, None) => {
                let pair = (dir.join("apiserver.crt"), dir.join("apiserver.key"));
                ca.renew(&pair, serving_params(config)?)?;
                (pair, Some(ca.cert_path.clone()))
            }
        };
        let (client_ca, admin) = match &config.client_ca_file {
            Some(file) => (file.clone(), None),
            None => {
                let pair = (dir.join("admin.crt"), dir.join("admin.key"));
                ca.renew(
                    &pair,
                    client_params("kubernetes-admin", Some("system:masters"))?,
                )?;
                (ca.cert_path.clone(), Some(pair))
            }
        };
        let own_key = dir.join("sa.key");
        if !own_key.exists() {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            write_private(&own_key, &key.serialize_pem())?;
            write_public(&dir.join("sa.pub"), &key.public_key_pem())
                .context("cannot write the service-account public key")?;
        }
        Ok(Pki {
            front_proxy: FrontProxy::prepare(config, &dir)?,
            serving,
            serving_ca,
            client_ca,
            admin,
            account_key: config
                .service_accounts
                .signing_key_file
                .clone()
                .unwrap_or(own_key),
            made: ca.made,
        })
    }

    /// The certificates that clients trust the serving pair by: our own CA, else the CA of client certificates where it
    /// issued the pair too, else the pair itself where it is its own issuer. None: it is not known.
    pub(crate) fn root_ca(&self) -> Result<Option<String>> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        if let Some(own) = &self.serving_ca {
            return read(own).map(Some);
        }
        for file in [&self.client_ca, &self.serving.0] {
            let text = read(file)?;
            if issued(&text, &read(&self.serving.0)?) {
                return Ok(Some(text));
            }
        }
        tracing::warn!(certificate = %self.serving.0.display(), "the CA of the serving certificate is not known: namespaces get no kube-root-ca.crt");
        Ok(None)
    }

    /// Writes DATA/admin.kubeconfig (0600) with everything inline; its path.
    pub(crate) fn write_admin_kubeconfig(
        &self,
        config: &Config,
        port: u16,
    ) -> Result<Option<PathBuf>> {
        let (Some(admin), Some(ca)) = (&self.admin, &self.serving_ca) else {
            return Ok(None);
        };
        use base64::Engine as _;
        let inline = |path: &Path| -> Result<String> {
            Ok(base64::engine::general_purpose::STANDARD.encode(
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
            ))
        };
        let host = match config.bind.ip() {
            ip if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            ip => ip,
        };
        let server = std::net::SocketAddr::new(host, port);
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: triad\n  cluster:\n    server: https://{server}\n    certificate-authority-data: {}\nusers:\n- name: admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\ncontexts:\n- name: triad\n  context:\n    cluster: triad\n    user: admin\ncurrent-context: triad\n",
            inline(ca)?,
            inline(&admin.0)?,
            inline(&admin.1)?,
        );
        let path = config.data_dir.join("admin.kubeconfig");
        write_private(&path, &text)?;
        Ok(Some(path))
    }
}

/// The certificate authority with its key.
pub(crate) struct Authority {
    pub(crate) cert_path: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    made: bool,
}

impl Authority {
    /// Reads DIR/FILE.crt and DIR/FILE.key, or makes them in the name given.
    pub(crate) fn open_or_make(dir: &Path, file: &str, common: &str) -> Result<Self> {
        let cert_path = dir.join(format!("{file}.crt"));
        let key_path = dir.join(format!("{file}.key"));
        let made = !cert_path.exists();
        if made {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let mut params = CertificateParams::default();
            params.distinguished_name = name(common, None);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
                KeyUsagePurpose::CrlSign,
            ];
            validity(&mut params, YEAR * 10);
            let cert = params.self_signed(&key)?;
            write_private(&key_path, &key.serialize_pem())?;
            write_public(&cert_path, &cert.pem())
                .with_context(|| format!("cannot write {}", cert_path.display()))?;
        }
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let key = KeyPair::from_pem(&read(&key_path)?)
            .with_context(|| format!("{} holds no private key", key_path.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&read(&cert_path)?, key)
            .with_context(|| format!("{} holds no CA certificate", cert_path.display()))?;
        Ok(Authority {
            cert_path,
            issuer,
            made,
        })
    }

    /// A certificate for a key, in DER.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
    ) -> Result<rustls::pki_types::CertificateDer<'static>> {
        Ok(params.signed_by(key, &self.issuer)?.der().clone())
    }

    fn issue(&self, pair: &(PathBuf, PathBuf), mut params: CertificateParams) -> Result<()> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        validity(&mut params, YEAR);
        let cert = params.signed_by(&key, &self.issuer)?;
        write_private(&pair.1, &key.serialize_pem())?;
        write_public(&pair.0, &cert.pem())
            .with_context(|| format!("cannot write {}", pair.0.display()))
    }

    /// Issues the pair unless the one there has time left and bears all the names.
    fn renew(&self, pair: &(PathBuf, PathBuf), params: CertificateParams) -> Result<()> {
        let good = std::fs::read(&pair.0).is_ok_and(|pem| {
            // A crash between the two files leaves a key of another certificate.
            std::fs::read_to_string(&pair.1).is_ok_and(|key| belongs(&key, &pem))
                && still_good(&pem, &params.subject_alt_names)
        });
        if good {
            Ok(())
        } else {
            self.issue(pair, params)
        }
    }
}

fn serving_params(config: &Config) -> Result<CertificateParams> {
    let mut names: Vec<String> = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(config.external_hostname.clone());
    if !names.contains(&config.node_name) {
        names.push(config.node_name.clone());
    }
    let mut params = CertificateParams::new(names)?;
    let mut addresses = vec![
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        config.advertise_address,
        first_address(&config.service_cidr),
    ];
    if !config.bind.ip().is_unspecified() {
        addresses.push(config.bind.ip());
    }
    addresses.sort_unstable();
    addresses.dedup();
    params
        .subject_alt_names
        .extend(addresses.into_iter().map(SanType::IpAddress));
    params.distinguished_name = name("kube-apiserver", None);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn client_params(user: &str, group: Option<&str>) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(user, group);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// The first usable address of the service range: the `kubernetes` service's.
pub(crate) fn first_address(cidr: &ipnet::IpNet) -> IpAddr {
    match cidr.network() {
        IpAddr::V4(base) => IpAddr::V4((u32::from(base) + 1).into()),
        IpAddr::V6(base) => IpAddr::V6((u128::from(base) + 1).into()),
    }
}

fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common);
    name
}

fn validity(params: &mut CertificateParams, length: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + length;
}

/// Writes a secret so that it is never readable by others, not even for a moment.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o600)
}

/// Writes what others may read.
fn write_public(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o644)
}

/// After a crash the file is the one before or the new one, after the return the new one.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(partial)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(partial, path)
        .with_context(|| format!("cannot put {} in place", path.display()))?;
    match path.parent() {
        Some(dir) => Ok(durable::sync_dir(dir)?),
        None => Ok(()),
    }
}
