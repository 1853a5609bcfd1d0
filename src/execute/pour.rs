//! Contents that need not be digested while they are sent: the kernel moves them from their file into the pipe of the
//! shell, and a quick sum beside that tells whether they are what was digested.

use std::fs::File;
use std::hash::Hasher as _;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::pipe::{SpliceFlags, splice};
use tokio::task::spawn_blocking;
use twox_hash::XxHash3_64;

use super::failpoint::failpoint;

/// Bytes that are asked for at once; the kernel moves as many as there is room for.
const MOST: usize = 1 << 20;
/// Bytes after which what was taken is looked at: more than a pipe holds, so that it is much at once.
const BEHIND: u64 = 2 << 20;
/// Nanoseconds after which one who waits for room looks whether anybody still wants it.
const LOOK: i64 = 100_000_000;

/// How many of these bytes are taken at once, which are `most` at most.
pub(super) fn at_most(most: usize, left: u64) -> usize {
    usize::try_from(left).map_or(most, |left| left.min(most))
}

/// Says that it is gone when it is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file whose bytes go into a pipe, one part after the other. What a pipe holds of a file that is written to changes with
/// it (splice(2)), so each byte is looked at behind whoever took it, as ssh(1) does by read(2).
pub(super) struct Pouring {
    /// Away while it is at work.
    moving: Option<Moving>,
    check: u64,
    good: bool,
    _wanted: Wanted,
}

impl Pouring {
    /// The file that `open` gives with its check, if it does, to go into `pipe`.
    ///
    /// # Errors
    /// When it cannot be looked for.
    pub(super) async fn open(
        pipe: OwnedFd,
        open: impl FnOnce() -> Option<(File, u64)> + Send + 'static,
    ) -> io::Result<Option<Self>> {
        let Some((file, check)) = spawn_blocking(open).await.map_err(io::Error::other)? else {
            return Ok(None);
        };
        let wanted = Wanted(Arc::default());
        let moving = Moving {
            file,
            pipe,
            gone: Arc::clone(&wanted.0),
            at: 0,
            looked: 0,
            sum: XxHash3_64::new(),
            piece: vec![0; MOST],
        };
        Ok(Some(Self { moving: Some(moving), check, good: true, _wanted: wanted }))
    }

    /// The kernel moves the next `size` bytes, or fewer, where there are not so many or it cannot (EINVAL); how many it
    /// moved. Returns when all of these were taken.
    ///
    /// # Errors
    /// When nobody reads from the pipe any more.
    pub(super) async fn on(&mut self, size: u64) -> io::Result<u64> {
        self.by(move |moving| moving.all(size)).await
    }

    /// The next `size` bytes, to go there in another way; none where there are not so many.
    ///
    /// # Errors
    /// When nobody waits for them any more.
    pub(super) async fn read(&mut self, size: usize) -> io::Result<Vec<u8>> {
        self.by(move |moving| {
            let mut bytes = vec![0; size];
            if moving.file.read_exact_at(&mut bytes, moving.at).is_err() {
                return Ok((Vec::new(), false));
            }
            moving.sum.write(&bytes);
            moving.at += size as u64;
            moving.looked = moving.at;
            Ok((bytes, true))
        })
        .await
    }

    /// Whether all that went out could be looked at, and was there when it was read.
    pub(super) const fn is_good(&self) -> bool {
        self.good
    }

    /// Whether all that went out so far is what has the check.
    pub(super) fn same(&self) -> bool {
        let sum = self.moving.as_ref().map(|moving| moving.sum.finish());
        self.good && sum == Some(self.check)
    }

    /// Does `work`, which says too whether all was good.
    async fn by<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Moving) -> io::Result<(T, bool)> + Send + 'static,
    ) -> io::Result<T> {
        let mut moving = self.moving.take().ok_or_else(ended)?;
        let work = move || work(&mut moving).map(|done| (moving, done));
        let (moving, (done, good)) = spawn_blocking(work).await.map_err(io::Error::other)??;
        self.moving = Some(moving);
        self.good &= good;
        Ok(done)
    }
}

/// A file that is moved into a pipe.
struct Moving {
    file: File,
    pipe: OwnedFd,
    gone: Arc<AtomicBool>,
    /// How many bytes went out, and how many of these were looked at.
    at: u64,
    looked: u64,
    sum: XxHash3_64,
    piece: Vec<u8>,
}

