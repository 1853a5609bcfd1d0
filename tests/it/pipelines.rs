//! The pipelines of examples/fleet: what stands in them is run as it stands, with the variables that a cluster or a
//! forge would set, on hosts that are this machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Project, copy, repository};

fn file(name: &str) -> String {
    let path = repository().join("examples/fleet/pipelines").join(name);
    fs::read_to_string(path).expect("a pipeline")
}

/// The blocks of a YAML file that begin with `|`, without their indentation.
fn scripts(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let indented = |line: &str| line.len() - line.trim_start().len();
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if !line.ends_with(" |") {
            continue;
        }
        // What a list's dash begins is deeper than the dash.
        let outer = indented(line);
        let block = lines[number + 1..].iter();
        let block: Vec<&&str> =
            block.take_while(|line| line.is_empty() || indented(line) > outer).collect();
        let depth = block.iter().filter(|line| !line.is_empty()).map(|line| indented(line)).min();
        let depth = depth.expect("a block of some lines");
        let block = block.iter().map(|line| line.get(depth..).unwrap_or_default());
        all.push(block.collect::<Vec<_>>().join("\n"));
    }
    all
}

/// The value behind `key: `, without quotes and what is remarked.
fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{key}: ")));
    let value = line.unwrap_or_else(|| panic!("no {key}"));
    value.split(" #").next().unwrap_or_default().trim().trim_matches('"').to_owned()
}

/// The value of a variable of a container.
fn variable(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("- name: {name}\n")).expect("the variable");
    value(rest, "value")
}

fn project() -> Project {
    let project = Project::of(
        "[connection]\ntransport = \"local\"\n[groups.web]\nhosts = [\"web[1:40]\"]\n",
        "",
    );
    let out = project.path().join("out").display().to_string();
    fs::create_dir(&out).expect("a folder");
    project.file(
        "modules/m/module.toml",
        format!(
            "[command.judge]\ncommand = \"test ! -e {out}/bad-{{{{ host.name }}}} && touch {out}/{{{{ host.name }}}}\"\n\
             creates = \"{out}/{{{{ host.name }}}}\"\n"
        ),
    );
    project
}

/// Runs a script in a folder; its status and what it printed.
fn run(folder: &Path, script: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_trueup"));
    let programs = program.parent().expect("its folder").display();
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{programs}:/usr/bin:/bin"))
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .env("TRUEUP_HOST_STATE", folder.join(".host-state"))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

/// Hosts that were made, of forty.
fn made(project: &Project) -> usize {
    let all = fs::read_dir(project.path().join("out")).expect("a folder").flatten();
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with("web")).count()
}

#[test]
fn the_indexed_job_applies_every_shard_and_its_runs_are_merged() {
    let (text, merge) = (file("kubernetes.yaml"), file("kubernetes-merge.yaml"));
    let shards = variable(&text, "SHARDS");
    assert_eq!(value(&text, "completions"), shards);
    assert_eq!(variable(&text, "ROUND"), variable(&merge, "ROUND"));
    let (project, volume) = (project(), tempfile::tempdir().expect("a folder"));
    let place = volume.path().display().to_string();
    let here = |script: &str| {
        let script = script.replace("/results", &place).replace("/ssh/config", "ssh-config");
        script.replace("cp -R /project/. .\n", "")
    };
    let (apply, merge) = (here(&scripts(&text)[0]), here(&scripts(&merge)[0]));
    assert!(scripts(&text)[0].starts_with("cp -R /project/. .\n"), "each pod has its own copy");
    let pod = |index: u32, attempt: u32| {
        let folder = tempfile::tempdir().expect("a folder");
        copy(project.path(), folder.path());
        fs::write(folder.path().join("ssh-config"), "").expect("a file");
        let (index, name) = (index.to_string(), format!("fleet-apply-{index}-{attempt}"));
        let variables = [
            ("JOB_COMPLETION_INDEX", index.as_str()),
            ("SHARDS", &shards),
            ("HOSTNAME", &name),
            ("ROUND", "1"),
        ];
        run(folder.path(), &apply, &variables)
    };
    let count: u32 = shards.parse().expect("a number");
    let bad = project.path().join("out/bad-web1");
    fs::write(&bad, "").expect("a file");
    let failed: Vec<u32> = (0..count).filter(|index| pod(*index, 1).0 != 0).collect();
    // web1 is in 15/16, and pods count from 0.
    assert_eq!((failed.as_slice(), made(&project)), (&[14][..], 39));
    let (status, text) = run(volume.path(), &merge, &[("ROUND", "1")]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("Applied to 39 of 40 hosts"), "{text}");
    fs::remove_file(&bad).expect("it was bad");
    assert_eq!(pod(14, 2).0, 0);
    let (status, text) = run(volume.path(), &merge, &[("ROUND", "1")]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("Applied to 40 hosts"), "{text}");
    let merged = fs::read_to_string(volume.path().join("1/merged/runs.json")).expect("a document");
    let merged: Value = serde_json::from_str(&merged).expect("JSON");
    assert_eq!(merged["runs"].as_array().map(Vec::len), Some(17));
}

