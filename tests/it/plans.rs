//! What a plan shows and holds: its text at every zoom, its JSON, and plans that are saved and applied.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Output, Project};

/// Five hosts that are all this machine, each with a folder of its own; the third is another than the rest.
struct Bench {
    project: Project,
    folder: TempDir,
}

const MODULE: &str = r#"
[params]
workers = { type = "integer" }
token = { type = "string", default = "none", sensitive = true }
[locals]
folder = "{{ vars.root }}/{{ host.name }}"
[file.shared]
"#;

impl Bench {
    /// With these declarations; `ROOT` stands for the folder of all hosts.
    fn new(declared: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display().to_string();
        let project = Project::new();
        project
            .file(
                "trueup.toml",
                "[project]\nname = \"bench\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"one\"\n\
                 hosts = \"all\"\nmodules = [{ use = \"m\", with = { workers = \"{{ vars.workers }}\", \
                 token = \"{{ vars.token }}\" } }]\n",
            )
            .file(
                "inventory.toml",
                format!(
                    "[connection]\ntransport = \"local\"\n[vars]\nroot = \"{root}\"\nworkers = 4\n\
                     token = \"Tr0ub4dor\"\n[groups.web]\nhosts = [\"web[1:5]\"]\n[hosts.web3]\n\
                     vars = {{ workers = 8 }}\n"
                ),
            )
            .file(
                "modules/m/module.toml",
                MODULE.replace("[file.shared]\n", "") + &declared.replace("ROOT", &root),
            );
        Self { project, folder }
    }

    /// A file below the hosts' folder.
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn run(&self, words: &[&str]) -> Output {
        self.project.run(words)
    }

    /// What was printed, with the folder's name as `ROOT`.
    fn told(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "ROOT")
    }

    /// Saves a plan and gives its file.
    fn saved(&self) -> PathBuf {
        let path = self.path("plan");
        self.run(&["plan", "-o", path.to_str().expect("UTF-8")]).expect(0);
        path
    }

    fn apply(&self, plan: &Path) -> Output {
        self.run(&["apply", plan.to_str().expect("UTF-8")])
    }
}

/// All five share these files, so that their changes are the same but for the workers.
const SHARED: &str = r#"
[file."ROOT/app.conf"]
content = "name = app\nworkers = {{ params.workers }}\n"
mode = "0640"
[file."ROOT/old"]
state = "absent"
[file."ROOT/motd"]
content = "hello\n"
[directory."ROOT/d"]
"#;

/// As [`SHARED`], one folder for each host.
const OWN: &str = r#"
[directory."{{ locals.folder }}"]
[file."{{ locals.folder }}/app.conf"]
content = "workers = {{ params.workers }}\n"
[file."{{ locals.folder }}/made"]
template = "made.tera"
[command.note]
command = "echo run >> {{ locals.folder }}/runs"
run_on = ["file[ROOT/*/app.conf]"]
timeout = "1m"
"#;

fn own() -> Bench {
    let bench = Bench::new(OWN);
    bench
        .project
        .file("modules/m/templates/made.tera", "{{ host.name }} has {{ params.workers }}\n");
    bench
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document and nothing else")
}

#[test]
fn a_folder_that_is_declared_and_not_selected_is_named() {
    let bench = own();
    let plan = bench.run(&["plan", "--target", "m/file[**/made]", "--limit", "web1"]).expect(3);
    let told = bench.told(&plan.stdout);
    let why = "ROOT/web1 does not exist; m/directory[ROOT/web1] is declared, but not selected";
    assert!(told.contains(why), "{told}");
    // What nobody declares is to be declared.
    let bench = Bench::new("[file.\"ROOT/none/x\"]\ncontent = \"x\"\n[file.\"ROOT/y\"]\n");
    let plan = bench.run(&["plan", "--target", "m/file[**/x]", "--limit", "web1"]).expect(3);
    assert!(bench.told(&plan.stdout).contains("declare it too"), "{}", plan.stdout);
}

