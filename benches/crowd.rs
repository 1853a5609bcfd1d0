//! Hundreds of hosts: how many a second, and what memory each costs the controller.

use std::path::Path;
use std::time::Duration;

use crate::figures::{Aim, Part, Row, over, seconds};
use crate::hand;
use crate::lab::{self, Hosts};
use crate::plans::{memory, project, settle, walls};
use crate::program::{PLAN, memory_of};
use crate::rows::{Bench, runs};
use crate::work::Size;

/// The parts of the hosts that give the curve, where there are more.
const PARTS: [usize; 3] = [10, 50, 100];

/// How many hosts there are: 200, or what `TRUEUP_BENCH_CROWD` says, for a machine that holds less or more.
fn count() -> usize {
    let said = std::env::var("TRUEUP_BENCH_CROWD").ok().and_then(|text| text.parse().ok());
    said.unwrap_or(200).max(PARTS[0] + 1)
}

/// 200 hosts × 113.
pub fn crowd(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let count = count();
    let hosts = Hosts::Crowd(count);
    let names = bench.lab(hosts)?.0.names.clone();
    // There is no systemd: files in the place of services.
    let small = Size::small();
    let size = Size { project: "crowd", services: 0, files: small.files + small.services, ..small };
    if size.resources() != 113 {
        return Err(format!("{} resources, not 113", size.resources()));
    }
    let folder = project(bench, &names, &size)?;
    {
        let (_, program) = bench.lab(hosts)?;
        settle(&program, &folder)?;
    }
    let mut grown = Vec::new();
    let parts = PARTS.into_iter().filter(|part| *part < count);
    for part in parts.chain([count]) {
        let folder = project(bench, &names[..part], &size)?;
        let (lab, program) = bench.lab(hosts)?;
        let (mut bare, mut plans) = (Vec::new(), Vec::new());
        for _ in 0..runs() {
            bare.push(lab::bare(&lab.config(), &names[..part])?);
            plans.push(program.cold(&folder)?);
        }
        let took = walls(&plans);
        let work = format!("plan of {part} hosts × 113 resources, cold");
        row.add(Part::Curve, &work, "bare ssh, s", seconds(&bare));
        row.add(Part::Curve, &work, "trueup plan, s", seconds(&took));
        row.add(Part::Curve, &work, "trueup plan − bare ssh, s", over(&took, &bare));
        row.add(Part::Curve, &work, "controller's memory, MiB", memory(&plans));
        grown.push(memory(&plans));
        if part == count {
            whole(row, &bare, &took, &grown);
            hand::beside(row, &work_of(count), (lab, &hand::questions(&size)), || Ok(()))?;
            let ssh = masters(bench, hosts, &folder)? / count as f64;
            row.beside(&work_of(count), "memory of its ssh, MiB a host (one run)", vec![ssh]);
            let (_, program) = bench.lab(hosts)?;
            program.disconnect(&folder)?;
        }
    }
    row.note(format!(
        "{count} hosts: `crowd1` to `crowd{count}` of the lab, each with an sshd, a network namespace and a file system \
         of its own, without systemd; so the 113 have 53 files and no service. The lab raises sshd's MaxStartups \
         to 200:30:400 on all its hosts. Bare ssh goes to 64 at once, as many as `--parallel` has by default. \
         Memory a host: what {count} hosts take more than {}, divided by {}; ssh's own processes are counted apart.",
        PARTS[0],
        count - PARTS[0]
    ));
    Ok(())
}

fn work_of(count: usize) -> String {
    format!("{count} hosts × 113, nothing to change")
}

/// The figures that have aims: of all hosts, beside those of the smallest part.
fn whole(row: &mut Row, bare: &[Duration], took: &[Duration], grown: &[Vec<f64>]) {
    let count = count();
    let work = work_of(count);
    let rate = |(took, bare): (&Duration, &Duration)| bare.as_secs_f64() / took.as_secs_f64();
    let rates = took.iter().zip(bare).map(rate).collect();
    row.aim(&work, "hosts/s ÷ bare ssh at the same parallelism", Aim::AtLeast(0.9), rates);
    let (Some(first), Some(last)) = (grown.first(), grown.last()) else { return };
    let each = |(few, many): (&f64, &f64)| (many - few) / (count - PARTS[0]) as f64;
    let each = first.iter().zip(last).map(each).collect();
    row.aim(&work, "controller's memory, MiB a host", Aim::AtMost(1.0), each);
    let a_second =
        |runs: &[Duration]| runs.iter().map(|took| count as f64 / took.as_secs_f64()).collect();
    row.beside(&work, "bare ssh, hosts/s", a_second(bare));
    row.beside(&work, "trueup plan, hosts/s", a_second(took));
}

/// The most memory that the ssh processes of one plan have together, in MiB.
fn masters(bench: &mut Bench, hosts: Hosts, folder: &Path) -> Result<f64, String> {
    let (_, program) = bench.lab(hosts)?;
    program.disconnect(folder)?;
    let sockets = program.sockets().display().to_string();
    let mut most = 0;
    program.watched(folder, &PLAN, || {
        most = most.max(memory_of(&sockets));
        std::thread::sleep(Duration::from_millis(300));
    })?;
    Ok(most as f64 / 1024.0)
}
