//! The keys of service-account tokens: one signs, all verify. Files may hold private keys, public keys or certificates.

use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::PublicKeyData as _;
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

pub(crate) struct Keys {
    signing: EncodingKey,
    header: Header,
    public: Vec<Public>,
}

struct Public {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
    jwk: Value,
}

impl Keys {
    /// `verify` may repeat the signing key; without any, the signing key verifies.
    pub(crate) fn load(signing: &Path, verify: &[PathBuf]) -> Result<Self> {
        let pem = std::fs::read_to_string(signing)
            .with_context(|| format!("cannot read {}", signing.display()))?;
        let own = Public::read(signing)?;
        let key = match own.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            _ => rcgen::KeyPair::from_pem(&pem)
                .map(|pair| EncodingKey::from_ec_der(&pair.serialize_der()))
                .map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidEcdsaKey.into()),
        }
        .map_err(|error| {
            anyhow!(
                "{} holds no private key that can sign tokens: {error}",
                signing.display()
            )
        })?;
        let header = Header {
            kid: Some(own.id.clone()),
            typ: None,
            ..Header::new(own.algorithm)
        };
        let mut public = vec![own];
        for file in verify {
            let further = Public::read(file)?;
            if public.iter().all(|known| known.id != further.id) {
                public.push(further);
            }
        }
        Ok(Keys {
            signing: key,
            header,
            public,
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> Result<String, String> {
        jsonwebtoken::encode(&self.header, claims, &self.signing).map_err(|error| error.to_string())
    }

    /// The claims of a token that one of the keys signed and that is within its time, if it names one.
    pub(super) fn verify(&self, token: &str) -> Option<Value> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let fits = |key: &&Public| {
            key.algorithm == header.alg && header.kid.as_ref().is_none_or(|kid| *kid == key.id)
        };
        self.public.iter().filter(fits).find_map(|key| {
            let mut validation = Validation::new(key.algorithm);
            validation.validate_aud = false;
            validation.validate_nbf = true;
            validation.required_spec_claims.clear();
            jsonwebtoken::decode::<Value>(token, &key.key, &validation)
                .ok()
                .map(|data| data.claims)
        })
    }

    /// The key set that others verify tokens with (RFC 7517).
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": self.public.iter().map(|key| &key.jwk).collect::<Vec<_>>()})
    }

    /// The algorithms of the keys, each once.
    pub(crate) fn algorithms(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .public
            .iter()
            .map(|key| format!("{:?}", key.algorithm))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Public {
    fn read(file: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let spki = public_der(&bytes)
            .with_context(|| format!("{} holds neither a key nor a certificate", file.display()))?;
        Self::from_der(&spki)
            .with_context(|| format!("the key in {} cannot verify tokens", file.display()))
    }

    fn from_der(spki: &[u8]) -> Result<Self> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (_, info) = SubjectPublicKeyInfo::from_der(spki)
            .map_err(|error| anyhow!("not a public key: {error}"))?;
        let id = encode(&Sha256::digest(spki));
        let (algorithm, key, mut jwk) = match info
            .parsed()
            .map_err(|error| anyhow!("not a public key: {error}"))?
        {
            PublicKey::RSA(rsa) => {
                let modulus = rsa.modulus.strip_prefix(&[0]).unwrap_or(rsa.modulus);
                let (n, e) = (encode(modulus), encode(rsa.exponent));
                (
                    Algorithm::RS256,
                    DecodingKey::from_rsa_components(&n, &e)?,
                    json!({"kty": "RSA", "n": n, "e": e}),
                )
            }
            PublicKey::EC(point) => {
                let (algorithm, curve) = match point.data().len() {
                    65 => (Algorithm::ES256, "P-256"),
                    97 => (Algorithm::ES384, "P-384"),
                    _ => return Err(anyhow!("of ECDSA, keys on P-256 and P-384 are known")),
                };
                let coordinates = &point.data()[1..];
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let (x, y) = (encode(x), encode(y));
                let key = DecodingKey::from_ec_components(&x, &y)?;
                (
                    algorithm,
                    key,
                    json!({"kty": "EC", "crv": curve, "x": x, "y": y}),
                )
            }
            _ => return Err(anyhow!("only RSA and ECDSA keys are known")),
        };
        jwk["use"] = "sig".into();
        jwk["kid"] = id.as_str().into();
        jwk["alg"] = format!("{algorithm:?}").into();
        Ok(Public {
            id,
            algorithm,
            key,
            jwk,
        })
    }
}

/// The SubjectPublicKeyInfo of whatever the PEM holds first.
fn public_der(pem: &[u8]) -> Result<Vec<u8>> {
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        let (kind, der) = section.map_err(|error| anyhow!("not PEM: {error}"))?;
        match kind {
            SectionKind::PublicKey => return Ok(der),
            SectionKind::Certificate => {
                let (_, cert) = x509_parser::parse_x509_certificate(&der)
                    .map_err(|error| anyhow!("not a certificate: {error}"))?;
                return Ok(cert.public_key().raw.to_vec());
            }
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                let text = std::str::from_utf8(pem).context("not text")?;
                return Ok(rcgen::KeyPair::from_pem(text)?.subject_public_key_info());
            }
            _ => {}
        }
    }
    Err(anyhow!("no PEM block that holds a key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_verified_by_every_form_of_its_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let cert = rcgen::CertificateParams::default()
            .self_signed(&pair)
            .expect("a certificate");
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let private = write("key.pem", pair.serialize_pem());
        let forms = [
            write("pub.pem", pair.public_key_pem()),
            write("cert.pem", cert.pem()),
        ];
        let keys = Keys::load(&private, &forms).expect("keys");
        assert_eq!(keys.public.len(), 1, "one key in three forms");
        let now = crate::clock::Clock.unix_seconds();
        let token = keys
            .sign(&json!({"sub": "x", "exp": now + 60, "nbf": now}))
            .expect("signed");
        assert_eq!(keys.verify(&token).expect("verified")["sub"], "x");
        let late = keys
            .sign(&json!({"sub": "x", "exp": now - 3600}))
            .expect("signed");
        assert!(keys.verify(&late).is_none());
        assert!(keys.verify(&token[..token.len() - 4]).is_none());
        assert!(keys.verify("eyJhbGciOiJub25lIn0.e30.").is_none());
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let others = Keys::load(&write("other.pem", other.serialize_pem()), &[]).expect("keys");
        assert!(others.verify(&token).is_none());
    }

    #[test]
    fn a_key_on_the_larger_curve_signs_with_its_own_algorithm() {
        let dir = tempfile::tempdir().expect("a directory");
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let file = dir.path().join("key.pem");
        std::fs::write(&file, pair.serialize_pem()).expect("written");
        let keys = Keys::load(&file, &[]).expect("keys");
        let token = keys.sign(&json!({"sub": "x"})).expect("signed");
        assert_eq!(keys.verify(&token).expect("verified")["sub"], "x");
        assert_eq!(keys.algorithms(), ["ES384"]);
        assert_eq!(keys.jwks()["keys"][0]["crv"], "P-384");
    }
}
