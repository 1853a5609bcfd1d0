//! The program without hosts: mistakes at their places, arguments and exit statuses.

use crate::support::Project;

/// A project that is right, for tests to break: two groups, one module.
fn good() -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"good\"\ninventory = \"inventory.toml\"\n\n[[stage]]\nname = \"web\"\n\
             hosts = \"web and not web9\"\nmodules = [{ use = \"site\", with = { port = 8080 } }]\n",
        )
        .file(
            "inventory.toml",
            "[connection]\ntransport = \"local\"\n[vars]\nupstreams = [\"a\"]\n[groups.web]\n\
             hosts = [\"web[1:2]\", \"web9\"]\nvars = { workers = 4 }\n[groups.db]\nhosts = [\"db1\"]\n",
        )
        .file(
            "modules/site/module.toml",
            "[params]\nport = { type = \"integer\", min = 1, max = 65535 }\n\n\
             [file.\"/etc/site.conf\"]\ntemplate = \"site.conf.tera\"\nmode = \"0644\"\n",
        )
        .file("modules/site/templates/site.conf.tera", "port {{ params.port }}\nworkers {{ vars.workers }}\n{% for name in vars.upstreams %}{{ name }}\n{% endfor %}");
    project
}

/// What `trueup check` says of a project that is wrong; nothing may be on stdout.
#[track_caller]
fn mistakes(project: &Project) -> String {
    let output = project.run(&["check"]).expect(1);
    assert_eq!(output.stdout, "", "mistakes go to stderr");
    output.stderr
}

#[test]
fn a_right_project_is_said_to_be_right() {
    let output = good().run(&["check"]).expect(0);
    assert_eq!(
        output.stdout,
        "No mistakes; 2 hosts, 1 module, 2 resources read. No host was contacted.\n"
    );
}

#[test]
fn mistakes_in_the_project_file_are_told_all_at_once() {
    let project = good();
    project.file(
        "trueup.toml",
        "[project]\nname = \"a b\"\ninventry = \"inventory.toml\"\ninventory = \"inventory.toml\"\n\n[[stage]]\nname = \"web\"\n\
         hosts = \"web and (db\"\nmodules = [\"sitee\", { use = \"site\", wth = {} }, 3]\n[[stage]]\nhosts = 1\nmodules = []\n",
    );
    insta::assert_snapshot!(mistakes(&project));
}

#[test]
fn mistakes_in_an_inventory_are_told_all_at_once() {
    let project = good();
    project.file(
        "inventory.toml",
        "[groups.web]\nhosts = [\"web[3:1]\", \"-oProxyCommand=x\"]\nchildren = [\"wbe\"]\n[groups.wbe2]\nchildren = [\"loop\"]\n\
         [groups.loop]\nchildren = [\"wbe2\"]\n[hosts.web1]\ngroup = [\"web\"]\nadress = \"x\"\n[hosts.\"a;id\"]\n",
    );
    insta::assert_snapshot!(mistakes(&project));
}

#[test]
fn settings_and_siblings_are_checked_for_each_host() {
    let project = good();
    project.file(
        "inventory.toml",
        "[vars]\nupstreams = []\n[groups.web]\nhosts = [\"web1\", \"web9\"]\nvars = { workers = 4 }\n\
         [groups.eu]\nhosts = [\"web1\"]\nvars = { workers = 5 }\n[hosts.web1]\naddress = \"-x\"\n\
         connection = { port = 70000, user = \"a b\", become = \"su\", transport = \"command\" }\n",
    );
    insta::assert_snapshot!(mistakes(&project));
}

#[test]
fn mistakes_in_resources_are_told_all_at_once_with_their_places() {
    let project = good();
    project.file(
        "modules/site/module.toml",
        r#"[params]
port = { type = "integr" }

[fil."/etc/x"]
content = "x"

[file."/etc/y"]
mod = "0644"
mode = 644
state = "presnt"
contnt = "x"

[file."etc/relative"]
owner = "a b"
mode = "9999"

[symlink."/etc/no-target"]

[line.l]
path = "/etc/x"
line = "two\nlines"
match = "("

[package."Bad Name"]

[user.u]
home = "relative"
shell = "/bin/a:b"

[command.c]

[service.s]
"#,
    );
    project.file("trueup.toml", "[project]\nname = \"p\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"a\"\nhosts = \"web1\"\nmodules = [\"site\"]\n");
    insta::assert_snapshot!("resources_unread", mistakes(&project));
    let module = std::fs::read_to_string(project.path().join("modules/site/module.toml"))
        .expect("the module");
    let module = module.replace("integr\"", "integer\", default = 1").replace("[fil.", "[file.");
    project.file("modules/site/module.toml", module);
    insta::assert_snapshot!("resources", mistakes(&project));
}

