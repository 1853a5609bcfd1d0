//! Packages, services, users, groups and commands on a real host: what they do, what they refuse, and
//! that a change by hand between plan and apply is not overwritten.

mod accounts;
mod commands;
mod packages;
mod services;

use crate::support::{Output, Project, lab};

/// A project with one module for spare1.
fn project(module: &str) -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"system\"\ninventory = \"inventory.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("inventory.toml", "[hosts.spare1]\n")
        .file("modules/m/module.toml", module);
    project
}

/// Applies a module; the plan after it must be empty. Gives what was printed.
fn settle(module: &str) -> String {
    let project = project(module);
    let apply = project.on_lab(&["apply", "--yes"]).expect(0);
    let again = project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(again.last_line(), "Plan: 1 host: 1 unchanged.", "{}", again.stdout);
    apply.stdout
}

/// Applies a module in which something changes the host behind the plan's back; the apply must fail.
fn moved(module: &str) -> Output {
    project(module).on_lab(&["apply", "--yes"]).expect(3)
}

/// A file whose check runs `text` on the host, before what stands after it in the module.
fn meanwhile(text: &str) -> String {
    format!(
        "[file.\"/srv/meanwhile\"]\ncontent = \"{}\\n\"\nvalidate = '''{text}'''\n",
        std::process::id()
    )
}

/// The problem of an apply, without what stands around it.
fn told(output: &Output) -> String {
    let lines = output.stdout.lines().skip_while(|line| !line.contains("  x m/"));
    let lines = lines.take_while(|line| !line.is_empty()).map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// From now on these programs of the host note their arguments and their environment, each time they run.
fn watch(programs: &[&str]) {
    let text = "rm -f /run/seen /usr/local/sbin/*; for p in PROGRAMS; do \
        printf '#!/bin/sh\\n{ echo \"%s $*\"; cat /proc/$$/environ; echo; } >>/run/seen; exec %s \"$@\"\\n' \
            $p $(command -v $p) >/usr/local/sbin/$p; chmod 755 /usr/local/sbin/$p; done; \
        : >/run/seen; chmod 666 /run/seen";
    lab().on("spare1", &text.replace("PROGRAMS", &programs.join(" ")));
}

/// What they noted; they note no more.
fn seen() -> String {
    lab().on("spare1", "rm -f /usr/local/sbin/*; cat /run/seen; rm /run/seen")
}
