//! Connections that are cut after any number of bytes (T24), in which a bit is turned around (T25), and that go over
//! a slow and thin line (T26), between ssh and a real sshd.
//!
//! `TRUEUP_FULL` does more rounds, `TRUEUP_SEED=N` begins at the seed that a failure printed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::project;
use crate::support::relay::{Fault, Harm, Line, Relay, Way};
use crate::support::{Output, Project, Random, lab, lab::Shell, lab::left_out, lab::own};
use crate::wire::shells::say;

const HOST: &str = "spare2";
const FILES: usize = 12;

/// The longest that a run may take whose connections all break: ssh's keepalives, the 40 s in which the host is
/// tried again, the last of these tries, and a busy machine.
const GIVES_UP: Duration = Duration::from_secs(15 + 40 + 15 + 30);

/// The most connections of one run: a host is tried again for a while, and never for ever.
const TRIES: usize = 30;

/// Thin enough that steps are done while contents of others are on their way.
const LINE: Line = Line { late: Duration::from_millis(5), bytes: 200_000 };

/// Runs with a host behind a relay.
struct Relayed {
    relay: Relay,
    project: Project,
    shell: Shell,
    figures: BTreeMap<String, usize>,
}

impl Relayed {
    fn new() -> Self {
        let module = "[file.\"/srv/relay/f{{ each.value }}\"]\nfor_each = \"{{ vars.numbers }}\"\n\
                      content = \"file {{ each.value }} of round {{ vars.round }}\\n{{ vars.filling }}\\n\"\n";
        let mut shell = lab().shell(HOST);
        shell.run("rm -rf /srv/relay; mkdir /srv/relay");
        let project = project(&format!("[hosts.{HOST}]\n"), module);
        Self { relay: Relay::before(HOST, Some(LINE)), project, shell, figures: BTreeMap::new() }
    }

    fn declare(&self, round: usize) {
        let numbers: Vec<String> = (1..=FILES).map(|number| format!("\"{number}\"")).collect();
        let vars = format!(
            "[vars]\nround = {round}\nnumbers = [{}]\nfilling = \"{}\"\n[hosts.{HOST}]\n",
            numbers.join(", "),
            "some more text ".repeat(1200)
        );
        self.project.file("inventory.toml", vars);
    }

    fn apply(&self) -> Output {
        let config = self.relay.ssh_config();
        self.project.run(&["apply", "--yes", "--ssh-config", config.to_str().expect("UTF-8")])
    }

    /// The files that are as the round before left them; all others are as this one wants them.
    fn old(&mut self, round: usize) -> BTreeSet<String> {
        let mut old = BTreeSet::new();
        for number in 1..=FILES {
            let said = self.shell.run(&format!("cat /srv/relay/f{number}"));
            let of = |round| {
                format!("file {number} of round {round}\n{}\n", "some more text ".repeat(1200))
            };
            if said == of(round - 1) {
                old.insert(format!("file[/srv/relay/f{number}]"));
            } else {
                assert_eq!(said, of(round), "neither old nor new");
            }
        }
        old
    }

    fn planned(&self) -> BTreeSet<String> {
        let json = self.project.on_lab(&["plan", "--json"]).expect(0);
        let plan: Value = serde_json::from_str(&json.stdout).expect("JSON");
        let sets = plan["sets"].as_array().expect("sets").iter();
        let changes = sets.flat_map(|set| set["changes"].as_array().expect("changes"));
        changes
            .map(|one| one["address"].as_str().expect("an address").trim_start_matches("m/").into())
            .collect()
    }

