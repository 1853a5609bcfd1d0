//! The first apply of the 113 on hosts that have the packages already.

use crate::figures::{Aim, Row, ratios, seconds};
use crate::hand;
use crate::lab::Hosts;
use crate::plans::{in_turn, memory, project, settle, walls};
use crate::rows::Bench;
use crate::work::{Size, UNDO};

/// 4 hosts × 113, all but the packages to be made.
pub fn first(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let hosts = Hosts::Web(4);
    let names = bench.lab(hosts)?.0.names.clone();
    let folder = project(bench, &names, &Size::small())?;
    let (lab, program) = bench.lab(hosts)?;
    settle(&program, &folder)?;
    let (bare, applies) = in_turn(lab, || {
        lab.on_all(&names, UNDO)?;
        program.disconnect(&folder)?;
        program.run(&folder, &["apply", "--yes"])
    })?;
    // What was applied is what the files say.
    program.cold(&folder)?;
    let work = "first apply of the 113 on 4 hosts (packages there)";
    row.aim(work, "wall ÷ bare ssh", Aim::AtMost(2.0), ratios(&walls(&applies), &bare));
    row.beside(work, "bare ssh, s", seconds(&bare));
    row.beside(work, "trueup apply, s", seconds(&walls(&applies)));
    row.beside(work, "controller's memory, MiB", memory(&applies));
    let undo = || lab.on_all(&names, UNDO);
    hand::beside(row, work, (lab, hand::MAKE), undo)?;
    undo()?;
    row.note(
        "First apply: between two runs, and not measured, the users, folders, files, links and lines are removed, \
         the services stopped and disabled, and what the host remembers deleted. 93 resources are then to be made.",
    );
    program.disconnect(&folder)
}
