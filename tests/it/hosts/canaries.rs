//! Secrets stay secret: a canary in every place that may hold one, through every verb and every kind of
//! failure; then each is looked for wherever something of it could have been left. What is looked for is
//! each line of it, raw and as base64, URL, JSON and hexadecimal have it, and its plain digest.

mod needles;
mod sampler;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use self::needles::{Needles, canaries};
use self::sampler::Sampler;
use super::project;
use crate::support::{Project, lab, lab::left_out, lab::own};

const HOST: &str = "spare1";

/// What the module's resources are made from.
const PARAMS: &str = r#"description = "canaries"

[params]
token = { type = "string", sensitive = true }
pem = { type = "string", sensitive = true }
pin = { type = "string", sensitive = true }
input = { type = "string", sensitive = true }
environment = { type = "string", sensitive = true }
hash = { type = "string", sensitive = true }
probe = { type = "string", sensitive = true }

[locals]
line = "token = {{ params.token }}"
"#;

/// Resources that work. Shells of theirs use nothing but what is built in: what a command hands on to
/// another program is its own.
const GOOD: &str = r#"
[user.canary]
password = "{{ params.hash }}"

[authorized_key.canary]
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9"]
options = ['environment="PIN={{ params.pin }}-{{ params.probe }}"']

[directory."/srv/canary"]

[file."/srv/canary/content"]
content = "{{ locals.line }}\nanother line {{ params.pin }}\n"
mode = "0600"
validate = """
: {{ params.probe }}
i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done
read -r first <{{ candidate }}; [ "${first#token}" != "$first" ]"""

[file."/srv/canary/template"]
template = "t.tera"
mode = "0640"

[file."/srv/canary/declared"]
content = "DECLARED\n"
sensitive = true

[file."/srv/canary/text"]

[line.secret]
path = "/srv/canary/text"
line = "pin {{ params.pin }} {{ params.probe }}"

[block.secret]
path = "/srv/canary/text"
content = "{{ params.pem }}"

[command.uses]
command = """
: {{ params.probe }}
read -r word; printf '%s %s\n' "$word" "$WORD" >/srv/canary/used
i=0; while [ $i -lt 40000 ]; do i=$((i + 1)); done
printf '%s\n' "$word" "$WORD"; : >/srv/canary/done"""
stdin = "{{ params.input }}\n"
environment = { WORD = "{{ params.environment }}" }
unless = ": {{ params.probe }}; [ -e /srv/canary/done ]"
until = ": {{ params.probe }}; [ -e /srv/canary/done ]"
"#;

/// Resources that fail and say what they should not, one at a time. What starts programs takes the canaries out of
/// their environment before.
const BAD: [(&str, &str); 7] = [
    (
        "a check that prints what it checks",
        "[file.\"/srv/canary/content\"]\ncontent = \"new {{ locals.line }}\\n{{ params.pem }}\"\nvalidate = \"cat {{ candidate }}; base64 {{ candidate }}; false\"\n",
    ),
    (
        "a command that prints its secret in every form",
        "[command.says]\ncommand = '''\nread -r word; forms=$FORMS; unset FORMS; sleep 0.3\n\
         printf '%s\\n' \"$word\" | { tee /dev/stderr; } | base64; printf '%s' \"$word\" | od -An -tx1 | tr -d ' \\n'\n\
         printf '%s\\n' \"$forms\" 'pin={{ params.pin }}'; exit 3'''\nstdin = \"{{ params.input }}\\n\"\n\
         environment = { FORMS = '''IN FORMS''' }\n",
    ),
    (
        "a wait that says what for",
        "[command.waits]\nuntil = \"echo '{{ params.input }} {{ params.pin }}' >&2; false\"\ntimeout = 2\n",
    ),
    (
        "a probe that cannot run",
        "[command.probes]\ncommand = \"true\"\nunless = \"/no/such/{{ params.probe }}\"\n",
    ),
    (
        "a folder that is not there",
        "[command.enters]\ncommand = \"true\"\ncreates = \"/srv/canary/never\"\ncwd = \"/srv/{{ params.probe }}\"\n",
    ),
    ("a program that prints the hash", "[user.canary]\npassword = \"$5$othersalt$HASHED\"\n"),
    (
        "a file that another one changed meanwhile",
        "[command.first]\ncommand = \"echo by hand >/srv/canary/declared\"\n[file.\"/srv/canary/template\"]\ncontent = \"{{ params.pem }}{{ params.token }}\"\nrequires = [\"command[first]\"]\n\
         [file.\"/srv/canary/declared\"]\ncontent = \"{{ params.token }}\"\nvalidate = \"false\"\n",
    ),
];

