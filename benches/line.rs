//! A slow line: ssh over a relay that delays each byte, by a `ProxyCommand` that is this program itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{Aim, Row, over, seconds};
use crate::lab::{self, Hosts};
use crate::plans::{project, settle, walls, write};
use crate::rows::{Bench, runs};
use crate::work::Size;

/// The word that has this program be the relay: `RELAY MILLISECONDS HOST PORT`.
pub const RELAY: &str = "relay";

/// There and back.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// 4 hosts × 113 over a line of 100 ms.
pub fn line(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let names = bench.lab(Hosts::Web(4))?.0.names.clone();
    let folder = project(bench, &names, &Size::small())?;
    let (lab, program) = bench.lab(Hosts::Web(4))?;
    settle(&program, &folder)?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let config = lab.folder().join("slow_config");
    let text = format!(
        "Host *\n    ProxyCommand {} {RELAY} {} %h %p\nInclude {}\n",
        own.display(),
        ROUND_TRIP.as_millis() / 2,
        lab.config().display()
    );
    write(&config, text.as_bytes())?;
    let (mut bare, mut plans) = (Vec::new(), Vec::new());
    let (mut near_bare, mut near) = (Vec::new(), Vec::new());
    let slow = program.clone().over(&config);
    for _ in 0..runs() {
        bare.push(lab::bare(&config, &names)?);
        plans.push(slow.cold(&folder)?);
        near_bare.push(lab.bare(&names)?);
        near.push(program.cold(&folder)?);
    }
    let trips = |seconds: &f64| seconds / ROUND_TRIP.as_secs_f64();
    let all = over(&walls(&plans), &bare);
    let work = "a line of 100 ms round trip, 4 hosts × 113, nothing to change";
    let figures = all.iter().map(trips).collect();
    row.aim(work, "wall − bare ssh, round trips", Aim::AtMost(3.0), figures);
    row.beside(work, "bare ssh, s", seconds(&bare));
    row.beside(work, "trueup plan, s", seconds(&walls(&plans)));
    let near = over(&walls(&near), &near_bare);
    row.beside("the same hosts without the delay", "wall − bare ssh, s", near);
    row.note(
        "The line of 100 ms: a ProxyCommand that hands each byte on 50 ms later, each way, and limits no \
         throughput; bare ssh goes over the same. What is told in round trips holds the program's own work too: \
         the figure without the delay stands beside.",
    );
    program.disconnect(&folder)
}

/// Relays standard input and output to a host's port; each byte arrives so many milliseconds later.
pub fn relay(milliseconds: &str, host: &str, port: &str) -> Result<(), String> {
    let delay = milliseconds.parse().map(Duration::from_millis);
    let delay = delay.map_err(|error| format!("{milliseconds}: {error}"))?;
    // The handshake of TCP goes there and back.
    thread::sleep(delay * 2);
    let told = |error: std::io::Error| format!("{host}:{port}: {error}");
    let stream = TcpStream::connect(format!("{host}:{port}")).map_err(told)?;
    stream.set_nodelay(true).map_err(told)?;
    let (mut to, from) = (stream.try_clone().map_err(told)?, stream);
    thread::spawn(move || {
        carry(std::io::stdin(), &mut to, delay);
        let _ = to.shutdown(Shutdown::Write);
    });
    carry(from, &mut std::io::stdout().lock(), delay);
    Ok(())
}

/// Hands on what is read, each piece when its time has come, until one end goes away.
fn carry(mut from: impl Read + Send, to: &mut impl Write, delay: Duration) {
    let (pieces, waiting) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                if pieces.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        for (due, piece) in waiting {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).and_then(|()| to.flush()).is_err() {
                // Nobody reads any more: the other thread may wait in its read for ever.
                std::process::exit(0);
            }
        }
    });
}
