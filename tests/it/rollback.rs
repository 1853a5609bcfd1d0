//! The way back of a run, on this machine: `rollback` after `apply` is as if nothing had been.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Output, Project};

/// A project for this machine under the name `here`, whose module gets the folder `out` as `vars.root`.
pub fn project(module: &str) -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"r\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file(
            "i.toml",
            format!(
                "[connection]\ntransport = \"local\"\n[vars]\nroot = {:?}\n[hosts.here]\n",
                out(&project).display().to_string()
            ),
        )
        .file("modules/m/module.toml", module);
    fs::create_dir(out(&project)).expect("a folder");
    project
}

pub fn out(project: &Project) -> PathBuf {
    project.path().join("out")
}

/// All that stands below a folder: of each path its kind, mode and owner, and its content or target; of a
/// file its time too.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let meta = fs::symlink_metadata(&path).expect("what is there");
        let facts = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
        let rest = if meta.is_dir() {
            found.extend(tree(&path));
            String::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).expect("a link").display().to_string()
        } else {
            format!("{}.{} {:?}", meta.mtime(), meta.mtime_nsec(), fs::read(&path).expect("a file"))
        };
        found.insert(path, format!("{facts} {rest}"));
    }
    found
}

/// A file with a mode and an old time.
fn file(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    fs::File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(old))
        .expect("its time");
}

const EVERYTHING: &str = r#"
[directory."{{ vars.root }}/new"]
mode = "0710"

[file."{{ vars.root }}/new/in it"]
content = "new\n"

[file."{{ vars.root }}/content"]
content = "other\n"

[file."{{ vars.root }}/mode"]
mode = "0600"

[file."{{ vars.root }}/large"]
content = "small\n"

[file."{{ vars.root }}/gone"]
state = "absent"

[line.edit]
path = "{{ vars.root }}/edited"
line = "added"

[line.again]
path = "{{ vars.root }}/edited"
line = "also"

[block.more]
path = "{{ vars.root }}/edited"
content = "in a block\n"

[symlink."{{ vars.root }}/link"]
target = "new"

[symlink."{{ vars.root }}/fresh link"]
target = "content"

[directory."{{ vars.root }}/folder"]
mode = "0700"

[file."{{ vars.root }}/folder/old"]
state = "absent"

[directory."{{ vars.root }}/emptied"]
state = "absent"
"#;

/// What stands there before [`EVERYTHING`] comes.
fn before(root: &Path) {
    file(&root.join("content"), b"content\n", 0o640);
    file(&root.join("mode"), b"mode\n", 0o4755);
    file(&root.join("large"), &vec![7; 3 << 20], 0o604);
    file(&root.join("gone"), b"goes\x00\xff", 0o400);
    file(&root.join("edited"), b"one\ntwo", 0o664);
    symlink("content", root.join("link")).expect("a link");
    for folder in ["folder", "emptied"] {
        fs::create_dir(root.join(folder)).expect("a folder");
        let mode = fs::Permissions::from_mode(0o2750);
        fs::set_permissions(root.join(folder), mode).expect("its mode");
    }
    file(&root.join("folder/old"), b"", 0o644);
}

/// The lines of a result without ids of runs.
pub fn plain(output: &Output) -> String {
    let id = regex::Regex::new("01[0-9A-HJKMNP-TV-Z]{24}").expect("a regex");
    let time = regex::Regex::new(r"in \d+(\.\d)? s").expect("a regex");
    let run = regex::Regex::new(r" Run [0-9A-Z]+…: trueup runs show [0-9A-Z]+").expect("a regex");
    let text = run.replace_all(&output.stdout, "");
    let day = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").expect("a regex");
    let text = day.replace_all(&text, "DAY").into_owned();
    let short = regex::Regex::new(r"\b01[0-9A-HJKMNP-TV-Z]{6}\b").expect("a regex");
    let text = short.replace_all(&text, "SHORT").into_owned();
    let text = id.replace_all(&text, "RUN");
    time.replace_all(&text, "in N s").into_owned()
}

