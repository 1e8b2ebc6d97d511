//! Any bytes as what somebody shows to be let in: bearer tokens of issuers, client certificates, join tokens.
#![no_main]
#![allow(dead_code, reason = "parts of the server, taken by themselves")]

#[path = "../../src/user.rs"]
mod user;
#[path = "."]
mod filters {
    #[path = "."]
    pub(crate) mod authenticate {
        #[path = "../../src/filters/authenticate/certificate/subject.rs"]
        mod subject;
        #[path = "."]
        pub(crate) mod jwt {
            #[path = "../../src/filters/authenticate/jwt/signed.rs"]
            mod signed;
            #[path = "../../src/filters/authenticate/jwt/unproved.rs"]
            mod unproved;

            use jsonwebtoken::{Algorithm, decode_header, jwk::JwkSet};

            /// No token that nobody has signed counts, however it is made.
            pub(crate) fn check(token: &str, keys: &JwkSet) {
                let _ = unproved::untrusted_issuer(token);
                let Ok(header) = decode_header(token) else {
                    return;
                };
                for algorithm in [Algorithm::RS256, Algorithm::ES256, header.alg] {
                    let claims =
                        signed::claims(token, algorithm, header.kid.as_deref(), &keys.keys);
                    assert_eq!(claims, None);
                }
            }
        }

        pub(crate) fn name(certificate: &[u8]) {
            if let Some(user) = subject::subject(certificate) {
                assert!(!user.name.is_empty());
            }
        }
    }
}
#[path = "../../src/cluster/tokens/token.rs"]
mod token;

use jsonwebtoken::jwk::JwkSet;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use token::Token;

/// Keys whose private halves nobody has kept.
static KEYS: LazyLock<JwkSet> = LazyLock::new(|| {
    let keys = r#"{"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "a", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    ]}"#;
    serde_json::from_str(keys).expect("keys")
});

fuzz_target!(|data: &[u8]| {
    filters::authenticate::name(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    filters::authenticate::jwt::check(text, &KEYS);
    for text in [text.to_owned(), format!("triad.{text}")] {
        if let Ok(token) = Token::parse(&text) {
            assert!(!token.endpoints.is_empty());
            let again = Token::parse(&token.text()).expect("what was written is read");
            assert_eq!(again, token);
        }
    }
});
