//! What the language means, seen without hosts: `render` and `inventory` show what would be done.

use crate::support::Project;

/// A project with one stage for all hosts, and one module.
fn project(inventory: &str, module: &str) -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"l\"\ninventory = \"inventories/staging.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("inventories/staging.toml", inventory)
        .file("modules/m/module.toml", module);
    project
}

/// What `render` prints for a host.
#[track_caller]
fn render(project: &Project, words: &[&str]) -> String {
    project.run(&[&["render"], words].concat()).expect(0).stdout
}

const INVENTORIES: [(&str, &str); 2] = [
    (
        "inventories/staging.toml",
        r#"
[connection]
user = "deploy"
become = "sudo"

[vars]
domain = "staging.example"
workers = 2

[groups.all-web]
children = ["web", "edge"]
vars = { workers = 4, tier = "front" }

[groups.web]
hosts = ["web[01:02].example"]
vars = { workers = 8 }
connection = { port = 2222 }

[groups.edge]
hosts = ["edge-[a:b]"]

[groups.db]

[hosts."web02.example"]
address = "10.0.0.2"
vars = { workers = 16 }
connection = { user = "root", become = "no", jump = "bastion", identity = "~/.ssh/web02" }

[hosts.box]
groups = ["db"]
connection = { transport = "command", command = ["docker", "exec", "-i", "{name}", "/bin/sh"] }
"#,
    ),
    (
        "inventories/production.toml",
        "[vars]\ndomain = \"shop.example\"\nworkers = 32\n[groups.web]\nhosts = [\"www\"]\n[groups.all-web]\n\
         children = [\"web\"]\nvars = { tier = \"front\" }\n[groups.db]\n",
    ),
];

const SHOWN: &str = r#"
[file."/values"]
content = "{{ vars.domain }} {{ vars.workers }} {{ vars.tier | default(value='none') }} {{ host.groups | join(sep=' ') }}\n"

[file."/peers"]
content = "{% for peer in hosts(group='all-web') %}{{ peer.name }}={{ peer.vars.workers }} {% endfor %}{{ hosts(group='db') | length }}\n"
"#;

#[test]
fn one_module_set_serves_two_inventories() {
    let project = project("", SHOWN);
    for (path, text) in INVENTORIES {
        project.file(path, text);
    }
    let values = |words: &[&str]| render(&project, words);
    assert_eq!(
        values(&["web01.example", "file[/values]"]),
        "staging.example 8 front all-web web\n"
    );
    assert_eq!(
        values(&["web02.example", "file[/values]"]),
        "staging.example 16 front all-web web\n"
    );
    assert_eq!(values(&["edge-b", "file[/values]"]), "staging.example 4 front all-web edge\n");
    assert_eq!(values(&["box", "file[/values]"]), "staging.example 2 none db\n");
    assert_eq!(
        values(&["box", "m/file[/peers]"]),
        "edge-a=4 edge-b=4 web01.example=8 web02.example=16 1\n"
    );
    let other = project.path().join("inventories/production.toml");
    let other = other.to_str().expect("a path");
    assert_eq!(
        values(&["www", "file[/values]", "-i", other]),
        "shop.example 32 front all-web web\n"
    );
    assert_eq!(
        values(&["www", "file[/peers]", "-i", other]),
        "www=32 0\n",
        "a group without hosts"
    );
    assert_eq!(
        values(&["www", "file[/values]", "-i", other, "--var", "workers=64"]),
        "shop.example 64 front all-web web\n"
    );
}