/// What a verb printed and wrote.
fn seen(needles: &Needles, what: &str, text: &[u8]) {
    let found = needles.within(text);
    assert!(found.is_empty(), "{what}: {found:?} in\n{}", String::from_utf8_lossy(text));
}

/// Every file below a folder of the controller's.
fn files_seen(needles: &Needles, what: &str, folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_seen(needles, what, &path);
        } else if path.is_file() {
            let text = std::fs::read(&path).expect("a file");
            seen(needles, &format!("{what}: {}", path.display()), &text);
        }
    }
}

/// The project, with the canaries where users would have them.
fn canary_project(module: &str) -> Project {
    let inventory = format!("[vars]\n{}\n[hosts.{HOST}]\n", needles::vars());
    let module = format!("{PARAMS}{module}").replace("DECLARED", needles::DECLARED);
    let module = module.replace("HASHED", needles::HASHED).replace("IN FORMS", &needles::forms());
    let project = project(&inventory, &module);
    let with: Vec<String> =
        needles::NAMES.iter().map(|name| format!("{name} = \"{{{{ vars.{name} }}}}\"")).collect();
    project.file(
        "trueup.toml",
        format!(
            "[project]\nname = \"canaries\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"all\"\n\
             hosts = \"all\"\nmodules = [{{ use = \"m\", with = {{ {} }} }}]\n",
            with.join(", ")
        ),
    );
    project.file("modules/m/templates/t.tera", "key:\n{{ params.pem }}\n{{ params.token }}\n");
    project
}

/// Runs a verb with a state folder, a log and a `JUnit` report, and looks through all of it.
fn run(needles: &Needles, project: &Project, words: &[&str], status: i32) {
    let out = tempfile::tempdir().expect("a folder");
    let file = |name: &str| out.path().join(name).display().to_string();
    let (log, junit, state) = (file("log"), file("junit.xml"), file("state"));
    let mut words = words.to_vec();
    if matches!(words[0], "plan" | "apply") {
        words.extend(["--log", &log, "-v"]);
    }
    if words[0] == "apply" {
        words.extend(["--junit", &junit]);
    }
    let variables = [("XDG_STATE_HOME", state.as_str())];
    let output = if matches!(words[0], "plan" | "apply") {
        project.on_lab_with(&words, &variables)
    } else {
        project.run_with(&words, &variables)
    };
    let what = words.join(" ");
    seen(needles, &what, output.stdout.as_bytes());
    seen(needles, &what, output.stderr.as_bytes());
    files_seen(needles, &what, out.path());
    assert_eq!(output.status, status, "{what}: {}{}", output.stdout, output.stderr);
}

