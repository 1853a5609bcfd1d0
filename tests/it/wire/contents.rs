//! Contents that differ come as they are, whatever stands in them and however many there are: a change of each is refused
//! where its digest is not that of what came.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use trueup::shell::Script;

use super::bench::{Bench, said};
use super::session::Edit;
use super::shells::{Shell, everywhere};

/// Contents that a shell, a line or base64 could lose something of.
const CONTENTS: &[&[u8]] = &[
    b"plain\n",
    b"no end",
    b"\n\n\n",
    b"ends\n\n\n",
    b"",
    b"nul \0 in it\n",
    b"\0",
    b"\xff\xfe\x80\n",
    b"\r\n\x1b[2J\\n\\0$(id)`id`'\"\n",
    b".\n",
    b"> 9\n= 9\nd - /etc/passwd\n",
];

const NAMES: &[&str] = &["a", "b c", "it's", "back\\slash", "-n", "x: FAILED", "ü", "dev/null"];

/// Files with these contents and large ones, between files that are right and some that are not there: all that differ are
/// replaced, which is done only where the digest of what came is that of what is there.
pub fn come_as_they_are(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    fs::create_dir(bench.tree.join("dev")).expect("a folder");
    let large = [vec![b'x'; 999_999], vec![b'y'; 1_000_000], vec![b'z'; 1 << 20]];
    let contents = CONTENTS.iter().map(|content| content.to_vec()).chain(large);
    let names = NAMES.iter().map(|name| (*name).to_owned());
    let names = names.chain((0..).map(|number| format!("f{number}")));
    let (mut module, mut all) = (String::new(), Vec::new());
    for (at, (name, content)) in names.zip(contents).enumerate() {
        let more = [(format!("right{at}"), b"new\n".to_vec()), (name, content)];
        for (name, content) in more {
            bench.file(&name, content);
            all.push(name);
        }
        all.extend((at % 3 == 0).then(|| format!("missing{at}")));
    }
    for name in &all {
        let path = bench.tree.join(name).display().to_string();
        let _ = writeln!(module, "[file.{path:?}]\ncontent = \"new\\n\"");
    }
    let items = bench.items(&module);
    bench.apply(&items)?.done(&items)?;
    let old: Vec<&String> = all.iter().filter(|name| !is_new(&bench.tree.join(name))).collect();
    if old.is_empty() { Ok(()) } else { Err(format!("{old:?} stayed as they were")) }
}

fn is_new(path: &Path) -> bool {
    fs::read(path).is_ok_and(|content| content == b"new\n")
}

#[test]
fn what_differs_comes_as_it_is() {
    everywhere(|shell| come_as_they_are(shell, &[]));
}

/// A small file of this machine in a folder of /etc, with what is in it.
fn small() -> Option<(String, String)> {
    let folders = fs::read_dir("/etc").ok()?.flatten().map(|entry| entry.path());
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let plain = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        let text = text.len() < 1000 && text.len() > 9 && text.is_ascii() && text.ends_with('\n');
        (text && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())).then_some(())
    };
    let found = files.map(|entry| entry.path()).find(|path| plain(path).is_some())?;
    Some((found.to_str()?.to_owned(), fs::read_to_string(&found).ok()?))
}

/// A small file is read by the shell where stat said that its folder is root's alone, and that it is as long as what was
/// read; else it is left to programs that say what was opened.
pub fn small_ones_are_read_where_nobody_swaps(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let Some((path, content)) = small() else { return Err("no small file in /etc".to_owned()) };
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let length = content.len();
    let line = |about: &str, path: &str| format!("s {about} root root {path}\n");
    let sound = line("41ed 0 0 4096 2", folder);
    let file = |length: usize| line(&format!("81a4 0 0 {length} 1"), &path);
    let mut bench = Bench::new(shell, edits);
    for (seen, read) in [
        (sound.clone() + &file(length), true),
        // Which files they are may stand before that.
        (format!("1:2:3.5 {sound}44:5:6.7 {}", file(length)), true),
        (line("41fd 0 0 4096 2", folder) + &file(length), false),
        (line("41ef 0 0 4096 2", folder) + &file(length), false),
        (line("41ed 1000 0 4096 2", folder) + &file(length), false),
        (line("a1ff 0 0 4096 2", folder) + &file(length), false),
        (sound.clone() + &file(length + 1), false),
        (sound + &line(&format!("81a4 0 0 {length} 1"), &format!("/x {path}")), false),
        (file(length), false),
    ] {
        let (seq, mut script) = (bench.session.seq(), Script::new());
        script.text("seeing() { seen=\"$1\n\"; odd \"$1\"; }\nseeing").arg(seen.trim_end());
        script.text("\nA=$(\nbrief").arg(&path);
        script.text(" || echo left\n)\nask ").number(seq).text(" 0 \"$A\"\n");
        let answers = bench.session.exchange(&script, &[])?;
        let told = answers.first().map(said).unwrap_or_default();
        let wanted = format!("d - {path}\n= {length}\n> {length}\n{content}.");
        let right = if read { told == wanted } else { told == "left" };
        if !right {
            return Err(format!("{seen}{told}"));
        }
    }
    bench.session.close()
}

#[test]
fn small_files_of_root_are_read_by_the_shell_itself() {
    everywhere(|shell| small_ones_are_read_where_nobody_swaps(shell, &[]));
}