impl Moving {
    /// Moves what can be moved of the next `size` bytes; how many that were, and whether they could be looked at. Returns
    /// when all of them were taken.
    fn all(&mut self, size: u64) -> io::Result<(u64, bool)> {
        let (mut good, before) = (true, self.at);
        let end = before + size;
        while self.at < end {
            if self.gone.load(Ordering::Relaxed) {
                return Err(ended());
            }
            let due = at_most(MOST, end - self.at);
            match splice(
                &self.file,
                Some(&mut self.at),
                &self.pipe,
                None,
                due,
                SpliceFlags::NONBLOCK,
            ) {
                Ok(0) => break,
                Ok(_) => {
                    failpoint!("piece");
                    if self.at - self.looked >= BEHIND {
                        good &= self.look()?;
                    }
                }
                Err(Errno::AGAIN) => room(&self.pipe)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) => return Err(ended()),
                // What is missing is the caller's.
                Err(_) => break,
            }
        }
        // Of a pipe into which nothing was moved nobody knows that it is one.
        while self.at > before {
            // An error of the pipe tells that nobody reads any more, and what is in it then is of no use.
            let lost = self.gone.load(Ordering::Relaxed) || self.is_left()?;
            good &= self.look()?;
            if self.looked == self.at || !good {
                break;
            }
            if lost {
                return Err(ended());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((self.at - before, good))
    }

    /// Whether nobody reads from the pipe any more.
    fn is_left(&self) -> io::Result<bool> {
        let mut look = [PollFd::new(&self.pipe, PollFlags::empty())];
        match poll(&mut look, Some(&Timespec::default())) {
            Ok(_) => Ok(look[0].revents().contains(PollFlags::ERR)),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at what was taken from the pipe since; whether it is still there to be looked at.
    fn look(&mut self) -> io::Result<bool> {
        let taken = self.at.saturating_sub(ioctl_fionread(&self.pipe)?);
        while self.looked < taken {
            let due = at_most(MOST, taken - self.looked);
            if self.file.read_exact_at(&mut self.piece[..due], self.looked).is_err() {
                return Ok(false);
            }
            self.sum.write(&self.piece[..due]);
            self.looked += due as u64;
        }
        Ok(true)
    }
}

/// Nobody reads any more.
fn ended() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Waits for room in a pipe, a moment at most.
fn room(pipe: impl AsFd) -> io::Result<()> {
    let mut look = [PollFd::new(&pipe, PollFlags::OUT)];
    match poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: LOOK })) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::runtime::Runtime;
    use tokio::time::timeout;

    use super::*;

    /// All of a file at once; how many bytes went out, and whether they have the check.
    async fn pour(
        pipe: OwnedFd,
        size: u64,
        open: impl FnOnce() -> Option<(File, u64)> + Send + 'static,
    ) -> io::Result<(u64, bool)> {
        let Some(mut pouring) = Pouring::open(pipe, open).await? else { return Ok((0, false)) };
        Ok((pouring.on(size).await?, pouring.same()))
    }

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    /// A file of so many bytes, and the check of its first `checked`.
    fn file(length: usize, checked: usize) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = vec![7; length.max(checked)];
        file.write_all(&bytes[..length]).unwrap();
        (file, XxHash3_64::oneshot(&bytes[..checked]))
    }

    #[test]
    fn it_is_looked_at_behind_who_took_it() {
        for (change, same) in [(false, true), (true, false)] {
            let (mut from, to) = io::pipe().unwrap();
            let (moved, check) = file(300_000, 300_000);
            let other = moved.try_clone().unwrap();
            let reading = std::thread::spawn(move || {
                let mut bytes = vec![0; 300_000];
                from.read_exact(&mut bytes[..200_000]).unwrap();
                // It was moved, and is not taken yet.
                std::thread::sleep(Duration::from_millis(100));
                if change {
                    other.write_all_at(b"x", 299_999).unwrap();
                }
                from.read_exact(&mut bytes[200_000..]).unwrap();
                bytes[299_999]
            });
            let poured = pour(to.into(), 300_000, move || Some((moved, check)));
            assert_eq!(runtime().block_on(poured).unwrap(), (300_000, same));
            assert_eq!(reading.join().unwrap() == 7, same, "what came is what was looked at");
        }
    }

    #[test]
    fn where_nothing_can_be_moved_nothing_is() {
        let (from, to) = io::pipe().unwrap();
        let poured = |to: OwnedFd, open: fn() -> Option<(File, u64)>| {
            runtime().block_on(pour(to, 10, open)).unwrap()
        };
        assert_eq!(poured(to.try_clone().unwrap().into(), || None), (0, false));
        // No pipe.
        assert_eq!(poured(file(0, 0).0.into(), || Some(file(10, 10))), (0, false));
        // A shorter file, and another one.
        let reading =
            std::thread::spawn(move || from.take(14).read_to_end(&mut Vec::new()).unwrap());
        assert_eq!(poured(to.try_clone().unwrap().into(), || Some(file(4, 10))), (4, false));
        assert_eq!(poured(to.into(), || Some(file(10, 9))), (10, false));
        assert_eq!(reading.join().unwrap(), 14);
    }

    #[test]
    fn whoever_reads_no_more_ends_it() {
        for taken in [0, 1000, 400_000] {
            let (mut from, to) = io::pipe().unwrap();
            let reading = std::thread::spawn(move || {
                from.read_exact(&mut vec![0; taken]).unwrap();
            });
            let poured = pour(to.into(), 450_000, || Some(file(450_000, 450_000)));
            let error = runtime().block_on(poured).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            reading.join().unwrap();
        }
    }

    #[test]
    fn what_nobody_waits_for_any_more_ends() {
        // More than the pipe holds, and less: it waits for room, and until it is taken.
        for length in [1 << 20, 1000] {
            let (_from, to) = io::pipe().unwrap();
            let runtime = runtime();
            let poured = pour(to.into(), length, move || Some(file(1 << 20, 1 << 20)));
            let late = runtime.block_on(async { timeout(Duration::from_millis(50), poured).await });
            assert!(late.is_err());
            // Waits for what the runtime still does.
            drop(runtime);
        }
    }
}