#[test]
fn a_plan_names_the_odd_one_out_and_what_is_dangerous() {
    let bench = Bench::new(SHARED);
    fs::write(bench.path("app.conf"), "name = app\nworkers = 2\n").expect("a file");
    fs::write(bench.path("old"), "").expect("a file");
    let plan = bench.run(&["plan"]).expect(0);
    insta::assert_snapshot!("plan_odd_one_out", bench.told(&plan.stdout));
    let summary = bench.run(&["plan", "--summary"]).expect(0);
    insta::assert_snapshot!("plan_summary", bench.told(&summary.stdout));
    let again = bench.run(&["plan"]).expect(0);
    assert_eq!(plan.stdout, again.stdout, "the same input gives the same bytes");
}

#[test]
fn why_tells_where_values_come_from() {
    let bench = Bench::new(
        "[file.\"ROOT/a\"]\ncontent = \"{{ params.workers }} {{ facts.cpus > 0 }} {{ params.token }}\"\n",
    );
    let plan = bench.run(&["plan", "--why", "--limit", "web3"]).expect(0);
    assert!(!plan.stdout.contains("Tr0ub4dor"), "{}", plan.stdout);
    let cpus = fs::read_to_string("/proc/cpuinfo").expect("cpuinfo").matches("processor\t").count();
    let told =
        bench.told(&plan.stdout).replace(&format!("facts.cpus = {cpus} "), "facts.cpus = N ");
    insta::assert_snapshot!("plan_why", told);
}

#[test]
fn what_is_no_plain_text_is_shown_for_what_it_is() {
    let bench = Bench::new(
        "[file.\"ROOT/crlf\"]\ncontent = \"a\\r\\nb\\n\"\n[file.\"ROOT/latin\"]\ncontent = \"caf\u{e9}\\n\"\n\
         [file.\"ROOT/open\"]\ncontent = \"no end\"\n[file.\"ROOT/raw\"]\nsource = \"files/raw\"\n\
         [file.\"ROOT/hostile\"]\ncontent = \"plain\\n\"\n",
    );
    bench.project.file("modules/m/files/raw", [0_u8, 1, 2, 255]);
    for (name, content) in [
        ("crlf", &b"a\nb\n"[..]),
        ("latin", b"caf\xe9\n"),
        ("open", b"no end\n"),
        ("hostile", b"\x1b[2J\xe2\x80\xaeplain\n"),
    ] {
        fs::write(bench.path(name), content).expect("a file");
    }
    let plan = bench.run(&["plan", "--limit", "web1"]).expect(0);
    insta::assert_snapshot!("plan_odd_contents", bench.told(&plan.stdout));
}

#[test]
fn json_has_a_schema_and_is_the_plan_that_text_shows() {
    let bench = own();
    let plan = bench.run(&["plan", "--json"]).expect(0);
    let document = json(&plan.stdout);
    let schema = json(&bench.run(&["schema", "plan"]).expect(0).stdout);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(&document), "{:?}", validator.validate(&document));
    assert_eq!(document["applyable"], true);
    assert_eq!(document["errored"], false);
    assert_eq!(document["hosts"].as_array().expect("hosts").len(), 5);
    let text = bench.run(&["plan"]).expect(0).stdout;
    for change in document["sets"][0]["changes"].as_array().expect("changes") {
        assert!(text.contains(change["address"].as_str().expect("text")), "{change}");
    }
    // What was saved is the same document, and shows the same text.
    let saved = bench.saved();
    let saved = saved.to_str().expect("UTF-8");
    assert_eq!(bench.run(&["show", saved, "--as", "json"]).expect(0).stdout, plan.stdout);
    assert_eq!(bench.run(&["show", saved]).expect(0).stdout, text);
    let markdown = bench.run(&["show", saved, "--as", "markdown"]).expect(0).stdout;
    insta::assert_snapshot!("plan_markdown", bench.told(&markdown));
}

