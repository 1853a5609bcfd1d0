//! What somebody else puts into the place of what root works on, at the very moment: the shell's own programs are
//! wrapped, so that the swap comes right before one of them, and is undone behind it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::PathBuf;

use super::bench::Bench;
use super::session::Edit;
use super::shells::{Shell, everywhere, root};
use super::tree::Tree;

/// Who swaps.
const EVE: u32 = 65534;
/// Where the wrappers of programs are put.
const START: &str = "set -u\numask 077";

/// A look at what a race left.
type Look = fn(&Bench) -> Result<(), String>;

/// A swap, what it is done in the middle of, and what must not come of it.
struct Race {
    what: &'static str,
    module: &'static str,
    edits: &'static [Edit],
    /// An error where she gained something.
    gained: Option<Look>,
}

/// Things of eve's that must not be worth more than they were.
fn no_better(bench: &Bench) -> Result<(), String> {
    let meta = fs::symlink_metadata(bench.tree.join("eve/a")).map_err(|error| error.to_string())?;
    let mode = meta.permissions().mode() & 0o7777;
    if meta.uid() == EVE && mode == 0o644 {
        Ok(())
    } else {
        Err(format!("{} {mode:o}", meta.uid()))
    }
}

/// A folder of root's beside hers is not given to her.
fn not_given(bench: &Bench) -> Result<(), String> {
    for name in ["eve/n", "eve/roots"] {
        let path = bench.tree.join(name);
        if path.join("x").exists() && path.metadata().is_ok_and(|meta| meta.uid() != 0) {
            return Err(format!("{name} was given away"));
        }
    }
    Ok(())
}

static RACES: [Race; 5] = [
    Race {
        what: "a folder on the way, between looking and going in",
        module: "[file.\"ROOT/eve/d/a\"]\ncontent = \"new\\n\"\n",
        edits: &[
            (
                "\ncd -P -- \"$G\" 2>/dev/null",
                "\nmv -T \"$G\" \"$G.real\"; ln -s ../../victim \"$G\"\ncd -P -- \"$G\" 2>/dev/null",
            ),
            ("led \"$G\" || return", "rm \"$G\"; mv -T \"$G.real\" \"$G\"; led \"$G\" || return"),
            (
                "\ncd -P -- \"./$k\" 2>/dev/null",
                "\n[ \"$k\" != d ] || { mv -T ./d ./d.real; ln -s ../../victim ./d; }\ncd -P -- \"./$k\" 2>/dev/null",
            ),
        ],
        gained: None,
    },
    Race {
        what: "a file, for a link to a program that runs as root",
        module: "[line.l]\npath = \"ROOT/eve/a\"\nline = \"new\"\n",
        edits: &[(
            START,
            "set -u\numask 077\ncp() { mv ./a ./.a; ln -s ../../victim/suid ./a; command cp \"$@\"; set -- $?; mv -T ./.a ./a; return \"$1\"; }",
        )],
        gained: Some(no_better),
    },
    Race {
        what: "a new folder, for one of root's",
        module: "[directory.\"ROOT/eve/n\"]\nowner = \"nobody\"\n",
        edits: &[(
            START,
            "set -u\numask 077\nmkdir() { command mkdir \"$@\" || return; case $* in *./n) command mv -T ./n ./.n; mv -T ./roots ./n ;; esac; }",
        )],
        gained: Some(not_given),
    },
    Race {
        what: "a file where everybody may write, for a link",
        module: "[file.\"ROOT/open/a\"]\nmode = \"0640\"\n",
        edits: &[(
            START,
            "set -u\numask 077\nchmod() { case $* in *./a) mv ./a ./.a; ln -s ../../victim/shadow ./a ;; esac; command chmod \"$@\"; }",
        )],
        gained: None,
    },
    Race {
        what: "a link where everybody may write, on the way",
        module: "[file.\"ROOT/open/link/a\"]\ncontent = \"new\\n\"\n",
        edits: &[],
        gained: None,
    },
];

fn victim(bench: &Bench) -> PathBuf {
    let folder = bench.outside().join("victim");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("shadow"), "secret\n").expect("a file");
    fs::write(folder.join("suid"), "plain\n").expect("a file");
    fs::set_permissions(folder.join("suid"), fs::Permissions::from_mode(0o4755)).expect("a mode");
    folder
}

/// Whatever is swapped, the victim stays as it was and nobody gains anything.
pub fn raced(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for Race { what, module, edits: swap, gained } in &RACES {
        let edits: Vec<Edit> = edits.iter().chain(*swap).copied().collect();
        let mut bench = Bench::new(shell, &edits);
        let folder = victim(&bench);
        for name in ["eve/d", "eve/roots", "open"] {
            fs::create_dir_all(bench.tree.join(name)).expect("a folder");
        }
        bench.file("eve/a", "old\n");
        bench.file("eve/roots/x", "secret\n");
        bench.file("open/a", "old\n");
        symlink(&folder, bench.tree.join("open/link")).expect("a link");
        for name in ["eve", "eve/d", "eve/a", "open/a", "open/link"] {
            std::os::unix::fs::lchown(bench.tree.join(name), Some(EVE), None).expect("an owner");
        }
        chown(bench.tree.join("eve/roots"), Some(0), None).expect("an owner");
        for (name, mode) in
            [("eve/a", 0o644), ("eve/roots", 0o700), ("open", 0o1777), ("open/a", 0o600)]
        {
            fs::set_permissions(bench.tree.join(name), fs::Permissions::from_mode(mode))
                .expect("a mode");
        }
        let before = Tree::of(&folder);
        let items = bench.items(module);
        let observed = bench.look(&items)?;
        let wave = bench.wave(&items, &observed);
        let after = Tree::of(&folder);
        if before != after {
            return Err(format!("{what}: the victim: {}", after.against(&before)));
        }
        if let Some(gained) = gained {
            gained(&bench).map_err(|why| format!("{what}: {why}"))?;
        }
        wave.map_err(|why| format!("{what}: {why}"))?;
    }
    Ok(())
}

#[test]
fn what_is_swapped_at_the_very_moment_gains_nothing() {
    if root() {
        everywhere(|shell| raced(shell, &[]));
    }
}