#[test]
fn inventories_are_listed_drawn_and_explained() {
    let project = project("", SHOWN);
    for (path, text) in INVENTORIES {
        project.file(path, text);
    }
    let all = [
        &["inventory", "list"][..],
        &["inventory", "list", "--limit", "web and not web01.example"],
        &["inventory", "graph"],
        &["inventory", "explain", "web02.example"],
        &["inventory", "explain", "web02.example", "workers", "--var", "workers=1"],
    ];
    let shown =
        all.map(|words| format!("$ {}\n{}", words.join(" "), project.run(words).expect(0).stdout));
    insta::assert_snapshot!(shown.join("\n"));
    let json =
        project.run(&["inventory", "explain", "box", "vars.domain", "--json"]).expect(0).stdout;
    insta::assert_snapshot!("explained_json", json);
    let json: serde_json::Value =
        serde_json::from_str(&project.run(&["inventory", "list", "--json"]).expect(0).stdout)
            .expect("JSON");
    assert_eq!(json["hosts"].as_array().map(Vec::len), Some(5));
    let wrong = project.run(&["inventory", "explain", "web2.example"]).expect(1).stderr;
    assert!(wrong.contains("did you mean `web02.example`?"), "{wrong}");
    let wrong = project.run(&["inventory", "explain", "box", "domian"]).expect(1).stderr;
    assert!(wrong.contains("did you mean `domain`?"), "{wrong}");
}

#[test]
fn modules_use_modules_with_params_made_of_params_and_locals() {
    let project = project(
        "[vars]\nname = \"shop\"\nports = [80, 443]\n[hosts.h]\n",
        r#"
use = [{ use = "site", with = { name = "{{ locals.full }}", ports = "{{ vars.ports }}", kind = "blue" } }]

[locals]
full = "{{ locals.base ~ '-' ~ host.name }}"
base = "{{ vars.name | upper }}"

[file."/outer"]
content = "{{ locals.full }}"
"#,
    );
    project.file(
        "modules/site/module.toml",
        r#"
use = ["leaf"]

[params]
name  = { type = "string", pattern = "^[A-Z]+-" }
ports = { type = "list", of = "integer" }
kind  = { type = "enum", values = ["blue", "green"], default = "green" }
alias = { type = "string", required = false }
sizes = { type = "table", of = "integer", default = { small = 1, large = 9 } }

[file."/inner"]
content = "{{ params.name }} {{ params.ports | join(sep=',') }} {{ params.kind }}{% if params.alias is defined %} {{ params.alias }}{% endif %}"

[file."/size-{{ each.key }}"]
for_each = "{{ params.sizes }}"
content = "{{ each.index }} {{ each.value + 1 }}"
"#,
    );
    project.file("modules/leaf/module.toml", "[file.\"/leaf\"]\ncontent = \"leaf\"\n");
    insta::assert_snapshot!(render(&project, &["h"]));
}

#[test]
fn templates_include_and_extend_others_of_their_module() {
    let project = project(
        "[vars]\nsites = [\"a\", \"b\"]\n[hosts.h]\n",
        "[file.\"/page\"]\ntemplate = \"child.tera\"\n[file.\"/raw\"]\nsource = \"files/deep/raw.txt\"\n",
    );
    project
        .file("modules/m/templates/base.tera", "head\n{% block body %}nothing{% endblock body %}\n{% include \"parts/foot.tera\" %}")
        .file("modules/m/templates/child.tera", "{% extends \"base.tera\" %}{% block body %}{% for site in vars.sites %}{{ site }};{% endfor %}{{ super() }}{% endblock body %}")
        .file("modules/m/templates/parts/foot.tera", "foot of {{ host.name }}\n")
        .file("modules/m/files/deep/raw.txt", b"{{ as it is }}\xff\n");
    assert_eq!(render(&project, &["h", "file[/page]"]), "head\na;b;nothing\nfoot of h\n");
    let all = render(&project, &["h"]);
    assert!(all.contains("source  = \"files/deep/raw.txt\"\n  | binary, 16 bytes\n"), "{all}");
}

#[test]
fn values_keep_their_types_and_pass_through_whole() {
    let project = project(
        r#"
[vars]
day = 2026-02-03
moment = 1979-05-27T07:32:00Z
flag = true
size = 0.5
mode = "0640"
nested = { list = [1, [2, 3]], table = { "odd key" = "x" } }
[hosts.h]
"#,
        r#"
[file."/all"]
content = """
{{ vars.day }} {{ vars.moment }} {{ vars.flag }} {{ vars.size }}
{{ vars.nested.list[1][0] + 1 }} {{ vars.nested.table["odd key"] }}
"""
mode = "{{ vars.mode }}"

[user.u]
uid = "{{ 1000 + 7 }}"
system = "{{ vars.flag and not false }}"
groups = "{{ ['a', 'b'] }}"

[group.a]
[group.b]
"#,
    );
    assert_eq!(
        render(&project, &["h", "file[/all]"]),
        "2026-02-03 1979-05-27T07:32:00Z true 0.5\n3 x\n"
    );
    insta::assert_snapshot!(render(&project, &["h", "user[u]"]));
}

