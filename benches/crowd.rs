//! Hundreds of hosts: how many a second, and what memory each costs the controller.

use std::time::Duration;

use crate::figures::{Aim, Part, Row, over, seconds};
use crate::lab::{self, Hosts};
use crate::plans::{memory, project, settle, walls};
use crate::program::{PLAN, memory_of};
use crate::rows::{Bench, runs};
use crate::work::Size;

/// How many hosts there are, and the parts of them that give the curve.
const HOSTS: usize = 200;
const PARTS: [usize; 3] = [10, 50, 100];

/// 200 hosts × 113.
pub fn crowd(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let names = bench.lab(Hosts::Crowd(HOSTS))?.0.names.clone();
    // There is no systemd: files in the place of services.
    let small = Size::small();
    let size = Size { project: "crowd", services: 0, files: small.files + small.services, ..small };
    if size.resources() != 113 {
        return Err(format!("{} resources, not 113", size.resources()));
    }
    let folder = project(bench, &names, &size)?;
    {
        let (_, program) = bench.lab(Hosts::Crowd(HOSTS))?;
        settle(&program, &folder)?;
    }
    let mut grown = Vec::new();
    for part in PARTS.into_iter().chain([HOSTS]) {
        let folder = project(bench, &names[..part], &size)?;
        let (lab, program) = bench.lab(Hosts::Crowd(HOSTS))?;
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
        if part == HOSTS {
            whole(row, &bare, &took, &grown);
            let ssh = masters(bench, &folder)?;
            row.beside(WORK, "memory of its ssh, MiB a host (one run)", vec![ssh / HOSTS as f64]);
            let (_, program) = bench.lab(Hosts::Crowd(HOSTS))?;
            program.disconnect(&folder)?;
        }
    }
    row.note(
        "200 hosts: `crowd1` to `crowd200` of the lab, each with an sshd, a network namespace and a file system \
         of its own, without systemd; so the 113 have 53 files and no service. The lab raises sshd's MaxStartups \
         to 200:30:400 on all its hosts. Bare ssh goes to 64 at once, as many as `--parallel` has by default. \
         Memory a host: what 200 hosts take more than 10, divided by 190; ssh's own processes are counted apart.",
    );
    Ok(())
}

const WORK: &str = "200 hosts × 113, nothing to change";

/// The figures that have aims: of all hosts, beside those of the smallest part.
fn whole(row: &mut Row, bare: &[Duration], took: &[Duration], grown: &[Vec<f64>]) {
    let rate = |(took, bare): (&Duration, &Duration)| bare.as_secs_f64() / took.as_secs_f64();
    let rates = took.iter().zip(bare).map(rate).collect();
    row.aim(WORK, "hosts/s ÷ bare ssh at the same parallelism", Aim::AtLeast(0.9), rates);
    let (Some(first), Some(last)) = (grown.first(), grown.last()) else { return };
    let each = |(few, many): (&f64, &f64)| (many - few) / (HOSTS - PARTS[0]) as f64;
    let each = first.iter().zip(last).map(each).collect();
    row.aim(WORK, "controller's memory, MiB a host", Aim::AtMost(1.0), each);
    let a_second =
        |runs: &[Duration]| runs.iter().map(|took| HOSTS as f64 / took.as_secs_f64()).collect();
    row.beside(WORK, "bare ssh, hosts/s", a_second(bare));
    row.beside(WORK, "trueup plan, hosts/s", a_second(took));
}

/// The most memory that the ssh processes of one plan have together, in MiB.
fn masters(bench: &mut Bench, folder: &std::path::Path) -> Result<f64, String> {
    let (_, program) = bench.lab(Hosts::Crowd(HOSTS))?;
    program.disconnect(folder)?;
    let sockets = program.sockets().display().to_string();
    let mut most = 0;
    program.watched(folder, &PLAN, || {
        most = most.max(memory_of(&sockets));
        std::thread::sleep(Duration::from_millis(300));
    })?;
    Ok(most as f64 / 1024.0)
}
