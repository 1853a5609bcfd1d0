//! The writing half of an exchange: contents, each with its seal. What is not held goes from its file to the host as it
//! is sent: moved by the kernel where its times say that it is what was planned, and else read piece by piece and digested
//! again. What was written to since it was planned gets a seal that spoils it.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

use super::failpoint::failpoint;
use super::pace::{Pace, SQUEEZED};
use super::parts::Parts;
use super::pour::{Pouring, at_most};
use crate::model::change::hex;
use crate::model::{Body, PIECE};
use crate::shell::frame::{seal, seal_of};
use crate::transport::Input;

/// Pieces that are read ahead of what was written.
const AHEAD: usize = 4;

/// Writes a content and its seal; gives how many bytes it was on the wire.
pub(super) async fn content(
    input: &mut dyn Input,
    bodies: &[Body],
    (nonce, pace): (&str, Option<&mut Pace>),
) -> io::Result<u64> {
    let mut parts = Parts::new(input, (nonce, pace), bodies.iter().map(Body::size).sum());
    let (mut same, mut read) = (true, None);
    for body in bodies {
        if let Some(held) = body.bytes() {
            parts.put(held).await?;
        } else {
            same &= stream(&mut parts, body).await?;
            read = Some(body.digest()).filter(|_| bodies.len() == 1);
        }
    }
    let seal = match (same, read) {
        (true, None) => seal(nonce),
        (true, digest) => seal_of(nonce, digest),
        (false, _) => seal_of(nonce, None),
    };
    parts.close(&seal).await
}

/// Writes as many bytes as `body` has, whatever became of its file; whether they were what was planned.
async fn stream(parts: &mut Parts<'_>, body: &Body) -> io::Result<bool> {
    parts.widen();
    if let Some(same) = poured(parts, body).await? {
        return Ok(same);
    }
    let (full, mut pieces) = mpsc::channel::<Vec<u8>>(AHEAD);
    let (empty, again) = mpsc::channel::<Vec<u8>>(AHEAD + 2);
    let body = body.clone();
    let reading = spawn_blocking(move || read(&body, &full, again));
    while let Some(piece) = pieces.recv().await {
        parts.put(&piece).await?;
        failpoint!("piece");
        let _ = empty.try_send(piece);
    }
    reading.await.map_err(|error: JoinError| io::Error::other(error))
}

/// Sends a content of which the times say that it is what was planned, without digesting it again; whether it was that.
/// None where it must be read and digested all the same.
async fn poured(parts: &mut Parts<'_>, body: &Body) -> io::Result<Option<bool>> {
    // What more is open may be too much: then it is read, as it would be else.
    let (Some(filed), Ok(pipe)) = (body.file(), parts.pipe()) else { return Ok(None) };
    let known = body.clone();
    let open = move || known.file()?.known(known.digest());
    let Some(mut pouring) = Pouring::open(pipe, open).await? else { return Ok(None) };
    let mut left = body.size();
    while left > 0 && pouring.is_good() {
        let plain = parts.plain().await? > 0;
        let moved = if plain { parts.pour(&mut pouring, left).await? } else { 0 };
        left -= moved;
        // It is to be made small, or the kernel cannot, or there is no more.
        if moved == 0 {
            let bytes = pouring.read(at_most(SQUEEZED, left)).await?;
            left -= bytes.len() as u64;
            parts.give(bytes).await?;
        }
    }
    let same = left == 0 && pouring.same();
    parts.fill(left).await?;
    if !same {
        filed.forget();
    }
    Ok(Some(same))
}

