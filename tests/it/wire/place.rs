//! Links, files and folders that another user plants, or that move between plan and step.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use trueup::model::change::sha256_hex;
use trueup::shell::AnswerKind;

use super::bench::{Bench, said};
use super::session::{Edit, WORD};
use super::shells::{Shell, everywhere, root};
use super::tree::Tree;

/// A file with a content and a link.
const BOTH: [&str; 2] =
    ["[file.\"ROOT/a\"]\ncontent = \"new\\n\"\n", "[symlink.\"ROOT/a\"]\ntarget = \"somewhere\"\n"];

/// What an attacker who guesses its name puts in the place of a temporary file.
const PLANTED: [&str; 5] =
    ["link to a file", "link to a folder", "dangling link", "pipe", "folder"];

/// A folder outside of the tree with things that nobody may touch.
fn victim(bench: &Bench) -> PathBuf {
    let folder = bench.outside().join("victim");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("shadow"), "secret\n").expect("a file");
    folder
}

/// Plants at the name that the next step's temporary file will have, when the planter knows the word.
fn plant(bench: &Bench, what: &str, seq: u64) {
    let victim = bench.outside().join("victim");
    let name = bench.tree.join(format!(".trueup-{WORD}-{seq}"));
    match what {
        "link to a file" => symlink(victim.join("shadow"), name),
        "link to a folder" => symlink(&victim, name),
        "dangling link" => symlink(victim.join("born"), name),
        "folder" => fs::create_dir(name),
        _ => std::process::Command::new("mkfifo").arg(name).status().map(drop),
    }
    .expect("something planted");
}

/// Whatever is planted at a temporary name: nothing goes through it, and the step fails.
pub fn planted_is_not_followed(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for what in PLANTED {
        for module in BOTH {
            let mut bench = Bench::new(shell, edits);
            let victim = victim(&bench);
            let before = Tree::of(&victim);
            let items = bench.items(module);
            let observed = bench.look(&items)?;
            let next = bench.session.seq() + 1;
            plant(&bench, what, next);
            let context = |why: String| format!("{what}, {}: {why}", items[0].kind.name());
            let wave = bench.wave(&items, &observed).map_err(context)?;
            let after = Tree::of(&victim);
            if before != after {
                return Err(context(format!("the victim: {}", after.against(&before))));
            }
            wave.failed(0, "").map_err(context)?;
            if bench.tree().0.contains_key("a") {
                return Err(context(format!("it came into its place: {:?}", bench.tree())));
            }
            if said(&wave.results[0]).trim().is_empty() {
                return Err(context("the failure says nothing".into()));
            }
        }
    }
    Ok(())
}

/// A file's content and mode, its end, its mode alone.
const WANTED: [&str; 3] = [
    "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nmode = \"0600\"\n",
    "[file.\"ROOT/a\"]\nstate = \"absent\"\n",
    "[file.\"ROOT/a\"]\nmode = \"0600\"\n",
];

/// What happens between probe and step, which of [`WANTED`] it touches, and what the step says.
struct Move {
    what: &'static str,
    /// Whether there was a file when it was planned.
    there: bool,
    wanted: &'static [usize],
    moves: fn(&Bench),
    says: &'static str,
}

const META: &str = "its owner, mode or kind is not what this was planned against";
const ABSENT: &str = "it was not there when this was planned, and is there now";

