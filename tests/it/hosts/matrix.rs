//! Login shells, noise at login, locales, ways of sudo, userlands and odd layouts: the same plan, the same
//! tree, or one clear reason. A sample runs always; `cargo xtask campaign logins` runs all of it.

use std::fmt::Write as _;
use std::time::Instant;

use super::{project, stable};
use crate::support::{lab, lab::left_out, lab::own};

const SHELLS: [(&str, &str, &str); 4] = [
    ("bash", "/bin/bash", ".bashrc"),
    ("dash", "/bin/dash", ".profile"),
    ("fish", "/usr/bin/fish", ".config/fish/config.fish"),
    ("tcsh", "/bin/tcsh", ".tcshrc"),
];
/// Noise at login: text for the start-up file of any of these shells.
const NOISE: [(&str, &str); 4] = [
    ("quiet", ""),
    ("million", "head -c 1000000 /dev/zero | tr '\\\\0' x; sh -c 'head -c 500000 /dev/zero >&2'"),
    (
        "marks",
        "printf '\\\\nhello 0 0 1\\\\n0\\\\n\\\\ndata 1 0 3\\\\n{}\\\\nend 2 0 1\\\\n'; sh -c 'echo \"Password:\" >&2'",
    ),
    (
        "escapes",
        "printf '\\\\033[2J\\\\033]0;t\\\\007\\\\r\\\\377\\\\000'; sh -c 'printf \"\\\\033[31m\" >&2'",
    ),
];
const LOCALES: [&str; 3] = ["C", "tr_TR.UTF-8", "ja_JP.eucJP"];
const SUDO: [&str; 2] = ["free", "asks"];
const PASSWORD: &str = "matrix-password";

const MODULE: &str = r#"
[directory."/srv/matrix/{{ host.name }}"]
mode = "0750"
group = "users"
[file."/srv/matrix/{{ host.name }}/it's $HOME `x` \\ \"é\""]
content = "quote ' dollar $x back \\ tick ` bang ! star *\n"
[file."/srv/matrix/{{ host.name }}/no-newline"]
content = "İıŞş 日本 no newline"
[symlink."/srv/matrix/{{ host.name }}/link"]
target = "it's $HOME"
[command.lines]
command = "echo first >/srv/matrix/{{ host.name }}/lines"
creates = "/srv/matrix/{{ host.name }}/lines"
[line.a]
path = "/srv/matrix/{{ host.name }}/lines"
line = "a 'b' $c"
[command.sorted]
command = "printf '%s\\n' I i ı İ a Z | sort | tr '[:lower:]' '[:upper:]' >sorted"
cwd = "/srv/matrix/{{ host.name }}"
creates = "/srv/matrix/{{ host.name }}/sorted"
"#;

/// One login of the matrix.
struct Login {
    name: String,
    shell: usize,
    noise: usize,
    locale: usize,
    sudo: usize,
}

/// All of them, or so many that each value is there with others.
fn logins() -> Vec<Login> {
    let full = std::env::var("TRUEUP_FULL").is_ok_and(|value| value == "1");
    let mut all = Vec::new();
    for shell in 0..SHELLS.len() {
        for noise in 0..NOISE.len() {
            for (locale, sudo) in (0..LOCALES.len()).flat_map(|locale| [(locale, 0), (locale, 1)]) {
                let sampled = (shell + noise) % LOCALES.len() == locale
                    && noise % 2 == sudo
                    && (shell + noise) % 2 == 0;
                if full || sampled {
                    let name = format!("m{}", all.len());
                    all.push(Login { name, shell, noise, locale, sudo });
                }
            }
        }
    }
    all
}

/// Makes the logins on a host with one script.
fn make(host: &str, logins: &[Login]) {
    let mut text = String::from(
        "mkdir -p /etc/sudoers.d; : >/etc/sudoers.d/zz-matrix; rm -rf /srv/matrix; mkdir /srv/matrix\n",
    );
    for login in logins {
        let Login { name, .. } = login;
        let (_, shell, file) = SHELLS[login.shell];
        let set = if login.shell == 3 || login.shell == 2 { "setenv" } else { "export" };
        let locale = LOCALES[login.locale];
        let locale = match set {
            "setenv" if login.shell == 2 => {
                format!("set -gx LANG {locale}; set -gx LC_ALL {locale}")
            }
            "setenv" => format!("setenv LANG {locale}; setenv LC_ALL {locale}"),
            _ => format!("export LANG={locale} LC_ALL={locale} LANGUAGE=tr:ja"),
        };
        let rule = if SUDO[login.sudo] == "free" { "NOPASSWD: ALL" } else { "ALL" };
        let _ = write!(
            text,
            "userdel -rf {name} 2>/dev/null; useradd -m -s {shell} {name}; cp -r /root/.ssh /home/{name}/\n\
             mkdir -p \"$(dirname /home/{name}/{file})\"\n\
             cat >/home/{name}/{file} <<'END'\n{locale}\n{}\nEND\n\
             chown -R {name}: /home/{name}; echo '{name}:{PASSWORD}' | chpasswd\n\
             echo '{name} ALL=(ALL:ALL) {rule}' >>/etc/sudoers.d/zz-matrix\n",
            NOISE[login.noise].1.replace("\\\\", "\\")
        );
    }
    text.push_str("chmod 440 /etc/sudoers.d/zz-matrix\n");
    let (status, said) =
        lab().try_on(host, "cat >/root/matrix.sh; sh /root/matrix.sh", text.as_bytes());
    assert_eq!(status, 0, "{said}");
}

