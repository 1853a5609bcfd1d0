//! Becoming root: with a password and without, and each way in which sudo says no.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use super::{project, stable};
use crate::support::{lab, lab::left_out, lab::own};

/// A password that stands nowhere else.
const PASSWORD: &str = "Canary-4f8e1b";
/// The variable that gives it.
const GIVEN: &[(&str, &str)] = &[("TRUEUP_BECOME_PASSWORD", PASSWORD)];

const MODULE: &str = "[file.\"/etc/sudo-{{ host.name }}\"]\ncontent = \"x\\n\"\n";

/// Logins on a host with the password, which sudo wants of them; `rules` are more lines for sudoers.
fn logins(users: &[&str], rules: &str) {
    let lab = lab();
    for user in users {
        lab.login("odd1", user);
        lab.on("odd1", &format!("echo '{user}:{PASSWORD}' | chpasswd; rm -f /etc/sudo-{user}"));
    }
    let mut sudoers = format!("{} ALL=(ALL:ALL) ALL\n", users.join(","));
    sudoers.push_str(rules);
    lab.try_on(
        "odd1",
        "cat >/etc/sudoers.d/zz-tests; chmod 440 /etc/sudoers.d/zz-tests; visudo -cq",
        sudoers.as_bytes(),
    );
}

/// An inventory of these logins, as hosts of their names.
fn inventory(users: &[&str]) -> String {
    let mut text = "[connection]\nbecome = \"sudo\"\n".to_owned();
    for user in users {
        let _ = writeln!(
            text,
            "[hosts.{user}]\naddress = \"odd1\"\nconnection = {{ user = \"{user}\" }}"
        );
    }
    text
}

#[test]
fn every_way_of_sudo_works_or_says_why() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let good =
        ["s-free", "s-asks", "s-pty", "s-logged", "s-lecture", "s-cached", "s-noisy", "s-xtrace"];
    let bad = ["t-tty", "t-stranger", "t-limited"];
    let all: Vec<&str> = good.iter().chain(&bad).copied().collect();
    logins(
        &all,
        "s-free ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults:s-pty use_pty\n\
         Defaults:s-logged use_pty, log_input, log_output\nDefaults:s-lecture lecture=always\n\
         Defaults:s-cached timestamp_type=global\nDefaults:t-tty requiretty\n",
    );
    lab.on(
        "odd1",
        &format!(
            "sed -i 's/,t-stranger//; s/,t-limited//' /etc/sudoers.d/zz-tests; \
             echo 't-limited ALL=(ALL:ALL) /bin/true' >>/etc/sudoers.d/zz-tests; \
             su s-cached -c 'echo {PASSWORD} | sudo -S -v'; \
             cp /home/noisy/.noise /home/noisy/.bashrc /home/s-noisy/; \
             echo 'set -x' >/home/s-xtrace/.bashrc"
        ),
    );
    let project = project(&inventory(&all), MODULE);
    let plan = project.on_lab_with(&["plan"], GIVEN).expect(3);
    insta::assert_snapshot!("sudo_plan", stable(&plan.stdout));
    let only = ["apply", "--yes", "--limit", "s-*"];
    project.on_lab_with(&only, GIVEN).expect(0);
    let plan = project.on_lab_with(&["plan", "--limit", "s-*", "--detailed-exitcode"], GIVEN);
    plan.expect(0);
    let without = project.on_lab(&["plan", "--limit", "s-free or s-cached"]).expect(3);
    insta::assert_snapshot!("sudo_no_password", stable(&without.stdout));
}

#[test]
fn binary_contents_pass_through_a_sudo_that_logs() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    logins(&["s-logged"], "Defaults:s-logged use_pty, log_input, log_output\n");
    lab().on("odd1", "rm -f /etc/sudo-bytes");
    let project = project(
        &inventory(&["s-logged"]),
        "[file.\"/etc/sudo-bytes\"]\nsource = \"files/bytes\"\n",
    );
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| u8::try_from(at * 7 % 256).unwrap()).collect();
    project.file("modules/m/files/bytes", &bytes);
    project.on_lab_with(&["apply", "--yes"], GIVEN).expect(0);
    let digest = lab().on("odd1", "sha256sum </etc/sudo-bytes");
    project.file("here", &bytes);
    let here = std::process::Command::new("sha256sum").arg(project.path().join("here")).output();
    let here = String::from_utf8(here.expect("sha256sum").stdout).expect("UTF-8");
    assert_eq!(digest.split(' ').next(), here.split(' ').next());
}

#[test]
fn a_wrong_password_is_tried_once_in_the_whole_run() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let users = ["w-one", "w-two", "w-three"];
    logins(&users, "");
    let project = project(&inventory(&users), MODULE);
    let failures = || {
        let text = "journalctl -b -o cat --no-pager | grep -c 'authentication failure.*sudo\\|pam_unix(sudo:auth): authentication failure' || true";
        lab().on("odd1", text).trim().parse::<u32>().expect("a number")
    };
    let before = failures();
    let words = ["plan", "--parallel", "1"];
    let plan = project.on_lab_with(&words, &[("TRUEUP_BECOME_PASSWORD", "not it")]).expect(3);
    insta::assert_snapshot!("sudo_wrong", stable(&plan.stdout));
    assert_eq!(failures() - before, 1, "one try in all");
}

