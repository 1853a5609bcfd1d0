//! Sets: members go in together or not at all, whatever is in the way and wherever the shell is killed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use trueup::ledger;
use trueup::resources::{Member, Part, SetStep};
use trueup::shell::{Answer, AnswerKind, Script};

use super::bench::{Bench, changes, said};
use super::declare::Item;
use super::session::{Edit, Session, prelude_with};
use super::shells::{SHELLS, Shell, everywhere, root};
use super::tree::{Tree, What};
use crate::support::sent;

/// A file that is replaced, one that is made, one that goes, and a link.
const SET: &str = r#"
[file."ROOT/a.conf"]
content = "new\n"
[file."ROOT/d/b.conf"]
content = "new\n"
mode = "0600"
[file."ROOT/gone.conf"]
state = "absent"
[file."ROOT/same.conf"]
content = "same\n"
[symlink."ROOT/link"]
target = "d"
[file."ROOT/mode.conf"]
mode = "0600"
"#;

/// What the shell of an apply has beside the types' libraries.
fn libraries(edits: &[Edit]) -> Vec<Edit> {
    let start = (
        "\nwhoami\n",
        Box::leak(format!("\n{}\nwhoami\n", ledger::LIBRARY).into_boxed_str()) as &str,
    );
    std::iter::once(start).chain(edits.iter().copied()).collect()
}