#[test]
fn a_saved_plan_is_done_exactly_and_once() {
    let bench = own();
    let plan = bench.saved();
    assert_eq!(fs::metadata(&plan).expect("the plan").permissions().mode() & 0o777, 0o600);
    // The project may be gone: the plan holds all that is needed.
    fs::remove_dir_all(bench.project.path().join("modules")).expect("the modules");
    let done = bench.apply(&plan).expect(0);
    assert!(done.last_line().starts_with("Applied to 5 hosts"), "{}", done.stdout);
    let made = fs::read_to_string(bench.path("web3/made")).expect("the file");
    assert_eq!(made, "web3 has 8\n");
    assert_eq!(fs::read_to_string(bench.path("web3/runs")).expect("the command ran"), "run\n");
    // As it was before, so that only the mark on the hosts bars the second time.
    for host in 1..=5 {
        fs::remove_dir_all(bench.path(&format!("web{host}"))).expect("its folder");
    }
    let again = bench.apply(&plan).expect(3);
    let by = regex::Regex::new(
        "this plan was applied here already, by run 01[0-9A-Z]{24} \\(20[0-9]{2}-[0-9]{2}-[0-9]{2}\\)\n {6}Nothing was changed.\n",
    );
    assert_eq!(by.expect("a regex").find_iter(&again.stdout).count(), 5, "{}", again.stdout);
    assert!(!bench.path("web1").exists(), "nothing was done");
}

#[test]
fn what_a_saved_plan_cannot_heed_is_refused() {
    let bench = Bench::new("[file.\"ROOT/a\"]\nstate = \"absent\"\n");
    fs::write(bench.path("a"), "").expect("a file");
    let path = bench.path("plan");
    let plan = path.to_str().expect("UTF-8");
    bench.run(&["plan", "-o", plan, "--limit", "web1"]).expect(0);
    for flag in
        ["--prune", "--prune-accounts", "--why", "--allow-empty", "--tags=a", "--target=a[b]"]
    {
        let refused = bench.run(&["apply", plan, flag]).expect(1);
        let name = flag.split('=').next().expect("a flag");
        let said = format!(
            "error: a saved plan is applied as it is, and {name} would make another one of it\n"
        );
        assert!(refused.stderr.starts_with(&said), "{}", refused.stderr);
    }
    // A limit of what it may remove holds.
    let refused = bench.run(&["apply", plan, "--max-removals", "0"]).expect(1);
    assert!(refused.stderr.contains("more than --max-removals 0"), "{}", refused.stderr);
    assert!(bench.path("a").exists());
    bench.run(&["apply", plan, "--max-removals", "5"]).expect(0);
    assert!(!bench.path("a").exists());
}

#[test]
fn how_a_program_failed_is_shown_however_much_it_said() {
    let bench = Bench::new(
        "[command.long]\ncommand = \"seq 1 3000; echo to-stderr >&2; exit 7\"\nmax_output = 1024\n",
    );
    let failed = bench.run(&["apply", "--yes", "--limit", "web1"]).expect(3);
    let (_, end) = failed.stdout.split_once("  x m/command[long]").expect("it failed");
    let lines: Vec<&str> = end.lines().skip(1).take(21).map(str::trim).collect();
    assert_eq!(lines[..4], ["exit status 7:", "1", "2", "… 2982 lines not shown"], "{end}");
    assert_eq!((lines[4], lines[19], lines[20]), ("2985", "3000", "to-stderr"), "{end}");
}

#[test]
fn what_somebody_changed_before_its_step_is_told_with_what_was_found() {
    for (hand, wrong, planned, found) in [
        ("printf hand > ROOT/b", "its content is", "sha256:01d09d19c213", "sha256:"),
        (
            "chmod 600 ROOT/b",
            "its owner, mode or kind is",
            "file, mode 0644, owner ",
            "file, mode 0600, owner ",
        ),
    ] {
        let bench = Bench::new(&format!(
            "[file.\"ROOT/a\"]\ncontent = \"new\\n\"\nvalidate = \"{hand}\"\n\
             [file.\"ROOT/b\"]\ncontent = \"new\\n\"\n"
        ));
        fs::write(bench.path("b"), "old\n").expect("a file");
        fs::set_permissions(bench.path("b"), fs::Permissions::from_mode(0o644)).expect("its mode");
        let failed = bench.run(&["apply", "--yes", "--limit", "web1"]).expect(3);
        let (_, end) = failed.stdout.split_once("web1  failed\n").expect("it failed");
        let end = bench.told(end);
        for line in [
            "  x m/file[ROOT/b]".to_owned(),
            format!("        {wrong} not what this was planned against\n"),
            format!("        planned against  {planned}"),
            format!("        found now        {found}"),
            "      Plan again: trueup plan --limit web1\n".to_owned(),
        ] {
            assert!(end.contains(&line), "{line}\n---\n{end}");
        }
    }
}

