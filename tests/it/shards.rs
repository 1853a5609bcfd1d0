//! A fleet in shards: which hosts a part has, what is asked of the others, and what becomes of plans and runs.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{Output, Project};

/// Nine hosts that are all this machine, each with a file below `out`.
fn project() -> Project {
    let project = Project::of(
        "[connection]\ntransport = \"local\"\n[vars]\nword = \"hello\"\n[groups.web]\nhosts = [\"web[1:9]\"]\n",
        "",
    );
    let root = project.path().join("out").display().to_string();
    fs::create_dir(&root).expect("a folder");
    project.file(
        "modules/m/module.toml",
        format!(
            "[file.\"{root}/{{{{ host.name }}}}\"]\ncontent = \"{{{{ vars.word }}}}\\n\"\ntags = [\"words\"]\n\
             [file.\"{root}/{{{{ host.name }}}}-one\"]\ncontent = \"1\"\nwhen = \"host.name == 'web4'\"\n\
             requires = [\"file[{root}/web4]\"]\ntags = [\"one\"]\n"
        ),
    );
    project
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document and nothing else")
}

/// Hosts of a plan as JSON.
fn hosts(plan: &Output) -> BTreeSet<String> {
    let plan = json(&plan.stdout);
    let hosts = plan["hosts"].as_array().expect("hosts").iter();
    hosts.map(|host| host["name"].as_str().expect("a name").to_owned()).collect()
}

/// The hosts of each of so many shards.
fn dealt(project: &Project, of: usize, words: &[&str]) -> Vec<BTreeSet<String>> {
    let each = (1..=of).map(|index| {
        let shard = format!("{index}/{of}");
        hosts(&project.run(&[&["plan", "--json", "--shard", &shard], words].concat()).expect(0))
    });
    each.collect()
}

/// What is in `out`.
fn made(project: &Project) -> BTreeSet<String> {
    let all = fs::read_dir(project.path().join("out")).expect("the folder").flatten();
    all.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_host_is_in_one_shard_and_stays_in_it() {
    let project = project();
    let dealt_in = |project: &Project, words: &[&str]| dealt(project, 3, words);
    let before = dealt_in(&project, &[]);
    // Written down: another release must deal them in the same way.
    assert_eq!(before[0], names(&["web8", "web9"]));
    let all: Vec<&String> = before.iter().flatten().collect();
    assert_eq!(all.len(), 9, "{before:?}");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 9, "{before:?}");
    // With other hosts beside them, and without some of them.
    let inventory = fs::read_to_string(project.path().join("inventory.toml")).expect("it");
    project.file("inventory.toml", inventory.replace("[1:9]", "[4:40]"));
    for (before, after) in before.iter().zip(dealt_in(&project, &["--limit", "web?"])) {
        let left: BTreeSet<String> =
            before.iter().filter(|name| name.as_str() >= "web4").cloned().collect();
        assert_eq!(left, after);
    }
}

#[test]
fn a_part_that_is_none_is_a_mistake_that_says_what_is_one() {
    let project = project();
    for wrong in ["0/3", "4/3", "a", "1/0", "-1/3", "1/3/3", ""] {
        for verb in ["plan", "apply", "check", "drift"] {
            let output = project.run(&[verb, &format!("--shard={wrong}")]).expect(1);
            let said = "K/N is the part K of N parts, from 1/N to N/N, such as 2/3";
            assert!(output.stderr.contains(said), "{wrong}: {}", output.stderr);
        }
    }
    let output = project.run(&["render", "web1", "--shard", "1/3"]).expect(1);
    assert_eq!(output.stderr, "error: this verb takes no --shard: it is not about many hosts\n");
    let output = project.run(&["runs", "--shard", "1/3"]).expect(1);
    assert!(output.stderr.starts_with("error: this verb takes no --shard"), "{}", output.stderr);
}

#[test]
fn an_empty_shard_is_nothing_to_do_and_is_recorded() {
    let project = project();
    let one = ["--limit", "web1", "--shard", "1/3"];
    for verb in [&["plan"][..], &["drift"], &["apply", "--yes"], &["plan", "--detailed-exitcode"]] {
        let output = project.run(&[verb, &one].concat()).expect(0);
        let said = "note: no host of 1 is in shard 1/3: there is nothing to do\n";
        assert_eq!(output.stderr, said, "{verb:?}");
    }
    project.run(&[&["check", "--strict"], &one[..]].concat()).expect(0);
    let run = json(&project.run(&["runs", "show", "last", "--json"]).expect(0).stdout);
    assert_eq!(run["run"]["selection"]["shard"], "1/3");
    assert_eq!(run["hosts"].as_array().map(Vec::len), Some(0));
    assert!(made(&project).is_empty());
}

