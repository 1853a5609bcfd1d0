//! `trueup check` of growing fleets: a curve that bends upwards would show work that grows with the square.

use std::path::Path;

use crate::figures::{Aim, Part, Row, seconds};
use crate::fleet;
use crate::plans::{memory, walls};
use crate::program::Run;
use crate::rows::{Bench, runs};

/// 10,000 hosts × 113.
pub fn check(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let all = measure(bench, |folder| fleet::hosts(folder, 10_000, 5, false))?;
    let work = "`check` of 10,000 hosts × 113 resources, no host";
    row.aim(work, "wall, s", Aim::AtMost(3.0), seconds(&walls(&all)));
    row.aim(work, "memory, MiB", Aim::AtMost(1024.0), memory(&all));
    row.note(
        "`check`: 50 files, 10 directories, 10 symlinks, 20 packages, 10 users, 10 lines and 3 services a host; 5 \
         files differ by host, 15 by group (100 hosts each), the others do not.",
    );
    Ok(())
}

/// 100, 1,000 and 10,000 hosts, and resources.
pub fn curve(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    for (name, own, facts) in [
        ("a tenth of the files differs by host", 5, false),
        ("the same, and facts are named", 5, true),
        ("every file differs by host", 50, false),
    ] {
        for hosts in [100, 1_000, 10_000] {
            let all = measure(bench, |folder| fleet::hosts(folder, hosts, own, facts))?;
            let work = format!("check of {hosts} hosts × 113, {name}");
            point(row, &work, hosts, "host", &all);
        }
    }
    for resources in [100, 1_000, 10_000] {
        let all = measure(bench, |folder| fleet::chain(folder, resources))?;
        let work = format!("check of 10 hosts × {resources} files, each after the one before");
        point(row, &work, resources * 10, "resource", &all);
    }
    Ok(())
}

fn point(row: &mut Row, work: &str, parts: usize, part: &str, all: &[Run]) {
    let walls = seconds(&walls(all));
    let each = walls.iter().map(|wall| wall * 1e6 / parts as f64).collect();
    row.add(Part::Curve, work, "wall, s", walls);
    row.add(Part::Curve, work, &format!("wall, µs a {part}"), each);
    row.add(Part::Curve, work, "memory, MiB", memory(all));
}

fn measure(
    bench: &Bench,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Vec<Run>, String> {
    let folder = bench.project("check")?;
    make(&folder)?;
    let program = bench.program();
    // The first run reads the files from disk.
    program.run(&folder, &["check", "--strict"])?;
    (0..runs()).map(|_| program.run(&folder, &["check", "--strict"])).collect()
}
