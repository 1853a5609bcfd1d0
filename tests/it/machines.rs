//! What machines read of `check`: JSON and SARIF, with places that are right.

use serde_json::Value;

use crate::support::Project;

/// A project with two mistakes and a warning, one of them behind characters of several bytes.
fn wrong() -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"m\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"a\"\n\
             hosts = \"all\"\nmodules = [{ use = \"m\", with = { port = \"x\" } }]\n",
        )
        .file("inventory.toml", "[vars]\nlost = 1\n[groups.web]\nhosts = [\"w[1:2]\"]\n")
        .file(
            "modules/m/module.toml",
            "[params]\nport = { type = \"integer\" }\n[file.\"/a\"]\ntemplate = \"a b.tera\"\n",
        )
        .file("modules/m/templates/a b.tera", "é {{ params.prt }}\n");
    project
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document and nothing else")
}

#[test]
fn json_tells_every_mistake_with_its_place() {
    let output = wrong().run(&["check", "--json"]).expect(1);
    assert_eq!(output.stderr, "", "all of it is in the document");
    let document = parsed(&output.stdout);
    insta::assert_snapshot!("json", output.stdout);
    assert_eq!(document["good"], false);
    let second = &document["diagnostics"][1];
    // Columns count characters, bytes count bytes.
    assert_eq!(second["place"]["start"]["column"], 6);
    assert_eq!(second["place"]["start"]["byte"], 6);
}

#[test]
fn a_check_that_passes_is_a_document_too() {
    let project = wrong();
    project.file("modules/m/templates/a b.tera", "{{ params.port }}{{ vars.lost }}\n").file(
        "modules/m/module.toml",
        "[params]\nport = { type = \"string\" }\n[file.\"/a\"]\ntemplate = \"a b.tera\"\n",
    );
    let document = parsed(&project.run(&["check", "--json", "--strict"]).expect(0).stdout);
    assert_eq!(document["good"], true);
    assert_eq!(document["hosts"], 2);
    assert_eq!(document["resources"], 2);
    assert_eq!(document["diagnostics"], Value::Array(Vec::new()));
}

#[test]
fn a_warning_is_an_error_only_where_strict_asks_for_it() {
    let project = Project::copy_of("examples/quickstart");
    let text = std::fs::read_to_string(project.path().join("inventories/local.toml"));
    let text = text.expect("the inventory");
    project.file("inventories/local.toml", text.replacen("[vars]", "[vars]\nnever_used = 1", 1));
    let document = parsed(&project.run(&["check", "--json"]).expect(0).stdout);
    assert_eq!((&document["errors"], &document["warnings"]), (&0.into(), &1.into()));
    assert_eq!(document["diagnostics"][0]["code"], "unused");
    let strict = parsed(&project.run(&["check", "--json", "--strict"]).expect(1).stdout);
    assert_eq!(strict["good"], false);
}

#[test]
fn sarif_names_known_rules_and_files_of_the_project() {
    let project = wrong();
    let log = parsed(&project.run(&["check", "--sarif"]).expect(1).stdout);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules: Vec<&Value> = run["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    for result in results {
        assert!(rules.contains(&&result["ruleId"]), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().expect("a URI");
        let path = project.path().join(uri.replace("%20", " "));
        let text = std::fs::read_to_string(path).expect("a file of the project");
        let line = place["region"]["startLine"].as_u64().expect("a line");
        let lines = u64::try_from(text.lines().count()).expect("few lines");
        assert!(line <= lines, "{result}");
    }
}