#[test]
fn what_names_something_in_another_shard_is_no_mistake_in_this_one() {
    let project = project();
    // web4 alone has it, and is in one of the shards.
    let dealt_to = dealt(&project, 3, &["--tags", "one"]);
    assert_eq!(dealt_to.iter().map(BTreeSet::len).sum::<usize>(), 1, "{dealt_to:?}");
    let root = project.path().join("out").display().to_string();
    let target = format!("m/file[{root}/web4-one]");
    let dealt_to = dealt(&project, 3, &["--target", &target]);
    assert_eq!(dealt_to.iter().map(BTreeSet::len).sum::<usize>(), 1, "{dealt_to:?}");
    // `requires` names a resource of web4, which is no mistake where web4 is not looked at.
    for index in 1..=3 {
        project.run(&["check", "--strict", "--shard", &format!("{index}/3")]).expect(0);
    }
    for words in [["--tags", "two"], ["--target", "m/file[/nowhere]"], ["--limit", "db"]] {
        for index in 1..=3 {
            let shard = format!("{index}/3");
            let output = project.run(&[&["plan", "--shard", &shard], &words[..]].concat());
            assert_eq!(output.status, 1, "{words:?} in {shard}: {}", output.stdout);
        }
    }
}

#[test]
fn a_mistake_of_other_hosts_is_told_where_they_are() {
    let project = project();
    let inventory = fs::read_to_string(project.path().join("inventory.toml")).expect("it");
    let vars = "[hosts.web1.vars]\nword = 1\n[hosts.web8.vars]\nword = [\"x\"]\n";
    project.file("inventory.toml", inventory + vars);
    let text = fs::read_to_string(project.path().join("modules/m/module.toml")).expect("it");
    let typed = "[params]\nword = { type = \"string\" }\n";
    let text = typed.to_owned() + &text.replace("vars.word", "params.word");
    project.file("modules/m/module.toml", text);
    let stages = fs::read_to_string(project.path().join("trueup.toml")).expect("it");
    let with = "[{ use = \"m\", with = { word = \"{{ vars.word }}\" } }]";
    project.file("trueup.toml", stages.replace("[\"m\"]", with));
    // web1 is in 3/3, web8 in 1/3; of 2/3 all is well.
    for (shard, status, host) in [("1/3", 1, "web8"), ("2/3", 0, ""), ("3/3", 1, "web1")] {
        let output = project.run(&["plan", "--shard", shard]).expect(status);
        for other in ["web1", "web8"] {
            let told = output.stderr.contains(&format!("note: on host {other}"));
            assert_eq!(told, other == host, "{shard}: {}", output.stderr);
        }
    }
}

#[test]
fn facts_of_hosts_in_other_shards_are_asked_for() {
    let project = Project::of(
        "[connection]\ntransport = \"local\"\n[groups.web]\nhosts = [\"web[1:9]\"]\n",
        "",
    );
    let out = project.path().join("out").display().to_string();
    let text =
        "{% for one in hosts(group='web') %}{{ one.name }}={{ one.facts.os.family }} {% endfor %}";
    project.file(
        "modules/m/module.toml",
        format!("[file.\"{out}-{{{{ host.name }}}}\"]\ncontent = \"{text}\"\n"),
    );
    let plan = project.run(&["plan", "--shard", "1/3", "--full"]).expect(0);
    let all: Vec<String> = (1..=9).map(|index| format!("web{index}=debian")).collect();
    assert!(plan.stdout.contains(&all.join(" ")), "{}", plan.stdout);
    assert!(plan.last_line().starts_with("Plan: 2 hosts: 2 to change."), "{}", plan.last_line());
}

