//! Values that cannot be printed, and the key under which a reader may tell that two are the same.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::change::hex;

/// A value that nothing shows: whatever formats it gets `(sensitive)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Takes a value out of sight.
    #[must_use]
    pub fn new(value: impl Into<Arc<[u8]>>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// A project's key for digests of sensitive values: who does not have it cannot try values out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Secret);

impl Key {
    /// Bytes of a key.
    pub const LENGTH: usize = 32;

    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(Secret::new(bytes))
    }

    /// HMAC-SHA-256 (RFC 2104) of a value's SHA-256 in hex: the same for equal values, and nothing
    /// that the value could be guessed from without the key.
    #[must_use]
    pub fn digest(&self, sha256_hex: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.reveal())
            .expect("HMAC takes a key of any length");
        mac.update(sha256_hex.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// Which key it is, for a file that was made with it: tells nothing of the key itself.
    #[must_use]
    pub fn id(&self) -> String {
        self.digest("which key this is")[..16].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new(*b"hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "(sensitive) (sensitive) Some((sensitive))"
        );
        assert!(!format!("{:?}", Key::new([7; 32])).contains('7'));
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        // printf %s abc | openssl dgst -sha256 -mac HMAC -macopt hexkey:0000…00
        let digest = Key::new([0; 32]).digest("abc");
        assert_eq!(digest, "fd7adb152c05ef80dccf50a1fa4c05d5a3ec6da95575fc312ae7c5d091836351");
        assert_ne!(digest, Key::new([1; 32]).digest("abc"));
    }
}
