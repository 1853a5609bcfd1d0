//! File systems that refuse: full, read-only, immutable and mounted targets. The old content stays, the
//! message says why, nothing of ours is left, and the session goes on in step.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bench::{Bench, folder};
use super::session::{Edit, Made};
use super::shells::{Shell, everywhere, left_out, root};
use super::tree::Tree;

/// Whether what only root may is left out.
fn unprivileged(part: &str) -> bool {
    let not_root = !root();
    if not_root {
        left_out(part, "mounts need root");
    }
    not_root
}

/// A bench in a mount namespace of its own, in which `mount` (with the tree as `$0`) has run.
fn mounted(shell: &Shell, edits: &[Edit], mount: &str) -> Bench {
    let script = format!("{mount} && exec \"$@\"");
    let start = |tree: &Path| {
        let tree = tree.to_str().expect("UTF-8");
        shell.start_under(&["unshare", "--mount", "sh", "-c", &script, tree])
    };
    Bench::start(folder(), start, edits)
}

/// A path of this machine as the bench's shell sees it.
fn inside(bench: &Bench, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", bench.session.child.id()));
    root.join(path.strip_prefix("/").expect("an absolute path"))
}

/// The tree as the bench's shell sees it.
fn tree(bench: &Bench) -> Tree {
    Tree::of(&inside(bench, &bench.tree))
}

/// Writes the old file and takes all room but so many bytes. The mount is there once it has answered.
fn fill(bench: &mut Bench, old: &[u8], room: usize, size: usize) -> Result<(), String> {
    let items = bench.items("[file.\"ROOT/none\"]\nstate = \"absent\"\n");
    bench.look(&items)?;
    let folder = inside(bench, &bench.tree);
    fs::write(folder.join("a"), old).map_err(|error| error.to_string())?;
    let pages = |bytes: usize| bytes.div_ceil(4096) * 4096;
    fs::write(folder.join("full"), vec![b'.'; size - pages(old.len()) - room])
        .map_err(|error| error.to_string())
}

/// No room for a new content of `new` bytes beside an old one of `old`.
fn no_room(
    shell: &Shell,
    edits: &[Edit],
    ((old, new, room), made): ((usize, usize, usize), Made),
) -> Result<(), String> {
    const SIZE: usize = 4 << 20;
    let mut bench = mounted(shell, edits, "mount -t tmpfs -o size=4m none \"$0\"");
    bench.session.made = made;
    fill(&mut bench, &vec![b'o'; old], room, SIZE)?;
    let content = "n".repeat(new);
    let items = bench.items(&format!(
        "[file.\"ROOT/a\"]\ncontent = \"{content}\"\n[file.\"ROOT/b\"]\ncontent = \"b\\n\"\n\
         [command.c]\ncommand = \"touch ROOT/c\"\ncreates = \"ROOT/c\"\n"
    ));
    let before = tree(&bench);
    let wave = bench.apply(&items)?;
    wave.failed(0, "No space left on device")?;
    let after = tree(&bench);
    if before != after {
        return Err(after.against(&before));
    }
    if wave.results.len() != 3 || wave.observed.iter().any(Result::is_err) {
        return Err(format!("the session lost its step: {:?}", wave.results));
    }
    bench.session.close()
}

/// Old sizes, new sizes and room, below and above the size up to which one block is read.
pub fn full_disk(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    const MIB: usize = 1 << 20;
    for sizes in [
        (10, 5000, 0),
        (10, 9000, 4096),
        (100_000, 200_000, 65_536),
        (10, MIB, MIB - 4096),
        (10, MIB + 1, MIB),
        (MIB, 2 * MIB, MIB),
        (10, 2 * MIB + 1, 2 * MIB),
        (10, 7 * MIB / 2, 4096),
    ] {
        no_room(shell, edits, (sizes, Made::Nothing)).map_err(|why| format!("{sizes:?}: {why}"))?;
    }
    full_disk_in_parts(shell, edits)
}