/// A tree before the set, and a session that holds the lock.
fn bench(shell: &Shell, edits: &[Edit]) -> Result<Bench, String> {
    let mut bench = Bench::new(shell, &libraries(edits));
    fs::create_dir(bench.tree.join("d")).expect("a folder");
    for (name, content, mode) in [
        ("a.conf", "old\n", 0o640),
        ("gone.conf", "gone\n", 0o644),
        ("same.conf", "same\n", 0o644),
        ("mode.conf", "mode\n", 0o644),
    ] {
        let path = bench.file(name, content);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    symlink("somewhere", bench.tree.join("link")).expect("a link");
    hold(&mut bench)?;
    Ok(bench)
}

/// Takes the lock as an apply does; gives what it tells of sets.
fn hold(bench: &mut Bench) -> Result<String, String> {
    let seq = bench.session.seq();
    let mut script = Script::new();
    script.text("hold").args(["p/h", &bench.state.display().to_string(), "5", "me"]);
    script.text(" && mend\nask ").number(seq).text(" $? \"$M\"\n");
    let answers = bench.session.exchange(&script, &[])?;
    let answer = answers.first().ok_or("no answer")?;
    if answer.status != 0 {
        return Err(format!("the lock: {}", said(answer)));
    }
    Ok(said(answer))
}

/// Another session on the same tree and state, as the next apply has it.
fn again(bench: &mut Bench, shell: &Shell, edits: &[Edit]) -> Result<String, String> {
    let prelude = prelude_with(&bench.state.display().to_string(), &libraries(edits));
    bench.session = Session::open(shell.start(), &prelude);
    hold(bench)
}

/// A program and its contents.
type Sent = (Script, Vec<std::sync::Arc<[u8]>>);

/// The set's step for what differs.
fn step(bench: &mut Bench, items: &[Item], validate: Option<&str>) -> Result<Sent, String> {
    let observed = bench.look(items)?;
    let changes = changes(items, &observed);
    let member = |(index, change): &(usize, trueup::model::Change)| -> Member {
        let part = Part {
            desired: &items[*index].desired,
            observed: observed[*index].as_ref().expect("a change was compared"),
            change,
            timeout: None,
        };
        items[*index].kind.member(&part).expect("it can be in a set")
    };
    let members: Vec<Member> = changes.iter().map(member).collect();
    let paths: Vec<&str> = items.iter().map(|item| item.kind.subject(&item.desired)).collect();
    let set = SetStep {
        folder: "RUN-m-s",
        label: "m/set[s]",
        validate,
        seconds: Some(20),
        paths: &paths,
    };
    let step = set.step(&members);
    let (mut script, seq) = (Script::new(), bench.session.seq());
    script.text("go ").number(seq).text(" ").number(step.bytes()).text(" && {\n");
    script.script(&step.script).text("\nend $?\n}\n");
    Ok((script, sent(&step).into_iter().collect()))
}

/// Does the set.
fn swap(bench: &mut Bench, validate: Option<&str>) -> Result<Answer, String> {
    let items = bench.items(SET);
    let (script, contents) = step(bench, &items, validate)?;
    let answers = bench.session.exchange(&script, &contents)?;
    answers.into_iter().next().ok_or_else(|| "the step did not answer".into())
}

/// The tree after the set.
fn wanted(before: &Tree) -> Tree {
    let mut after = Tree(before.0.clone());
    let file = |tree: &mut Tree, name: &str, content: &str, mode: u32| {
        let mut entry = tree.0["same.conf"].clone();
        (entry.what, entry.mode) = (What::File(content.as_bytes().to_vec()), mode);
        tree.0.insert(name.to_owned(), entry);
    };
    file(&mut after, "a.conf", "new\n", 0o640);
    file(&mut after, "d/b.conf", "new\n", 0o600);
    file(&mut after, "mode.conf", "mode\n", 0o600);
    after.0.remove("gone.conf");
    after.0.get_mut("link").expect("a link").what = What::Link("d".to_owned());
    after
}

/// An error unless nothing of a set is left in the state folder.
fn nothing_left(bench: &Bench) -> Result<(), String> {
    let sets = bench.state.join("p/h/sets");
    let left: Vec<PathBuf> =
        fs::read_dir(sets).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left on the host: {left:?}")) }
}

fn is(bench: &Bench, tree: &Tree, what: &str) -> Result<(), String> {
    let now = bench.tree();
    if now == *tree { nothing_left(bench) } else { Err(format!("{what}: {}", now.against(tree))) }
}

#[test]
fn all_members_go_in() {
    everywhere(|shell| {
        for validate in [
            None,
            Some(
                "grep -qx new \"$staged\"/a.conf && [ ! -e \"$staged\"/gone.conf ] && cat \"$staged\"/d/b.conf \"$staged\"/same.conf && [ \"$(readlink \"$staged\"/link)\" = d ]",
            ),
        ] {
            let mut bench = bench(shell, &[])?;
            let before = bench.tree();
            let answer = swap(&mut bench, validate)?;
            if answer.kind != AnswerKind::Done {
                return Err(said(&answer));
            }
            is(&bench, &wanted(&before), "after")?;
        }
        Ok(())
    });
}

#[test]
fn a_validator_that_says_no_changes_nothing() {
    everywhere(|shell| {
        let mut bench = bench(shell, &[])?;
        let before = bench.tree();
        let answer = swap(&mut bench, Some("echo not like this; exit 3"))?;
        let words = "the old files stay, because validate said (exit status 3):\nnot like this";
        if answer.kind != AnswerKind::Failed || !said(&answer).contains(words) {
            return Err(format!("{:?}: {}", answer.kind, said(&answer)));
        }
        is(&bench, &before, "after a refusal")
    });
}

/// Where there is no private mount, the validator has the tree.
#[test]
fn without_a_private_mount_the_tree_is_validated() {
    everywhere(|shell| {
        let edits = [("unshare -m /bin/sh", "false")];
        let mut bench = bench(shell, &edits)?;
        let real = bench.tree.join("a.conf").display().to_string();
        let validate = format!("grep -qx new \"$staged\"/a.conf && grep -qx old {real}");
        let before = bench.tree();
        let answer = swap(&mut bench, Some(&validate))?;
        if answer.kind != AnswerKind::Done
            || !said(&answer).contains("validated in the staged tree only")
        {
            return Err(format!("{:?}: {}", answer.kind, said(&answer)));
        }
        is(&bench, &wanted(&before), "after")
    });
}

/// Where there is one, every path leads to the new files, and the host itself keeps the old ones meanwhile.
#[test]
fn in_a_private_mount_absolute_paths_lead_to_the_new_files() {
    if !root() {
        return;
    }
    everywhere(|shell| {
        let mut bench = bench(shell, &[("H=\n", "H=1\n")])?;
        let at = |name: &str| bench.tree.join(name).display().to_string();
        let validate = format!(
            "grep -qx new {} && grep -qx new {} && [ ! -e {} ] && grep -qx same {}",
            at("a.conf"),
            at("d/b.conf"),
            at("gone.conf"),
            at("same.conf"),
        );
        let answer = swap(&mut bench, Some(&validate))?;
        if answer.kind != AnswerKind::Done
            || !said(&answer).contains("in a private mount namespace")
        {
            return Err(format!("{:?}: {}", answer.kind, said(&answer)));
        }
        Ok(())
    });
}

/// Of several members one was changed by hand after the plan: none goes in.
pub fn moved_holds_all(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    for moved in ["a.conf", "gone.conf", "mode.conf"] {
        let mut bench = bench(shell, edits)?;
        let items = bench.items(SET);
        let (script, contents) = step(&mut bench, &items, None)?;
        fs::write(bench.tree.join(moved), "by hand\n").expect("a file");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bench.tree.join(moved), mode).expect("a mode");
        let before = bench.tree();
        let answers = bench.session.exchange(&script, &contents)?;
        let answer = &answers[0];
        if answer.kind != AnswerKind::Failed || !said(answer).contains(moved) {
            return Err(format!("{moved}: {:?}: {}", answer.kind, said(answer)));
        }
        is(&bench, &before, moved)?;
    }
    Ok(())
}