#[test]
fn undefined_names_are_told_in_toml_and_in_templates() {
    let project = good();
    project.file(
        "modules/site/module.toml",
        "[params]\nport = { type = \"integer\" }\n[file.\"/etc/{{ vars.nam }}\"]\ntemplate = \"site.conf.tera\"\n\
         [file.\"/etc/b\"]\ncontent = '{{ vars.upstrems }} and more'\n[file.\"/etc/c\"]\nwhen = \"vars.workers\"\n\
         [file.\"/etc/d\"]\nfor_each = 3\n[file.\"/etc/e\"]\ntemplate = \"sit.conf.tera\"\n",
    );
    project.file(
        "modules/site/templates/site.conf.tera",
        "a\nworkers {{ vars.worker }}\n{{ params.prt }}\n",
    );
    insta::assert_snapshot!(mistakes(&project));
}

#[test]
fn params_are_typed_and_bounded() {
    let project = good();
    let with = |with: &str| {
        project.file(
            "trueup.toml",
            format!("[project]\nname = \"p\"\ninventory = \"inventory.toml\"\n[[stage]]\nname = \"a\"\nhosts = \"web1\"\nmodules = [{{ use = \"site\"{with} }}]\n"),
        );
        mistakes(&project)
    };
    let all = [
        "",
        ", with = { port = \"80\" }",
        ", with = { port = 0 }",
        ", with = { port = 1, prt = 2 }",
    ]
    .map(with);
    insta::assert_snapshot!(all.concat());
}

#[test]
fn order_mistakes_show_the_path() {
    let project = good();
    project.file(
        "modules/site/module.toml",
        "[params]\nport = { type = \"integer\" }\n[command.a]\ncommand = \"a\"\nrequires = [\"command[b]\"]\n\
         [command.b]\ncommand = \"b\"\nrequires = [\"command[c]\"]\n[command.c]\ncommand = \"c\"\nrun_on = [\"command[a]\"]\n",
    );
    insta::assert_snapshot!("cycle", mistakes(&project));
    project.file(
        "modules/site/module.toml",
        "[params]\nport = { type = \"integer\" }\n[file.\"/etc/{{ each.index * 0 }}\"]\nfor_each = [\"a\", \"b\"]\ncontent = \"{{ each.value }}\"\n\
         [service.s]\nstate = \"running\"\nreload_on = [\"file[/etc/9]\"]\n",
    );
    insta::assert_snapshot!("twice", mistakes(&project));
    let module = std::fs::read_to_string(project.path().join("modules/site/module.toml"))
        .expect("the module");
    project.file("modules/site/module.toml", module.replace(" * 0", ""));
    insta::assert_snapshot!("names_nothing", mistakes(&project));
}

