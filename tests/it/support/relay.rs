//! A relay between ssh and a host's sshd that spoils what it carries: it cuts a connection after so many bytes, turns
//! a bit around, or is as slow as a thin line.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::lab;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToHost,
    FromHost,
}

/// What is done to a connection.
#[derive(Debug, Clone, Copy)]
pub enum Harm {
    /// Both ways end.
    Cut,
    /// This bit of the byte is another one.
    Flip(u8),
}

/// A harm at the byte `at` of one way.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub way: Way,
    pub at: u64,
    pub harm: Harm,
    /// Every connection has it, and not the first one alone.
    pub every: bool,
}

/// A line that has so many bytes a second, each way, and brings them so late.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub late: Duration,
    pub bytes: u64,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    fault: Mutex<Option<Fault>>,
    line: Option<Line>,
    connections: AtomicUsize,
    harmed: AtomicUsize,
    to_host: AtomicU64,
    from_host: AtomicU64,
}

/// A running relay; dropping it takes no more connections.
pub struct Relay {
    shared: Arc<Shared>,
    port: u16,
    folder: TempDir,
}

impl Relay {
    /// Starts one in front of a host of the lab.
    pub fn before(host: &'static str, line: Option<Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared { line, ..Shared::default() });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            "Host {host}\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {host}\n\
             Match all\nInclude \"{}\"\n",
            lab().ssh_config().display()
        );
        std::fs::write(folder.path().join("ssh_config"), config).expect("an ssh config");
        let address = lab().address(host);
        let carried = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if carried.ended.load(Ordering::SeqCst) {
                    return;
                }
                carry(&carried, &near, &address);
            }
        });
        Self { shared, port, folder }
    }

    /// The ssh config by which the host is reached through it.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.path().join("ssh_config")
    }

    /// From now on connections have this fault, or none; counting begins anew.
    pub fn spoil(&self, fault: Option<Fault>) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        for count in [&self.shared.connections, &self.shared.harmed] {
            count.store(0, Ordering::SeqCst);
        }
        for count in [&self.shared.to_host, &self.shared.from_host] {
            count.store(0, Ordering::SeqCst);
        }
    }

    /// Connections since the last [`Self::spoil`], and how many of them were harmed.
    pub fn connections(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (count(&self.shared.connections), count(&self.shared.harmed))
    }

    /// Bytes that went this way since the last [`Self::spoil`].
    pub fn bytes(&self, way: Way) -> u64 {
        self.shared.bytes(way).load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    const fn bytes(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::ToHost => &self.to_host,
            Way::FromHost => &self.from_host,
        }
    }
}

fn carry(shared: &Arc<Shared>, near: &TcpStream, address: &str) {
    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
    let fault = *shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = fault.filter(|fault| fault.every || number == 0);
    let Ok(far) = TcpStream::connect((address, 22)) else { return };
    for way in [Way::ToHost, Way::FromHost] {
        let (from, to) = if way == Way::ToHost { (near, &far) } else { (&far, near) };
        let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
        let fault = fault.filter(|fault| fault.way == way);
        let shared = Arc::clone(shared);
        thread::spawn(move || pump(&shared, way, fault, (from, to)));
    }
}

/// Carries one way of one connection to its end.
fn pump(shared: &Shared, way: Way, fault: Option<Fault>, (mut from, to): (TcpStream, TcpStream)) {
    let both = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    // What is on a line at a time; more waits where it comes from.
    let on_line = shared.line.map_or(1, |line| line.on_it() / PIECE + 1);
    let (send, receive) = sync_channel(on_line);
    let line = shared.line;
    let writer = thread::spawn(move || write(&receive, line, to));
    let (mut buffer, mut offset) = ([0; PIECE], 0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut piece = buffer[..count].to_vec();
        let inside = fault.and_then(|fault| {
            let index = usize::try_from(fault.at.checked_sub(offset)?).ok()?;
            (index < count).then_some((index, fault.harm))
        });
        let cut = inside.is_some_and(|(_, harm)| matches!(harm, Harm::Cut));
        match inside {
            Some((index, Harm::Cut)) => piece.truncate(index),
            Some((index, Harm::Flip(bit))) => piece[index] ^= 1 << bit,
            None => {}
        }
        shared.harmed.fetch_add(usize::from(inside.is_some()), Ordering::SeqCst);
        offset += count as u64;
        shared.bytes(way).fetch_add(count as u64, Ordering::SeqCst);
        if send_all(&send, piece).is_err() || cut {
            break;
        }
    }
    drop(send);
    let _ = writer.join();
    if fault.is_some() {
        let _ = (both.0.shutdown(Shutdown::Both), both.1.shutdown(Shutdown::Both));
    }
}

/// Bytes that are read at once.
const PIECE: usize = 512;

type Piece = (Instant, Vec<u8>);

fn send_all(send: &SyncSender<Piece>, piece: Vec<u8>) -> Result<(), ()> {
    send.send((Instant::now(), piece)).map_err(drop)
}

impl Line {
    /// How many bytes are on their way when it is full.
    fn on_it(self) -> usize {
        usize::try_from(self.bytes).expect("a thin line") * self.late.as_millis() as usize / 1000
    }
}

fn write(receive: &Receiver<Piece>, line: Option<Line>, mut to: TcpStream) {
    let mut free = Instant::now();
    while let Ok((came, piece)) = receive.recv() {
        if let Some(line) = line {
            free =
                free.max(came) + Duration::from_micros(piece.len() as u64 * 1_000_000 / line.bytes);
            thread::sleep((free + line.late).saturating_duration_since(Instant::now()));
        }
        if to.write_all(&piece).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