#[test]
fn a_member_that_moved_holds_all_of_them() {
    everywhere(|shell| moved_holds_all(shell, &[]));
}

/// Counts what it is about to run in a file, and at the number FAIL ends as if it were killed.
const POINTS: &str = "point() { echo >>\"$state/points\"; [ \"$(wc -l <\"$state/points\")\" -ne FAIL ] || { kill -9 $$; exit 1; }; }
mv() { point; command mv \"$@\"; }
ln() { point; command ln \"$@\"; }
rm() { point; command rm \"$@\"; }
sync() { point; }
mkdir() { point; command mkdir \"$@\"; }
cp() { point; command cp \"$@\"; }
chmod() { point; command chmod \"$@\"; }
dd() { point; command dd \"$@\"; }
whoami
";

/// The edit that kills a shell at its point with this number.
fn dies_at(point: usize) -> Edit {
    let text = format!("\n{}", POINTS.replace("FAIL", &point.to_string()));
    ("\nwhoami\n", Box::leak(text.into_boxed_str()))
}

/// What a killed shell has started is gone too, and with it its hold on the lock.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

/// Every program of a set that changes anything is a point at which its shell is killed; and then, at some of the points
/// of what mends that, the next one is killed too.
#[test]
fn killed_anywhere_all_are_old_or_all_are_new() {
    everywhere(|shell| {
        let (mut old, mut new) = (0, 0);
        let full = std::env::var_os("TRUEUP_FULL").is_some();
        let own = SHELLS.iter().position(|other| other.name == shell.name).unwrap_or(0);
        for point in 1.. {
            // The shells share the points, unless all are asked for.
            if !full && point % SHELLS.len() != own {
                continue;
            }
            let mut bench = bench(shell, &[])?;
            let before = bench.tree();
            let after = wanted(&before);
            let points = bench.state.join("p/h/points");
            let alive = again(&mut bench, shell, &[dies_at(point)])
                .and_then(|_| swap(&mut bench, None))
                .is_ok();
            for second in [3, 7] {
                settle();
                let _ = fs::remove_file(&points);
                let _ = again(&mut bench, shell, &[dies_at(second + point % 4)]);
            }
            settle();
            let told =
                again(&mut bench, shell, &[]).map_err(|why| format!("point {point}: {why}"))?;
            let _ = fs::remove_file(&points);
            let now = bench.tree();
            let context = |why: String| format!("point {point}, told {told:?}: {why}");
            if now == after {
                new += 1;
            } else {
                is(&bench, &before, "neither").map_err(context)?;
                old += 1;
            }
            nothing_left(&bench).map_err(context)?;
            if alive {
                break;
            }
        }
        if old < 8 || new < 1 {
            return Err(format!("too few points: {old} old, {new} new"));
        }
        Ok(())
    });
}

/// All are in their places, and nothing says yet that the new ones count.
const DIES: Edit = ("each stands && each entered", "each stands && each entered && kill -9 $$");

/// What somebody put there after the crash is not overwritten by what puts the old files back.
pub fn changed_is_left_alone(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    // All are in their places, and nothing says yet that the new ones count.
    let mut bench = bench(shell, &[DIES])?;
    let alive = swap(&mut bench, None).is_ok();
    if alive {
        return Err("it was not killed".into());
    }
    fs::write(bench.tree.join("a.conf"), "by hand\n").expect("a file");
    let told = again(&mut bench, shell, edits)?;
    if !told.contains("its old files are back, but for what was changed since: ")
        || !told.contains("a.conf")
    {
        return Err(told);
    }
    let content = fs::read_to_string(bench.tree.join("a.conf")).expect("a file");
    if content != "by hand\n"
        || !bench.tree.join("gone.conf").exists()
        || bench.tree.join("d/b.conf").exists()
    {
        return Err(format!("{:?}", bench.tree()));
    }
    nothing_left(&bench)
}

#[test]
fn what_was_changed_after_a_crash_is_left_alone() {
    everywhere(|shell| changed_is_left_alone(shell, &[]));
}

/// A shell that is killed when all members are in their places, and before that counts: the next one puts all back.
pub fn left_in_the_middle(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    let mut bench = bench(shell, &[DIES])?;
    let before = bench.tree();
    if swap(&mut bench, None).is_ok() {
        return Err("it was not killed".into());
    }
    again(&mut bench, shell, edits)?;
    is(&bench, &before, "put back")
}

#[test]
fn what_was_left_in_the_middle_is_put_back() {
    everywhere(|shell| left_in_the_middle(shell, &[]));
}