/// Starts an apply and kills it, so often in its middle.
fn killed(needles: &Needles, project: &Project) {
    for milliseconds in [250, 400, 600] {
        lab().on(HOST, "rm -rf /srv/canary/done /srv/canary/content");
        let (mut command, home) = project.lab_command_cleared(&["apply", "--yes"]);
        let mut run =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        std::thread::sleep(Duration::from_millis(milliseconds));
        run.kill().expect("a program that runs");
        let output = run.wait_with_output().expect("the program");
        seen(needles, "a killed apply", &[output.stdout, output.stderr].concat());
        files_seen(needles, "a killed apply", home.path());
    }
    // The host's end goes on to the end of its step, and then ends.
    let since = Instant::now();
    while lab().try_on(HOST, "pgrep -f 'read -r [p]; eval'", b"").0 == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "the host's shell does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whatever changed on the host, but where it was declared, and what is kept of that for the way back, which root
/// alone can read.
fn host_seen(needles: &Needles) {
    let said = lab().try_on(
        HOST,
        "cat >/run/canary-needles; chmod 600 /run/canary-needles
find / -xdev \\( -path /proc -o -path /sys -o -path /srv/canary -o -path /home/canary/.ssh -o -path '/var/tmp/trueup-*/kept' \\) -prune -o -type f -cnewer /run/canary-stamp \\
! -path '/etc/shadow*' ! -path /run/canary-needles ! -path '/run/log/journal/*' ! -path '/var/log/journal/*' -exec grep -lFf /run/canary-needles {} +
for f in /run /tmp /dev/shm; do find $f -xdev -type f -cnewer /run/canary-stamp ! -path /run/canary-needles ! -path '/run/log/journal/*' -exec grep -lFf /run/canary-needles {} +; done
journalctl -b --no-pager -o cat --since \"$(stat -c %y /run/canary-stamp | cut -d . -f 1)\" | grep -Ff /run/canary-needles | head -n 3
rm -f /run/canary-needles; true",
        needles.long().join("\n").as_bytes(),
    );
    assert_eq!(said.1, "", "on the host");
}

/// A chpasswd(8) that prints what it reads, for as long as this lives.
struct Fake;

impl Fake {
    fn put() -> Self {
        lab().on(
            HOST,
            "printf '#!/bin/sh\\ncat\\nexit 1\\n' >/run/canary-fake; chmod 755 /run/canary-fake
             mount --bind /run/canary-fake /usr/sbin/chpasswd",
        );
        Self
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        lab().on(HOST, "umount /usr/sbin/chpasswd");
    }
}

fn clean() {
    lab().on(
        HOST,
        "userdel -rf canary 2>/dev/null; rm -rf /srv/canary /run/canary-*; mkdir -p /run; touch /run/canary-stamp
",
    );
}

#[test]
fn no_canary_is_anywhere_but_where_it_was_put() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    clean();
    let needles = Needles::of(&canaries());
    let sampler = Sampler::start(&needles);
    let project = canary_project(GOOD);
    let plan = project.path().join("saved.json").display().to_string();
    for words in [
        &["check", "--json"][..],
        &["plan"],
        &["plan", "--full", "--why"],
        &["plan", "--json", "--why"],
        &["plan", "-o", &plan],
        &["show", &plan, "--full"],
        &["show", &plan, "--as", "json"],
        &["show", &plan, "--as", "markdown"],
        &["render", HOST],
        &["inventory", "explain", HOST],
        &["apply", &plan, "--json"],
        &["plan", "--detailed-exitcode"],
    ] {
        run(&needles, &project, words, 0);
    }
    seen(&needles, "the saved plan", &std::fs::read(&plan).expect("the plan"));
    let there = lab().on(
        HOST,
        "cat /srv/canary/*; grep ^canary: /etc/shadow; cat /home/canary/.ssh/authorized_keys",
    );
    for canary in canaries() {
        let first = canary.lines().next().unwrap_or_default().to_owned();
        assert!(there.contains(&first), "{first} is not where it was put: {there}");
    }
    lab().on(HOST, "echo by hand >>/srv/canary/content; rm /srv/canary/done");
    run(&needles, &project, &["plan", "--full"], 0);
    run(&needles, &project, &["apply", "--yes", "--output", "github"], 0);
    for (what, resources) in BAD {
        let _fake = what.contains("hash").then(Fake::put);
        let project = canary_project(resources);
        run(&needles, &project, &["apply", "--yes", "--full"], 3);
        run(&needles, &project, &["apply", "--yes", "--json"], 3);
    }
    killed(&needles, &canary_project(GOOD));
    let (looks, found) = sampler.stop();
    assert_eq!(found, Vec::<String>::new(), "in processes");
    assert!(looks > 20, "too few looks at processes: {looks}");
    host_seen(&needles);
    clean();
}