#[test]
fn identical_declarations_are_one_and_others_are_not() {
    let project =
        project("[hosts.h]\n", "[file.\"/a\"]\ncontent = \"{{ stage.name | length }}\"\n");
    let stages = |second: &str| {
        project.file("trueup.toml", format!(
            "[project]\nname = \"l\"\ninventory = \"inventories/staging.toml\"\n[[stage]]\nname = \"one\"\nhosts = \"all\"\n\
             modules = [\"m\"]\n[[stage]]\nname = \"{second}\"\nhosts = \"all\"\nmodules = [\"m\"]\n"
        ));
    };
    stages("two");
    assert_eq!(render(&project, &["h"]).matches("m/file[/a]").count(), 1);
    stages("three");
    insta::assert_snapshot!(project.run(&["check"]).expect(1).stderr);
}

#[test]
fn resources_stand_in_the_order_in_which_they_are_done() {
    let project = project(
        "[hosts.h]\n",
        "[file.\"/z/late\"]\ncontent = \"\"\nrequires = [\"command[first]\"]\n[directory.\"/z\"]\n[user.owner]\n\
         [command.first]\ncommand = \"true\"\n[file.\"/a\"]\nowner = \"owner\"\n[directory.\"/b\"]\n",
    );
    let shown = render(&project, &["h"]);
    let order: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("m/"))
        .filter_map(|line| line.split("  ").next())
        .collect();
    assert_eq!(
        order,
        [
            "m/directory[/z]",
            "m/user[owner]",
            "m/command[first]",
            "m/file[/z/late]",
            "m/file[/a]",
            "m/directory[/b]"
        ]
    );
}

#[test]
fn a_mistake_in_a_sensitive_value_does_not_show_it() {
    let project = project(
        "[vars]\nword = \"CANARY-7\"\n[hosts.h]\n",
        r#"
use = [
    { use = "inner", with = { word = "{{ vars.word }}", pin = "CANARY-8" } },
]
"#,
    );
    project.file(
        "modules/inner/module.toml",
        r#"
[params]
word = { type = "string", sensitive = true }
pin  = { type = "string", sensitive = true, pattern = "^[0-9]+$" }

[locals]
mode = "{{ params.word }}"

[file."/a"]
content = "{{ params.pin }}"

[file."/b"]
mode = "{{ locals.mode }}"
"#,
    );
    for words in [&["check"][..], &["check", "--json"], &["check", "--sarif"], &["plan"]] {
        let output = project.run(words).expect(1);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("CANARY"), "{output:?}");
    }
    let explained = project.run(&["inventory", "explain", "h"]).expect(0).stdout;
    assert!(explained.contains("vars.word = (sensitive)\n"), "{explained}");
    assert!(!explained.contains("CANARY"), "{explained}");
    insta::assert_snapshot!("sensitive", project.run(&["check"]).expect(1).stderr);
}

/// What `check` says of a module `m` on hosts of which one has less than the others.
fn said(module: &str) -> String {
    let inventory = "[vars]\nlist = [{ name = \"a\" }, {}]\n[groups.web]\nhosts = [\"w1\", \"w2\"]\n\
                     [hosts.w1]\nvars = { size = 1 }\n";
    let project = project(
        inventory,
        &format!("[locals]\nuse_list = \"{{{{ vars.list | length }}}}\"\n{module}"),
    );
    project.run(&["check"]).stderr
}

