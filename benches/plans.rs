//! Plans with nothing to change beside bare ssh: 4 and 20 hosts, and more and more resources.

use std::path::PathBuf;
use std::time::Duration;

use crate::figures::{Aim, Part, Row, over, ratios, seconds};
use crate::hand;
use crate::lab::{Hosts, Lab};
use crate::program::{PLAN, Program, Run};
use crate::rows::{Bench, runs};
use crate::work::{self, Size};

/// Writes a project of this size for hosts.
pub fn project(bench: &Bench, hosts: &[String], size: &Size) -> Result<PathBuf, String> {
    let folder = bench.project(size.project)?;
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    for (path, text) in work::files(&hosts, size) {
        write(&folder.join(path), text.as_bytes())?;
    }
    Ok(folder)
}

/// Writes a file, and the folders above it.
pub fn write(path: &std::path::Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().expect("a file is in a folder");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Applies a project, so that nothing is to change, and plans it once: caches are warm from then on.
pub fn settle(program: &Program, folder: &std::path::Path) -> Result<(), String> {
    program.disconnect(folder)?;
    program.run(folder, &["apply", "--yes"])?;
    program.cold(folder).map(drop)
}

/// Times of bare ssh and runs of something else, in turn, so that a machine whose speed drifts is fair to both.
pub fn in_turn<T>(
    lab: &Lab,
    mut other: impl FnMut() -> Result<T, String>,
) -> Result<(Vec<Duration>, Vec<T>), String> {
    let (mut bare, mut others) = (Vec::new(), Vec::new());
    for _ in 0..runs() {
        bare.push(lab.bare(&lab.names)?);
        others.push(other()?);
    }
    Ok((bare, others))
}

/// The times of runs.
pub fn walls(runs: &[Run]) -> Vec<Duration> {
    runs.iter().map(|run| run.wall).collect()
}

/// The memory of runs, in MiB.
pub fn memory(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.memory as f64 / 1024.0).collect()
}

/// 4 hosts × 113, cold and warm.
pub fn cold(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let size = Size::small();
    let names = bench.lab(Hosts::Web(4))?.0.names.clone();
    let folder = project(bench, &names, &size)?;
    let (lab, program) = bench.lab(Hosts::Web(4))?;
    settle(&program, &folder)?;
    let mut warm = Vec::new();
    let (bare, plans) = in_turn(lab, || {
        let cold = program.cold(&folder)?;
        warm.push(program.run(&folder, &PLAN)?.wall);
        Ok(cold)
    })?;
    let work = "4 hosts × 113 resources, nothing to change, cold (no connection open)";
    row.aim(work, "wall ÷ bare ssh", Aim::AtMost(1.25), ratios(&walls(&plans), &bare));
    row.beside(work, "bare ssh, s", seconds(&bare));
    row.beside(work, "trueup plan, s", seconds(&walls(&plans)));
    row.beside(work, "controller's memory, MiB", memory(&plans));
    hand::beside(row, work, (lab, &hand::questions(&size)), || Ok(()))?;
    let work = "the same, warm (right after a plan)";
    row.aim(work, "wall ÷ cold bare ssh", Aim::AtMost(0.35), ratios(&warm, &bare));
    row.beside(work, "trueup plan, s", seconds(&warm));
    program.disconnect(&folder)
}

/// 20 hosts × 113.
pub fn twenty(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let hosts = Hosts::Web(20);
    let names = bench.lab(hosts)?.0.names.clone();
    let folder = project(bench, &names, &Size::small())?;
    let (lab, program) = bench.lab(hosts)?;
    settle(&program, &folder)?;
    let (bare, plans) = in_turn(lab, || program.cold(&folder))?;
    let work = "20 hosts × 113, nothing to change";
    row.aim(work, "wall ÷ bare ssh", Aim::AtMost(1.2), ratios(&walls(&plans), &bare));
    row.beside(work, "bare ssh, s", seconds(&bare));
    row.beside(work, "trueup plan, s", seconds(&walls(&plans)));
    row.beside(work, "controller's memory, MiB", memory(&plans));
    hand::beside(row, work, (lab, &hand::questions(&Size::small())), || Ok(()))?;
    row.note("20 hosts: all of them Debian with systemd (`web1` to `web20` of the lab).");
    program.disconnect(&folder)
}

