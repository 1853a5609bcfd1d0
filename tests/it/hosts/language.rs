//! The language on real hosts: facts of this host and of others, what `--tags` and `--target` select,
//! and sensitive values.

use std::fmt::Write as _;

use crate::support::{Project, lab, lab::left_out, lab::own};

/// A project with a stage for each group of the same name as its module.
fn project(inventory: &str, modules: &[(&str, &str)]) -> Project {
    let project = Project::new();
    let mut text = "[project]\nname = \"l\"\ninventory = \"inventory.toml\"\n".to_owned();
    for (name, module) in modules {
        let _ = writeln!(
            text,
            "[[stage]]\nname = \"{name}\"\nhosts = \"{name}\"\nmodules = [\"{name}\"]\ntags = [\"of-{name}\"]"
        );
        project.file(&format!("modules/{name}/module.toml"), module);
    }
    project.file("trueup.toml", text).file("inventory.toml", inventory);
    project
}

const INVENTORY: &str =
    "[groups.balancer]\nhosts = [\"web1\"]\n[groups.web]\nhosts = [\"web2\", \"web3\"]\n";

const BALANCER: &str = r#"
[locals]
names = "{{ [peer.facts.hostname for peer in hosts(group='web')] }}"

[file."/etc/peers"]
content = "{{ locals.names | join(sep=' ') }}\n"
"#;

#[test]
fn facts_of_other_hosts_are_asked_for_also_when_a_limit_leaves_them_out() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    lab.on("web1", "rm -f /etc/peers");
    let project = project(
        INVENTORY,
        &[("balancer", BALANCER), ("web", "[file.\"/etc/web\"]\ncontent = \"web\\n\"\n")],
    );
    let apply = project.on_lab(&["apply", "--yes", "--limit", "web1", "-v"]).expect(0);
    assert_eq!(lab.on("web1", "cat /etc/peers"), "web2 web3\n", "{}", apply.stdout);
    assert_eq!(lab.on("web2", "ls /etc/web 2>/dev/null || echo none"), "none\n");
    let plan = project.on_lab(&["plan", "--limit", "balancer"]).expect(0);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 unchanged.");
}

#[test]
fn a_host_whose_facts_cannot_be_had_fails_what_needs_them_by_name() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    lab.on("web1", "rm -f /etc/peers");
    let inventory =
        format!("{INVENTORY}[hosts.gone]\naddress = \"10.213.7.254\"\ngroups = [\"web\"]\n");
    let project = project(
        &inventory,
        &[("balancer", BALANCER), ("web", "[file.\"/etc/hostname.copy\"]\ncontent = \"x\\n\"\n")],
    );
    let plan = project.on_lab(&["plan", "--connect-timeout", "2"]).expect(3);
    let wanted =
        "web1  failed: it needs facts of other hosts that did not give them: gone (unreachable: ";
    assert!(plan.stdout.contains(wanted), "{}", plan.stdout);
    assert!(plan.stdout.contains("gone  unreachable: "), "{}", plan.stdout);
    assert!(plan.stdout.contains("web2, web3  (2 hosts"), "the others go on:\n{}", plan.stdout);
    let alone = project.on_lab(&["plan", "--connect-timeout", "2", "--limit", "web1"]).expect(3);
    assert!(alone.stdout.contains(wanted), "{}", alone.stdout);
}

#[test]
#[expect(clippy::literal_string_with_formatting_args, reason = "no value is meant to go in")]
fn facts_are_inert_text_wherever_they_go() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    let evil =
        "{{ 7*7 }} $(touch /tmp/fired) `touch /tmp/fired` ${env:HOME} ../../x {% include \"x\" %}";
    lab.on(
        "web2",
        &format!("rm -f /tmp/fired /etc/evil; cp -L /etc/os-release /etc/os-release.kept; rm /etc/os-release; printf '%s\\n' 'ID=debian' 'VERSION_ID=12' 'PRETTY_NAME={evil}' >/etc/os-release", evil = evil.replace('\'', "'\\''")),
    );
    let module = r#"
[params]
name = { type = "string", default = "" }

[locals]
said = "{{ facts.os.name }}"
list = ["{{ locals.said }}"]

[file."/etc/evil"]
for_each = "{{ locals.list }}"
template = "evil.tera"
"#;
    let project = project("[groups.web]\nhosts = [\"web2\"]\n", &[("web", module)]);
    project.file(
        "modules/web/templates/evil.tera",
        "{{ each.value }}\n{{ facts.os.name }}{{ params.name }}\n",
    );
    let applied = project.on_lab(&["apply", "--yes"]);
    let content = lab.on("web2", "cat /etc/evil; ls /tmp/fired 2>/dev/null || echo none");
    lab.on("web2", "rm /etc/os-release; mv /etc/os-release.kept /etc/os-release; rm -f /etc/evil");
    assert_eq!(applied.status, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(content, format!("{evil}\n{evil}\nnone\n"));
}

#[test]
fn what_only_the_stand_in_would_lack_does_not_stop_a_plan() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    lab.on("web2", "rm -f /etc/chosen; cp -L /etc/os-release /etc/os-release.kept; rm /etc/os-release; printf 'ID=ubuntu\\nID_LIKE=debian\\nVERSION_ID=24.04\\n' >/etc/os-release");
    // A Debian stands in for hosts that were not asked, and has no entry.
    let module = "[file.\"/etc/chosen\"]\ncontent = \"{{ vars.names[facts.os.id] }}\\n\"\n";
    let project = project(
        "[vars]\nnames = { ubuntu = \"u\", alpine = \"a\" }\n[groups.web]\nhosts = [\"web2\"]\n",
        &[("web", module)],
    );
    let applied = project.on_lab(&["apply", "--yes", "--target", "web/file[/etc/chosen]"]);
    let content = lab.on("web2", "cat /etc/chosen 2>&1 || true");
    lab.on(
        "web2",
        "rm /etc/os-release; mv /etc/os-release.kept /etc/os-release; rm -f /etc/chosen",
    );
    assert_eq!(applied.status, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(content, "u\n");
}

