//! Runs of shards that become one: the same as one run of all gives, and what cannot be put together is said.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Output, Project};

/// A project of nine hosts that are all this machine, each with a file and a command that fails on `bad` hosts.
fn project(bad: &[&str]) -> Project {
    let project = Project::of(
        "[connection]\ntransport = \"local\"\n[vars]\nroot = \"ROOT\"\n[groups.web]\nhosts = [\"web[1:9]\"]\n",
        "[file.\"{{ vars.root }}/{{ host.name }}\"]\ncontent = \"x\"\n\
         [command.judge]\n\
         command = \"test ! -e {{ vars.root }}/bad-{{ host.name }}; touch {{ vars.root }}/{{ host.name }}-judged\"\n\
         creates = \"{{ vars.root }}/{{ host.name }}-judged\"\n",
    );
    let root = project.path().join("out");
    fs::create_dir(&root).expect("a folder");
    let inventory = fs::read_to_string(project.path().join("inventory.toml")).expect("it");
    project.file("inventory.toml", inventory.replace("ROOT", &root.display().to_string()));
    let module = fs::read_to_string(project.path().join("modules/m/module.toml")).expect("it");
    project.file("modules/m/module.toml", module.replace("; touch", " && touch"));
    for host in bad {
        fs::write(root.join(format!("bad-{host}")), "").expect("a file");
    }
    project
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document and nothing else")
}

/// The last run of a project, as a file of its folder.
fn kept(project: &Project, name: &str) -> String {
    let run = project.run(&["runs", "show", "last", "--json"]).expect(0).stdout;
    project.file(name, run);
    project.path().join(name).display().to_string()
}

/// Applies each of three shards, and gives a file for each.
fn in_shards(project: &Project) -> Vec<String> {
    let each = (1..=3).map(|index| {
        let _ = project.run(&["apply", "--yes", "--shard", &format!("{index}/3")]);
        kept(project, &format!("results/{index}.json"))
    });
    each.collect()
}

fn merge(project: &Project, files: &[&str], words: &[&str]) -> Output {
    project.run(&[&["runs", "merge"], files, words].concat())
}