/// 4 hosts × 1,130, beside 4 × 113.
pub fn thousand(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let hosts = Hosts::Web(4);
    let (lab, _) = bench.lab(hosts)?;
    let names = lab.names.clone();
    let mut size = Size { project: "large", each: 100, files: 500, services: 30, ..Size::small() };
    size.packages.extend(more_packages(lab, 180)?);
    more_services(lab, size.services)?;
    let small = project(bench, &names, &Size::small())?;
    let large = project(bench, &names, &size)?;
    let (lab, program) = bench.lab(hosts)?;
    settle(&program, &small)?;
    settle(&program, &large)?;
    let mut smaller = Vec::new();
    let (bare, plans) = in_turn(lab, || {
        smaller.push(program.cold(&small)?);
        program.cold(&large)
    })?;
    let work = "4 hosts × 1,130 resources (500 files), nothing to change";
    let (plans_took, smaller_took) = (walls(&plans), walls(&smaller));
    row.aim(work, "wall ÷ the 113 run", Aim::AtMost(1.6), ratios(&plans_took, &smaller_took));
    row.beside(work, "bare ssh, s", seconds(&bare));
    row.beside(work, "the 113 run, s", seconds(&smaller_took));
    row.beside(work, "trueup plan, s", seconds(&plans_took));
    row.beside(work, "controller's memory, MiB", memory(&plans));
    let curve = |row: &mut Row, work, runs: &[Run]| {
        row.add(Part::Curve, work, "trueup plan − bare ssh, s", over(&walls(runs), &bare));
        row.add(Part::Curve, work, "controller's memory, MiB", memory(runs));
    };
    curve(row, "plan of 4 hosts × 113 resources", &smaller);
    curve(row, "plan of 4 hosts × 1,130 resources", &plans);
    row.note(
        "1,130 resources: ten times each kind of the 113. Beside the lab's 20 packages and 3 services \
         stand 180 and 27 like them.",
    );
    program.disconnect(&large)
}

/// 4 hosts × 10,013.
pub fn ten_thousand(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let hosts = Hosts::Web(4);
    let names = bench.lab(hosts)?.0.names.clone();
    let size = Size { project: "huge", files: 50 + 9_900, ..Size::small() };
    let folder = project(bench, &names, &size)?;
    let (lab, program) = bench.lab(hosts)?;
    let first = program.run(&folder, &["apply", "--yes"])?;
    settle(&program, &folder)?;
    let (bare, plans) = in_turn(lab, || program.cold(&folder))?;
    let work = "4 hosts × 10,013 resources (the 113 and 9,900 files), nothing to change";
    let took = walls(&plans);
    row.aim(work, "wall − bare ssh, s", Aim::AtMost(4.0), over(&took, &bare));
    row.aim(work, "controller's memory, MiB", Aim::AtMost(150.0), memory(&plans));
    row.beside(work, "bare ssh, s", seconds(&bare));
    row.beside(work, "trueup plan, s", seconds(&took));
    row.beside("the first apply of it", "wall, s (one run)", seconds(&[first.wall]));
    row.beside("the first apply of it", "controller's memory, MiB (one run)", memory(&[first]));
    let work = "plan of 4 hosts × 10,013 resources";
    row.add(Part::Curve, work, "trueup plan − bare ssh, s", over(&took, &bare));
    row.add(Part::Curve, work, "controller's memory, MiB", memory(&plans));
    program.disconnect(&folder)
}

/// Puts so many small packages on the hosts, and gives their names.
fn more_packages(lab: &Lab, count: usize) -> Result<Vec<String>, String> {
    let names = (1..=count).map(|number| format!("bench-pkg{number}")).collect();
    let text = format!(
        "cd $(mktemp -d) && for n in $(seq {count}); do mkdir -p t/DEBIAN && printf '%s\\n' \
         \"Package: bench-pkg$n\" 'Version: 1.0' 'Architecture: all' \
         'Maintainer: bench <bench@localhost>' 'Description: small' > t/DEBIAN/control && \
         dpkg-deb -Znone --build t p$n.deb; done >/dev/null && dpkg -i p*.deb"
    );
    lab.on_all(&lab.names, &text)?;
    Ok(names)
}

/// Units like the lab's three, with numbers up to `count`.
fn more_services(lab: &Lab, count: usize) -> Result<(), String> {
    let text = format!(
        "cd /etc/systemd/system && for n in $(seq 4 {count}); do \
         sed \"s/lab-svc1/lab-svc$n/g; s/service 1/service $n/\" lab-svc1.service > lab-svc$n.service; \
         done && systemctl daemon-reload"
    );
    lab.on_all(&lab.names, &text)
}