/// An editor, an administrator or an attacker is faster.
static MOVES: [Move; 9] = [
    Move {
        what: "another content",
        there: true,
        wanted: &[0],
        moves: |bench| drop(bench.file("a", "edited\n")),
        says: "its content is not what this was planned against",
    },
    Move {
        what: "another mode",
        there: true,
        wanted: &[0, 1, 2],
        moves: |bench| {
            let mode = fs::Permissions::from_mode(0o4755);
            fs::set_permissions(bench.tree.join("a"), mode).expect("a mode");
        },
        says: META,
    },
    Move {
        what: "nothing any more",
        there: true,
        wanted: &[0, 1, 2],
        moves: |bench| fs::remove_file(bench.tree.join("a")).expect("a file"),
        says: "it is gone, and was there when this was planned",
    },
    Move {
        what: "a link to the same content",
        there: true,
        wanted: &[0, 1, 2],
        moves: |bench| {
            fs::rename(bench.tree.join("a"), bench.tree.join("b")).expect("a file");
            symlink("b", bench.tree.join("a")).expect("a link");
        },
        says: META,
    },
    Move {
        what: "a folder",
        there: true,
        wanted: &[0, 1, 2],
        moves: |bench| {
            fs::remove_file(bench.tree.join("a")).expect("a file");
            fs::create_dir(bench.tree.join("a")).expect("a folder");
        },
        says: META,
    },
    Move {
        what: "a link to a folder",
        there: true,
        wanted: &[0, 1, 2],
        moves: |bench| {
            fs::remove_file(bench.tree.join("a")).expect("a file");
            fs::create_dir(bench.tree.join("b")).expect("a folder");
            symlink("b", bench.tree.join("a")).expect("a link");
        },
        says: META,
    },
    Move {
        what: "no folder any more",
        there: false,
        wanted: &[0, 2],
        moves: |bench| fs::rename(&bench.tree, bench.outside().join("away")).expect("a folder"),
        says: "",
    },
    Move {
        what: "a file where nothing was",
        there: false,
        wanted: &[0, 2],
        moves: |bench| drop(bench.file("a", "mine\n")),
        says: ABSENT,
    },
    Move {
        what: "a dangling link where nothing was",
        there: false,
        wanted: &[0, 2],
        moves: |bench| symlink("nowhere", bench.tree.join("a")).expect("a link"),
        says: ABSENT,
    },
];

/// A step does nothing where things are not as they were when it was planned.
pub fn moved_is_left_alone(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for Move { what, there, wanted, moves, says } in &MOVES {
        for &index in *wanted {
            let mut bench = Bench::new(shell, edits);
            if *there {
                bench.file("a", "old\n");
            }
            let items = bench.items(WANTED[index]);
            let observed = bench.look(&items)?;
            moves(&bench);
            let before = Tree::of(bench.outside());
            let wave = bench.wave(&items, &observed)?;
            let after = Tree::of(bench.outside());
            let context = |why| format!("{what}, {}: {why}", WANTED[index]);
            wave.failed(0, says).map_err(context)?;
            if before != after {
                return Err(context(after.against(&before)));
            }
        }
    }
    Ok(())
}

/// A link to a folder is replaced itself, whatever the new one points to; nothing is moved into the folder.
pub fn link_to_a_folder_is_replaced(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for other in ["nothing", "a file", "a folder"] {
        let mut bench = Bench::new(shell, edits);
        fs::create_dir(bench.tree.join("folder")).expect("a folder");
        symlink("folder", bench.tree.join("a")).expect("a link");
        match other {
            "a file" => drop(bench.file("other", "x\n")),
            "a folder" => fs::create_dir(bench.tree.join("other")).expect("a folder"),
            _ => {}
        }
        let items = bench.items("[symlink.\"ROOT/a\"]\ntarget = \"other\"\n");
        bench.apply(&items)?.done(&items).map_err(|why| format!("{other}: {why}"))?;
        inside_is_empty(&bench)?;
        let names = fs::read_dir(&bench.tree).expect("the tree").flatten();
        let left = names.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
        if left.count() > 0 {
            return Err(format!("{other}: a temporary file was left"));
        }
    }
    Ok(())
}

fn inside_is_empty(bench: &Bench) -> Result<(), String> {
    let inside = Tree::of(&bench.tree.join("folder"));
    if inside.0.is_empty() { Ok(()) } else { Err(format!("it landed in the folder: {inside:?}")) }
}

/// A target that became a link to a folder after the guard looked: it is replaced, not moved into.
pub fn rename_does_not_enter_a_folder(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    fs::create_dir(bench.tree.join("folder")).expect("a folder");
    symlink("folder", bench.tree.join("a")).expect("a link");
    let path = bench.tree.join("a").display().to_string();
    let from = bench.file("from", "content\n").display().to_string();
    let from = format!("{} {from}", sha256_hex(b"content\n"));
    // `-`: the guard is not asked.
    let answer = bench.step("put", &[&path, "-", "-", "0644", "", "", "60", &from])?;
    inside_is_empty(&bench)?;
    let replaced = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
    // busybox refuses instead.
    if replaced || said(&answer).contains("is a directory") {
        return Ok(());
    }
    Err(format!("it was not replaced: {answer:?}"))
}

/// A content that another file has already, and that file is another one by then.
pub fn copied_content_is_compared(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    bench.file("a", "old\n");
    let from = bench.file("from", "another\n").display().to_string();
    let from = format!("{} {from}", sha256_hex(b"content\n"));
    let path = bench.tree.join("a").display().to_string();
    let before = bench.tree();
    let answer = bench.step("put", &[&path, "-", "-", "-", "", "", "60", &from])?;
    let after = bench.tree();
    if before != after || answer.kind != AnswerKind::Failed {
        return Err(format!("{answer:?}, {}", after.against(&before)));
    }
    Ok(())
}

