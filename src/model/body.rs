//! Contents: bytes with their size and digest, which is found once however many hosts and resources share them.
//!
//! Small ones are held. Those above [`Body::HELD_MAX`] stay in the file that they are in and are read when
//! they are digested and when they are sent, piece by piece; who may open it is handed down as [`Filed`].

use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use twox_hash::XxHash3_64;

use super::change::{hex, sha256_hex};

/// Bytes that are read at once of a content that is not held.
pub const PIECE: usize = 256 << 10;

/// A content in a file of this machine.
pub trait Filed: Send + Sync {
    /// Opens it, to be read from its start.
    ///
    /// # Errors
    /// When it cannot be opened or is no regular file any more.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
    /// Its path, as the reader knows it.
    fn shown(&self) -> &str;
    /// Its digest, if it still has `size` bytes: as `find` finds it by reading all of it, where it is not known to be what
    /// it was when it was read.
    ///
    /// # Errors
    /// Those of `find`.
    fn digested(
        &self,
        _size: u64,
        find: &dyn Fn() -> Result<Sums, String>,
    ) -> Result<String, String> {
        find().map(|sums| sums.sha256)
    }
    /// What was known of it is not what is in it.
    fn forget(&self) {}
    /// It, open, and its check, where by its times it is what had this digest: then it need not be digested again to be
    /// sent.
    fn known(&self, _digest: &str) -> Option<(File, u64)> {
        None
    }
}

/// What is known of a content that was read once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sums {
    /// SHA-256 in lowercase hex.
    pub sha256: String,
    /// XXH3 of 64 bits: tells by chance alone that it is another one now, a tenth of the work.
    pub check: u64,
}

/// A content: its size and SHA-256 always, its bytes where they are at hand.
#[derive(Clone)]
pub struct Body(Arc<Inner>);

struct Inner {
    size: u64,
    bytes: Bytes,
    /// SHA-256 in lowercase hex, or why it is not known.
    digest: OnceLock<Result<String, String>>,
}

enum Bytes {
    Held(Arc<[u8]>),
    Filed(Arc<dyn Filed>),
    /// On a host, which said its size and digest.
    Away,
}

impl Body {
    /// The largest content that is held in memory, in bytes: what is shown line by line is no larger.
    pub const HELD_MAX: u64 = 1 << 20;

    /// A digest that no content has.
    pub const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn new(size: u64, bytes: Bytes) -> Self {
        Self(Arc::new(Inner { size, bytes, digest: OnceLock::new() }))
    }

    /// The body of these bytes.
    #[must_use]
    pub fn of(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self::new(bytes.len() as u64, Bytes::Held(bytes))
    }

    /// A content of `size` bytes in a file.
    #[must_use]
    pub fn filed(size: u64, file: Arc<dyn Filed>) -> Self {
        Self::new(size, Bytes::Filed(file))
    }

    /// A content that is only known by what a host said of it.
    #[must_use]
    pub fn away(size: u64, digest: impl Into<String>) -> Self {
        let body = Self::new(size, Bytes::Away);
        let _ = body.0.digest.set(Ok(digest.into()));
        body
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Its bytes, where they are held: not of large ones.
    #[must_use]
    pub fn bytes(&self) -> Option<&Arc<[u8]>> {
        match &self.0.bytes {
            Bytes::Held(bytes) => Some(bytes),
            Bytes::Filed(_) | Bytes::Away => None,
        }
    }

    /// The file that it is in, where it is not held.
    #[must_use]
    pub fn file(&self) -> Option<&Arc<dyn Filed>> {
        match &self.0.bytes {
            Bytes::Filed(file) => Some(file),
            Bytes::Held(_) | Bytes::Away => None,
        }
    }

    /// All its bytes, also those of a large one; none where only a host has them.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn whole(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match &self.0.bytes {
            Bytes::Held(held) => bytes.extend_from_slice(held),
            Bytes::Filed(file) => drop(file.open()?.read_to_end(&mut bytes)?),
            Bytes::Away => {}
        }
        Ok(bytes)
    }

    /// Whether its bytes can be had here.
    #[must_use]
    pub fn is_here(&self) -> bool {
        !matches!(self.0.bytes, Bytes::Away)
    }

    /// Whether its digest is known: to find it the whole content is read.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0.digest.get().is_some()
    }

    /// Finds its digest, where that was not done yet. Whoever comes meanwhile waits and gets the same.
    ///
    /// # Errors
    /// When its file cannot be read, or is not as long as it was.
    pub fn settle(&self) -> Result<&str, &str> {
        let digest = self.0.digest.get_or_init(|| match &self.0.bytes {
            Bytes::Held(bytes) => Ok(sha256_hex(bytes)),
            Bytes::Filed(file) => file.digested(self.0.size, &|| sums(&**file, self.0.size)),
            Bytes::Away => unreachable!("a host said its digest"),
        });
        digest.as_ref().map(String::as_str).map_err(String::as_str)
    }

    /// As [`Self::settle`], for a content that is secret: nothing of it outlives the run.
    ///
    /// # Errors
    /// Those of [`Self::settle`].
    pub fn settle_secretly(&self) -> Result<&str, &str> {
        if let Bytes::Filed(file) = &self.0.bytes {
            self.0.digest.get_or_init(|| sums(&**file, self.0.size).map(|sums| sums.sha256));
        }
        self.settle()
    }

    /// Its SHA-256 in lowercase hex, as `sha256sum` prints it; [`Self::NO_DIGEST`] where it cannot be read.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.settle().unwrap_or(Self::NO_DIGEST)
    }
}