/// Runs the jobs of a forge: shards with these variables, then the merge in another folder.
fn forge(name: &str, shards: u32, variables: impl Fn(u32) -> Vec<(&'static str, String)>) {
    let text = file(name);
    let [apply, merge] = scripts(&text).try_into().expect("two scripts");
    let (project, artifacts) = (project(), tempfile::tempdir().expect("a folder"));
    let mut statuses = Vec::new();
    let bad = project.path().join("out/bad-web1");
    fs::write(&bad, "").expect("a file");
    for index in 1..=shards {
        let checkout = tempfile::tempdir().expect("a folder");
        copy(project.path(), checkout.path());
        let variables = variables(index);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        statuses.push(run(checkout.path(), &apply, &variables).0);
        copy(&checkout.path().join("results"), &artifacts.path().join("results"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [0, 0, 0, 3]);
    let (status, text) = run(artifacts.path(), &merge, &[]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("Applied to 39 of 40 hosts"), "{text}");
    assert!(artifacts.path().join("results.xml").exists());
    // A mistake ends before there is a run: none is taken for it, and its shard is missing.
    let checkout = tempfile::tempdir().expect("a folder");
    copy(project.path(), checkout.path());
    fs::write(checkout.path().join("trueup.toml"), "wrong").expect("a file");
    let variables = variables(1);
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(run(checkout.path(), &apply, &variables).0, 1);
    let left = fs::read_dir(checkout.path().join("results")).expect("a folder").count();
    assert_eq!(left, 0);
    fs::remove_file(artifacts.path().join("results/1.json")).expect("a run");
    let (status, text) = run(artifacts.path(), &merge, &[]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("Missing, and not known: shard 1/4."), "{text}");
}

#[test]
fn the_matrix_of_github_applies_every_shard_and_merges() {
    let text = file("github.yml");
    assert_eq!(value(&text, "shard"), "[1, 2, 3, 4]");
    assert_eq!(value(&text, "SHARD"), "${{ matrix.shard }}");
    assert_eq!(value(&text, "SHARDS"), "${{ strategy.job-total }}");
    forge("github.yml", 4, |index| vec![("SHARD", index.to_string()), ("SHARDS", "4".to_owned())]);
}

#[test]
fn the_parallel_jobs_of_gitlab_apply_every_shard_and_merge() {
    assert_eq!(value(&file("gitlab.yml"), "parallel"), "4");
    forge("gitlab.yml", 4, |index| {
        vec![("CI_NODE_INDEX", index.to_string()), ("CI_NODE_TOTAL", "4".to_owned())]
    });
}

#[test]
fn pipelines_are_yaml() {
    let read =
        "import sys, yaml\nfor path in sys.argv[1:]: assert list(yaml.safe_load_all(open(path)))";
    let folder = repository().join("examples/fleet/pipelines");
    let files = fs::read_dir(folder).expect("pipelines").flatten().map(|entry| entry.path());
    let files: Vec<_> = files.collect();
    for path in &files {
        let text = fs::read_to_string(path).expect("a pipeline");
        assert!(text.is_ascii() && !text.contains('\t'), "{}", path.display());
    }
    // Where there is something that reads YAML.
    let there = Command::new("python3").args(["-c", "import yaml"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        let output = Command::new("python3").args(["-c", read]).args(&files).output();
        let output = output.expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