/// What we ended ourselves was not lost.
#[test]
fn a_host_whose_time_is_over_is_told_as_that() {
    let bench = Bench::new("[command.slow]\ncommand = \"sleep 4\"\n");
    let over = bench.run(&["apply", "--yes", "--limit", "web1", "--host-timeout", "2"]).expect(3);
    let (_, end) = over.stdout.split_once("\nPlan: ").expect("a plan");
    let end = end.split_once('\n').expect("more").1;
    assert!(!end.contains("lost"), "{end}");
    assert!(
        end.starts_with(
            "web1  unknown: not through within 2 s (--host-timeout): the connection was ended while something ran\n"
        ),
        "{end}"
    );
    assert!(end.contains("        what became of it is not known\n"), "{end}");
    assert!(!end.contains("Not done"), "{end}");
}

#[test]
fn a_host_that_moved_is_refused_and_the_others_go_on() {
    let bench = own();
    let plan = bench.saved();
    fs::create_dir(bench.path("web2")).expect("a folder");
    fs::write(bench.path("web2/app.conf"), "by hand\n").expect("a file");
    let done = bench.apply(&plan).expect(3);
    let (_, end) = done.stdout.split_once("\nPlan: ").expect("the plan comes first");
    let end = bench.told(end);
    let (head, tail) = end.split_once(" in ").expect("the last line says how long it took");
    let (_, tail) = tail.split_once(" s:").expect("in seconds");
    let (tail, _) = tail.split_once(" Run ").expect("the run is named");
    insta::assert_snapshot!("plan_moved", format!("Plan: {head} in … s:{tail}"));
    assert_eq!(fs::read_to_string(bench.path("web2/app.conf")).expect("it"), "by hand\n");
    assert!(bench.path("web1/made").exists());
}

/// T39.
#[test]
fn a_plan_that_was_touched_is_refused_byte_by_byte() {
    let bench = Bench::new("[file.\"ROOT/{{ host.name }}\"]\ncontent = \"a\"\n");
    let plan = bench.saved();
    let whole = fs::read(&plan).expect("the plan");
    let tried = bench.path("tried");
    // Each byte costs a process: a stride in a plain run, every one with TRUEUP_FULL.
    let stride = if std::env::var_os("TRUEUP_FULL").is_some() { 1 } else { 37 };
    for at in (0..whole.len()).step_by(stride) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&tried, &bytes).expect("a file");
        let output = bench.apply(&tried);
        assert_eq!(output.status, 1, "byte {at}: {}", output.stdout);
    }
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&tried, &whole[..length]).expect("a file");
        bench.apply(&tried).expect(1);
    }
    assert!(!bench.path("web1").exists(), "nothing was done");
    let other = ("TRUEUP_KEY", &*"ff".repeat(32));
    let foreign =
        bench.project.run_with(&["apply", plan.to_str().expect("UTF-8")], &[other]).expect(1);
    assert!(foreign.stderr.contains("sealed with another key"), "{}", foreign.stderr);
    bench.apply(&plan).expect(0);
}

#[test]
fn a_saved_plan_holds_no_secret_and_takes_it_from_the_project() {
    let bench =
        Bench::new("[file.\"ROOT/{{ host.name }}\"]\ncontent = \"{{ params.token }}\\n\"\n");
    fs::write(bench.path("web1"), "0ldSecret\n").expect("a file");
    let plan = bench.saved();
    let text = fs::read_to_string(&plan).expect("the plan");
    assert!(!text.contains("Tr0ub4dor") && !text.contains("0ldSecret"), "{text}");
    let inventory = bench.project.path().join("inventory.toml");
    let right = fs::read_to_string(&inventory).expect("the inventory");
    fs::write(&inventory, right.replace("Tr0ub4dor", "An0ther")).expect("the inventory");
    let refused = bench.apply(&plan).expect(3);
    let why = "what goes into m/file[ROOT/web1] changed in the project after this plan was made";
    assert!(bench.told(&refused.stdout).contains(why), "{}", refused.stdout);
    fs::write(&inventory, right).expect("the inventory");
    bench.apply(&plan).expect(0);
    assert_eq!(fs::read_to_string(bench.path("web5")).expect("it"), "Tr0ub4dor\n");
}

