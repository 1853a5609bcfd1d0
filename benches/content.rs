//! Large contents: one file to one host, one tree to ten.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::{Aim, Part, Row, seconds};
use crate::lab::{Hosts, Lab};
use crate::machine;
use crate::plans::{memory, walls, write};
use crate::program::{Program, Run};
use crate::rows::{Bench, runs};

/// The large file, and the small one that its memory is compared with.
const LARGE_MIB: u64 = 1024;
const SMALL_MIB: u64 = 1;

/// The tree: so many files of 1 MiB.
const TREE: usize = 100;

/// One 1 GiB file to one host, beside `ssh HOST 'cat > f'`.
pub fn file(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let host = bench.lab(Hosts::Web(4))?.0.names[0].clone();
    let folder = bench.project("file")?;
    let module = "[file.\"/srv/bulk\"]\nsource = \"files/bulk\"\nmode = \"0644\"\n";
    one_module(&folder, std::slice::from_ref(&host), module)?;
    let path = folder.join("modules/bulk/files/bulk");
    let (lab, program) = bench.lab(Hosts::Web(4))?;
    let apply = || -> Result<Run, String> {
        lab.on(&host, "rm -rf /srv/bulk /var/lib/trueup/bulk")?;
        program.disconnect(&folder)?;
        program.run(&folder, &["apply", "--yes"])
    };
    noise(&path, SMALL_MIB)?;
    let small: Vec<Run> = (0..runs()).map(|_| apply()).collect::<Result<_, _>>()?;
    noise(&path, LARGE_MIB)?;
    let (mut bare, mut piped, mut applies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs() {
        lab.on(&host, "rm -f /srv/bulk")?;
        bare.push(cat(lab, &host, opened(&path)?.into())?);
        lab.on(&host, "rm -f /srv/bulk")?;
        piped.push(through_a_pipe(lab, &host, &path)?);
        applies.push(apply()?);
    }
    let took = walls(&applies);
    let work = "one 1 GiB file to one host";
    let ratio = |(bare, took): (&Duration, &Duration)| bare.as_secs_f64() / took.as_secs_f64();
    let by_hand = bare.iter().zip(&piped).map(ratio).collect();
    let ratio = bare.iter().zip(&took).map(ratio).collect();
    row.add(
        Part::Hand,
        work,
        "MB/s of `cat file | ssh HOST 'cat > f'` ÷ `ssh HOST 'cat > f' < file`",
        by_hand,
    );
    row.aim(work, "MB/s ÷ `ssh HOST 'cat > f'`", Aim::AtLeast(0.9), ratio);
    let grown = memory(&applies).iter().zip(&memory(&small)).map(|(l, s)| l - s).collect();
    row.aim(work, "controller's memory − with 1 MiB, MiB", Aim::AtMost(16.0), grown);
    let speed = |took: &[Duration]| -> Vec<f64> {
        let bytes = (LARGE_MIB << 20) as f64;
        took.iter().map(|took| bytes / 1e6 / took.as_secs_f64()).collect()
    };
    row.beside(work, "`ssh HOST 'cat > f'`, MB/s", speed(&bare));
    row.beside(work, "trueup apply, MB/s", speed(&took));
    row.beside(work, "controller's memory, MiB", memory(&applies));
    row.beside(work, "controller's memory with 1 MiB, MiB", memory(&small));
    row.note(
        "The 1 GiB file: bytes that cannot be compressed, from the page cache, onto a tmpfs. The first of the runs \
         digests it before and while it is sent; the others know its digest by its times, have the kernel move it, \
         and compare a quick sum. trueup writes it beside before it takes its place; `cat` does nothing of that. Both \
         times include the login. Behind a program a content comes to ssh through a pipe, which is slower than a \
         file that ssh reads itself (by hand). Bare ssh takes the cipher that it would take by itself, trueup asks for \
         AES-GCM first. For \"flat\" the page takes at most 16 MiB more than with a file of 1 MiB.",
    );
    program.disconnect(&folder)
}

fn opened(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Time of `cat file | ssh HOST 'cat > f'`.
fn through_a_pipe(lab: &Lab, host: &str, path: &Path) -> Result<Duration, String> {
    let mut reader = Command::new("cat");
    let reader = reader.stdin(opened(path)?).stdout(Stdio::piped()).spawn();
    let mut reader = reader.map_err(|error| error.to_string())?;
    let pipe = reader.stdout.take().ok_or("cat has no pipe")?;
    let took = cat(lab, host, pipe.into());
    reader.wait().map_err(|error| error.to_string())?;
    took
}

/// Time of `ssh HOST 'cat > f'`.
fn cat(lab: &Lab, host: &str, from: Stdio) -> Result<Duration, String> {
    machine::rest();
    let begun = Instant::now();
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(lab.config()).args([host, "cat > /srv/bulk"]).stderr(Stdio::null());
    let status = ssh.stdin(from).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(begun.elapsed()) } else { Err("ssh HOST 'cat > f' fails".to_owned()) }
}

/// A tree of 100 MiB to ten hosts.
pub fn tree(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let hosts = bench.lab(Hosts::Web(20))?.0.names[..10].to_vec();
    let folder = bench.project("tree")?;
    let module = format!(
        "[directory.\"/srv/tree\"]\n[file.\"/srv/tree/f{{{{ each.value }}}}\"]\n\
         for_each = \"{{{{ range(start=1, end={}) }}}}\"\nsource = \"files/tree/f{{{{ each.value }}}}\"\n",
        TREE + 1
    );
    one_module(&folder, &hosts, &module)?;
    for number in 1..=TREE {
        noise(&folder.join(format!("modules/bulk/files/tree/f{number}")), 1)?;
    }
    let (lab, program) = bench.lab(Hosts::Web(20))?;
    let undo = || {
        lab.on_all(&hosts, "rm -rf /srv/tree /var/lib/trueup/bulk")?;
        program.disconnect(&folder)
    };
    let mut applies = Vec::new();
    for _ in 0..runs() {
        undo()?;
        applies.push(program.run(&folder, &["apply", "--yes"])?);
    }
    undo()?;
    let (opened, read) = traced(&program, &folder, bench)?;
    let work = "the same 100 MiB tree (100 files) to 10 hosts";
    row.aim(work, "bytes read on the controller ÷ the tree's", Aim::AtMost(1.0), vec![read]);
    row.aim(work, "opened on the controller, times a file at most", Aim::AtMost(1.0), vec![opened]);
    row.beside(work, "trueup apply, s", seconds(&walls(&applies)));
    row.beside(work, "controller's memory, MiB", memory(&applies));
    row.note(
        "The tree: counted by strace in one apply on hosts that have nothing of it (counts have no noise): for \
         each file how often it was opened, and what read(2) and its kin gave of all of them. That what was read \
         once is digested once does not show in system calls.",
    );
    Ok(())
}

/// How often a file of the tree was opened at most during an apply, and how much was read of the tree, as a
/// multiple of its size.
fn traced(program: &Program, folder: &Path, bench: &Bench) -> Result<(f64, f64), String> {
    let traces = bench.project("traces")?;
    // strace waits for all that it follows: for a connection that is kept too.
    let apply = program.command(folder, &["apply", "--yes", "--persist", "0"]);
    let mut strace = Command::new("strace");
    program.settle(&mut strace);
    // One file for each thread: no call is torn apart by another's.
    strace.args(["-qq", "-ff", "-y", "-s", "0", "-e", CALLS, "-o"]).arg(traces.join("t"));
    let status = strace
        .arg(apply.get_program())
        .args(apply.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("an apply under strace fails: is strace there, and allowed?".to_owned());
    }
    let mut opened: BTreeMap<String, f64> = BTreeMap::new();
    let mut read = 0.0;
    for entry in std::fs::read_dir(&traces).map_err(|error| error.to_string())?.flatten() {
        let text = std::fs::read(entry.path()).map_err(|error| error.to_string())?;
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((file, size)) = call(line) else { continue };
            match size {
                None => *opened.entry(file.to_owned()).or_default() += 1.0,
                Some(size) => read += size,
            }
        }
    }
    if opened.len() != TREE {
        return Err(format!("strace saw {} files of the tree, not {TREE}", opened.len()));
    }
    Ok((opened.into_values().fold(0.0, f64::max), read / (TREE << 20) as f64))
}

