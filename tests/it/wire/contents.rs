//! Contents that differ come as they are, whatever stands in them and however many there are: a change of each is refused
//! where its digest is not that of what came.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::bench::Bench;
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
