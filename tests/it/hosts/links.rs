//! A link that is gone for longer than ssh waits for it, in the middle of an apply (T21, T22 and T23): silently both
//! ways, silently from the host, and with a reset. trueup gives up in time and says that it does not know; the host
//! ends between two steps; the lock frees itself, and the next run goes on.

use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::project;
use crate::support::{Output, Project, lab, lab::left_out, lab::own};
use crate::wire::shells::say;

/// Seconds for which each link is gone at least.
const GONE: Duration = Duration::from_secs(60);

/// The longest until a run ends whose host is gone: 15 s until ssh notices, 40 s in which it is tried again, and what
/// the last of these tries takes.
const GIVES_UP: Duration = Duration::from_secs(15 + 40 + 15);

/// As [`GIVES_UP`], where ssh hears of it with its first keepalive, and each new try is refused at once.
const RESET_SAYS: Duration = Duration::from_secs(5 + 40 + 10);

/// A file, a step that prints more than any buffer on the way holds, and a file behind it.
const MODULE: &str = r#"
[file."/etc/link-one.conf"]
content = "one\n"
[command.slow]
command = "touch /var/tmp/link-begun; sleep 4; head -c 300000 /dev/zero | tr '\\0' x; touch /var/tmp/link-ended"
creates = "/var/tmp/link-ended"
max_output = 400000
[file."/etc/link-two.conf"]
content = "two\n"
"#;

/// How a link goes away, and how it comes back.
struct Fault {
    host: &'static str,
    what: &'static str,
    /// The longest until the run says so.
    within: Duration,
}

const FAULTS: [Fault; 3] = [
    Fault { host: "odd1", what: "both ways", within: GIVES_UP },
    Fault { host: "spare1", what: "from the host", within: GIVES_UP },
    Fault { host: "spare2", what: "reset", within: RESET_SAYS },
];

/// Answers ssh's packets with a reset; what the host sends is lost then at the other end.
const RESET: &str = "nft add table inet rst; \
    nft 'add chain inet rst in { type filter hook input priority 0; }'; \
    nft add rule inet rst in tcp dport 22 reject with tcp reset";

impl Fault {
    fn begin(&self) {
        match self.what {
            "both ways" => lab().link("cut", self.host),
            "from the host" => lab().link_one_way("cut", self.host, "from"),
            _ => drop(lab().on(self.host, RESET)),
        }
    }

    fn end(&self) {
        match self.what {
            "reset" => drop(lab().on(self.host, "nft delete table inet rst")),
            _ => lab().link("mend", self.host),
        }
    }

    /// The whole story of one link; gives a line of figures.
    fn tell(&self) -> String {
        let on = |text: &str| lab().on(self.host, text);
        on("rm -f /var/tmp/link-begun /var/tmp/link-ended /etc/link-one.conf /etc/link-two.conf");
        let project = project(&format!("[hosts.{}]\n", self.host), MODULE);
        let (mut command, _home) = project.lab_command_cleared(&["apply", "--yes"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program");
        let since = Instant::now();
        while lab().try_on(self.host, "test -e /var/tmp/link-begun", b"").0 != 0 {
            assert!(since.elapsed() < Duration::from_secs(60), "the step never began");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.begin();
        let cut = Instant::now();
        let output = child.wait_with_output().expect("the program");
        let gave_up = cut.elapsed();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{}: {text}", self.what);
        assert!(text.contains("unknown"), "{}: {text}", self.what);
        assert!(gave_up < self.within, "{}: after {gave_up:?}\n{text}", self.what);
        // What is there is whole.
        let stands = on(
            "cat /etc/link-one.conf /etc/link-two.conf 2>/dev/null; ls -A /etc | grep trueup; true",
        );
        assert!(["one\n", "one\ntwo\n"].contains(&stands.as_str()), "{}: {stands}", self.what);
        std::thread::sleep(GONE.saturating_sub(cut.elapsed()));
        self.end();
        let mended = Instant::now();
        if self.what == "from the host" {
            self.unlock(&project);
        }
        let free = next(&project);
        let freed = mended.elapsed();
        assert!(
            free.stdout.contains("Applied to 1 host") || free.stdout.contains("no changes"),
            "{}",
            free.stdout
        );
        assert_eq!(
            on("cat /etc/link-one.conf /etc/link-two.conf; ls /var/tmp/link-ended"),
            "one\ntwo\n/var/tmp/link-ended\n"
        );
        let plan = project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
        assert!(
            plan.stdout.contains("3 unchanged") || plan.stdout.contains("no changes"),
            "{}",
            plan.stdout
        );
        let (gave_up, freed) = (gave_up.as_secs_f64(), freed.as_secs_f64());
        format!(
            "link gone {}: given up after {gave_up:.1} s, the next run through {freed:.1} s after it is back",
            self.what
        )
    }

    /// Ends what is left of the first run, for who does not want to wait until the host's sshd notices.
    fn unlock(&self, project: &Project) {
        let ledger = project.on_lab(&["ledger", self.host, "--json"]).expect(0);
        let ledger: serde_json::Value = serde_json::from_str(&ledger.stdout).expect("JSON");
        let Some(lock) = ledger["lock"].as_str() else { return };
        let run = lock.split_once("run ").expect("who holds it").1;
        let run = run.split(',').next().expect("a run");
        project.on_lab(&["unlock", self.host, "--yes", "--run", run]).expect(0);
    }
}

/// The next run, which waits for the lock.
fn next(project: &Project) -> Output {
    project.on_lab(&["apply", "--yes", "--lock-timeout", "90"]).expect(0)
}

#[test]
fn a_link_that_stays_away_is_given_up_and_the_next_run_goes_on() {
    if left_out() {
        return;
    }
    let _hosts = (own("odd1"), own("spare1"), own("spare2"));
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for fault in &FAULTS {
            scope.spawn(|| {
                let line = fault.tell();
                told.lock().expect("a list").push(line);
            });
        }
    });
    for line in told.into_inner().expect("a list") {
        say(&line);
    }
}
