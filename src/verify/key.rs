//! Secrets, ready to check with.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use ring::{digest, hmac, signature};

use super::message::{Message, Piece};
use super::same;
use super::scheme::{Algorithm, Encoding, Scheme};

/// Base64 as people paste it: with its padding or without.
const PASTED: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Shorter RSA keys are not taken, and longer ones only cost time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a secret cannot be a key. Never holds the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongKey {
    /// No secret.
    #[error("the secret is empty")]
    Empty,
    /// Not hexadecimal.
    #[error("the secret is not hexadecimal")]
    NotHex,
    /// Not Base64.
    #[error("the secret is not Base64")]
    NotBase64,
    /// No public key of the kind.
    #[error("the secret is not {0} as PEM or Base64")]
    NotPublicKey(&'static str),
}

/// One secret. `Debug` does not show it.
#[derive(Clone)]
pub(super) enum Key {
    Hmac(hmac::Key),
    /// Prefix of a plain hash.
    Hash(Vec<u8>),
    Token(Vec<u8>),
    Public(&'static dyn signature::VerificationAlgorithm, Vec<u8>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Key {
    pub(super) fn of(scheme: &Scheme, secret: &[u8]) -> Result<Key, WrongKey> {
        let plain = || match decode(scheme.secret, secret)? {
            bytes if bytes.is_empty() => Err(WrongKey::Empty),
            bytes => Ok(bytes),
        };
        Ok(match scheme.algorithm {
            Algorithm::HmacSha1 => {
                Key::Hmac(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &plain()?))
            }
            Algorithm::HmacSha256 => Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &plain()?)),
            Algorithm::Sha256 => Key::Hash(plain()?),
            Algorithm::Token | Algorithm::None => Key::Token(plain()?),
            Algorithm::EcdsaP256 => {
                let point = der(secret).and_then(|der| ecdsa_point(&der));
                let wrong = WrongKey::NotPublicKey("a public key of ECDSA on P-256");
                Key::Public(&signature::ECDSA_P256_SHA256_ASN1, point.ok_or(wrong)?)
            }
            Algorithm::RsaSha256 => {
                let key = der(secret).and_then(|der| rsa_key(&der));
                let wrong = WrongKey::NotPublicKey("a public key of RSA with 2048 to 8192 bits");
                Key::Public(&signature::RSA_PKCS1_2048_8192_SHA256, key.ok_or(wrong)?)
            }
        })
    }

    /// Whether one of the signatures is that of the message.
    pub(super) fn holds(&self, message: &Message<'_>, signatures: &[Vec<u8>]) -> bool {
        match self {
            Key::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                message.pieces().for_each(|piece| match piece {
                    Piece::Bytes(bytes) => context.update(bytes),
                    Piece::Secret => {}
                });
                let tag = context.sign();
                signatures.iter().any(|s| same(s, tag.as_ref()))
            }
            Key::Hash(secret) => {
                let mut context = digest::Context::new(&digest::SHA256);
                message.pieces().for_each(|piece| match piece {
                    Piece::Bytes(bytes) => context.update(bytes),
                    Piece::Secret => context.update(secret),
                });
                let hash = context.finish();
                signatures.iter().any(|s| same(s, hash.as_ref()))
            }
            Key::Token(secret) => signatures.iter().any(|s| same(s, secret)),
            Key::Public(algorithm, key) => {
                let joined = message.joined();
                let key = signature::UnparsedPublicKey::new(*algorithm, key);
                signatures.iter().any(|s| key.verify(&joined, s).is_ok())
            }
        }
    }
}

fn decode(encoding: Encoding, secret: &[u8]) -> Result<Vec<u8>, WrongKey> {
    match encoding {
        Encoding::Plain => Ok(secret.to_vec()),
        Encoding::Hex => Encoding::Hex.decode(&secret.to_ascii_lowercase()).ok_or(WrongKey::NotHex),
        Encoding::Base64 => {
            let bare = secret.strip_prefix(b"whsec_").unwrap_or(secret);
            PASTED.decode(bare).map_err(|_| WrongKey::NotBase64)
        }
    }
}

/// The bytes of a public key that is written as PEM, or as the Base64 that stands in PEM.
fn der(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).ok()
}

/// Takes one DER element off: its contents and what follows.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    rest.split_at_checked(length)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;

/// The key inside a SubjectPublicKeyInfo of that algorithm.
fn inside<'d>(der: &'d [u8], algorithm: &[u8]) -> Option<&'d [u8]> {
    let (info, rest) = element(SEQUENCE, der)?;
    let (kind, info) = element(SEQUENCE, info)?;
    let (bits, more) = element(BITS, info)?;
    let is_whole = rest.is_empty() && more.is_empty() && kind == algorithm;
    // No unused bits at the end.
    bits.strip_prefix(&[0]).filter(|_| is_whole)
}

/// Of the algorithm `id-ecPublicKey` on `prime256v1`.
const EC_P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07,
];

fn ecdsa_point(der: &[u8]) -> Option<Vec<u8>> {
    let point = inside(der, EC_P256)?;
    (point.len() == 65 && point[0] == 4).then(|| point.to_vec())
}

/// Of the algorithm `rsaEncryption`.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

fn rsa_key(der: &[u8]) -> Option<Vec<u8>> {
    let key = inside(der, RSA)?;
    let (numbers, _) = element(SEQUENCE, key)?;
    let (modulus, _) = element(INTEGER, numbers)?;
    let bits = modulus.strip_prefix(&[0]).unwrap_or(modulus).len() * 8;
    RSA_BITS.contains(&bits).then(|| key.to_vec())
}
