//! What the fuzzer runs on its inputs, and the tests on every input that it kept.

#[path = "hosts.rs"]
mod hosts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trueup::config::{self, HostPattern, Loaded, Modules, Tree};
use trueup::model::{Address, AddressPattern, Connection, Diagnostic, Facts, Host, Severity};
use trueup::report::view::CheckView;
use trueup::report::{self, Style};
use trueup::resolve::{Resolver, Survey};

/// The longest input that is looked at, in bytes.
const INPUT_MAX: usize = 4 << 10;
/// The most hosts of a project that are looked at.
const HOSTS_MAX: usize = 8;
/// The most hosts that ranges of an input may stand for.
const RANGE_MAX: usize = 2000;
/// Before the path of a file in an input.
const FILE: &str = "=== ";

/// A target by its name.
///
/// # Panics
/// When there is no such target, or it finds a mistake.
pub fn run(target: &str, input: &[u8]) {
    match target {
        "project" => project(input),
        "pattern" => pattern(input),
        "template" => template(input),
        "frame" => hosts::frame(input),
        "facts" => hosts::facts(input),
        "observe" => hosts::observe(input),
        _ => panic!("there is no target `{target}`"),
    }
}

/// Files of a project, each behind a line `=== PATH`: loads them and looks at what they make.
pub fn project(input: &[u8]) {
    if input.len() > INPUT_MAX || hosts_of_ranges(input) > RANGE_MAX {
        return;
    }
    examine(files(input));
}

/// Patterns of hosts, of addresses, and ranges, one on each line.
pub fn pattern(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if input.len() > INPUT_MAX {
        return;
    }
    let hosts = ["web1.x", "web2.x", "db1", "db-a"].map(|name| Host {
        name: name.into(),
        address: name.into(),
        groups: vec![name[..2].into(), "eu".into()],
        connection: Connection::default(),
    });
    for line in text.lines() {
        if let Ok(pattern) = HostPattern::parse(line) {
            let selected: Vec<bool> = hosts.iter().map(|host| pattern.matches(host)).collect();
            let again = HostPattern::parse(&format!("( {} )", pattern.text()));
            let again = again.expect("a pattern in parentheses is a pattern");
            assert!(hosts.iter().map(|host| again.matches(host)).eq(selected), "{line}");
            for (name, at) in pattern.unmatched(&hosts.iter()) {
                assert_eq!(line[at], name);
            }
        }
        if let Ok(pattern) = AddressPattern::parse(line) {
            let named = |name: &str| Address {
                module: pattern.module().unwrap_or("own").to_owned(),
                kind: "file",
                name: name.to_owned(),
            };
            let name = line.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
            for name in ["/etc/a", "/etc/a/b", "nginx", name.unwrap_or_default()] {
                let selected = pattern.matches(&named(name), "own");
                assert!(pattern.literal().is_none_or(|one| !selected || one == name), "{line}");
            }
        }
    }
    if hosts_of_ranges(input) <= RANGE_MAX {
        let lines: Vec<String> = text.lines().map(|line| format!("{line:?}")).collect();
        let inventory = format!("[groups.g]\nhosts = [{}]\n", lines.join(", "));
        examine(fixed(&inventory, "", &[]));
    }
}

/// A string with an expression; behind lines `===` templates that may include each other.
pub fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if input.len() > INPUT_MAX {
        return;
    }
    let mut parts = text.split("\n===\n");
    let content = toml_string(parts.next().unwrap_or_default());
    let templates: Vec<&str> = parts.take(3).collect();
    let module = format!(
        "[params]\nsize = {{ type = \"integer\", default = 1 }}\n\
         list = {{ type = \"list\", of = \"string\", default = [\"a\", \"b\"] }}\n\
         [locals]\nown = {content}\n\
         [file.\"/a\"]\ncontent = {content}\n\
         [file.\"/b\"]\ntemplate = \"0\"\nwhen = {content}\n\
         [file.\"/c/{{{{ each.key }}}}\"]\nfor_each = {content}\ncontent = \"{{{{ each.value }}}}\"\n"
    );
    examine(fixed(INVENTORY, &module, &templates));
}