/// Reads a content into pieces, which are used `again` once they were written; whether it was what was planned.
fn read(body: &Body, full: &mpsc::Sender<Vec<u8>>, mut again: mpsc::Receiver<Vec<u8>>) -> bool {
    let mut from = body.file().and_then(|file| file.open().ok());
    let (mut left, mut sum) = (body.size(), Sha256::new());
    while left > 0 {
        let mut piece = again.try_recv().unwrap_or_default();
        piece.clear();
        let due = at_most(PIECE, left);
        let read = from.as_mut().map(|from| from.take(due as u64).read_to_end(&mut piece));
        if !matches!(read, Some(Ok(count)) if count == due) {
            // The host waits for so many bytes: what is missing is made up, and never used.
            from = None;
            piece.resize(due, 0);
        }
        sum.update(&piece);
        left -= piece.len() as u64;
        if full.blocking_send(piece).is_err() {
            return false;
        }
    }
    let same = from.is_some() && hex(&sum.finalize()) == body.digest();
    if let Some(file) = body.file().filter(|_| !same) {
        file.forget();
    }
    same
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::os::unix::fs::FileExt as _;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, OnceLock};
    use std::task::{Context, Poll};

    use super::*;
    use crate::model::Filed;

    /// A file whose bytes can be changed.
    struct Changing(Mutex<Vec<u8>>);

    impl Filed for Changing {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            let bytes = self.0.lock().unwrap().clone();
            if bytes.is_empty() {
                return Err(io::Error::other("gone"));
            }
            Ok(Box::new(io::Cursor::new(bytes)))
        }
        fn shown(&self) -> &'static str {
            "x"
        }
    }

    /// What was written, and a pipe that stands for where it went.
    struct Written(Vec<u8>, OwnedFd);

    impl tokio::io::AsyncWrite for Written {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsFd for Written {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.1.as_fd()
        }
    }

    /// What the host makes of what came of a content of `size` bytes, and what stands behind it.
    fn taken(mut sent: &[u8], size: usize) -> (Vec<u8>, String) {
        let mut whole = Vec::new();
        while whole.len() < size {
            let (mut length, mut bytes) = (size, size);
            if size as u64 > Body::HELD_MAX {
                let end = sent.iter().position(|byte| *byte == b'\n').unwrap();
                let head = std::str::from_utf8(&sent[..end]).unwrap();
                let [nonce, words @ ..] =
                    <[&str; 3]>::try_from(head.split_whitespace().collect::<Vec<_>>()).unwrap();
                assert_eq!((nonce, end), ("ab12", 79));
                [length, bytes] = words.map(|word| word.parse().unwrap());
                sent = &sent[end + 1..];
            }
            let (part, rest) = sent.split_at(length);
            let before = whole.len();
            if length == bytes {
                whole.extend_from_slice(part);
            } else {
                flate2::read::GzDecoder::new(part).read_to_end(&mut whole).unwrap();
            }
            assert_eq!(whole.len() - before, bytes);
            sent = rest;
        }
        (whole, String::from_utf8(sent.to_vec()).unwrap())
    }

    /// What is sent of a content that becomes `now` after it was planned.
    fn sent(planned: &[u8], now: Vec<u8>) -> (Vec<u8>, String) {
        let file = Arc::new(Changing(Mutex::new(planned.to_vec())));
        let body = Body::filed(planned.len() as u64, file.clone());
        body.settle().unwrap();
        *file.0.lock().unwrap() = now;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut out = Written(Vec::new(), io::pipe().unwrap().1.into());
        let bodies = [body.clone()];
        let bytes = runtime.block_on(content(&mut out, &bodies, ("ab12", None))).unwrap();
        let (read, seal) = taken(&out.0, planned.len());
        assert_eq!(bytes, (out.0.len() - seal.len()) as u64);
        (read, seal.replace(body.digest(), "DIGEST"))
    }

    #[test]
    fn what_was_planned_is_sent_with_its_digest() {
        for length in [1, PIECE - 1, PIECE, 9 * PIECE + 3] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            assert_eq!(sent(&bytes, bytes.clone()), (bytes.clone(), "ab12 DIGEST\n".to_owned()));
            // What was added to its end is not sent.
            let longer = [&bytes[..], b"more"].concat();
            assert_eq!(sent(&bytes, longer), (bytes, "ab12 DIGEST\n".to_owned()));
        }
    }

    #[test]
    fn what_was_changed_is_sent_as_long_as_it_was_and_spoiled() {
        let planned = vec![7; 3 * PIECE];
        let mut other = planned.clone();
        other[2 * PIECE] = 8;
        for now in [other, vec![7; 2 * PIECE], vec![7; 3 * PIECE - 1], vec![]] {
            let (bytes, seal) = sent(&planned, now);
            assert_eq!((bytes.len(), seal.as_str()), (planned.len(), "ab12 spoiled\n"));
        }
    }

    /// A file that is known by its times, how often it was opened to be read, and its check.
    struct Known(tempfile::NamedTempFile, AtomicUsize, OnceLock<u64>);

    impl Filed for Known {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(self.0.reopen()?))
        }
        fn shown(&self) -> &'static str {
            "x"
        }
        fn known(&self, digest: &str) -> Option<(File, u64)> {
            assert_eq!(digest.len(), 64);
            let check = self.2.get_or_init(|| {
                let mut bytes = Vec::new();
                self.0.reopen().unwrap().read_to_end(&mut bytes).unwrap();
                twox_hash::XxHash3_64::oneshot(&bytes)
            });
            Some((self.0.reopen().unwrap(), *check))
        }
    }

    /// What comes out of a pipe of a content, and how long it is said to be without what stands behind it.
    fn piped(bodies: Vec<Body>, pace: Option<&mut Pace>) -> (Vec<u8>, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (mut input, mut output) = tokio::net::unix::pipe::pipe().unwrap();
            let mut out = Vec::new();
            let read = tokio::io::AsyncReadExt::read_to_end(&mut output, &mut out);
            let write = async move { content(&mut input, &bodies, ("ab12", pace)).await };
            let (read, bytes) = tokio::join!(read, write);
            read.unwrap();
            (out, bytes.unwrap())
        })
    }

    /// A content that is known.
    fn known(planned: &[u8]) -> (Arc<Known>, Body) {
        let file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file.as_file(), planned).unwrap();
        let file = Arc::new(Known(file, AtomicUsize::new(0), OnceLock::new()));
        let body = Body::filed(planned.len() as u64, file.clone());
        body.settle().unwrap();
        file.known(body.digest()).unwrap();
        (file, body)
    }

    /// What comes out of a pipe of a content of `planned` bytes that is known, and how often its file was read.
    fn poured(planned: &[u8], change: impl FnOnce(&Known)) -> (Vec<u8>, String, usize) {
        let (file, body) = known(planned);
        change(&file);
        let (out, bytes) = piped(vec![body], None);
        let (came, seal) = taken(&out, planned.len());
        assert_eq!(bytes, (out.len() - seal.len()) as u64);
        (came, seal, file.1.load(Ordering::SeqCst) - 1)
    }

    #[test]
    fn what_is_known_by_its_times_is_not_digested_again_and_spoiled_where_it_is_other() {
        for length in [1, PIECE, 9 * PIECE + 3] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let whole = format!("ab12 {}\n", crate::model::change::sha256_hex(&bytes));
            assert_eq!(poured(&bytes, |_| ()), (bytes, whole, 0));
        }
        // Its times say nothing.
        let other = |file: &Known| file.0.as_file().write_all_at(b"x", 1).unwrap();
        let (bytes, seal, _) = poured(&[7; 3], other);
        assert_eq!((bytes.as_slice(), seal.as_str()), (&[7, b'x', 7][..], "ab12 spoiled\n"));
        let cut = |file: &Known| file.0.as_file().set_len(PIECE as u64).unwrap();
        let (bytes, seal, _) = poured(&vec![7; 3 * PIECE], cut);
        assert_eq!(bytes, [vec![7; PIECE], vec![0; 2 * PIECE]].concat());
        assert_eq!(seal, "ab12 spoiled\n");
    }

    #[test]
    fn what_the_kernel_does_not_move_is_read_and_not_digested_again() {
        let bytes: Vec<u8> = (0..=250).cycle().take(9 * PIECE + 3).collect();
        let (file, body) = known(&bytes);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // No pipe: splice(2) says EINVAL.
        let mut out = Written(Vec::new(), tempfile::tempfile().unwrap().into());
        runtime.block_on(content(&mut out, &[body], ("ab12", None))).unwrap();
        let whole = format!("ab12 {}\n", crate::model::change::sha256_hex(&bytes));
        assert!(taken(&out.0, bytes.len()) == (bytes, whole));
        assert_eq!(file.1.load(Ordering::SeqCst) - 1, 0);
    }

    #[test]
    fn a_slow_line_gets_less_and_the_host_the_same() {
        let text: Vec<u8> = (0..60_000_u32)
            .flat_map(|line| format!("line {line} of a text\n").into_bytes())
            .collect();
        let mut mixed = text.clone();
        // Nobody makes this smaller.
        let mut word = 1_u64;
        mixed.extend(
            std::iter::repeat_with(|| {
                word = word
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (word >> 56) as u8
            })
            .take(3 << 20),
        );
        mixed.extend(&text);
        for (planned, small) in [(text, 3), (mixed, 1)] {
            let file = Arc::new(Changing(Mutex::new(planned.clone())));
            let large = Body::filed(planned.len() as u64, file);
            let (_file, known) = known(&planned);
            let bodies = [Body::of(*b"abc"), large, Body::of(planned[..300_000].to_vec()), known];
            let mut whole = Vec::new();
            for body in &bodies {
                if body.bytes().is_none() {
                    body.settle().unwrap();
                }
                whole.extend(body.whole().unwrap());
            }
            let mut pace = Pace::slow(std::time::Duration::from_secs(400));
            let (out, bytes) = piped(bodies.to_vec(), Some(&mut pace));
            assert_eq!(bytes, out.len() as u64 - 5);
            assert!(
                small <= 1 || out.len() * small < whole.len(),
                "{} of {}",
                out.len(),
                whole.len()
            );
            assert!(taken(&out, whole.len()) == (whole, "ab12\n".to_owned()));
        }
    }

    #[test]
    fn a_content_of_several_has_one_seal() {
        let file = Arc::new(Changing(Mutex::new(vec![1; 5])));
        let large = Body::filed(5, file.clone());
        large.settle().unwrap();
        let bodies = [Body::of(*b"abc"), large, Body::of([])];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let send = || {
            let mut out = Written(Vec::new(), io::pipe().unwrap().1.into());
            runtime.block_on(content(&mut out, &bodies, ("ab12", None))).unwrap();
            out.0
        };
        assert_eq!(send(), b"abc\x01\x01\x01\x01\x01ab12\n");
        *file.0.lock().unwrap() = vec![1, 1, 2, 1, 1];
        assert_eq!(send(), b"abc\x01\x01\x02\x01\x01ab12 spoiled\n");
    }
}
