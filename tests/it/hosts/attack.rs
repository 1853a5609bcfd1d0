//! The hostile local user (T50, T63 to T65 and T68 of the threats): mal swaps what stands in her folder, and what is new
//! where everybody may write, for links, hard links, pipes and folders, while root's steps run there.
//!
//! Whatever she does, nothing of root's or of a third user's is written, given away or shown to her. She runs as
//! fast as she can (`attack/mal.pl`); the steps are those of the product, on a real host, in one session (`attack/field.rs`)
//! or by whole applies. `TRUEUP_ATTACK=N` does so many rounds, `TRUEUP_SEED=N` begins at the seed that a failure printed.

mod field;

use std::fmt::Write as _;
use std::time::Instant;

use field::{Field, MODULE, SET, version};

use super::project;
use crate::support::Random;
use crate::support::{lab, lab::left_out, lab::own};

/// The host that is attacked.
const HOST: &str = "spare1";

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// A line of figures, also where the output of tests is kept back.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// T63, T64, T65: steps raced by mal, in her folder and where everybody may write.
#[test]
fn t63_t64_t65_whoever_swaps_what_root_works_on_gains_nothing() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let rounds = number("TRUEUP_ATTACK").unwrap_or(12);
    let seed = number("TRUEUP_SEED").unwrap_or(1) as u64;
    let since = Instant::now();
    let mut field = Field::new();
    for round in 0..rounds as u64 {
        let mut random = Random(seed + round);
        let told = field.round(&mut random, seed + round);
        field.unharmed(&told);
    }
    say(&format!(
        "attack: {rounds} rounds from seed {seed}, {:?}: {}",
        since.elapsed(),
        field.figures()
    ));
}

/// The same by whole applies and rollbacks: each resource is a host's own in the inventory, so that one that is refused
/// does not end the others.
#[test]
fn t63_t64_applies_and_rollbacks_that_are_raced_do_no_harm() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let rounds = number("TRUEUP_ATTACK").unwrap_or(8).div_ceil(8);
    let seed = number("TRUEUP_SEED").unwrap_or(1) as u64;
    let since = Instant::now();
    let mut field = Field::new();
    let resources: Vec<String> =
        MODULE.split("\n[").skip(1).map(|text| format!("[{text}\n")).collect();
    let mut inventory = String::new();
    for number in 0..resources.len() {
        let _ = writeln!(
            inventory,
            "[hosts.h{number}]\naddress = \"{HOST}\"\nvars = {{ number = {number} }}"
        );
    }
    let _ = writeln!(inventory, "[hosts.pair]\naddress = \"{HOST}\"");
    let set = format!(
        "{SET}[set.pair]\nmembers = [\"file[/srv/mal/d/t0]\", \"file[/srv/mal/d/t1]\"]\nvalidate = \"cat $staged/t0\"\n"
    );
    let project = project(&inventory, "");
    project.file(
        "trueup.toml",
        "[project]\nname = \"o\"\ninventory = \"inventory.toml\"\n\
         [[stage]]\nname = \"one\"\nhosts = \"h*\"\nmodules = [\"m\"]\n\
         [[stage]]\nname = \"two\"\nhosts = \"pair\"\nmodules = [\"pair\"]\n",
    );
    let mut ends = [0, 0];
    for round in 0..rounds as u64 {
        let mut random = Random(seed + round);
        // A folder of root's that stands under a managed name when it is planned is the one that is meant.
        let (told, ways) = loop {
            let begun = field.begin(&mut random, seed + round);
            if !begun.1.contains(" folder") {
                break begun;
            }
        };
        field.start(seed + round, &ways);
        for wave in 0..3 {
            let mut module = String::new();
            for (number, text) in resources.iter().enumerate() {
                for resource in
                    text.trim_start().split("\n[").map(|text| text.trim_start_matches('['))
                {
                    let (header, rest) = resource.split_once('\n').unwrap_or((resource, ""));
                    let _ =
                        writeln!(module, "[{header}\nwhen = \"vars.number == {number}\"\n{rest}");
                }
            }
            project.file("modules/m/module.toml", version(&module, wave));
            project.file("modules/pair/module.toml", version(&set, wave));
            let words: &[&str] =
                if wave == 2 { &["rollback", "last", "--yes"] } else { &["apply", "--yes"] };
            let output = project.on_lab(words);
            for word in ["error:", "panicked"] {
                assert!(!output.stderr.contains(word), "{told}: {}", output.stderr);
            }
            let refused = output.stdout.matches("failed").count();
            ends[0] += resources.len() + 1;
            ends[1] += refused;
        }
        field.stop();
        field.unharmed(&told);
    }
    say(&format!(
        "attack: {rounds} rounds of applies and rollbacks from seed {seed}, {:?}: {} on hosts, the word failed {} times",
        since.elapsed(),
        ends[0],
        ends[1]
    ));
}

