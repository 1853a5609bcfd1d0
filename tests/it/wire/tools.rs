//! Tools of a host that are missing or die: what a probe could not find out is never "as wanted".

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use trueup::resources::Verdict;

use super::bench::{Bench, folder};
use super::session::Edit;
use super::shells::{Shell, everywhere};

/// What probes of paths and of the user database start.
const TOOLS: [&str; 9] =
    ["stat", "sha256sum", "grep", "head", "base64", "readlink", "getent", "cat", "find"];

/// All of them differ from what is there.
const WANTED: [&str; 2] = [
    r#"
[group.root]
gid = 4711
[user.root]
comment = "somebody else"
[directory."ROOT/d"]
mode = "0711"
[file."ROOT/a"]
content = "wanted\n"
[file."ROOT/b"]
content = "wanted too\n"
[file."ROOT/c"]
mode = "0640"
[symlink."ROOT/l"]
target = "wanted"
[line.x]
path = "ROOT/c"
line = "wanted"
[block.x]
path = "ROOT/c"
content = "wanted"
[directory."ROOT/p"]
purge = true
[authorized_key.root]
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9"]
"#,
    r#"
[group.root]
state = "absent"
[user.root]
state = "absent"
[directory."ROOT/d"]
state = "absent"
[file."ROOT/a"]
state = "absent"
[symlink."ROOT/l"]
state = "absent"
[line.x]
path = "ROOT/c"
line = "there"
state = "absent"
[directory."ROOT/p"]
state = "absent"
purge = true
"#,
];

/// How a tool fails: it is not there, or killed at once, or killed after it has said a part.
const FAILURES: [Option<&str>; 3] = [
    None,
    Some("#!/bin/sh\nkill -9 $$\n"),
    Some("#!/bin/sh\nTOOL \"$@\" | HEAD -n 1\nkill -9 $$\n"),
];

/// A folder with the tools of `shell`, one of them failing.
fn sabotaged(shell: &Shell, folder: &Path, tool: &str, failure: Option<&str>) -> Option<()> {
    let real = shell.tool(tool)?;
    for name in ["id", "timeout", "rm", "mkdir", "mktemp", "dd", "env"].iter().chain(&TOOLS) {
        if let Some(path) = shell.tool(name).filter(|_| *name != tool) {
            symlink(path, folder.join(name)).expect("a link");
        }
    }
    if let Some(text) = failure {
        let head = shell.tool("head").expect("head");
        let text = text.replace("TOOL", &real.display().to_string());
        let text = text.replace("HEAD", &head.display().to_string());
        let path = folder.join(tool);
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    Some(())
}

/// Probes with one tool failing.
fn never_as_wanted(
    shell: &Shell,
    edits: &[Edit],
    (tool, failure): (&str, Option<&str>),
) -> Result<(), String> {
    let tools = folder();
    if sabotaged(shell, tools.path(), tool, failure).is_none() {
        return Ok(());
    }
    let mut bench = Bench::start(folder(), |_| shell.start_with(tools.path()), edits);
    fs::create_dir(bench.tree.join("d")).expect("a folder");
    fs::create_dir(bench.tree.join("p")).expect("a folder");
    fs::write(bench.tree.join("p/entry"), "x").expect("a file");
    for name in ["a", "b", "c"] {
        // What holds a byte 0 does not come together with others.
        let path = bench.file(name, if name == "c" { "there\n\0" } else { "there\n" });
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    symlink("there", bench.tree.join("l")).expect("a link");
    let mut wrong = Vec::new();
    for module in WANTED {
        let items = bench.items(module);
        let observed = bench.look(&items)?;
        for (item, state) in items.iter().zip(&observed) {
            let Ok(state) = state else { continue };
            if let Verdict::Same(why) = item.kind.diff(&item.desired, state) {
                let name = item.name.rsplit('/').next().unwrap_or_default();
                wrong.push(format!("{}[{name}] counts as wanted: {why}", item.kind.name()));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join(", ")) }
}

/// Probes with each tool failing in each way.
pub fn no_answer_is_no_answer(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut wrong = Vec::new();
    for tool in TOOLS {
        for failure in FAILURES {
            if let Err(why) = never_as_wanted(shell, edits, (tool, failure)) {
                wrong.push(format!("{tool} {failure:?}: {why}"));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[test]
fn a_failing_tool_is_not_taken_for_an_answer() {
    everywhere(|shell| no_answer_is_no_answer(shell, &[]));
}