#[test]
fn the_key_is_made_once_for_its_owner_alone() {
    let bench = Bench::new("[file.\"ROOT/a\"]\ncontent = \"{{ params.token }}\"\n");
    let state = tempfile::tempdir().expect("a folder");
    let home = ("XDG_STATE_HOME", state.path().to_str().expect("UTF-8"));
    let digest = |more: &[(&str, &str)]| {
        let output = bench.project.run_with(&["plan", "--limit", "web1"], more).expect(0);
        let line = output.stdout.lines().find(|line| line.contains("(sensitive)"));
        line.expect("a sensitive content").to_owned()
    };
    let run = |words: &[&str]| bench.project.run_with(words, &[("TRUEUP_KEY", "no key")]);
    let wrong = run(&["plan", "-o", "/nowhere/plan"]).expect(1);
    assert!(wrong.stderr.contains("TRUEUP_KEY is not a key: 64 hex digits"), "{}", wrong.stderr);
    // An empty variable is none.
    let kept = digest(&[home, ("TRUEUP_KEY", "")]);
    assert_eq!(kept, digest(&[home, ("TRUEUP_KEY", "")]));
    assert_ne!(kept, digest(&[]), "that is another key");
    let file = state.path().join("trueup/keys/bench");
    assert_eq!(fs::metadata(&file).expect("the key").permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
    let open = [home, ("TRUEUP_KEY", "")];
    let refused = bench.project.run_with(&["plan", "-o", "/nowhere/plan"], &open).expect(1);
    assert!(refused.stderr.contains("others may read it"), "{}", refused.stderr);
}

/// The lines of an apply, each a JSON object that the schema allows.
fn events(bench: &Bench, output: &Output) -> Vec<Value> {
    let schema = json(&bench.run(&["schema", "events"]).expect(0).stdout);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let lines: Vec<Value> = output.stdout.lines().map(json).collect();
    for line in &lines {
        assert!(validator.is_valid(line), "{line}");
    }
    lines
}

#[test]
fn an_apply_for_machines_is_lines_of_json_and_nothing_else() {
    let bench = own();
    fs::write(bench.path("web4"), "in the way").expect("a file");
    let log = bench.path("log");
    let junit = bench.path("junit.xml");
    let words = [
        "apply",
        "--yes",
        "--json",
        "--log",
        log.to_str().expect("UTF-8"),
        "--junit",
        junit.to_str().expect("UTF-8"),
    ];
    let output = bench.run(&words).expect(3);
    assert_eq!(output.stderr, "", "all of it is on standard output");
    let lines = events(&bench, &output);
    assert_eq!(lines[0]["event"], "plan");
    assert_eq!(lines[0]["plan"]["errored"], true);
    let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!(count("step_done"), 16, "four hosts with four changes");
    assert_eq!((count("host_finished"), count("end")), (4, 1));
    let end = lines.last().expect("a last line");
    assert_eq!((&end["event"], &end["exit_status"]), (&"end".into(), &3.into()));
    assert_eq!(end["hosts"][3]["outcome"], "refused");
    assert_eq!(end["hosts"][0]["done"].as_array().expect("a list").len(), 4);
    let log = fs::read_to_string(log).expect("the log");
    assert_eq!(log.matches("  done m/command[note]").count(), 4, "{log}");
    let junit = fs::read_to_string(junit).expect("the XML");
    insta::assert_snapshot!("junit", timeless(&bench.told(&junit)));
    let again = bench.run(&["apply", "--yes", "--json", "--limit", "web1"]).expect(0);
    let lines = events(&bench, &again);
    assert_eq!(lines.len(), 2, "nothing is done, and that is told: {}", again.stdout);
    assert_eq!(lines[1]["hosts"][0]["outcome"], "ok");
    let asking = bench.run(&["apply", "--json"]).expect(1);
    assert!(asking.stderr.contains("with --json it cannot"), "{}", asking.stderr);
}

/// Without what every run has another of.
fn timeless(text: &str) -> String {
    let mut parts = text.split("time=\"");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('"').map_or(part, |(_, rest)| rest);
        plain.push_str("time=\"…\"");
        plain.push_str(rest);
    }
    plain
}

