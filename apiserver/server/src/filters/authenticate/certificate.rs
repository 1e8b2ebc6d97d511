//! Client certificates: chains that a CA's file vouches for. The file is followed, and a chain that was good is looked at again when
//! the file has changed or the certificate's time is over (apiserver pkg/authentication/request/x509).

pub(super) mod subject;

use crate::filters::following::follow;
use crate::tls::certificates_of;
use crate::user::User;
use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use subject::subject;

/// Those who may sign, by a file.
pub(super) struct Authority {
    file: PathBuf,
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
}

/// What was found out of a chain, and by which authorities.
#[derive(Clone)]
pub(super) struct Proved {
    by: Arc<Arc<dyn ClientCertVerifier>>,
    /// The certificate's last second.
    until: u64,
    user: Option<User>,
}

impl Authority {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let verifier = verifier(&text).with_context(|| file.display().to_string())?;
        Ok(Authority {
            file: file.to_owned(),
            verifier: ArcSwap::from_pointee(verifier),
        })
    }

    /// Takes what the file says from now on; `what` is its name in the log.
    pub(super) async fn follow(&self, what: &str) {
        follow(&self.file, what, |text| {
            let read = verifier(text).map_err(|error| format!("{error:#}"))?;
            self.verifier.store(Arc::new(read));
            Ok(())
        })
        .await;
    }

    pub(super) fn vouches_for(&self, chain: &[CertificateDer<'static>]) -> bool {
        vouches(&self.verifier.load(), chain)
    }

    /// Who shows a chain. `known` is what was found out before.
    pub(super) fn user(&self, chain: &[CertificateDer<'static>], known: Option<&Proved>) -> Proved {
        let by = self.verifier.load_full();
        let still = |known: &&Proved| {
            Arc::ptr_eq(&known.by, &by) && UnixTime::now().as_secs() <= known.until
        };
        if let Some(known) = known.filter(still) {
            return known.clone();
        }
        let user = vouches(&by, chain).then(|| subject(&chain[0])).flatten();
        let until = end(&chain[0])
            .filter(|_| user.is_some())
            .unwrap_or(u64::MAX);
        Proved { by, until, user }
    }
}

impl Proved {
    pub(super) fn into_user(self) -> Option<User> {
        self.user
    }
}

fn verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(pem)? {
        roots
            .add(certificate)
            .context("holds a certificate that cannot be a CA")?;
    }
    let built = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    let built = built.map_err(|error| anyhow!("cannot use the CA: {error}"))?;
    Ok(built)
}

fn vouches(verifier: &Arc<dyn ClientCertVerifier>, chain: &[CertificateDer<'static>]) -> bool {
    let verified = verifier.verify_client_cert(&chain[0], &chain[1..], UnixTime::now());
    verified.is_ok()
}

fn end(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use std::time::Duration;

    fn ca() -> (String, Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a CA").pem();
        (pem, Issuer::new(params, key))
    }

    fn client(
        issuer: &Issuer<'static, KeyPair>,
        until: time::OffsetDateTime,
    ) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "g");
        params.not_before = until - Duration::from_secs(3600);
        params.not_after = until;
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, issuer).expect("a certificate");
        vec![made.der().clone()]
    }

    #[tokio::test]
    async fn a_chain_counts_until_its_end_and_while_the_file_vouches_for_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("ca.pem");
        let ((first, issuer), (second, _)) = (ca(), ca());
        std::fs::write(&file, &first).expect("written");
        let authority = Arc::new(Authority::read(&file).expect("read"));
        let now = time::OffsetDateTime::now_utc();
        let chain = client(&issuer, now + Duration::from_secs(600));
        let known = authority.user(&chain, None);
        let alice = known.clone().into_user().expect("alice");
        assert_eq!(
            (alice.name.as_str(), alice.groups.as_slice()),
            ("alice", &["g".to_owned()][..])
        );
        let over = client(&issuer, now - Duration::from_secs(5));
        assert!(authority.user(&over, None).into_user().is_none(), "expired");
        let ended = Proved {
            until: 1,
            ..known.clone()
        };
        assert!(
            authority.user(&over, Some(&ended)).into_user().is_none(),
            "expired since"
        );

        let following = authority.clone();
        let following = tokio::spawn(async move { following.follow("client CA").await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::fs::write(&file, "nonsense").expect("written");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(
            authority.user(&chain, Some(&known)).into_user().is_some(),
            "the one before stays"
        );
        std::fs::write(&file, &second).expect("written");
        for _ in 0..600 {
            if authority.user(&chain, Some(&known)).into_user().is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(
            authority.user(&chain, Some(&known)).into_user().is_none(),
            "revoked with its CA"
        );
        following.abort();
    }
}
