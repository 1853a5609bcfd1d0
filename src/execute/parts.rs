//! How a content is written: small ones as they are; large ones in parts, each behind a line that says how long it is, and
//! made small by gzip (RFC 1952) where the line is slow.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::pace::{Pace, SQUEEZED};
use super::pour::{Pouring, at_most};
use crate::model::{Body, PIECE};
use crate::shell::frame::part;
use crate::transport::Input;

/// What stands in the place of bytes that are missing.
static NOTHING: [u8; PIECE] = [0; PIECE];

/// What a content is written to.
pub(super) struct Parts<'s> {
    input: &'s mut dyn Input,
    nonce: &'s str,
    /// How fast the line is, where it is known that the host can read what was made small.
    pace: Option<&'s mut Pace>,
    /// Bytes of the content that no part was begun for.
    left: u64,
    /// Bytes that the part which was begun still has, and when that was.
    due: u64,
    begun: Instant,
    /// Bytes that wait until there are enough of them to be made small.
    held: Vec<u8>,
    written: u64,
}

impl<'s> Parts<'s> {
    /// For a content of `size` bytes.
    pub(super) fn new(
        input: &'s mut dyn Input,
        (nonce, pace): (&'s str, Option<&'s mut Pace>),
        size: u64,
    ) -> Self {
        let due = if size > Body::HELD_MAX { 0 } else { size };
        let left = size - due;
        Self { input, nonce, pace, left, due, begun: Instant::now(), held: Vec::new(), written: 0 }
    }

    /// Makes room for much.
    pub(super) fn widen(&self) {
        self.input.widen();
    }

    /// The pipe that it is written to.
    pub(super) fn pipe(&self) -> io::Result<OwnedFd> {
        self.input.pipe()
    }

    /// How many bytes go as they are now, if there are any more; none: they are made small first.
    pub(super) async fn plain(&mut self) -> io::Result<u64> {
        if self.due == 0 && self.left > 0 && self.held.is_empty() {
            let plain = self.pace.as_deref_mut().map_or(self.left, |pace| pace.plain(self.left));
            if plain > 0 {
                self.head(plain, plain).await?;
            }
            self.due = plain;
        }
        Ok(self.due)
    }

    /// Writes these bytes.
    pub(super) async fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let plain = usize::try_from(self.plain().await?).unwrap_or(usize::MAX);
            let room = if plain > 0 { plain } else { SQUEEZED - self.held.len() };
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            if plain > 0 {
                self.input.write_all(now).await?;
                self.went(now.len() as u64);
            } else {
                self.held.extend_from_slice(now);
                if self.held.len() == SQUEEZED || self.held.len() as u64 == self.left {
                    self.squeeze().await?;
                }
            }
            bytes = rest;
        }
        Ok(())
    }

    /// As [`Self::put`], for bytes that nobody needs any more.
    pub(super) async fn give(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let whole = bytes.len() == SQUEEZED || bytes.len() as u64 == self.left;
        if whole && self.held.is_empty() && self.plain().await? == 0 {
            self.held = bytes;
            return self.squeeze().await;
        }
        self.put(&bytes).await
    }

    /// Has the kernel move bytes that go as they are, `most` of them at most; how many it moved.
    pub(super) async fn pour(&mut self, from: &mut Pouring, most: u64) -> io::Result<u64> {
        let moved = from.on(self.due.min(most)).await?;
        self.went(moved);
        Ok(moved)
    }

    /// Writes bytes in the place of so many that are missing: the host waits for them, and never uses them.
    pub(super) async fn fill(&mut self, mut missing: u64) -> io::Result<()> {
        while missing > 0 {
            let now = at_most(PIECE, missing);
            self.put(&NOTHING[..now]).await?;
            missing -= now as u64;
        }
        Ok(())
    }

    /// Writes what stands behind the content; how many bytes that had on the wire.
    pub(super) async fn close(self, seal: &[u8]) -> io::Result<u64> {
        self.input.write_all(seal).await?;
        Ok(self.written)
    }

    /// Of the part that was begun so many bytes went out.
    fn went(&mut self, bytes: u64) {
        self.written += bytes;
        self.due -= bytes;
        if let Some(pace) = self.pace.as_mut().filter(|_| self.due == 0) {
            pace.went(self.begun.elapsed());
        }
    }

    /// Begins a part of so many bytes on the wire, which stand for so many of the content.
    async fn head(&mut self, length: u64, bytes: u64) -> io::Result<()> {
        let line = part(self.nonce, length, bytes);
        self.begun = Instant::now();
        self.input.write_all(&line).await?;
        self.written += line.len() as u64;
        self.left -= bytes;
        Ok(())
    }

    /// Writes what is held as a part, made small where that is worth it.
    async fn squeeze(&mut self) -> io::Result<()> {
        let (bytes, begun) = (std::mem::take(&mut self.held), Instant::now());
        let work = move || squeezed(&bytes).map(|small| (bytes, small));
        let (bytes, small) = spawn_blocking(work).await.map_err(io::Error::other)??;
        let made = begun.elapsed();
        let pace = self.pace.as_deref_mut();
        let pays = pace.is_some_and(|pace| pace.pays(bytes.len(), small.len(), made));
        let sent = if pays { &small } else { &bytes };
        self.head(sent.len() as u64, bytes.len() as u64).await?;
        self.input.write_all(sent).await?;
        self.written += sent.len() as u64;
        Ok(())
    }
}

/// These bytes as gzip(1) makes them.
fn squeezed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut small = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
    small.write_all(bytes)?;
    small.finish()
}