/// What opens a file, and what brings its bytes.
const CALLS: &str =
    "trace=open,openat,read,pread64,readv,preadv,preadv2,mmap,sendfile,copy_file_range,splice";

/// The file of the tree that a traced call is about: an open has no size.
fn call(line: &str) -> Option<(&str, Option<f64>)> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let opens = name.starts_with("open");
    let named = if opens { result } else { arguments };
    let file = named.split_once("/files/tree/")?.1.split_once('>')?.0;
    if opens {
        return Some((file, None));
    }
    let size = match name {
        "mmap" => arguments.split(", ").nth(1)?.parse().ok()?,
        _ => result.trim().parse().ok()?,
    };
    Some((file, Some(size)))
}

/// A project `bulk` of one module for these hosts.
fn one_module(folder: &Path, hosts: &[String], module: &str) -> Result<(), String> {
    let stage = "[[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"bulk\"]\n";
    let project = format!("[project]\nname = \"bulk\"\ninventory = \"inventory.toml\"\n{stage}");
    write(&folder.join("trueup.toml"), project.as_bytes())?;
    let hosts: Vec<String> = hosts.iter().map(|host| format!("{host:?}")).collect();
    let inventory = format!("[groups.web]\nhosts = [{}]\n", hosts.join(", "));
    write(&folder.join("inventory.toml"), inventory.as_bytes())?;
    write(&folder.join("modules/bulk/module.toml"), module.as_bytes())
}

/// Writes a file of bytes that have no pattern, another one for each path.
fn noise(path: &Path, mib: u64) -> Result<(), String> {
    write(path, b"")?;
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::create(path).map_err(told)?;
    let mut state =
        path.as_os_str().as_encoded_bytes().iter().fold(0x9e37_79b9_u64, |seed, byte| {
            seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte)
        }) | 1;
    let mut block = vec![0; 1 << 20];
    for _ in 0..mib {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block).map_err(told)?;
    }
    Ok(())
}