const TAGGED: &str = r#"
use = [{ use = "inner", tags = ["deep"] }]

[file."/etc/tag-a"]
content = "a\n"
tags = ["config"]

[file."/etc/tag-b"]
content = "b\n"
"#;

#[test]
fn tags_and_targets_select_and_must_match_something() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    lab.on("web2", "rm -f /etc/tag-*");
    let project = project("[groups.web]\nhosts = [\"web2\"]\n", &[("web", TAGGED)]);
    project
        .file("modules/inner/module.toml", "[file.\"/etc/tag-inner\"]\ncontent = \"inner\\n\"\n");
    let made = |words: &[&str]| {
        let words = [&["apply", "--yes"], words].concat();
        project.on_lab(&words).expect(0);
        let made = lab.on("web2", "ls /etc/tag-* 2>/dev/null | tr '\\n' ' '");
        lab.on("web2", "rm -f /etc/tag-*");
        made
    };
    assert_eq!(made(&["--tags", "config"]), "/etc/tag-a ");
    assert_eq!(made(&["--tags", "deep,config"]), "/etc/tag-a /etc/tag-inner ");
    assert_eq!(made(&["--tags", "of-web", "--skip-tags", "config"]), "/etc/tag-b /etc/tag-inner ");
    assert_eq!(made(&["--target", "web/file[/etc/tag-?]"]), "/etc/tag-a /etc/tag-b ");
    assert_eq!(made(&["--target", "inner/file[/etc/tag-inner]"]), "/etc/tag-inner ");
    let wrong =
        project.run(&["plan", "--tags", "confg", "--target", "web/file[/etc/no]"]).expect(1);
    insta::assert_snapshot!("selects_nothing", wrong.stderr);
    let nothing = project.on_lab(&["plan", "--tags", "confg", "--allow-empty"]).expect(0);
    assert_eq!(nothing.last_line(), "Plan: 0 hosts: nothing to do.");
    let nothing = project.on_lab(&["apply", "--yes", "--limit", "nope", "--allow-empty"]).expect(0);
    assert_eq!(nothing.last_line(), "Plan: 0 hosts: nothing to do.");
}

#[test]
fn a_trigger_that_is_not_selected_is_told() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    lab.on("web2", "rm -f /etc/watched; systemctl start lab-svc1");
    let module = "[file.\"/etc/watched\"]\ncontent = \"x\\n\"\n[service.lab-svc1]\nrestart_on = [\"file[/etc/watched]\"]\n";
    let project = project("[groups.web]\nhosts = [\"web2\"]\n", &[("web", module)]);
    let plan = project.on_lab(&["plan", "--target", "web/file[/etc/watched]"]).expect(0);
    let told = "      service[lab-svc1] would restart, and is not selected: it will not\n";
    assert!(plan.stdout.contains(told), "{}", plan.stdout);
    assert!(!project.on_lab(&["plan"]).expect(0).stdout.contains("not selected"));
}

#[test]
fn sensitive_values_are_on_the_host_and_on_no_screen() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let lab = lab();
    lab.on("web2", "rm -f /etc/secret /etc/open /etc/declared");
    let canary = "hunter2-CANARY";
    let module = r#"
use = [{ use = "inner", with = { word = "{{ locals.line }}" } }]

[params]
word = { type = "string", sensitive = true, default = "hunter2-CANARY" }

[locals]
line = "word={{ params.word }}"

[file."/etc/secret"]
content = "{{ locals.line }}\n"
mode = "0600"

[file."/etc/declared"]
content = "hunter2-CANARY\n"
sensitive = true
validate = "cat {{ candidate }}; false"
requires = ["file[/etc/secret]", "inner/file[/etc/open]"]
"#;
    let project = project("[groups.web]\nhosts = [\"web2\"]\n", &[("web", module)]);
    project.file(
        "modules/inner/module.toml",
        "[params]\nword = { type = \"string\" }\n[file.\"/etc/open\"]\ncontent = \"{{ params.word }}\\n\"\n",
    );
    let mut seen = String::new();
    for words in [
        &["plan", "--full"][..],
        &["apply", "--yes", "-v"],
        &["plan"],
        &["render", "web2"],
        &["render", "web2", "web/file[/etc/secret]"],
        &["inventory", "explain", "web2"],
    ] {
        let output = if words[0] == "plan" || words[0] == "apply" {
            project.on_lab(words)
        } else {
            project.run(words)
        };
        seen.push_str(&output.stdout);
        seen.push_str(&output.stderr);
    }
    let there =
        lab.on("web2", "cat /etc/secret /etc/open; ls /etc/declared 2>/dev/null || echo none");
    assert_eq!(there, format!("word={canary}\nword={canary}\nnone\n"));
    assert!(!seen.contains(canary), "{seen}");
    assert!(seen.contains("content  (sensitive)") && seen.contains("mode     0600"), "{seen}");
    lab.on("web2", "rm -f /etc/secret /etc/open");
}
