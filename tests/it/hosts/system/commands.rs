//! Commands: their surroundings, their probes, waiting and trying again.

use super::{meanwhile, moved, project, settle, told};
use crate::support::{Project, lab, lab::left_out, lab::own};

const CANARY: &str = "cmd-canary-5d1f";

fn clean() {
    lab().on("spare1", "rm -rf /srv/meanwhile /srv/cmd; mkdir /srv/cmd; chmod 777 /srv/cmd");
}

#[test]
fn a_command_runs_as_a_user_with_its_own_variables_and_reads_a_secret() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let lab = lab();
    let show = r#"{ id -un; id -Gn; pwd; printf '%s ' "$HOME" "$USER" "$PATH_TO" "$0" "$#"; cat; echo; env | cut -d = -f 1 | sort | tr '\n' ' '; tr '\0' ' ' </proc/$$/cmdline; }"#;
    let module = format!(
        "[command.show]\ncommand = '''{show} >/srv/cmd/out'''\nas_user = \"deploy\"\ncwd = \"/srv/cmd\"\n\
         environment = {{ PATH_TO = \"it's\\\\n $x\", N = 3, SECRET = \"{CANARY}\" }}\nstdin = \"{CANARY} line\\nand more\"\n\
         unless = '[ -s /srv/cmd/out ] && [ \"$(id -un)\" = deploy ] && [ \"$N\" = 3 ]'\n"
    );
    lab.on("spare1", "usermod -aG video deploy");
    super::watch(&["timeout", "runuser", "dd", "sh"]);
    settle(&module);
    let seen = super::seen();
    lab.on("spare1", "gpasswd -d deploy video");
    let out = lab.on("spare1", "cat /srv/cmd/out; stat -c %U /srv/cmd/out");
    let expected = format!(
        "deploy\ndeploy video\n/srv/cmd\n/home/deploy deploy it's\\n $x sh 0 {CANARY} line\nand more\n\
         HOME LC_ALL LOGNAME N OLDPWD PATH PATH_TO PWD SECRET USER "
    );
    assert!(out.starts_with(&expected), "{out}\nexpected\n{expected}");
    assert!(seen.contains("runuser -u deploy -- "), "{seen}");
    assert!(!seen.contains(CANARY), "{seen}");
}

#[test]
fn without_root_sudo_runs_it_and_its_time_is_kept() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let module = "[command.who]\ncommand = \"id -un >/srv/cmd/who\"\nas_user = \"noisy\"\ncreates = \"/srv/cmd/who\"\n\
        [command.hangs]\ncommand = \"sleep 100\"\nas_user = \"noisy\"\ntimeout = 2\ncreates = \"/srv/cmd/never\"\n";
    let project = project(module);
    project.file("inventory.toml", "[hosts.spare1-deploy]\n");
    let apply = project.on_lab(&["apply", "--yes"]).expect(3);
    assert_eq!(lab().on("spare1", "cat /srv/cmd/who"), "noisy\n");
    assert!(
        apply.stdout.contains("timed out after 2 s") || apply.stdout.contains("exit status 124"),
        "{}",
        apply.stdout
    );
    assert_eq!(
        lab().on("spare1", "pgrep -c -u noisy sleep || true"),
        "0\n",
        "nothing is left running"
    );
}

#[test]
fn what_it_brings_about_is_waited_for() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let started = settle(
        "[command.up]\ncommand = \"(sleep 3; touch /srv/cmd/up) >/dev/null 2>&1 &\"\ncreates = \"/srv/cmd/up\"\nuntil = \"test -e /srv/cmd/up\"\n\
         [command.wait]\nuntil = \"test -e /srv/cmd/up\"\n",
    );
    insta::assert_snapshot!("command_until", started.split("\nApplied").next().unwrap_or_default());
    let told = told(&moved("[command.never]\nuntil = \"echo not yet; exit 3\"\ntimeout = 3\n"));
    insta::assert_snapshot!("command_until_over", told);
}

#[test]
fn what_fails_for_a_while_is_tried_again() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let module = |retries: u32| {
        format!(
            "[command.third]\ncommand = \"echo x >>/srv/cmd/tries; echo now; [ $(wc -l </srv/cmd/tries) -ge 3 ] && touch /srv/cmd/done\"\n\
             creates = \"/srv/cmd/done\"\nretries = {retries}\n"
        )
    };
    let told = told(&moved(&module(1)));
    assert!(
        told.contains("tried 2 times; the last time:") && told.contains("exit status 1"),
        "{told}"
    );
    lab().on("spare1", "rm /srv/cmd/tries");
    settle(&module(2));
    assert_eq!(lab().on("spare1", "wc -l </srv/cmd/tries"), "3\n");
}

#[test]
fn a_command_whose_need_is_gone_does_not_run() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let said = settle(&format!(
        "{}[command.make]\ncommand = \"echo mine >/srv/cmd/x\"\ncreates = \"/srv/cmd/x\"\nunless = \"false\"\n",
        meanwhile("echo by-hand >/srv/cmd/x")
    ));
    assert!(
        said.contains("m/command[make]\n      nothing to do at its turn: /srv/cmd/x is there now"),
        "{said}"
    );
    assert_eq!(lab().on("spare1", "cat /srv/cmd/x"), "by-hand\n");
}

#[test]
fn a_probe_that_cannot_run_is_no_answer() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let project: Project = project(
        "[command.a]\ncommand = \"true\"\nunless = \"no-such-program\"\n\
         [command.b]\ncommand = \"true\"\nunless = \"true\"\nas_user = \"nobody-here\"\n\
         [command.c]\ncommand = \"true\"\nonly_if = \"true\"\ncwd = \"/srv/no/such\"\n",
    );
    let plan = project.on_lab(&["plan"]).expect(3);
    insta::assert_snapshot!("command_probes", plan.stdout);
}