    /// Waits until the shell of a run whose connection broke is through.
    fn quiet(&mut self) {
        let lock = self.project.lab_state().join(format!("o/{HOST}/lock"));
        let alive = format!("read -r p o <'{}' && [ -d /proc/$p ] && echo alive", lock.display());
        let end = Instant::now() + Duration::from_secs(60);
        while self.shell.run(&alive).contains("alive") {
            assert!(Instant::now() < end, "the remote shell did not end");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn round(&mut self, round: usize, fault: Fault, told: &str) {
        self.declare(round);
        self.relay.spoil(Some(fault));
        let begun = Instant::now();
        let run = self.apply();
        let took = begun.elapsed();
        let told = format!("{told}, after {took:?}\n{}\n{}", run.stdout, run.stderr);
        let (connections, harmed) = self.relay.connections();
        assert!(harmed > 0, "nothing was spoilt: {told}");
        assert!(took < GIVES_UP && connections <= TRIES, "{connections} connections: {told}");
        self.quiet();
        let old = self.old(round);
        if run.status == 0 {
            // The last bytes of a connection bear nothing on which anything hangs.
            assert!(old.is_empty(), "success is told of what is not done: {told}");
        } else {
            assert_eq!(run.status, 3, "{told}");
            assert!(told_of(&run.stdout), "{told}");
        }
        let kind = match (run.status, old.len()) {
            (0, _) => "done all the same",
            (_, FILES) => "nothing done",
            (_, 0) => "all done and not heard of",
            _ => "some done",
        };
        *self.figures.entry(kind.to_owned()).or_default() += 1;
        assert_eq!(self.planned(), old, "{told}");
        self.project.on_lab(&["apply", "--yes"]).expect(0);
        assert!(self.old(round).is_empty() && self.planned().is_empty(), "{told}");
        assert_eq!(self.shell.run("ls -A /srv/relay | grep -vc '^f'").trim(), "0", "{told}");
    }
}

/// Whether a run says that it lost the host, or could not reach it.
fn told_of(text: &str) -> bool {
    ["unreachable", "the connection was lost", "refused", "unknown"]
        .iter()
        .any(|one| text.contains(one))
}

#[test]
fn whatever_a_connection_loses_or_mixes_up_nothing_is_half_done() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let mut relayed = Relayed::new();
    // The first has all to do, and what comes through it is what the others lose.
    relayed.declare(1);
    relayed.apply().expect(0);
    relayed.declare(2);
    relayed.relay.spoil(None);
    relayed.apply().expect(0);
    let whole = [Way::ToHost, Way::FromHost].map(|way| relayed.relay.bytes(way));
    let seed = std::env::var("TRUEUP_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let rounds = if std::env::var_os("TRUEUP_FULL").is_some() { 60 } else { 6 };
    for seed in seed..seed + rounds {
        let mut random = Random(seed);
        let to_host = random.chance(70);
        let whole_way = usize::try_from(whole[usize::from(!to_host)]).expect("some bytes");
        // What hosts answer while they are asked is much, and what they answer to steps is little.
        let from =
            if random.chance(30) { 0 } else { whole_way * if to_host { 30 } else { 90 } / 100 };
        let fault = Fault {
            way: if to_host { Way::ToHost } else { Way::FromHost },
            at: (from + random.below(whole_way * 98 / 100 - from)) as u64,
            harm: if seed.is_multiple_of(2) {
                Harm::Cut
            } else {
                Harm::Flip(u8::try_from(random.below(8)).expect("a bit"))
            },
            every: random.chance(25),
        };
        let round = usize::try_from(seed).expect("a small seed") + 2;
        relayed.declare(round - 1);
        relayed.project.on_lab(&["apply", "--yes"]).expect(0);
        relayed.round(round, fault, &format!("seed {seed}: {fault:?} of {whole:?}"));
    }
    say(&format!(
        "relay: {rounds} rounds from seed {seed}, {whole:?} bytes: {:?}",
        relayed.figures
    ));
    relayed.shell.run("rm -rf /srv/relay");
}

#[test]
fn a_slow_and_thin_line_is_not_taken_for_a_dead_one() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    lab().on(HOST, "rm -f /etc/thin-*");
    let module = format!(
        "[file.\"/etc/thin-one\"]\ncontent = \"{}\\n\"\n[command.slow]\ncommand = \"sleep 2; touch /etc/thin-two\"\n\
         creates = \"/etc/thin-two\"\n",
        "thin ".repeat(200)
    );
    let project = project(&format!("[hosts.{HOST}]\n"), &module);
    let line = Line { late: Duration::from_millis(600), bytes: 12_000 };
    let relay = Relay::before(HOST, Some(line));
    let config = relay.ssh_config();
    let config = config.to_str().expect("UTF-8");
    let mut told = Vec::new();
    for (words, ends) in
        [(&["plan"][..], "1 to change"), (&["apply", "--yes"], "Applied to 1 host")]
    {
        relay.spoil(None);
        let begun = Instant::now();
        let run = project.run(&[words, &["--ssh-config", config]].concat()).expect(0);
        let (to, from) = (relay.bytes(Way::ToHost), relay.bytes(Way::FromHost));
        let took = begun.elapsed().as_secs_f64();
        told.push(format!("{} {took:.1} s, {to} and {from} bytes", words[0]));
        assert!(run.stdout.contains(ends), "{}", run.stdout);
        assert_eq!(relay.connections().0, 1, "{}", run.stdout);
    }
    say(&format!("thin line, 600 ms and {} bytes a second: {}", line.bytes, told.join("; ")));
    lab().on(HOST, "rm -f /etc/thin-*");
}
