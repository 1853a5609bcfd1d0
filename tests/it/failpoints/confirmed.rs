//! T46: the program dies, or is too late, around the confirmation of a change.

use std::fs;
use std::process::Stdio;

use super::VARIABLE;
use crate::confirm::{MODULE, fate, project, state, wait, watched};
use crate::support::Project;

/// A project with a change that must be confirmed and has not begun.
fn open() -> Project {
    let project = project(&MODULE.replace("sleep 3", "touch ROOT/none"));
    fs::write(project.path().join("out/old"), "old\n").expect("a file");
    project
}

fn old(project: &Project) -> String {
    fs::read_to_string(project.path().join("out/old")).expect("a file")
}

/// What was decided stands on the host, in its ledger and in the next plan; and the next apply is through.
fn stands(project: &Project, point: &str, confirmed: bool) {
    let (word, text) =
        if confirmed { ("confirmed\n", "new\n") } else { ("rolled back\n", "old\n") };
    wait("the decision", || fate(project).is_some());
    assert_eq!(fate(project).as_deref(), Some(word), "{point}");
    wait("the end of who watches", || {
        !watched(project) && !state(project).join("confirm").exists()
    });
    assert_eq!(old(project), text, "{point}");
    let plan = project.run(&["plan"]).expect(0).stdout;
    assert_eq!(plan.contains("/out/old]"), !confirmed, "{point}: {plan}");
    assert!(!plan.contains("drift"), "{point}: the host moved by itself: {plan}");
    project.run(&["apply", "--yes"]).expect(0);
    assert_eq!(old(project), "new\n", "{point}");
    let plan = project.run(&["plan"]).expect(0);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 unchanged.", "{point}");
}

#[test]
fn who_dies_before_confirming_is_rolled_back_and_who_dies_after_it_is_not() {
    std::thread::scope(|scope| {
        // The third program that is sent is the confirmation. Who dies right behind it may not be heard: the shell
        // that greets nobody ends. What the host decided counts.
        let points = [("unconfirmed", Some(false)), ("sent#3", None), ("confirmed", Some(true))];
        for (point, confirmed) in points {
            scope.spawn(move || {
                let project = open();
                let died = format!("{point}=kill");
                project.run_with(&["apply", "--yes"], &[(VARIABLE, &died)]).expect(-1);
                let listed = project.run(&["runs"]).expect(0).stdout;
                assert!(listed.contains("interrupted"), "{listed}");
                wait("the decision", || fate(&project).is_some());
                let decided = fate(&project).as_deref() == Some("confirmed\n");
                stands(&project, point, confirmed.unwrap_or(decided));
            });
        }
    });
}

/// Who wakes up when the host has put it back says so, and not what it knew before.
#[test]
fn who_comes_too_late_to_confirm_tells_what_the_host_did() {
    let project = open();
    let mark = project.path().join("reached");
    let (mut command, _home) = project.command_cleared(&["apply", "--yes"]);
    command.env(VARIABLE, format!("unconfirmed=wait {}", mark.display()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program");
    wait("the point", || mark.exists());
    assert_eq!(old(&project), "new\n", "it is changed and not confirmed");
    wait("the way back", || fate(&project).is_some());
    fs::remove_file(mark).expect("a file");
    let output = child.wait_with_output().expect("its end");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("here  rolled back: not confirmed within 5 s"), "{told}");
    stands(&project, "late", false);
}