#[test]
fn github_gets_annotations_at_their_places() {
    let bench = own();
    fs::write(bench.path("web4"), "in the way").expect("a file");
    let plan = bench.run(&["plan", "--output", "github"]).expect(3);
    let told = bench.told(&plan.stdout);
    let annotations: Vec<&str> = told.lines().filter(|line| line.starts_with("::")).collect();
    insta::assert_snapshot!("github", annotations.join("\n"));
    let applied = bench.run(&["apply", "--yes", "--output", "github"]).expect(3);
    assert!(
        bench.told(&applied.stdout).contains("::error file=modules/m/module.toml,line=8"),
        "{}",
        applied.stdout
    );
}

#[test]
fn a_folder_that_is_purged_is_saved_with_every_entry() {
    let bench = Bench::new(
        "[directory.\"ROOT/conf.d\"]\npurge = true\n[file.\"ROOT/conf.d/kept\"]\ncontent = \"k\"\n",
    );
    fs::create_dir(bench.path("conf.d")).expect("a folder");
    for name in ["kept", "one", "two"] {
        fs::write(bench.path(&format!("conf.d/{name}")), "k").expect("a file");
    }
    let text = bench.run(&["plan", "--limit", "web1"]).expect(0).stdout;
    let plan = bench.path("plan");
    let out = plan.to_str().expect("UTF-8");
    bench.run(&["plan", "--limit", "web1", "-o", out]).expect(0);
    assert_eq!(bench.run(&["show", plan.to_str().expect("UTF-8")]).expect(0).stdout, text);
    fs::write(bench.path("conf.d/three"), "by hand").expect("a file");
    bench.apply(&plan).expect(3);
    assert!(bench.path("conf.d/one").exists(), "a folder that moved is left alone");
    fs::remove_file(bench.path("conf.d/three")).expect("the file");
    bench.apply(&plan).expect(0);
    let left: Vec<_> = fs::read_dir(bench.path("conf.d")).expect("the folder").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn what_a_command_prints_is_told_while_it_runs_where_that_is_asked_for() {
    let bench = Bench::new(
        "[command.slow]\ncommand = \"echo one; sleep 1; printf 'two\\\\033[2J'; sleep 1\"\ncreates = \"ROOT/never\"\n\
         [command.secret]\ncommand = \"echo {{ params.token }}; sleep 1; touch ROOT/done\"\ncreates = \"ROOT/done\"\n",
    );
    let log = bench.path("log");
    let words =
        ["apply", "--yes", "--limit", "web1", "--json", "--log", log.to_str().expect("UTF-8")];
    let silent = bench.run(&words);
    assert!(!silent.stdout.contains("step_output"), "{}", silent.stdout);
    fs::remove_file(bench.path("done")).expect("made by the first run");
    let told = bench.run(&[&words[..], &["--verbose"]].concat());
    let lines = events(&bench, &told);
    let texts = lines.iter().filter(|line| line["event"] == "step_output");
    let texts: Vec<&str> = texts.filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(texts, ["one", "two\u{1b}[2J"], "in JSON as it is, and nothing that is sensitive");
    let log = fs::read_to_string(log).expect("the log");
    assert!(log.contains("web1 | two\\x1b[2J") && !log.contains("Tr0ub4dor"), "{log}");
}

#[test]
fn an_account_that_nobody_makes_is_told_by_the_plan() {
    let declared = "[file.\"ROOT/x\"]\ncontent = \"x\"\nowner = \"nobody-has-it\"\n\
                    group = \"nor-this\"\n[file.\"ROOT/y\"]\ncontent = \"y\"\nowner = \"4711\"\n";
    let bench = Bench::new(declared);
    let plan = bench.run(&["plan", "--limit", "web1"]).expect(3);
    let why = "there is no user `nobody-has-it` on this host; declare it, or name another";
    assert!(plan.stdout.contains(why), "{}", plan.stdout);
    assert!(!plan.stdout.contains("4711 on this host"), "{}", plan.stdout);
    // What a change before makes is there by then; what an opaque one does nobody knows.
    let bench = Bench::new(
        &declared
            .replace("[file.\"ROOT/x\"]", "[command.makes]\ncommand = \"true\"\n[file.\"ROOT/x\"]"),
    );
    bench.run(&["plan", "--limit", "web1"]).expect(0);
    let bench = Bench::new(&format!("[user.nobody-has-it]\n[group.nor-this]\n{declared}"));
    bench.run(&["plan", "--limit", "web1"]).expect(0);
}

#[test]
fn a_failure_of_what_is_sensitive_tells_our_own_reason_and_no_value() {
    let bench = Bench::new(
        "[file.\"ROOT/{{ host.name }}.conf\"]\ncontent = \"{{ params.token }}\"\n\
         validate = \"cat {{ candidate }}; exit 3\"\nwhen = \"host.name == 'web1'\"\n\
         [command.wait]\ncommand = \"echo {{ params.token }}\"\ncreates = \"ROOT/never\"\n\
         when = \"host.name == 'web2'\"\n",
    );
    let log = bench.path("log");
    let words = ["apply", "--yes", "--json", "--limit", "web1 or web2", "--log"];
    let output = bench.run(&[words.as_slice(), &[log.to_str().expect("UTF-8")]].concat()).expect(3);
    assert!(!output.stdout.contains("Tr0ub4dor"), "{}", output.stdout);
    let lines = events(&bench, &output);
    let end = lines.last().expect("an end");
    let withheld = "what was said is not shown, because a sensitive value went into it";
    let told = |host: usize| end["hosts"][host]["problems"][0]["message"].as_str().expect("a text");
    let validate = "the old content stays, because validate failed (exit status 3)";
    assert_eq!(told(0), format!("{validate}; {withheld}"));
    assert_eq!(told(1), format!("not converged: it was done, and still differs; {withheld}"));
    // What did not converge is not done.
    assert_eq!(end["hosts"][1]["done"], serde_json::json!([]));
    // The reason stands where the failure is told first.
    let failed = lines.iter().find(|line| line["event"] == "step_failed").expect("a failure");
    assert_eq!(failed["message"], format!("{validate}; {withheld}"));
    let ended = lines.iter().filter(|line| line["event"] == "host_finished");
    assert!(ended.clone().count() > 0 && ended.into_iter().all(|line| line["message"].is_string()));
    let log = fs::read_to_string(log).expect("the log");
    assert!(
        log.contains(
            &format!("failed m/file[ROOT/web1.conf]: {validate}")
                .replace("ROOT", &bench.folder.path().display().to_string())
        ),
        "{log}"
    );
    assert!(log.contains("web2  ended: failed: m/command[wait]: not converged"), "{log}");
    assert!(!log.contains("Tr0ub4dor"), "{log}");
}

#[test]
fn what_was_not_needed_at_its_turn_is_told() {
    let bench = Bench::new(
        "[command.first]\ncommand = \"touch ROOT/b ROOT/c\"\ncreates = \"ROOT/b\"\n\
         [command.second]\ncommand = \"true\"\ncreates = \"ROOT/b\"\n\
         [command.third]\ncommand = \"true\"\ncreates = \"ROOT/c\"\nrequires = [\"command[first]\"]\n\
         [command.fourth]\ncommand = \"true\"\nrun_on = [\"command[third]\"]\n",
    );
    let (log, junit) = (bench.path("log"), bench.path("junit"));
    let files = ["--log", log.to_str().expect("UTF-8"), "--junit", junit.to_str().expect("UTF-8")];
    let words = ["apply", "--yes", "--limit", "web1"];
    let output = bench.run(&[words.as_slice(), &files].concat()).expect(0);
    let (_, end) = output.stdout.split_once("Plan:").expect("a plan");
    let end =
        end.split_once('\n').and_then(|(_, end)| end.split_once("Applied to")).expect("an end").0;
    insta::assert_snapshot!("needless", bench.told(end));
    let log = bench.told(&fs::read_to_string(log).expect("the log"));
    for told in [
        "nothing to do at its turn: m/command[second]: ROOT/b is there now",
        "nothing to do at its turn: m/command[third]: ROOT/c is there",
        "nothing to do at its turn: m/command[fourth]: command[third] did not change",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    let junit = fs::read_to_string(junit).expect("a report");
    assert_eq!(junit.matches("<testcase").count(), 4, "{junit}");
    assert_eq!(junit.matches("skipped message=\"nothing to do at its turn").count(), 3, "{junit}");
}

#[test]
fn a_file_that_became_a_directory_refuses_the_plan_with_what_moved() {
    let bench = own();
    let plan = bench.saved();
    fs::create_dir_all(bench.path("web2/made")).expect("a folder");
    let output = bench.apply(&plan).expect(3);
    let told = bench.told(&output.stdout);
    assert!(told.contains("web2  refused: m/"), "{told}");
    assert!(told.contains("is a directory, not a file"), "{told}");
    assert!(told.contains("Plan again: trueup plan --limit web2"), "{told}");
    assert!(told.contains("Applied to 4 of 5 hosts"), "{told}");
}

#[test]
fn a_plan_with_a_digest_alone_says_which_project_it_needs() {
    let bench = Bench::new("[file.\"ROOT/secret\"]\ncontent = \"{{ params.token }}\"\n");
    let plan = bench.saved();
    fs::remove_file(bench.project.path().join("trueup.toml")).expect("a file");
    let output = bench.apply(&plan).expect(1);
    assert!(output.stderr.contains("holds m/file["), "{}", output.stderr);
    assert!(output.stderr.contains("as a digest only"), "{}", output.stderr);
    assert!(output.stderr.contains("or name that with -C DIR"), "{}", output.stderr);
    assert!(!output.stderr.contains("trueup init"), "{}", output.stderr);
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_is_done() {
    let bench = Bench::new("[file.\"ROOT/made\"]\ncontent = \"x\"\n");
    for path in ["none/junit.xml", "."] {
        let path = bench.path(path);
        let words = ["apply", "--yes", "--junit", path.to_str().expect("UTF-8")];
        let output = bench.run(&words).expect(1);
        assert!(output.stderr.contains("cannot write"), "{}", output.stderr);
        assert!(!bench.path("made").exists(), "nothing was done");
    }
}

#[test]
fn a_host_that_a_saved_plan_left_out_is_named_when_it_is_applied() {
    let bench = own();
    fs::write(bench.path("web4"), "in the way").expect("a file");
    let path = bench.path("plan");
    bench.run(&["plan", "-o", path.to_str().expect("UTF-8")]).expect(3);
    let output = bench.apply(&path).expect(3);
    let told = bench.told(&output.stdout);
    let why = "web4  not attempted: not part of this plan: it was refused when the plan was made";
    assert!(told.contains(why), "{told}");
    assert!(told.contains("Plan again: trueup plan --limit web4"), "{told}");
    assert!(told.contains("1 not attempted."), "{told}");
}

#[test]
fn what_may_cut_access_is_said_of_the_smallest_plan_and_nothing_heads_nothing() {
    let bench = Bench::new("[file.\"/etc/passwd\"]\nstate = \"absent\"\n");
    let plan = bench.run(&["plan", "--limit", "web1"]).expect(0);
    let short = plan.stdout.split("In short").nth(1).expect("a closing list");
    assert!(short.contains("deletes, may cut access  web1"), "{}", plan.stdout);
    let bench = Bench::new("[file.\"ROOT/none/x\"]\ncontent = \"x\"\n");
    let plan = bench.run(&["plan", "--summary"]).expect(3);
    assert!(!plan.stdout.contains("In short"), "{}", plan.stdout);
}