#[test]
fn a_plan_for_all_is_applied_in_shards_and_one_for_a_shard_there_alone() {
    let project = project();
    let of_all = project.path().join("all.json").display().to_string();
    project.run(&["plan", "-o", &of_all]).expect(0);
    project.run(&["apply", &of_all, "--shard", "1/3"]).expect(0);
    assert_eq!(made(&project), names(&["web8", "web9"]));
    let none = project.run(&["apply", &of_all, "--shard", "2/3", "--limit", "web8"]).expect(0);
    assert!(
        none.stderr.contains("on a host in shard 2/3: there is nothing to do"),
        "{}",
        none.stderr
    );
    let of_one = project.path().join("one.json").display().to_string();
    project.run(&["plan", "-o", &of_one, "--shard", "2/3"]).expect(0);
    let wrong = project.run(&["apply", &of_one, "--shard", "1/3"]).expect(1);
    let said = "one.json is the plan for shard 2/3, and --shard says 1/3\n";
    assert!(wrong.stderr.ends_with(said), "{}", wrong.stderr);
    project.run(&["apply", &of_one]).expect(0);
    let run = json(&project.run(&["runs", "show", "last", "--json"]).expect(0).stdout);
    assert_eq!(run["run"]["selection"]["shard"], "2/3");
    let second = &dealt(&project, 3, &[])[1];
    assert!(second.iter().all(|host| made(&project).contains(host)), "{second:?}");
    project.run(&["apply", &of_all, "--shard", "3/3"]).expect(0);
    assert_eq!(made(&project).len(), 10);
}

#[test]
fn a_run_of_a_shard_is_gone_on_with_there() {
    let project = project();
    let blocked = project.path().join("out/web8");
    fs::create_dir(&blocked).expect("a folder in the way");
    project.run(&["apply", "--yes", "--shard", "1/3"]).expect(3);
    fs::remove_dir(&blocked).expect("it was there");
    let wrong = project.run(&["apply", "--yes", "--resume", "last", "--shard", "2/3"]).expect(1);
    assert!(wrong.stderr.contains("was about shard 1/3, and --shard says 2/3"), "{}", wrong.stderr);
    let output = project.run(&["apply", "--yes", "--resume", "last", "--shard", "1/3"]).expect(0);
    assert!(output.stderr.contains("left 1 of 2 hosts."), "{}", output.stderr);
    let run = json(&project.run(&["runs", "show", "last", "--json"]).expect(0).stdout);
    assert_eq!(run["run"]["selection"]["shard"], "1/3");
    let text = project.run(&["runs", "show", "last"]).expect(0).stdout;
    assert!(text.contains("--shard 1/3, --resume"), "{text}");
    assert_eq!(made(&project), names(&["web8", "web9"]));
}

#[test]
fn what_a_run_of_all_left_is_dealt_out() {
    let project = project();
    for host in ["web8", "web1"] {
        fs::create_dir(project.path().join("out").join(host)).expect("a folder in the way");
    }
    project.run(&["apply", "--yes"]).expect(3);
    let id = json(&project.run(&["runs", "--json"]).expect(0).stdout);
    let id = id["runs"][0]["id"].as_str().expect("an id").to_owned();
    for host in ["web8", "web1"] {
        fs::remove_dir(project.path().join("out").join(host)).expect("it was there");
    }
    let words = ["apply", "--yes", "--resume", &id, "--shard", "3/3"];
    let output = project.run(&words).expect(0);
    assert!(output.last_line().starts_with("Applied to 1 host"), "{}", output.stdout);
    assert!(made(&project).contains("web1") && !made(&project).contains("web8"));
}

#[test]
fn a_list_of_hosts_is_dealt_as_runs_are() {
    let project = project();
    let list = project.run(&["inventory", "list", "--shard", "1/3"]).expect(0);
    let named = |name: &&str| list.stdout.contains(*name);
    assert!(["web8", "web9"].iter().all(named), "{}", list.stdout);
    assert!(!["web1", "web2", "web3"].iter().any(named), "{}", list.stdout);
}

#[test]
fn more_hosts_than_files_may_be_open_at_first() {
    let project = Project::of(
        "[connection]\ntransport = \"local\"\n[groups.web]\nhosts = [\"web[1:60]\"]\n",
        "[file.\"/nowhere/{{ host.name }}\"]\nstate = \"absent\"\n",
    );
    let under = ["sh", "-c", "ulimit -Sn 100; exec \"$0\" \"$@\""];
    let plan = project.run_under(&under, &["plan"], &[]).expect(0);
    assert_eq!(plan.last_line(), "Plan: 60 hosts: 60 unchanged.");
}