/// The same with contents that come in parts: the first of these does not fit, one behind it, the last.
pub fn full_disk_in_parts(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    const MIB: usize = 1 << 20;
    for made in shell.parts() {
        for sizes in [(10, 2 * MIB, 4096), (10, 3 * MIB, MIB + 4096), (10, 2 * MIB, 2 * MIB - 4096)]
        {
            let told = |why| format!("{made:?}, {sizes:?}: {why}");
            no_room(shell, edits, (sizes, made)).map_err(told)?;
        }
    }
    Ok(())
}

/// No room for one more name.
fn no_inodes(shell: &Shell) -> Result<(), String> {
    let mut bench = mounted(shell, &[], "mount -t tmpfs -o nr_inodes=2 none \"$0\"");
    let items = bench.items("[file.\"ROOT/none\"]\nstate = \"absent\"\n");
    bench.look(&items)?;
    fs::write(inside(&bench, &bench.tree.join("a")), "old\n").map_err(|e| e.to_string())?;
    refused(&mut bench, "No space left on device")
}

/// A new content for `a`, with one for `b` behind it: refused with these words, and nothing changes.
fn refused(bench: &mut Bench, words: &str) -> Result<(), String> {
    let items = bench
        .items("[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n[file.\"ROOT/b\"]\ncontent = \"b\\n\"\n");
    // The first answer says that the mounts are there.
    let observed = bench.look(&items)?;
    let before = tree(bench);
    let wave = bench.wave(&items, &observed)?;
    wave.failed(0, words)?;
    let after = tree(bench);
    if before == after { Ok(()) } else { Err(after.against(&before)) }
}

/// A folder that became read-only, and a target that is mounted or immutable.
fn refusing_targets(shell: &Shell) -> Result<(), String> {
    let with_file = "mount -t tmpfs none \"$0\" && echo old >\"$0/a\" &&";
    let read_only = format!("{with_file} mount -o remount,ro \"$0\"");
    refused(&mut mounted(shell, &[], &read_only), "Read-only file system")?;
    let bound = format!("{with_file} mount --bind \"$0/a\" \"$0/a\"");
    refused(&mut mounted(shell, &[], &bound), "busy")?;
    // A file that is mounted there from elsewhere, as containers have it.
    let other =
        format!("{with_file} echo old >\"$0/../other\" && mount --bind \"$0/../other\" \"$0/a\"");
    refused(&mut mounted(shell, &[], &other), "busy")
}

/// An immutable target. Not every file system knows it: asked on disk.
fn immutable(shell: &Shell) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("wire-").tempdir().map_err(|e| e.to_string())?;
    let mut bench = Bench::start(folder, |_| shell.start(), &[]);
    let path = bench.file("a", "old\n");
    let set = |flag| Command::new("chattr").arg(flag).arg(&path).output();
    if !set("+i").is_ok_and(|output| output.status.success()) {
        left_out("an immutable target", "chattr +i does not work here");
        return Ok(());
    }
    let result = refused(&mut bench, "Operation not permitted");
    let _ = set("-i");
    result
}

/// Elsewhere is full: TMPDIR and /tmp do not matter.
fn tmp_is_full(shell: &Shell) -> Result<(), String> {
    let full = "mount -t tmpfs -o size=4k none /tmp && echo full >/tmp/full";
    let mut bench = mounted(shell, &[], full);
    let items = bench.items(
        "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nmode = \"0600\"\nvalidate = \"cat $candidate\"\n\
         [command.b]\ncommand = \"echo ran >ROOT/b; seq 100000\"\n",
    );
    bench.apply(&items)?.done(&items)
}

#[test]
fn a_full_disk_changes_nothing() {
    if !unprivileged("a full disk") {
        everywhere(|shell| full_disk(shell, &[]));
    }
}

#[test]
fn a_full_inode_table_changes_nothing() {
    if !unprivileged("a full inode table") {
        everywhere(no_inodes);
    }
}

#[test]
fn a_target_that_cannot_be_replaced_stays() {
    if !unprivileged("read-only and mounted targets") {
        everywhere(refusing_targets);
        everywhere(immutable);
    }
}

/// T06: nothing goes through it.
#[test]
fn a_full_tmp_does_not_matter() {
    if !unprivileged("a full /tmp") {
        everywhere(tmp_is_full);
    }
}