#[test]
fn t51_the_first_run_of_all_goes_back_to_the_very_tree() {
    let project = project(EVERYTHING);
    before(&out(&project));
    let was = tree(&out(&project));
    project.run(&["apply", "--yes"]).expect(0);
    let applied = tree(&out(&project));
    assert_ne!(applied, was);
    project.run(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(tree(&out(&project)), was);
    // What was applied differs again, and nobody moved the host.
    let plan = project.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(!plan.stdout.contains("drift"), "{}", plan.stdout);
    // The way back is a run, which can be undone too, by its id.
    let [_, back] = &runs(&project)[..] else { panic!("two runs") };
    let again = project.run(&["rollback", back.as_str(), "--yes"]).expect(0);
    let times =
        |tree: &BTreeMap<PathBuf, String>| -> Vec<String> { tree.values().cloned().collect() };
    assert_eq!(times(&tree(&out(&project))), times(&applied), "{}", again.stdout);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_moved_since_is_refused_by_name_unless_forced() {
    let project = project(
        "[file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n[file.\"{{ vars.root }}/b\"]\ncontent = \"new\\n\"\n",
    );
    let path = out(&project).join("a");
    file(&path, b"old\n", 0o644);
    file(&out(&project).join("b"), b"old\n", 0o644);
    project.run(&["apply", "--yes"]).expect(0);
    fs::write(&path, "by hand\n").expect("a file");
    let refused = project.run(&["rollback", "last", "--yes"]).expect(3);
    let said = plain(&refused);
    assert!(said.contains("out/a]"), "{said}");
    assert!(said.contains("its content is not what run RUN left there"), "{said}");
    assert_eq!(fs::read(&path).expect("a file"), b"by hand\n");
    assert_eq!(fs::read(out(&project).join("b")).expect("a file"), b"new\n");
    project.run(&["rollback", "last", "--yes", "--force"]).expect(0);
    assert_eq!(fs::read(&path).expect("a file"), b"old\n");
    assert_eq!(fs::read(out(&project).join("b")).expect("a file"), b"old\n");
}

#[test]
fn another_run_that_came_later_is_named() {
    let project = project("[file.\"{{ vars.root }}/a\"]\ncontent = \"one\\n\"\n");
    project.run(&["apply", "--yes"]).expect(0);
    let kept = project.path().join(".host-state/r/here/kept");
    let first = fs::read_dir(&kept).expect("what is kept").flatten().next().expect("a run");
    let first = first.file_name().to_string_lossy().into_owned();
    project.file("modules/m/module.toml", "[file.\"{{ vars.root }}/a\"]\ncontent = \"two\\n\"\n");
    project.run(&["apply", "--yes"]).expect(0);
    let refused = project.run(&["rollback", &first, "--yes"]).expect(3);
    assert!(plain(&refused).contains("(run RUN applied it since)"), "{}", refused.stdout);
    project.run(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(fs::read(out(&project).join("a")).expect("a file"), b"one\n");
    project.run(&["rollback", &first.to_lowercase(), "--yes"]).expect(0);
    assert!(!out(&project).join("a").exists());
}

#[test]
fn what_cannot_be_undone_is_said_first() {
    let project = project(
        "[command.make]\ncommand = \"touch {{ vars.root }}/made\"\ncreates = \"{{ vars.root }}/made\"\n\
         [file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n",
    );
    project.run(&["apply", "--yes"]).expect(0);
    let back = project.run(&["rollback", "last", "--yes"]).expect(0);
    let said = plain(&back).replace(&project.path().display().to_string(), "PROJECT");
    insta::assert_snapshot!(said);
    assert!(out(&project).join("made").exists());
}

#[test]
fn a_sensitive_content_goes_back_unseen() {
    let module = "[file.\"{{ vars.root }}/a\"]\ncontent = \"hunter2-new\\n\"\nsensitive = true\n";
    let project = project(module);
    file(&out(&project).join("a"), b"hunter2-old\n", 0o600);
    project.run(&["apply", "--yes"]).expect(0);
    let back = project.run(&["rollback", "last", "--yes"]).expect(0);
    assert!(back.stdout.contains("(sensitive)"), "{}", back.stdout);
    assert!(!back.stdout.contains("hunter2"), "{}", back.stdout);
    assert_eq!(fs::read(out(&project).join("a")).expect("a file"), b"hunter2-old\n");
}

#[test]
fn a_run_is_named_by_what_begins_its_id() {
    let project = project("[file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n");
    let none = project.run(&["rollback", "last", "--yes"]).expect(1);
    assert_eq!(none.stderr, "error: no host keeps anything of a run\n");
    project.run(&["apply", "--yes"]).expect(0);
    let other = project.run(&["rollback", "7Z", "--yes"]).expect(1);
    assert!(other.stderr.contains("no host keeps anything of a run `7Z`"), "{}", other.stderr);
    let no = project.run(&["rollback", "last"]).expect(1);
    assert!(no.stderr.contains("give --yes"), "{}", no.stderr);
    let plan = project.run(&["rollback", "last", "--yes", "--json"]).expect(0);
    let first = plan.stdout.lines().next().expect("a line");
    assert!(first.contains("\"delete\""), "{first}");
}

#[test]
fn hosts_that_keep_nothing_of_it_are_said() {
    let project = project("[file.\"{{ vars.root }}/a-{{ host.name }}\"]\ncontent = \"new\\n\"\n");
    let inventory = fs::read_to_string(project.path().join("i.toml")).expect("a file");
    project.file("i.toml", inventory + "[hosts.there]\n");
    project.run(&["apply", "--yes", "--limit", "here"]).expect(0);
    let back = project.run(&["rollback", "last", "--yes"]).expect(0);
    let said = plain(&back);
    assert!(said.contains("there  nothing is kept of run RUN"), "{said}");
    assert!(!out(&project).join("a-here").exists());
}

#[test]
fn so_many_runs_are_kept() {
    let project = project("[file.\"{{ vars.root }}/a\"]\ncontent = \"{{ vars.text }}\\n\"\n");
    let settings = fs::read_to_string(project.path().join("trueup.toml")).expect("a file");
    project.file("trueup.toml", settings + "[rollback]\nkeep_runs = 2\n");
    for text in ["1", "2", "3", "4"] {
        project.run(&["apply", "--yes", "--var", &format!("text='{text}'")]).expect(0);
    }
    let kept = project.path().join(".host-state/r/here/kept");
    assert_eq!(fs::read_dir(kept).expect("what is kept").count(), 2);
}

/// As [`project`], with a stage that goes back where it fails.
fn failing(module: &str) -> Project {
    let project = project(module);
    let settings = fs::read_to_string(project.path().join("trueup.toml")).expect("a file");
    project.file("trueup.toml", settings + "rollback_on_failure = true\n");
    project
}

#[test]
fn a_host_that_fails_goes_back_by_itself_where_its_stage_says_so() {
    let module = format!("{EVERYTHING}\n[command.fails]\ncommand = \"echo no luck; exit 3\"\n");
    let project = failing(&module);
    before(&out(&project));
    let was = tree(&out(&project));
    let apply = project.run(&["apply", "--yes"]).expect(4);
    assert_eq!(tree(&out(&project)), was, "{}", apply.stdout);
    let (_, end) = apply.stdout.split_once("Plan: ").expect("a plan");
    let end = end.lines().skip(1).collect::<Vec<_>>().join("\n");
    let end = plain(&Output { stdout: end, ..apply });
    insta::assert_snapshot!(end.replace(&project.path().display().to_string(), "PROJECT"));
    let plan = project.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(!plan.stdout.contains("drift"), "{}", plan.stdout);
    project.file("modules/m/module.toml", EVERYTHING);
    project.run(&["apply", "--yes"]).expect(0);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_was_changed_by_hand_meanwhile_stays_and_is_told() {
    let project = failing(
        "[file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n[file.\"{{ vars.root }}/b\"]\ncontent = \"new\\n\"\n\
         [command.fails]\ncommand = \"echo by hand >{{ vars.root }}/a; exit 3\"\n",
    );
    for name in ["a", "b"] {
        file(&out(&project).join(name), b"old\n", 0o644);
    }
    let apply = project.run(&["apply", "--yes"]).expect(3);
    assert!(apply.stdout.contains("it could not go back whole"), "{}", apply.stdout);
    assert_eq!(fs::read(out(&project).join("a")).expect("a file"), b"by hand\n");
    assert_eq!(fs::read(out(&project).join("b")).expect("a file"), b"old\n");
}

/// A file, and a command that loads it when it changes.
const LOADED: &str = "[file.\"{{ vars.root }}/conf\"]\ncontent = \"2\\n\"\n\
    [command.load]\ncommand = \"cp {{ vars.root }}/conf {{ vars.root }}/loaded\"\n\
    run_on = [\"file[{{ vars.root }}/conf]\"]\n";

fn content(project: &Project, name: &str) -> String {
    fs::read_to_string(out(project).join(name)).expect("a file")
}

/// With a file that is loaded and says 1.
fn before_loading(project: &Project) {
    for name in ["conf", "loaded"] {
        file(&out(project).join(name), b"1\n", 0o644);
    }
}

#[test]
fn a_command_that_a_file_set_off_runs_again_once_the_file_is_back() {
    let project = project(LOADED);
    before_loading(&project);
    project.run(&["apply", "--yes"]).expect(0);
    assert_eq!(content(&project, "loaded"), "2\n");
    let back = project.run(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(
        (content(&project, "conf"), content(&project, "loaded")),
        ("1\n".into(), "1\n".into())
    );
    assert!(!back.stdout.contains("cannot be undone"), "{}", back.stdout);
    insta::assert_snapshot!(plain(&back).replace(&project.path().display().to_string(), "PROJECT"));
}

#[test]
fn a_command_with_a_sensitive_value_is_not_kept_and_that_is_said() {
    let project = project(&format!("{LOADED}stdin = \"hunter2\"\nsensitive = true\n"));
    before_loading(&project);
    project.run(&["apply", "--yes"]).expect(0);
    let back = project.run(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(content(&project, "loaded"), "2\n");
    let said = plain(&back);
    assert!(said.contains("m/command[load]: it is not run again: "), "{said}");
    let kept = project.path().join(".host-state");
    let found = std::process::Command::new("grep").args(["-r", "hunter2"]).arg(kept).output();
    assert!(found.expect("grep").stdout.is_empty());
}

#[test]
fn a_host_that_goes_back_by_itself_runs_such_commands_too() {
    let project = failing(&format!(
        "{LOADED}[command.fails]\ncommand = \"exit 3\"\nrequires = [\"command[load]\"]\n"
    ));
    before_loading(&project);
    let apply = project.run(&["apply", "--yes"]).expect(4);
    assert_eq!(content(&project, "loaded"), "1\n", "{}", apply.stdout);
    assert!(!apply.stdout.contains("Not done"), "{}", apply.stdout);
}

#[test]
fn what_the_run_made_has_moved_too_where_its_mode_or_kind_did() {
    let module =
        "[file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n[directory.\"{{ vars.root }}/d\"]\n";
    for path in ["a", "d"] {
        let project = project(module);
        project.run(&["apply", "--yes"]).expect(0);
        let path = out(&project).join(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("its mode");
        let refused = project.run(&["rollback", "last", "--yes"]).expect(3);
        assert!(
            plain(&refused).contains("its mode is not what run RUN left there"),
            "{}",
            refused.stdout
        );
        assert!(path.exists());
        project.run(&["rollback", "last", "--yes", "--force"]).expect(0);
        assert!(!path.exists());
    }
    let project = project(module);
    project.run(&["apply", "--yes"]).expect(0);
    let path = out(&project).join("a");
    fs::remove_file(&path).and_then(|()| symlink("d", &path)).expect("a link");
    project.run(&["rollback", "last", "--yes"]).expect(3);
    assert!(path.is_symlink());
}

#[test]
fn what_a_run_is_owed_goes_with_what_it_changed() {
    let project = project(LOADED);
    before_loading(&project);
    let target = format!("m/file[{}]", out(&project).join("conf").display());
    project.run(&["apply", "--yes", "--target", &target]).expect(0);
    let owed = project.run(&["plan"]).expect(0);
    assert!(owed.stdout.contains("owed since"), "{}", owed.stdout);
    project.run(&["rollback", "last", "--yes"]).expect(0);
    let plan = project.run(&["plan"]).expect(0);
    assert!(!plan.stdout.contains("owed since"), "{}", plan.stdout);
    assert!(!project.run(&["ledger", "here"]).stdout.contains("owed"));
}

#[test]
fn what_did_not_change_is_not_said_to_be_lost() {
    let project = project(
        "[set.pair]\nmembers = [\"file[{{ vars.root }}/one]\", \"file[{{ vars.root }}/two]\"]\nvalidate = \"false\"\n\
         [file.\"{{ vars.root }}/one\"]\ncontent = \"new\\n\"\n[file.\"{{ vars.root }}/two\"]\ncontent = \"new\\n\"\n",
    );
    for name in ["one", "two"] {
        file(&out(&project).join(name), b"old\n", 0o644);
    }
    project.run(&["apply", "--yes"]).expect(3);
    let back = project.run(&["rollback", &runs(&project)[0], "--yes"]).expect(0);
    assert!(!back.stdout.contains("cannot be undone"), "{}", back.stdout);
    assert!(back.stdout.contains("no changes"), "{}", back.stdout);
}

/// The runs that a project recorded, the oldest first.
pub fn runs(project: &Project) -> Vec<String> {
    let all = fs::read_dir(project.path().join(".trueup/runs")).expect("records").flatten();
    let mut all: Vec<String> =
        all.map(|run| run.file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

#[test]
fn what_does_not_hold_at_the_end_goes_back_too() {
    let project = failing(
        "[file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n[file.\"{{ vars.root }}/b\"]\ncontent = \"new\\n\"\n\
         [command.spoils]\ncommand = \"chmod 600 {{ vars.root }}/kept\"\nrun_on = [\"file[{{ vars.root }}/b]\"]\n\
         [file.\"{{ vars.root }}/kept\"]\nmode = \"0644\"\n",
    );
    for name in ["a", "b", "kept"] {
        file(&out(&project).join(name), b"old\n", 0o644);
    }
    let apply = project.run(&["apply", "--yes"]).expect(4);
    assert!(apply.stdout.contains("not converged"), "{}", apply.stdout);
    assert_eq!((content(&project, "a"), content(&project, "b")), ("old\n".into(), "old\n".into()));
}

#[test]
fn a_saved_plan_goes_back_by_itself_as_its_project_says() {
    let project = failing(
        "[file.\"{{ vars.root }}/a\"]\ncontent = \"new\\n\"\n[command.fails]\ncommand = \"exit 3\"\n",
    );
    file(&out(&project).join("a"), b"old\n", 0o644);
    let plan = project.path().join("plan.json").display().to_string();
    project.run(&["plan", "-o", &plan]).expect(0);
    fs::rename(project.path().join("trueup.toml"), project.path().join("gone")).expect("moved");
    let apply = project.run(&["apply", &plan]).expect(4);
    assert_eq!(content(&project, "a"), "old\n", "{}", apply.stdout);
}