fn refs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Without what every run and every machine has another of.
fn stable(project: &Project, text: &str) -> String {
    let mut text = text.replace(&project.path().display().to_string(), "PROJECT");
    for (pattern, word) in [
        (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "RUN-ID"),
        (r"\b01[0-9A-HJKMNP-TV-Z]{6,25}\b", "RUN"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE TIME"),
        (r"in \d+\.\d s", "in N s"),
        (r"\b\d+\.\d s\b", "N s"),
        (r"(RUN|DATE TIME|N s|run|took|hosts|(?:changed|failed)|began \(UTC\)) {2,}", "$1  "),
    ] {
        text = regex::Regex::new(pattern).expect("a regex").replace_all(&text, word).into_owned();
    }
    text
}

/// What of a host must not hang on how hosts were dealt.
fn told(document: &Value, project: &Project) -> Value {
    let hosts = document["hosts"].as_array().expect("hosts").iter();
    let of_host = |host: &Value| {
        let mut host = host.clone();
        host.as_object_mut().expect("a host").remove("run");
        let text = host.to_string().replace(&project.path().display().to_string(), "PROJECT");
        parsed(&text)
    };
    let hosts: Vec<Value> = hosts.map(of_host).collect();
    json!({ "hosts": hosts, "counts": document["counts"], "exit_status": document["exit_status"] })
}

#[test]
fn shards_together_say_what_one_run_of_all_says() {
    for bad in [&[][..], &["web3", "web8"]] {
        let (dealt, whole) = (project(bad), project(bad));
        let files = in_shards(&dealt);
        let status = if bad.is_empty() { 0 } else { 3 };
        let one = whole.run(&["apply", "--yes"]).expect(status);
        let of_all = parsed(&whole.run(&["runs", "show", "last", "--json"]).expect(0).stdout);
        let merged = merge(&dealt, &refs(&files), &["--json"]).expect(status);
        assert_eq!(merged.stderr, "");
        assert_eq!(told(&parsed(&merged.stdout), &dealt), told(&of_all, &whole));
        let text = merge(&dealt, &refs(&files), &[]).expect(status);
        let last = one.last_line().split(" Run ").next().expect("a line");
        assert_eq!(stable(&dealt, text.last_line()), stable(&whole, last));
        let schema = parsed(&dealt.run(&["schema", "merged"]).expect(0).stdout);
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        assert!(validator.is_valid(&parsed(&merged.stdout)), "{}", merged.stdout);
        let changed = merge(&dealt, &refs(&files), &["--detailed-exitcode"]);
        assert_eq!(changed.status, if bad.is_empty() { 2 } else { 3 });
        if !bad.is_empty() {
            insta::assert_snapshot!("merging_text", stable(&dealt, &text.stdout));
        }
    }
}

#[test]
fn what_was_merged_is_merged_again() {
    let project = project(&["web8"]);
    let files = in_shards(&project);
    let two = project.path().join("two.json").display().to_string();
    let first = merge(&project, &refs(&files[..2]), &["-o", &two]).expect(3);
    assert!(first.last_line().ends_with(" Missing, and not known: shard 3/3."), "{}", first.stdout);
    let all = merge(&project, &refs(&files), &["--json"]).expect(3).stdout;
    let again = merge(&project, &[&two, &files[2]], &["--json"]).expect(3).stdout;
    assert_eq!(parsed(&again), parsed(&all));
    let itself = project.path().join("all.json").display().to_string();
    fs::write(&itself, &all).expect("a file");
    assert_eq!(merge(&project, &[&itself], &["--json"]).expect(3).stdout, all);
    let xml = project.path().join("all.xml").display().to_string();
    merge(&project, &[&itself], &["--junit", &xml]).expect(3);
    let xml = fs::read_to_string(&xml).expect("a report");
    assert_eq!(xml.matches("<testsuite ").count(), 9, "{xml}");
}

#[test]
fn runs_are_named_by_files_folders_and_ids() {
    let project = project(&[]);
    let files = in_shards(&project);
    let all = merge(&project, &refs(&files), &["--json"]).expect(0).stdout;
    let path = |name: &str| project.path().join(name).display().to_string();
    let ids = parsed(&project.run(&["runs", "--json"]).expect(0).stdout);
    let ids: Vec<String> = ids["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["id"].as_str().expect("an id").to_owned())
        .collect();
    let folders: Vec<String> = ids.iter().map(|id| path(&format!(".trueup/runs/{id}"))).collect();
    let (results, runs) = ([path("results")], [path(".trueup/runs")]);
    let named = [refs(&results), refs(&runs), refs(&folders), refs(&ids)];
    for names in named {
        let merged = merge(&project, &names, &["--json"]).expect(0).stdout;
        assert_eq!(parsed(&merged), parsed(&all), "{names:?}");
    }
    let mixed = merge(&project, &["last", &files[0], &folders[1]], &["--json"]).expect(0);
    assert_eq!(parsed(&mixed.stdout), parsed(&all));
}

#[test]
fn a_shard_without_a_run_is_missing_and_an_empty_one_is_not() {
    let project = project(&[]);
    let shard = |index: u32, of: u32| {
        let _ = project.run(&["apply", "--yes", "--shard", &format!("{index}/{of}")]);
        kept(&project, &format!("results/{index}-{of}.json"))
    };
    // web1 to web9 leave some of 16 empty.
    let all: Vec<String> = (1..=16).map(|index| shard(index, 16)).collect();
    let merged = merge(&project, &refs(&all), &["--json"]).expect(0);
    assert!(parsed(&merged.stdout)["missing_shards"].is_null(), "{}", merged.stdout);
    let some = [&all[1..4], &all[8..9]].concat();
    let merged = merge(&project, &refs(&some), &["--json"]).expect(3);
    let missing = json!(["1/16", "5-8/16", "10-16/16"]);
    assert_eq!(parsed(&merged.stdout)["missing_shards"], missing);
    let text = merge(&project, &refs(&some), &[]).expect(3);
    let said = " Missing, and not known: shard 1/16, shards 5-8/16, shards 10-16/16.";
    assert!(text.last_line().ends_with(said), "{}", text.last_line());
    let other = shard(1, 3);
    let wrong = merge(&project, &[&all[0], &other], &[]).expect(1);
    let said = "error: these runs are not shards of one whole: 1/3 (run RUN-ID) and 1/16 (run RUN-ID) are among them\n";
    assert!(stable(&project, &wrong.stderr).starts_with(said), "{}", wrong.stderr);
}

#[test]
fn a_host_in_two_runs_is_told_and_a_resumed_run_is_not_another_one() {
    let project = project(&["web8"]);
    project.run(&["apply", "--yes", "--shard", "1/3"]).expect(3);
    let first = kept(&project, "first.json");
    fs::remove_file(project.path().join("out/bad-web8")).expect("it was bad");
    project.run(&["apply", "--yes", "--resume", "last"]).expect(0);
    let resumed = kept(&project, "resumed.json");
    project.run(&["apply", "--yes", "--shard", "1/3"]).expect(0);
    let again = kept(&project, "again.json");
    let rest: Vec<String> = [2, 3]
        .map(|index| {
            project.run(&["apply", "--yes", "--shard", &format!("{index}/3")]).expect(0);
            kept(&project, &format!("{index}.json"))
        })
        .to_vec();
    let with = |files: &[&String]| {
        let files: Vec<String> = files.iter().copied().chain(&rest).cloned().collect();
        files
    };
    // Whichever is named first.
    for files in [with(&[&first, &resumed]), with(&[&resumed, &first])] {
        let merged = parsed(&merge(&project, &refs(&files), &["--json"]).expect(0).stdout);
        let hosts = merged["hosts"].as_array().expect("hosts");
        assert_eq!(hosts.len(), 9);
        let web8 = hosts.iter().find(|host| host["host"] == "web8").expect("the host");
        // The file by the first run, the command by the second.
        assert_eq!(
            (&web8["outcome"], web8["done"].as_array().map(Vec::len)),
            (&json!("changed"), Some(2))
        );
        assert_eq!(merged["counts"], json!({ "create": 9, "run": 9 }));
    }
    // Without the run that it goes on with nobody knows of the shard's other host.
    let alone = merge(&project, &refs(&with(&[&resumed])), &[]).expect(3);
    assert!(alone.last_line().contains(" Missing, and not known: run 01"), "{}", alone.stdout);
    let files = with(&[&first, &again]);
    let wrong = merge(&project, &refs(&files), &[]).expect(1);
    insta::assert_snapshot!("merging_overlap", stable(&project, &wrong.stderr));
    let merged = merge(&project, &refs(&files), &["--latest", "--json"]).expect(0);
    let merged = parsed(&merged.stdout);
    assert_eq!(merged["hosts"].as_array().map(Vec::len), Some(9));
    let twice = merge(&project, &[&first, &first], &[]).expect(1);
    assert!(twice.stderr.contains("is given twice\n"), "{}", twice.stderr);
}

/// A run as a file, made by hand.
fn made(project: &Project, name: &str, change: impl Fn(&mut Value)) -> String {
    let path = project.path().join("made").join(name);
    let mut run = parsed(&project.run(&["runs", "show", "last", "--json"]).expect(0).stdout);
    change(&mut run);
    project.file(&format!("made/{name}"), run.to_string());
    path.display().to_string()
}

#[test]
fn what_cannot_be_put_together_is_told_with_its_file() {
    let project = project(&[]);
    project.run(&["apply", "--yes", "--limit", "web1"]).expect(0);
    let good = made(&project, "good.json", |_| {});
    let other = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let wrong: Vec<(&str, String)> = vec![
        (
            "project",
            made(&project, "p.json", |run| {
                run["run"]["project"] = json!("\u{1b}[31mother");
                run["run"]["id"] = json!(other);
            }),
        ),
        (
            "kind",
            made(&project, "k.json", |run| {
                run["run"]["selection"]["undoes"] = json!(other);
                run["run"]["id"] = json!(other);
            }),
        ),
        (
            "running",
            made(&project, "r.json", |run| {
                run["status"] = json!("running");
                run["run"]["id"] = json!(other);
            }),
        ),
        ("id", made(&project, "i.json", |run| run["run"]["id"] = json!("../../etc"))),
        (
            "format",
            made(&project, "f.json", |run| {
                run["run"]["format_version"] = json!("2.0");
                run["run"]["id"] = json!(other);
            }),
        ),
        (
            "outcome",
            made(&project, "o.json", |run| {
                run["hosts"][0]["outcome"] = json!("\u{1b}]0;fine");
                run["hosts"][0]["host"] = json!("web2");
                run["run"]["id"] = json!(other);
            }),
        ),
        (
            "shard",
            made(&project, "s.json", |run| {
                run["run"]["selection"]["shard"] = json!("0/\u{202e}3");
                run["run"]["id"] = json!(other);
            }),
        ),
        (
            "host twice",
            made(&project, "h.json", |run| {
                let host = run["hosts"][0].clone();
                run["hosts"].as_array_mut().expect("hosts").push(host);
                run["run"]["id"] = json!(other);
            }),
        ),
    ];
    let mut said = String::new();
    for (what, file) in &wrong {
        let output = merge(&project, &[&good, file], &[]).expect(1);
        said += what;
        said += ":\n";
        said += &stable(&project, &output.stderr);
        assert!(!output.stderr.contains('\u{1b}') && !output.stderr.contains('\u{202e}'), "{what}");
    }
    let damaged = |name: &str, text: &[u8]| {
        project.file(name, text);
        project.path().join(name).display().to_string()
    };
    let text = fs::read_to_string(&good).expect("it");
    let files = [
        damaged("empty.json", b""),
        damaged("half.json", &text.as_bytes()[..text.len() / 2]),
        damaged("list.json", b"[]"),
        damaged("bytes.json", b"\xff\xfe\x00"),
        damaged("deep.json", "[".repeat(100_000).as_bytes()),
        damaged("plan.json", b"{\"format_version\":\"1.0\"}"),
        project.path().join("none.json").display().to_string(),
        project.path().join("modules").display().to_string(),
    ];
    for file in &files {
        let output = merge(&project, &[file], &[]).expect(1);
        said.push_str(&stable(&project, &output.stderr));
    }
    // Letters of the file, and a name, that a terminal would obey.
    let folder = "\u{1b}[31m";
    project.file(
        &format!("{folder}/run.json"),
        b"{\"format_version\":\"1.0\",\"id\":\"\\u001b[2J\",\"selection\":{\"tags\":\"\\u001b[2J\"}}",
    );
    let folder = project.path().join(folder).display().to_string();
    let output = merge(&project, &[&folder], &[]).expect(1);
    assert!(!output.stderr.contains('\u{1b}'), "{}", output.stderr.escape_debug());
    said.push_str(&stable(&project, &output.stderr));
    said.push_str(&stable(&project, &merge(&project, &["nothing"], &[]).expect(1).stderr));
    insta::assert_snapshot!("merging_wrong", said);
}

#[test]
fn what_runs_have_not_in_common_is_told() {
    let project = project(&[]);
    project.run(&["apply", "--yes", "--limit", "web1", "--shard", "3/3"]).expect(0);
    let one = kept(&project, "one.json");
    let other = made(&project, "other.json", |run| {
        run["run"]["id"] = json!("01ARZ3NDEKTSV4RRFFQ69G5FAV");
        run["run"]["inventory"] = json!("inventories/\u{1b}eu.toml");
        run["run"]["trueup_version"] = json!("9.9.9");
        run["run"]["selection"] = json!({ "vars": { "release": "2" } });
        run["hosts"][0]["host"] = json!("eu1");
        run["status"] = json!("interrupted");
    });
    let output = merge(&project, &[&one, &other], &[]).expect(3);
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("{}---\n{}", output.stderr, output.stdout).replace(version, "VERSION");
    insta::assert_snapshot!("merging_differ", stable(&project, &text));
}

#[test]
fn records_of_killed_runs_are_merged_as_they_stand() {
    let project = project(&[]);
    project.run(&["apply", "--yes"]).expect(0);
    let runs = project.path().join(".trueup/runs");
    let record: PathBuf =
        fs::read_dir(&runs).expect("runs").flatten().next().expect("a run").path();
    // As a kill in the middle leaves it.
    fs::remove_file(record.join("summary.json")).expect("a summary");
    let events = fs::read_to_string(record.join("events.jsonl")).expect("events");
    let half: Vec<&str> = events.lines().take(events.lines().count() / 2).collect();
    fs::write(record.join("events.jsonl"), half.join("\n")).expect("events");
    let one = record.display().to_string();
    let merged = parsed(&merge(&project, &[&one], &["--json"]).expect(3).stdout);
    assert_eq!((&merged["status"], &merged["exit_status"]), (&json!("interrupted"), &json!(3)));
    assert_eq!(merged["hosts"].as_array().map(Vec::len), Some(9));
    let text = merge(&project, &[&one], &[]).expect(3);
    let id = record.file_name().and_then(|name| name.to_str()).expect("an id");
    assert!(text.last_line().ends_with(&format!(" Interrupted: {id}.")), "{}", text.last_line());
    // Of what nobody heard nobody says that it was not done.
    let told = fs::read_to_string(record.join("events.jsonl")).expect("events");
    fs::write(record.join("events.jsonl"), "").expect("events");
    let text = merge(&project, &[&one], &[]).expect(3);
    let known = "Applied to 0 of 9 hosts: no change is known to have completed. 9 unknown.";
    assert!(text.last_line().starts_with(known), "{}", text.last_line());
    assert!(text.stdout.contains("interrupted: 9 unknown  unknown"), "{}", text.stdout);
    fs::write(record.join("events.jsonl"), told).expect("events");
    // Who only could not write down its end left nothing open.
    let whole: Vec<&str> = events.lines().take(events.lines().count() - 1).collect();
    fs::write(record.join("events.jsonl"), whole.join("\n")).expect("events");
    let merged = parsed(&merge(&project, &[&one], &["--json"]).expect(0).stdout);
    assert_eq!((&merged["status"], &merged["exit_status"]), (&json!("ended"), &json!(0)));
    fs::write(record.join("events.jsonl"), half.join("\n")).expect("events");
    // Once another one went on with it, it is over.
    project.run(&["apply", "--yes", "--resume", "last"]).expect(0);
    let all = runs.display().to_string();
    let merged = parsed(&merge(&project, &[&all], &["--json"]).expect(0).stdout);
    assert_eq!(merged["status"], json!("ended"));
}

#[test]
fn many_hosts_with_different_ends_are_merged_in_one_pass() {
    let project = project(&[]);
    project.run(&["apply", "--yes", "--limit", "web1"]).expect(0);
    let files: Vec<String> = (1..=8)
        .map(|index| {
            made(&project, &format!("{index}.json"), |run| {
                run["run"]["id"] = json!(format!("01ARZ3NDEKTSV4RRFFQ69G5FA{index}"));
                run["run"]["selection"] = json!({ "shard": format!("{index}/8") });
                let each = (0..2_500).map(|number| {
                    let name = format!("host{index}-{number}");
                    let (address, outcome) =
                        (format!("m/file[/{name}]"), ["changed", "failed"][number % 2]);
                    json!({ "host": name, "outcome": outcome, "done": [address], "not_done": [],
                        "problems": [], "actions": { address: ["create"] } })
                });
                run["hosts"] = each.collect();
                run["counts"] = json!({ "create": 2_500 });
            })
        })
        .collect();
    let merged = merge(&project, &refs(&files), &[]).expect(3);
    let last = "Applied to 10000 of 20000 hosts in N s: 20000 creates. 10000 failed.";
    assert_eq!(stable(&project, merged.last_line()), last);
    assert!(merged.stdout.contains("\n9800 more hosts did not end well: --json lists all.\n"));
}

#[test]
fn nothing_waits_for_a_pipe_in_a_record_or_in_results() {
    let project = project(&[]);
    project.run(&["apply", "--yes", "--limit", "web1"]).expect(0);
    let runs = project.path().join(".trueup/runs");
    let record = fs::read_dir(&runs).expect("runs").flatten().next().expect("a run").path();
    let pipe = |path: PathBuf| {
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()), "{}", path.display());
    };
    fs::create_dir(project.path().join("results")).expect("a folder");
    pipe(project.path().join("results/a.json"));
    let results = project.path().join("results").display().to_string();
    let wrong = merge(&project, &[&results], &[]).expect(1).stderr;
    assert!(wrong.contains("results/a.json: it is not a regular file"), "{wrong}");
    pipe(record.join("summary.json"));
    project.run(&["runs"]).expect(0);
    pipe(record.join("events.jsonl"));
    let shown = project.run(&["runs", "show", "last"]).expect(0);
    assert!(shown.stderr.contains("events.jsonl: it is not a regular file"), "{}", shown.stderr);
    fs::remove_file(record.join("run.json")).expect("it");
    let wrong = merge(&project, &[&record.display().to_string()], &[]).expect(1).stderr;
    assert!(wrong.contains("run.json is missing"), "{wrong}");
}
