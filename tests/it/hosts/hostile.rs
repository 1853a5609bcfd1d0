//! Hosts that mean harm, behind a real sshd: their login shell is the hostile end.

use std::time::{Duration, Instant};

use crate::hostile::{MODES, figures, judge, project, sampled};
use crate::support::{lab, lab::left_out, lab::own, repository};

#[test]
fn no_harm_is_done_by_a_login_shell() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let script =
        std::fs::read(repository().join("tests/it/support/hostile.sh")).expect("the script");
    let (status, said) = lab.try_on(
        "odd1",
        "cat >/usr/local/bin/hostile; chmod 755 /usr/local/bin/hostile",
        &script,
    );
    assert_eq!(status, 0, "{said}");
    for (mode, _) in MODES {
        if mode != "good" {
            lab.login("odd1", &format!("h-{mode}"));
            lab.on("odd1", &format!("ln -sf hostile /usr/local/bin/hostile-{mode}; usermod -s /usr/local/bin/hostile-{mode} h-{mode}"));
        }
    }
    let project = project(|mode| format!("user = \"h-{mode}\" }}\naddress = \"odd1\"\n#"));
    let (command, _home) =
        project.lab_command_cleared(&["plan", "--connect-timeout", "1", "--probe-timeout", "3"]);
    let begun = Instant::now();
    let (output, memory) = sampled(command);
    let took = begun.elapsed();
    figures("logins", memory, took);
    lab.on("odd1", "pkill -9 -f '[h]ostile-'; pkill -x yes; pkill -f '[/]dev/zero'; true");
    judge(&output, memory);
    assert!(took < Duration::from_secs(90), "{took:?}");
}