#[test]
fn arguments_have_their_own_mistakes() {
    let project = good();
    for words in [
        &["plan", "--limit", "wep1"][..],
        &["plan", "--limit", "web1 web2"],
        &["plan", "--var", "x"],
        &["plan", "--no-such"],
        &[],
    ] {
        let output = project.run(words).expect(1);
        assert_eq!(output.stdout, "", "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
    let output = project.run(&["plan", "--limit", "wep1"]).expect(1);
    insta::assert_snapshot!("limit", output.stderr);
    let output = project.run(&["apply"]).expect(1);
    insta::assert_snapshot!("no_terminal", output.stderr);
    let empty = Project::new();
    let output = empty.run(&["plan"]).expect(1).stderr;
    assert!(output.contains("cannot read trueup.toml: there is no such file"), "{output}");
}

#[test]
fn help_and_version_are_results() {
    let project = good();
    insta::assert_snapshot!("help", project.run(&["--help"]).expect(0).stdout);
    insta::assert_snapshot!("help_apply", project.run(&["apply", "--help"]).expect(0).stdout);
    assert_eq!(
        project.run(&["--version"]).expect(0).stdout,
        concat!("trueup ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_var_of_the_command_line_wins_and_keeps_its_type() {
    let project = Project::new();
    project
        .file("trueup.toml", "[project]\nname = \"v\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"a\"\nhosts = \"all\"\nmodules = [\"m\"]\n")
        .file("i.toml", "[connection]\ntransport = \"local\"\n[vars]\nn = 1\n[hosts.here]\nvars = { n = 2 }\n")
        .file("modules/m/module.toml", "[file.\"/nowhere/{{ vars.n + 1 }}\"]\ncontent = \"{{ vars.n }}\"\n");
    let plan = project.run(&["plan", "--var", "n=40"]).expect(3);
    assert!(plan.stdout.contains("m/file[/nowhere/41]"), "{}", plan.stdout);
}

/// The TOML blocks of a page, by the file that their first line names.
pub fn blocks(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(crate::support::repository().join(page)).expect("a page");
    let fenced = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    fenced
        .map(|block| {
            let name = block.trim_start_matches("# ").split(':').next().expect("a file's name");
            (name.to_owned(), block.to_owned())
        })
        .collect()
}

#[test]
fn the_project_in_the_readme_is_right() {
    let project = Project::new();
    let blocks = blocks("README.md");
    assert_eq!(blocks.len(), 3);
    for (path, text) in blocks {
        project.file(&path, text);
    }
    project
        .file("modules/site/templates/nginx.conf.tera", "worker_processes {{ params.workers }};\n");
    let output = project.run(&["check"]).expect(0);
    assert!(output.stdout.starts_with("No mistakes; 8 hosts, 2 modules, "), "{}", output.stdout);
}

#[test]
fn the_reference_names_every_key_of_every_type() {
    let read = |page: &str| {
        std::fs::read_to_string(crate::support::repository().join(page)).expect("the page")
    };
    let page = read("docs/resources.md");
    assert!(read("docs/language.md").contains("(resources.md)"), "the language leads there");
    for kind in trueup::resources::REGISTRY {
        let project = good();
        project.file(
            "modules/site/module.toml",
            format!(
                "[params]\nport = {{ type = \"integer\" }}\n[{}.\"/x\"]\nno_such_key = 1\n",
                kind.name()
            ),
        );
        let said = mistakes(&project);
        let (_, list) = said.split_once(" resource has ").expect("the keys");
        let section =
            page.split("\n## ").find(|part| part.starts_with(&format!("`{}`", kind.name())));
        let section =
            section.unwrap_or_else(|| panic!("the reference has no section on {}", kind.name()));
        for key in list.lines().next().expect("a line").split(", ").map(|key| key.trim_matches('`'))
        {
            let shared =
                page.split("\n## ").find(|part| part.starts_with("Keys of every resource"));
            let marked = format!("`{key}`");
            assert!(
                section.contains(&marked) || shared.is_some_and(|part| part.contains(&marked)),
                "the reference does not name `{key}` of {}",
                kind.name()
            );
        }
    }
}

#[test]
fn an_inventory_without_hosts_is_said_to_have_none() {
    let project = good();
    project.file("inventory.toml", "");
    for verb in ["check", "plan"] {
        let told = mistakes_of(&project, verb);
        assert!(told.contains("the inventory inventory.toml has no hosts"), "{told}");
        assert!(!told.contains("is named"), "{told}");
    }
}

/// What a verb prints that finds mistakes.
fn mistakes_of(project: &Project, verb: &str) -> String {
    let output = project.run(&[verb]).expect(1);
    output.stdout + &output.stderr
}

#[test]
fn tips_lead_somewhere() {
    let project = good();
    for words in [
        &["apply", "--max-removals", "-1"][..],
        &["rollback", "last", "--prune"],
        &["rollback", "last", "--confirm", "10s"],
    ] {
        let told = project.run(words).expect(1).stderr;
        assert!(!told.contains("tip:"), "{told}");
    }
    let near = project.run(&["apply", "--max-removal", "1"]).expect(1).stderr;
    assert!(near.contains("tip: a similar argument exists: '--max-removals'"), "{near}");
    let number = project.run(&["apply", "--max-removals", "x"]).expect(1).stderr;
    assert!(
        number.contains("invalid value 'x' for '--max-removals <N>': not a whole number"),
        "{number}"
    );
}
