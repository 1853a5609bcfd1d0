//! The manual: schemas and readers say the same, the shipped files hold to them, and every page and
//! example of it is right.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trueup::manual::{self, Document};
use trueup::resources::REGISTRY;

use crate::support::{Project, repository};

/// A project that is right around a module of one's own.
fn project(module: &str) -> Project {
    let project = Project::new();
    project
        .file("trueup.toml", "[project]\nname = \"p\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"s\"\nhosts = \"h\"\nmodules = [\"m\"]\n")
        .file("i.toml", "[groups.g]\nhosts = [\"h\"]\n[hosts.h]\n")
        .file("modules/m/module.toml", module);
    project
}

fn validator(document: Document) -> jsonschema::Validator {
    jsonschema::validator_for(&manual::schema(document)).expect("a schema")
}

/// TOML as the JSON that a schema speaks of.
fn json(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

/// All TOML files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    files.chain(folders.iter().flat_map(|folder| below(folder))).collect()
}

/// The kind of file that a path is.
fn document(path: &Path) -> Document {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("trueup.toml") => Document::Project,
        Some("module.toml") => Document::Module,
        _ => Document::Inventory,
    }
}

#[test]
fn every_shipped_file_holds_to_its_schema() {
    let mut files = Vec::new();
    for folder in ["examples", "modules", "inventories"] {
        for path in below(&repository().join(folder)) {
            let text = fs::read_to_string(&path).expect("a file");
            files.push((path, text));
        }
    }
    for (path, text) in crate::cli::blocks("README.md") {
        files.push((PathBuf::from(path), text));
    }
    assert!(files.len() >= 14, "{} files", files.len());
    for (path, text) in files {
        let file = json(&text);
        let validator = validator(document(&path));
        let wrong: Vec<String> =
            validator.iter_errors(&file).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
    }
}

#[test]
fn what_is_wrong_is_refused_by_the_schemas() {
    let wrong = [
        (Document::Project, "[[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = []"),
        (Document::Project, "[project]\nname = \"a b\""),
        (Document::Project, "[project]\nname = \"p\"\n[[stages]]\nname = \"s\""),
        (
            Document::Project,
            "[project]\nname = \"p\"\n[[stage]]\nname = \"s\"\nhost = \"all\"\nmodules = []",
        ),
        (
            Document::Project,
            "[project]\nname = \"p\"\n[[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [{ name = \"m\" }]",
        ),
        (
            Document::Project,
            "[project]\nname = \"p\"\n[[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [3]",
        ),
        (Document::Project, "[project]\nname = \"p\"\n[runs]\nkeep = 0"),
        (Document::Project, "[project]\nname = \"p\"\n[runs]\nkeep_days = \"90\""),
        (Document::Inventory, "[connection]\ntransport = \"telnet\""),
        (Document::Inventory, "[connection]\nport = 70000"),
        (Document::Inventory, "[connection]\ncommand = []"),
        (Document::Inventory, "[groups.g]\nhost = [\"h\"]"),
        (Document::Inventory, "[hosts.h]\ngroups = \"g\""),
        (Document::Module, "params = 1"),
        (Document::Module, "[params]\np = { default = 1 }"),
        (Document::Module, "[params]\np = { type = \"number\" }"),
        (Document::Module, "[moved]\na = \"b\""),
        (Document::Module, "[set]\na = 1"),
        (Document::Module, "[types.x]"),
        (Document::Module, "[fil.\"/x\"]\nmode = \"0644\""),
        (Document::Module, "[file.\"/x\"]\nmod = \"0644\""),
        (Document::Module, "[file.\"/x\"]\nmode = 644"),
        (Document::Module, "[file.\"/x\"]\nmode = \"0999\""),
        (Document::Module, "[file.\"/x\"]\nstate = \"there\""),
        (Document::Module, "[file.\"/x\"]\nfor_each = 3"),
        (Document::Module, "[file.\"/x\"]\nrequires = [\"nginx\"]"),
        (Document::Module, "[file.\"/x\"]\ntimeout = \"soon\""),
        (Document::Module, "[service.s]\nenabled = \"yes\""),
        (Document::Module, "[service.s]\nreload_on = \"file[/x]\""),
        (Document::Module, "[service.s]\nreload_on = [\"/x\"]"),
        (Document::Module, "[command.c]\ncreates = \"/x\""),
        (Document::Module, "[command.c]\ncommand = \"x\"\nmax_output = 1000"),
        (Document::Module, "[user.u]\nuid = -1"),
    ];
    for (document, text) in wrong {
        assert!(!validator(document).is_valid(&json(text)), "{document:?}:\n{text}");
    }
}

