//! Signatures of Standard Webhooks (<https://www.standardwebhooks.com>), as `verify` checks them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Fewer bytes are no secret: the specification asks for 24 to 64.
const LEAST: usize = 24;

/// Why a text is no secret to sign with. Never holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongSecret {
    /// Not Base64.
    #[error("the secret is not \"whsec_\" and Base64")]
    NotBase64,
    /// Too short.
    #[error("the secret has fewer than {LEAST} bytes")]
    Short,
}

/// Signs requests. `Debug` does not show the secret.
#[derive(Clone)]
pub struct Signer(hmac::Key);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Signer {
    /// From `whsec_…`.
    pub fn new(secret: &str) -> Result<Signer, WrongSecret> {
        let text = secret.trim();
        let bytes = STANDARD
            .decode(text.strip_prefix("whsec_").unwrap_or(text))
            .map_err(|_| WrongSecret::NotBase64)?;
        if bytes.len() < LEAST {
            return Err(WrongSecret::Short);
        }
        Ok(Signer(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature` for a message, its time in seconds since 1970 and its body.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn it_signs_as_the_libraries_do() {
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_long_base64() {
        assert_eq!(Signer::new("whsec_%%%").unwrap_err(), WrongSecret::NotBase64);
        assert_eq!(Signer::new("whsec_c2hvcnQ=").unwrap_err(), WrongSecret::Short);
        let shown = format!("{:?}", Signer::new(&STANDARD.encode([7; 24])).unwrap());
        assert_eq!(shown, "[redacted]");
    }
}