/// Two hosts with vars of every kind.
const INVENTORY: &str = "[vars]\nname = \"x\"\nnumber = 7\nfloat = 1.5\nyes = true\n\
    list = [1, 2]\ntable = { a = \"b\", c = { d = [\"e\"] } }\n\
    [groups.web]\nhosts = [\"web1\", \"web2\"]\n[hosts.web1]\nvars = { role = \"first\" }\n";

/// A project around an inventory and one module.
fn fixed(inventory: &str, module: &str, templates: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let project = "[project]\nname = \"p\"\ninventory = \"i.toml\"\n\
        [[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [\"m\"]\n";
    let mut files = BTreeMap::new();
    let mut add = |path: &str, text: &str| files.insert(PathBuf::from(path), text.into());
    add("trueup.toml", project);
    add("i.toml", inventory);
    add("modules/m/module.toml", module);
    for (index, text) in templates.iter().enumerate() {
        add(&format!("modules/m/templates/{index}"), text);
    }
    files
}

/// The files of an input.
fn files(input: &[u8]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut path: Option<PathBuf> = None;
    let mut text = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let named = line.strip_prefix(FILE.as_bytes());
        let Some(Ok(named)) = named.map(std::str::from_utf8) else {
            text.extend_from_slice(line);
            continue;
        };
        if let Some(path) = path.replace(Path::new("").join(named.trim_end())) {
            files.insert(path, std::mem::take(&mut text));
        }
        text.clear();
    }
    files.extend(path.map(|path| (path, text)));
    files
}

/// Does what `check` and `render` do.
fn examine(files: BTreeMap<PathBuf, Vec<u8>>) {
    let Loaded { project, mistakes: mut found, whole } =
        config::load(&Tree::Memory(files), None, Modules::All);
    let project = Arc::new(project);
    let mut survey = Survey::default();
    if whole {
        let resolver = Resolver::new(&project, BTreeMap::new(), &mut found);
        for host in resolver.select(None).unwrap_or_default().into_iter().take(HOSTS_MAX) {
            survey.add(&resolver, host);
        }
        found.extend(survey.mistakes(&resolver, &found));
        found.extend(resolver.unused());
        let wrong = found.iter().any(|mistake| mistake.severity == Severity::Error);
        for host in (0..resolver.targets.len()).take(HOSTS_MAX) {
            let facts = Facts::stand_in(&resolver.targets[host].host.name);
            let _ = resolver.explain(host, &facts);
            if !wrong {
                let _ = (resolver.render(host, &facts), resolver.desired(host, &facts));
            }
        }
    }
    show(&found, &project, &survey);
}

/// Draws everything that was found.
fn show(found: &[Diagnostic], project: &config::Project, survey: &Survey) {
    let file = |file| {
        let source = project.sources.get(file);
        (source.path.display().to_string(), source.text)
    };
    let view = CheckView {
        good: found.is_empty(),
        errors: found.len(),
        warnings: 0,
        hosts: survey.hosts(),
        modules: project.modules.len(),
        resources: survey.resources(),
    };
    for mistake in found {
        for label in mistake.primary.iter().chain(&mistake.related) {
            let (from, to, end) = (label.span.start, label.span.end, file(label.span.file).1.len());
            assert!(from <= to && to <= end, "a place that is none: {mistake:?}");
        }
    }
    let _ = report::render_diagnostics(Style::PLAIN, found, file);
    let _ = report::check_json(&view, found, file);
    let _ = report::check_sarif(found, file);
}

/// How many hosts the ranges of a text may stand for, roughly.
fn hosts_of_ranges(text: &[u8]) -> usize {
    let size = |line: &[u8]| {
        let ranges = line.split(|byte| *byte == b'[').skip(1);
        let ranges = ranges.filter_map(|rest| rest.split(|byte| *byte == b']').next());
        let sizes = ranges.filter(|range| range.contains(&b':')).map(|range| {
            let digits = range.iter().filter(|byte| byte.is_ascii_digit()).count();
            10_usize.saturating_pow(u32::try_from(digits.saturating_sub(1)).unwrap_or(9)).max(26)
        });
        sizes.fold(0_usize, |all, size| all.max(1).saturating_mul(size))
    };
    text.split(|byte| *byte == b'\n').map(size).fold(0, usize::saturating_add)
}

/// A text as TOML writes it.
fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            char if char.is_control() => drop(write!(out, "\\u{:04X}", u32::from(char))),
            char => out.push(char),
        }
    }
    out + "\""
}