/// A link in a folder of somebody else, on the way to what root is to do.
pub fn foreign_link_is_not_followed(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for module in [
        "[file.\"ROOT/eve/d/a\"]\ncontent = \"new\\n\"\n",
        "[directory.\"ROOT/eve/d/a\"]\n",
        "[symlink.\"ROOT/eve/d/a\"]\ntarget = \"x\"\n",
    ] {
        let mut bench = Bench::new(shell, edits);
        let victim = victim(&bench);
        let eve = bench.tree.join("eve");
        fs::create_dir(&eve).expect("a folder");
        symlink(&victim, eve.join("d")).expect("a link");
        std::os::unix::fs::chown(&eve, Some(65534), None).expect("an owner");
        let before = Tree::of(&victim);
        let items = bench.items(module);
        let wave = bench.apply(&items)?;
        let after = Tree::of(&victim);
        if before != after {
            return Err(format!("{module}: {}", after.against(&before)));
        }
        wave.failed(0, "on the way is a link that")?;
        // Root's own link is another thing.
        let mut bench = Bench::new(shell, edits);
        fs::create_dir_all(bench.tree.join("eve/real")).expect("a folder");
        symlink("real", bench.tree.join("eve/d")).expect("a link");
        let items = bench.items(module);
        bench.apply(&items)?.done(&items)?;
    }
    Ok(())
}

/// Something comes into a folder after it was planned to be purged: nothing goes.
pub fn moved_is_not_purged(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for state in ["present", "absent"] {
        let mut bench = Bench::new(shell, edits);
        fs::create_dir_all(bench.tree.join("d/sub")).expect("a folder");
        bench.file("d/sub/old", "old\n");
        let items =
            bench.items(&format!("[directory.\"ROOT/d\"]\npurge = true\nstate = \"{state}\"\n"));
        let observed = bench.look(&items)?;
        bench.file("d/sub/new", "new\n");
        let before = bench.tree();
        let wave = bench.wave(&items, &observed)?;
        let after = bench.tree();
        if before != after {
            return Err(format!("{state}: {}", after.against(&before)));
        }
        wave.failed(0, "what is in it is not what this was planned against")?;
    }
    Ok(())
}

/// What is purged: whole, with odd names, and no further than its links.
pub fn purged_whole(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = Bench::new(shell, edits);
    let victim = victim(&bench);
    for name in ["d/a b", "d/-rf", "d/*", "d/it's \\", "d/.hidden", "d/sub/deep", "d/kept.local"] {
        let path = bench.tree.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "x").expect("a file");
    }
    symlink(&victim, bench.tree.join("d/link")).expect("a link");
    symlink(&victim, bench.tree.join("d/sub/link")).expect("a link");
    let before = Tree::of(&victim);
    let items = bench.items("[directory.\"ROOT/d\"]\npurge = true\nkeep = [\"*.local\"]\n");
    bench.apply(&items)?.done(&items)?;
    if Tree::of(&victim) != before {
        return Err("it went through a link".into());
    }
    let left: Vec<String> = Tree::of(&bench.tree.join("d")).0.into_keys().collect();
    if left == ["kept.local"] { Ok(()) } else { Err(format!("left: {left:?}")) }
}

#[test]
fn a_folder_is_purged_whole_and_no_further() {
    everywhere(|shell| purged_whole(shell, &[]));
    everywhere(|shell| moved_is_not_purged(shell, &[]));
}

#[test]
fn a_link_that_somebody_else_put_on_the_way_is_not_followed() {
    if root() {
        everywhere(|shell| foreign_link_is_not_followed(shell, &[]));
    }
}

#[test]
fn a_copied_content_is_compared() {
    everywhere(|shell| copied_content_is_compared(shell, &[]));
}

#[test]
fn what_is_planted_at_a_temporary_name_is_not_followed() {
    everywhere(|shell| planted_is_not_followed(shell, &[]));
}

#[test]
fn what_moved_since_the_plan_is_left_alone() {
    everywhere(|shell| moved_is_left_alone(shell, &[]));
}

#[test]
fn a_link_to_a_folder_is_replaced_and_not_entered() {
    everywhere(|shell| link_to_a_folder_is_replaced(shell, &[]));
    everywhere(|shell| rename_does_not_enter_a_folder(shell, &[]));
}
