//! What needs no host: drawing a plan of 2,000 hosts, and the program's start.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trueup::plan::Document;
use trueup::plan::json::{HostJson, PlanJson};
use trueup::report::{Style, plan_json, render_plan};

use crate::figures::{Aim, Row, seconds};
use crate::plans::write;
use crate::program::Program;
use crate::rows::{Bench, runs};

const HOSTS: usize = 2_000;

/// Text and JSON of a plan in which 2,000 hosts have the same changes.
pub fn render(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let plan = document(bench)?;
    let text = times(|| render_plan(Style::PLAIN, &plan).len());
    let json = times(|| plan_json(&plan).len());
    // One block: the resource is named once, whatever the number of hosts.
    let drawn = render_plan(Style::PLAIN, &plan);
    let named = drawn.matches("file[/f1]").count();
    if !drawn.contains("2000 hosts, the same") {
        let begin: String = drawn.lines().take(3).collect::<Vec<_>>().join("\n");
        return Err(format!("it is not one block: a file is named {named} times\n{begin}"));
    }
    let work = "plan of 2,000 hosts with the same 113 changes";
    row.aim(work, "rendering as text, s", Aim::AtMost(0.5), seconds(&text));
    row.aim(work, "rendering as JSON, s", Aim::AtMost(0.5), seconds(&json));
    row.beside(work, "lines of text", vec![drawn.lines().count() as f64]);
    row.note(
        "2,000 hosts: the plan of one host (113 files, half of them made and half changed in one of 50 lines), \
         made by the program, is given to 2,000 names; what draws it is timed in this process. It is read as \
         one block, or the row fails.",
    );
    Ok(())
}

fn times(mut work: impl FnMut() -> usize) -> Vec<Duration> {
    let once = |_| {
        let begun = Instant::now();
        std::hint::black_box(work());
        begun.elapsed()
    };
    (0..runs()).map(once).collect()
}

/// A real plan of this machine's own, for 2,000 names.
fn document(bench: &Bench) -> Result<Document, String> {
    let folder = bench.project("render")?;
    let root = folder.join("root");
    let project = "[project]\nname = \"render\"\ninventory = \"inventory.toml\"\n[[stage]]\n\
                   name = \"all\"\nhosts = \"all\"\nmodules = [\"draw\"]\n";
    write(&folder.join("trueup.toml"), project.as_bytes())?;
    let inventory = "[hosts.here]\nconnection = { transport = \"local\" }\n";
    write(&folder.join("inventory.toml"), inventory.as_bytes())?;
    let mut module = String::new();
    for number in 0..113 {
        let lines: Vec<String> = (0..50).map(|line| format!("line {line} of {number}")).collect();
        let path = root.join(format!("f{number}"));
        if number % 2 == 0 {
            let old = lines.join("\n").replace("line 25", "another line");
            write(&path, old.as_bytes())?;
        }
        let content = lines.join("\\n");
        let _ = writeln!(module, "[file.\"{}\"]\ncontent = \"{content}\"", path.display());
    }
    write(&folder.join("modules/draw/module.toml"), module.as_bytes())?;
    std::fs::create_dir_all(&root).map_err(|error| error.to_string())?;
    let output = bench.program().command(&folder, &["plan", "--json"]).output();
    let output = output.map_err(|error| error.to_string())?;
    let mut plan: PlanJson = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let one = plan.hosts.pop().ok_or("the plan has no host")?;
    let named = |number| HostJson { name: format!("web{number:04}"), ..one.clone() };
    plan.hosts = (1..=HOSTS).map(named).collect();
    plan.document()
}

/// `trueup --version`.
pub fn start(_: &mut Bench, row: &mut Row) -> Result<(), String> {
    let version = || {
        let mut command = Command::new(Program::path());
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
        let begun = Instant::now();
        let status = command.status().map_err(|error| error.to_string())?;
        if status.success() { Ok(begun.elapsed()) } else { Err("it fails".to_owned()) }
    };
    version()?;
    let all: Vec<Duration> = (0..runs()).map(|_| version()).collect::<Result<_, String>>()?;
    let milliseconds = all.iter().map(|took| took.as_secs_f64() * 1e3).collect();
    row.aim("start: `trueup --version`", "wall, ms", Aim::AtMost(5.0), milliseconds);
    Ok(())
}