/// The sums of a file that has `size` bytes.
fn sums(file: &dyn Filed, size: u64) -> Result<Sums, String> {
    let why = |why: &dyn fmt::Display| format!("cannot read {}: {why}", file.shown());
    let mut from = file.open().map_err(|error| why(&error))?;
    let (mut sum, mut check) = (Sha256::new(), XxHash3_64::new());
    let (mut read, mut piece) = (0, vec![0; PIECE]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                sum.update(&piece[..count]);
                check.write(&piece[..count]);
                read += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(why(&error)),
        }
        if read > size {
            break;
        }
    }
    if read != size {
        return Err(why(&"it was written to since the project was read"));
    }
    Ok(Sums { sha256: hex(&sum.finalize()), check: check.finish() })
}

impl fmt::Debug for Body {
    /// The same for equal contents, and without reading a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file() {
            Some(file) => write!(f, "Body({} bytes of {})", self.size(), file.shown()),
            None => write!(f, "Body({} bytes, {})", self.size(), self.digest()),
        }
    }
}

impl PartialEq for Body {
    /// Two contents are one when their digests are.
    fn eq(&self, other: &Self) -> bool {
        let same =
            |one: &Self, other: &Self| one.size() == other.size() && one.digest() == other.digest();
        let shown = |body: &Self| body.bytes().is_some();
        Arc::ptr_eq(&self.0, &other.0) || (shown(self) == shown(other) && same(self, other))
    }
}

impl Eq for Body {}

impl Hash for Body {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A file of these bytes that counts how often it is opened.
    struct Counted(Vec<u8>, AtomicUsize);

    impl Filed for Counted {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(io::Cursor::new(self.0.clone())))
        }
        fn shown(&self) -> &'static str {
            "modules/m/files/x"
        }
    }

    fn counted(length: usize) -> Arc<Counted> {
        Arc::new(Counted(vec![7; length], AtomicUsize::new(0)))
    }

    #[test]
    fn a_file_is_digested_once_however_many_ask_at_once() {
        let file = counted(3 << 20);
        let body = Body::filed(3 << 20, file.clone());
        assert!(!body.is_settled() && format!("{body:?}").contains("modules/m/files/x"));
        std::thread::scope(|scope| {
            for _ in 0..10 {
                let body = body.clone();
                scope.spawn(move || assert_eq!(body.digest().len(), 64));
            }
        });
        assert_eq!(body, Body::filed(3 << 20, file.clone()), "the same bytes");
        assert_eq!(file.1.load(Ordering::SeqCst), 2, "once for each of the two bodies");
        assert_eq!(body.digest(), sha256_hex(&file.0));
    }

    #[test]
    fn a_file_of_another_length_has_no_digest() {
        for size in [9, 11] {
            let body = Body::filed(size, counted(10));
            let why = "cannot read modules/m/files/x: it was written to since the project was read";
            assert_eq!(body.settle(), Err(why));
            assert_eq!(body.digest(), Body::NO_DIGEST);
        }
    }

    #[test]
    fn what_is_held_is_another_thing_than_what_only_a_host_has() {
        let held = Body::of(*b"abc");
        assert_eq!(held, Body::of(*b"abc"));
        assert_ne!(held, Body::away(3, held.digest()));
        assert!(held.is_here() && !Body::away(3, held.digest()).is_here());
    }
}