#[test]
#[expect(clippy::print_stderr, reason = "figures for docs/testing.md")]
fn every_login_gives_the_same_plan_and_the_same_tree() {
    if left_out() {
        return;
    }
    let (_odd, _busybox) = (own("odd1"), own("busybox1"));
    let begun = Instant::now();
    let logins = logins();
    let mut inventory = String::from("[connection]\nbecome = \"sudo\"\n");
    for host in ["odd1", "busybox1"] {
        make(host, &logins);
        for Login { name, .. } in &logins {
            let _ = writeln!(
                inventory,
                "[hosts.{host}-{name}x]\naddress = \"{host}\"\nconnection = {{ user = \"{name}\" }}"
            );
        }
    }
    let project = project(&inventory, MODULE);
    let given = [("TRUEUP_BECOME_PASSWORD", PASSWORD)];
    let words = |verb: &'static str| vec![verb, "--parallel", "8", "--connect-timeout", "30"];
    let applied = project.on_lab_with(&[words("apply"), vec!["--yes"]].concat(), &given).expect(0);
    let count = 2 * logins.len();
    assert!(
        applied.last_line().starts_with(&format!("Applied to {count} hosts")),
        "{}",
        applied.stdout
    );
    let again = project.on_lab_with(&[words("plan"), vec!["--detailed-exitcode"]].concat(), &given);
    assert_eq!(again.expect(0).last_line(), format!("Plan: {count} hosts: {count} unchanged."));
    let mut trees = Vec::new();
    for host in ["odd1", "busybox1"] {
        for Login { name, .. } in &logins {
            let text = format!(
                "cd /srv/matrix/{host}-{name}x && stat -c '%n %a %U %G' . * && cat it* no-newline lines sorted; readlink link"
            );
            trees.push((format!("{host}-{name}"), lab().on(host, &text)));
        }
    }
    for (name, tree) in &trees {
        assert_eq!(*tree, trees[0].1, "{name} and {}", trees[0].0);
    }
    eprintln!("{count} logins, {:.0} s", begun.elapsed().as_secs_f64());
}

#[test]
fn odd_layouts_work_or_say_why() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    lab.login("odd1", "lay");
    lab.on(
        "odd1",
        "echo 'lay ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/zz-lay; chmod 440 /etc/sudoers.d/zz-lay; \
         mkdir -p /etc/ssh/keys && cp /root/.ssh/authorized_keys /etc/ssh/keys/lay && chmod 644 /etc/ssh/keys/lay && \
         echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u' >/etc/ssh/sshd_config.d/zz-lay.conf && systemctl reload ssh",
    );
    let module = "[file.\"/etc/lay\"]\ncontent = \"{{ vars.round }}\\n\"\n\
        [command.c]\ncommand = \"cp /etc/lay /etc/lay-copy\"\nrun_on = [\"file[/etc/lay]\"]\n";
    let inventory = "[connection]\nbecome = \"sudo\"\n[vars]\nround = 0\n[hosts.lay]\naddress = \"odd1\"\nconnection = { user = \"lay\" }\n";
    let project = project(inventory, module);
    let layouts = [
        ("home-missing", "mv /home/lay /home/lay.away", "mv /home/lay.away /home/lay"),
        ("tmp-noexec", "mount -t tmpfs -o noexec tmpfs /tmp", "umount -l /tmp"),
        (
            "tmp-full",
            "mount -t tmpfs -o size=4k tmpfs /tmp; head -c 9999 /dev/zero >/tmp/x 2>/dev/null; true",
            "umount -l /tmp",
        ),
        ("tmp-no-sticky", "chmod 0777 /tmp", "chmod 1777 /tmp"),
        ("tmp-read-only", "mount -t tmpfs -o ro,mode=0 tmpfs /tmp", "umount -l /tmp"),
        (
            "var-read-only",
            "mkdir -p /var/lib/trueup; mount --bind /var /var && mount -o remount,ro,bind /var",
            "umount -l /var",
        ),
    ];
    let mut text = String::new();
    for (round, (name, odd, back)) in layouts.into_iter().enumerate() {
        lab.on("odd1", odd);
        let var = format!("round={round}");
        let apply = project.on_lab(&["apply", "--yes", "--var", &var]);
        lab.on("odd1", back);
        let whole = apply.stdout.as_str();
        let end = whole.split_once("Plan: ").map_or(whole, |(_, end)| end);
        let end = if whole.contains("refused:") { whole } else { end };
        let _ = write!(text, "-- {name}\n{}", stable(end));
    }
    insta::assert_snapshot!("layouts", text);
    lab.on("odd1", "rm /etc/ssh/sshd_config.d/zz-lay.conf; systemctl reload ssh");
}