/// Looks for a secret in all that mal can read, as long as it runs; what it finds is in /run/mal.found.
const SWEEP: &str = "while :; do \
    find / -xdev '(' -path /proc -o -path /sys ')' -prune -o -type f -mmin -2 -readable -exec grep -ls CANARY[-]68 {} + 2>/dev/null; \
    find /tmp /var/tmp /run /dev/shm -type f -readable -exec grep -ls CANARY[-]68 {} + 2>/dev/null; \
    grep -ls CANARY[-]68 /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done";

/// T68: a login `deploy`, root by sudo, a command as `plain`, and mal, who looks for what any of them leaves open.
#[test]
fn t68_who_is_neither_the_login_nor_who_it_becomes_reads_nothing() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let mut shell = lab().shell(HOST);
    shell.run("id mal || useradd -M -d /srv/mal mal; rm -rf /srv/t68 /var/lib/trueup/o; mkdir -p /srv/t68; chown deploy /srv/t68; echo CANARY-68 old >/srv/t68/a; chown deploy /srv/t68/a; chmod 0600 /srv/t68/a; rm -f /run/mal.found");
    for (become_, as_user) in [("become = \"sudo\"\n", "as_user = \"plain\"\n"), ("", "")] {
        let module = format!(
            "[file.\"/srv/t68/a\"]\ncontent = \"CANARY-68\"\nmode = \"0600\"\nvalidate = \"sleep 1; cat $candidate; false || true\"\nsensitive = true\n\
             [command.as]\ncommand = \"cat; sleep 1; echo CANARY-68 printed; find /var/lib/trueup /home/deploy/.local -readable -type f -exec grep -l CANARY-68 {{}} + 2>/dev/null; touch /srv/t68/made\"\n\
             stdin = \"CANARY-68\"\nenvironment = {{ IT = \"CANARY-68\" }}\nsensitive = true\ncreates = \"/srv/t68/made\"\n{as_user}"
        );
        let project = project(
            &format!("[connection]\nuser = \"deploy\"\n{become_}[hosts.{HOST}]\n"),
            &module,
        );
        shell.run("rm -f /srv/t68/made; chmod 0777 /srv/t68; echo CANARY-68 old >/srv/t68/a; chown deploy /srv/t68/a; chmod 0600 /srv/t68/a");
        shell.run(&format!("setsid setpriv --reuid mal --regid mal --clear-groups sh -c \"{}\" >/run/mal.found 2>&1 </dev/null &", SWEEP.replace('"', "'")));
        let usual = [("TRUEUP_HOST_STATE", "")];
        project.on_lab_with(&["apply", "--yes"], &usual).expect(0);
        project.on_lab_with(&["rollback", "last", "--yes"], &usual);
        shell.run("sleep 2; kill -KILL $(pgrep -u mal)");
        assert_eq!(shell.run("cat /run/mal.found"), "", "{become_}");
        // Whom it becomes reads nothing of what is kept either.
        let read = "setpriv --reuid plain --regid plain --clear-groups sh -c 'find /var/lib/trueup /home/deploy/.local -readable' 2>/dev/null";
        assert_eq!(shell.run(read).replace("/var/lib/trueup\n", ""), "", "{become_}");
        let kept = shell.run("grep -rl CANARY-68 /var/lib/trueup /home/deploy/.local 2>/dev/null");
        assert!(kept.contains("kept"), "a copy is kept: {kept}");
    }
    shell.run("rm -rf /srv/t68 /var/lib/trueup/o /home/deploy/.local/state/trueup /run/mal.found");
}