#[test]
fn what_is_missing_in_a_list_is_no_empty_text() {
    for (content, wanted) in [
        (
            "{{ [p.facts.cpu for p in hosts(group='web')] | join(sep=' ') }}.",
            "`facts.cpu` is not defined",
        ),
        (
            "{{ [p.vars.sizee for p in hosts(group='web')] | join(sep=' ') }}.",
            "`vars.sizee` is not defined",
        ),
        (
            "{{ [p.vars.size for p in hosts(group='web')] | join(sep=' ') }}.",
            "item 1 of this list is not defined",
        ),
        (
            "{{ [i.name for i in vars.list] | join(sep=' ') }}.",
            "item 1 of this list is not defined",
        ),
        ("{{ hosts(group='web')[0].facts.oss.id }}", "`facts.oss.id` is not defined"),
        ("{{ ['a'] | join(sp=',') }}", "`join` has no argument `sp`"),
        ("{{ hosts(group='web', wehre='x') | length }}", "`hosts` has no argument `wehre`"),
        ("{{ 'a' | upper(x=1) }}", "`upper` has no argument `x`"),
    ] {
        let said = said(&format!(
            "[file.\"/a\"]\ncontent = \"\"\"{content}{{{{ locals.use_list }}}}\"\"\"\n"
        ));
        assert!(said.contains(wanted), "{content}\n{said}");
    }
}

#[test]
fn sensitive_values_are_no_names_and_no_lines_of_mistakes_show_them() {
    let project = project(
        "[vars]\ntoken = \"CANARY-VAR\"\n[groups.web]\nhosts = [\"w1\", \"w2\"]\n[groups.eu]\nhosts = [\"w1\"]\n\
         vars = { token = \"CANARY-EU\" }\n[groups.us]\nhosts = [\"w1\"]\nvars = { token = \"CANARY-US\" }\n[hosts.alone]\n",
        "use = [{ use = \"inner\", with = { token = \"{{ vars.token }}\", other = \"CANARY-WITH\", wrong = 1 } }]\n",
    );
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"l\"\ninventory = \"inventories/staging.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"web\"\nmodules = [\"m\"]\n",
        )
        .file(
            "modules/inner/module.toml",
            "[params]\ntoken = { type = \"string\", sensitive = true }\nother = { type = \"string\", sensitive = true }\n\
             dflt = { type = \"string\", sensitive = true, default = \"CANARY-DEFAULT\", min = 1 }\n\
             [file.\"/x/{{ params.token }}\"]\n[file.\"/y\"]\ntags = [\"{{ params.other }}\"]\n",
        );
    for words in [
        &["check"][..],
        &["check", "--json"],
        &["check", "--sarif"],
        &["plan", "--tags", "x"],
        &["inventory", "explain", "w2"],
        &["inventory", "explain", "alone"],
    ] {
        let output = project.run(words);
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(!all.contains("CANARY"), "{words:?}\n{all}");
    }
    let said = project.run(&["check"]).expect(1).stderr;
    assert_eq!(said.matches("a sensitive value would be shown here").count(), 2, "{said}");
}

#[test]
fn a_template_that_goes_on_and_on_is_stopped() {
    let loops = "{% for a in range(end=99999) %}{% for b in range(end=99999) %}{% for c in range(end=99999) %}{% endfor %}{% endfor %}{% endfor %}x";
    let one = project("[hosts.h]\n", &format!("[file.\"/a\"]\ncontent = \"{loops}\"\n"));
    let said = one.run(&["check", "--render-timeout", "1"]).expect(1).stderr;
    assert!(said.starts_with("error: making the resources of h takes longer than 1 s\n"), "{said}");
    // Others are through long before: it is the one that loops that is named, wherever it stands.
    for bad in ["a", "d"] {
        let content = format!("{{% if host.name == '{bad}' %}}{loops}{{% endif %}}");
        let hosts = "[groups.g]\nhosts = [\"a\", \"b\", \"c\", \"d\"]\n";
        let many = project(hosts, &format!("[file.\"/a\"]\ncontent = \"{content}\"\n"));
        let said = many.run(&["check", "--render-timeout", "1"]).expect(1).stderr;
        let told = format!("error: making the resources of {bad} takes longer than 1 s\n");
        assert!(said.starts_with(&told), "{said}");
    }
}