#[test]
fn the_password_is_nowhere_to_be_seen() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let users = ["c-one", "c-free"];
    logins(&users, "c-free ALL=(ALL:ALL) NOPASSWD: ALL\n");
    // A login that asks on its own and keeps what it is given.
    lab.try_on(
        "odd1",
        "cat >/home/c-one/.bashrc; chown c-one: /home/c-one/.bashrc",
        b"printf '[sudo] password for c-one: ' >&2\nprintf 'Password: '\nIFS= read -r -t 2 LINE\nprintf '%s' \"$LINE\" >>~/caught\n",
    );
    let project = project(
        &inventory(&users),
        "[command.wait]\ncommand = \"sleep 2\"\n[file.\"/etc/sudo-{{ host.name }}\"]\ncontent = \"x\\n\"\n",
    );
    let (mut command, home) = project.lab_command_cleared(&["apply", "--yes", "-v"]);
    command.envs(GIVEN.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().expect("the program under test");
    // Everything that runs here meanwhile, lab hosts included, but the program itself.
    let mut seen = Vec::new();
    let pid = run.id().to_string();
    let mut run = run;
    while run.try_wait().expect("a child").is_none() {
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            for file in ["cmdline", "environ"] {
                let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
                // The program itself has it, and a child of its own until it is another program.
                let program = std::fs::read_link(entry.path().join("exe")).ok();
                let ours = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
                let own = file == "environ" && (name == pid || program == ours);
                if !own && text.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()) {
                    seen.push(format!("{name} {file}"));
                }
            }
        }
    }
    let output = run.wait_with_output().expect("the run");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    assert_eq!(seen, Vec::<String>::new(), "in another process");
    let kept =
        std::process::Command::new("grep").args(["-rlF", PASSWORD]).arg(home.path()).output();
    assert_eq!(String::from_utf8_lossy(&kept.expect("grep").stdout), "", "kept here");
    let there = lab.on(
        "odd1",
        &format!(
            "grep -rlF {PASSWORD} /etc /var /home /root /tmp /run 2>/dev/null | grep -v '^/run/log' || true; \
             journalctl -b --no-pager | grep -cF {PASSWORD} || true"
        ),
    );
    assert_eq!(there.trim(), "0", "on the host");
    let caught = lab.on("odd1", "cat /home/c-one/caught");
    assert!(!caught.contains("Canary"), "{caught}");
}

#[test]
fn a_password_is_asked_for_once_on_a_terminal() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let users = ["q-one", "q-two"];
    logins(&users, "");
    let project = project(&inventory(&users), MODULE);
    let (command, _home) = project.lab_command_cleared(&["plan", "--detailed-exitcode"]);
    let line: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qefc", &line.join(" "), "/dev/null"]);
    for (name, value) in command.get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    let mut run = terminal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) gives a terminal");
    let mut screen = Vec::new();
    let mut output = run.stdout.take().expect("a pipe");
    let mut buffer = [0_u8; 4096];
    let mut given = false;
    loop {
        let count = output.read(&mut buffer).expect("the terminal");
        if count == 0 {
            break;
        }
        screen.extend_from_slice(&buffer[..count]);
        if !given && String::from_utf8_lossy(&screen).contains("sudo password") {
            given = true;
            std::thread::sleep(Duration::from_millis(200));
            let input = run.stdin.as_mut().expect("a pipe");
            writeln!(input, "{PASSWORD}").expect("the terminal");
        }
    }
    let status = run.wait().expect("the run");
    let screen = String::from_utf8_lossy(&screen);
    assert_eq!(status.code(), Some(2), "{screen}");
    assert_eq!(screen.matches("sudo password").count(), 1, "{screen}");
    assert!(screen.contains("2 to change"), "{screen}");
    assert!(!screen.contains(PASSWORD), "{screen}");
}

#[test]
fn a_password_file_is_for_its_owner_alone() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    logins(&["f-one"], "");
    let project = project(&inventory(&["f-one"]), MODULE);
    project.file("password", format!("{PASSWORD}\n"));
    let path = project.path().join("password");
    let word = path.to_str().expect("UTF-8");
    let mode = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, permissions).expect("a mode");
    };
    mode(0o644);
    let words = ["plan", "--detailed-exitcode", "--become-password-file", word];
    let refused = project.on_lab(&words).expect(1);
    assert!(refused.stderr.contains("others may read it"), "{}", refused.stderr);
    mode(0o600);
    project.on_lab(&words).expect(2);
    project.file("password", "two\nlines\n");
    let refused = project.on_lab(&words).expect(1);
    assert!(refused.stderr.contains("a password is one line"), "{}", refused.stderr);
}

#[test]
fn no_sudo_says_so() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    logins(&["n-one"], "");
    let project = project(&inventory(&["n-one"]), MODULE);
    lab().on("odd1", "mv /usr/bin/sudo /usr/bin/sudo.away");
    let missing = project.on_lab_with(&["plan"], GIVEN);
    lab().on("odd1", "mv /usr/bin/sudo.away /usr/bin/sudo; chmod 0666 /etc/sudoers.d/zz-tests");
    let broken = project.on_lab_with(&["plan"], GIVEN);
    lab().on("odd1", "chmod 0440 /etc/sudoers.d/zz-tests");
    insta::assert_snapshot!("no_sudo", stable(&missing.expect(3).stdout));
    insta::assert_snapshot!("broken_sudo", stable(&broken.expect(3).stdout));
}