#[test]
fn an_expression_may_stand_for_any_value() {
    let text = "[file.\"/x\"]\nstate = \"{% if params.x %}present{% else %}absent{% endif %}\"\nmode = \"0{{ params.x }}\"\n\
        for_each = \"{{ params.list }}\"\nrequires = \"{{ params.list }}\"\ntimeout = \"{{ params.x }}\"\n\
        [service.s]\nenabled = \"{{ params.on }}\"\nreload_on = [\"{{ params.address }}\"]\n\
        [user.u]\nuid = \"{{ params.uid }}\"\ngroups = \"{{ params.list }}\"\n";
    let file = json(text);
    let validator = validator(Document::Module);
    let wrong: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_schema_and_the_readers_take_the_same_tables() {
    let validator = validator(Document::Module);
    // What a reader says of a table's shape; the rest is for `trueup check` alone.
    let shape = [
        "unknown key",
        "is expected here",
        "is not one of",
        "is not a mode",
        "a mode is a quoted",
        " resource needs ",
    ];
    let (mut good, mut bad) = (0, 0);
    for kind in REGISTRY {
        for case in crate::resources::case::cases(kind.name()) {
            let table = serde_json::to_value(&case.desired).expect("JSON");
            let module = serde_json::json!({ kind.name(): { case.name.as_str(): table } });
            let wrong: Vec<String> =
                validator.iter_errors(&module).map(|error| error.to_string()).collect();
            let mistakes = case.expected.mistakes.unwrap_or_default();
            let at = format!("{}/{}: {wrong:?} {mistakes:?}", kind.name(), case.file);
            if mistakes.is_empty() {
                assert!(wrong.is_empty(), "the schema refuses what is right: {at}");
                good += 1;
            } else if mistakes.iter().any(|said| shape.iter().any(|words| said.contains(words))) {
                assert!(!wrong.is_empty(), "the schema takes what is wrong: {at}");
                bad += 1;
            }
        }
    }
    assert!(good > 100 && bad >= 10, "{good} right tables and {bad} wrong ones");
}

/// The keys that the schema names at a path of it.
fn keys(document: Document, path: &str) -> BTreeSet<String> {
    let schema = manual::schema(document);
    let table = schema.pointer(path).unwrap_or_else(|| panic!("no {path}"));
    table["properties"].as_object().expect("properties").keys().cloned().collect()
}

/// The keys that the message on an unknown key lists; it is the only one.
#[track_caller]
fn told(project: &Project) -> BTreeSet<String> {
    let said = project.run(&["check"]).expect(1).stderr;
    assert_eq!(said.matches("unknown key").count(), 1, "{said}");
    // The keys of its own, and those of every resource.
    let own = said.lines().find_map(|line| line.split_once(" has ")).expect("its keys").1;
    let shared = said.lines().find_map(|line| line.split_once("and, like every resource: "));
    let all = own.split(", ").chain(shared.into_iter().flat_map(|(_, list)| list.split(", ")));
    all.map(|key| key.trim_matches('`').to_owned()).collect()
}

/// The readers' keys equal the schema's.
#[track_caller]
fn same(what: &str, schema: &BTreeSet<String>, readers: &BTreeSet<String>) {
    assert_eq!(schema, readers, "schema and reader of {what}");
}

#[test]
fn schema_and_reader_of_every_type_have_the_same_keys() {
    for kind in REGISTRY {
        let name = kind.name();
        let schema = keys(Document::Module, &format!("/properties/{name}/additionalProperties"));
        let readers = told(&project(&format!("[{name}.\"/x\"]\nno_such_key = 1\n")));
        same(name, &schema, &readers);
        // And the other way round: no key of the schema is unknown to the reader.
        let lines: Vec<String> = schema
            .iter()
            .map(|key| {
                format!(
                    "{key} = {}
",
                    if key == "for_each" { "[1]" } else { "[]" }
                )
            })
            .collect();
        let module = format!(
            "[{name}.\"/x\"]
{}",
            lines.concat()
        );
        let said = project(&module).run(&["check"]).expect(1).stderr;
        assert!(!said.contains("unknown key"), "{said}");
    }
}

#[test]
fn schema_and_readers_of_config_tables_have_the_same_keys() {
    let base = project("");
    let check = |file: &str, text: &str, what: &str, document, path: &str| {
        base.file(file, text);
        same(what, &keys(document, path), &told(&base));
    };
    let top = "[project]\nname = \"p\"\ninventory = \"i.toml\"\n";
    let stage = "[[stage]]\nname = \"s\"\nhosts = \"h\"\n";
    let (project, inventory) = (Document::Project, Document::Inventory);
    check("trueup.toml", &format!("nokey = 1\n{top}"), "trueup.toml", project, "");
    check("trueup.toml", &format!("{top}nokey = 1\n"), "[project]", project, "/properties/project");
    check(
        "trueup.toml",
        &format!("{top}[runs]\nnokey = 1\n"),
        "[runs]",
        project,
        "/properties/runs",
    );
    let path = "/properties/stage/items";
    let text = format!("{top}{stage}modules = []\nnokey = 1\n");
    check("trueup.toml", &text, "a stage", project, path);
    let text = format!("{top}{stage}modules = [{{ use = \"m\", nokey = 1 }}]\n");
    let path = format!("{path}/properties/modules/items/anyOf/1");
    check("trueup.toml", &text, "a use of a module", project, &path);
    base.file("trueup.toml", format!("{top}{stage}modules = [\"m\"]\n"));
    check("i.toml", "nokey = 1\n", "an inventory", inventory, "");
    let path = "/properties/connection";
    check("i.toml", "[connection]\nnokey = 1\n", "[connection]", inventory, path);
    let path = "/properties/groups/additionalProperties";
    check("i.toml", "[groups.g]\nnokey = 1\n", "a group", inventory, path);
    let path = "/properties/hosts/additionalProperties";
    check("i.toml", "[hosts.h]\nnokey = 1\n", "a host", inventory, path);
}

#[test]
fn schema_and_reader_of_params_have_the_same_keys() {
    let module = project("[params]\np = { type = \"string\", nokey = 1 }\n");
    let schema = keys(Document::Module, "/properties/params/additionalProperties");
    let readers = told(&module);
    same("a param", &schema, &readers);
}

/// What a reader of the language looks up in its tables.
#[test]
fn the_tables_of_the_language_name_every_key() {
    let page = fs::read_to_string(repository().join("docs/language.md")).expect("the page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let words: BTreeSet<&str> = rows
        .flat_map(|row| row.split(|char: char| !(char.is_alphanumeric() || char == '_')))
        .collect();
    let tables = [
        "",
        "/properties/project",
        "/properties/stage/items",
        "/properties/rollback",
        "/properties/runs",
    ];
    let project = tables.into_iter().flat_map(|path| keys(Document::Project, path));
    let types: Vec<&str> = REGISTRY.iter().map(|kind| kind.name()).collect();
    let module =
        keys(Document::Module, "").into_iter().filter(|key| !types.contains(&key.as_str()));
    let missing: Vec<String> =
        project.chain(module).filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/language.md says nothing of {missing:?}");
}

#[test]
fn every_example_of_a_type_checks_clean_and_holds_to_the_schema() {
    let validator = validator(Document::Module);
    for kind in REGISTRY {
        let examples = kind.about().examples;
        assert!(!examples.is_empty(), "{} has an example", kind.name());
        for example in examples {
            project(example).run(&["check"]).expect(0);
            assert!(validator.is_valid(&json(example)), "{example}");
        }
    }
}

#[test]
fn every_key_says_what_it_means() {
    for kind in REGISTRY {
        let page = manual::resource(*kind);
        for section in page.sections {
            if let manual::Body::Keys(keys) = section.body {
                for key in keys.into_iter().chain(manual::shared()) {
                    let whole = key.meaning.ends_with('.') && !key.kind.is_empty();
                    assert!(whole, "{} {}: {:?}", kind.name(), key.name, key.meaning);
                }
            }
        }
    }
}

#[test]
fn the_page_of_all_types_is_fresh() {
    let page = fs::read_to_string(repository().join("docs/resources.md")).unwrap_or_default();
    assert!(page == manual::reference(), "docs/resources.md is stale: run `cargo xtask docs`");
}

#[test]
fn doc_tells_types_and_modules() {
    let project = Project::copy_of("examples/quickstart");
    let doc = |words: &[&str]| project.run(&[&["doc"], words].concat()).expect(0).stdout;
    insta::assert_snapshot!("doc", doc(&[]));
    insta::assert_snapshot!("doc_file", doc(&["file"]));
    insta::assert_snapshot!("doc_module", doc(&["notes"]));
    assert_eq!(doc(&["--markdown"]), manual::reference());
    for kind in REGISTRY {
        let page = doc(&[kind.name()]);
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }
}

#[test]
fn standard_modules_are_told_without_a_project() {
    let nowhere = Project::new();
    let list = nowhere.run(&["doc"]).expect(0).stdout;
    assert!(list.contains("Standard modules\n  base "), "{list}");
    assert!(!list.contains("Modules of this project"), "{list}");
    let base = nowhere.run(&["doc", "base"]).expect(0).stdout;
    assert!(base.contains("\n  packages     list of strings"), "{base}");
    let wrong = nowhere.run(&["doc", "servce"]).expect(1);
    assert_eq!(wrong.stdout, "");
    insta::assert_snapshot!(wrong.stderr, @r"
    error: there is no resource type and no module `servce`
      did you mean `service`?
    ");
}

#[test]
fn schemas_are_printed() {
    let nowhere = Project::new();
    for (word, document) in [
        ("project", Document::Project),
        ("inventory", Document::Inventory),
        ("module", Document::Module),
    ] {
        let text = nowhere.run(&["schema", word]).expect(0).stdout;
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(schema, manual::schema(document));
        jsonschema::draft7::meta::validate(&schema).expect("a schema of draft 7");
    }
    assert_eq!(nowhere.run(&["schema", "host"]).expect(1).stdout, "");
}
