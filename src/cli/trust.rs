//! `trueup trust`: shows the keys of hosts and files them where ssh looks, once somebody has said that
//! they are the right ones.

use super::args::{Common, Trust};
use super::exit::Exit;
use super::project::{self, Examined};
use super::run::runtime;
use super::settings;
use crate::config::Modules;
use crate::model::{Diagnostic, Host};
use crate::report::{self, TrustView};
use crate::transport::TransportError;
use crate::transport::host_key::{self, Seen};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Trust) -> Exit {
    let style = settings::style(common, report::Zoom::Plain);
    let loaded = project::load(common, Modules::Used);
    let sources = &loaded.project.sources;
    if !verb.yes && verb.fingerprint.is_none() && !report::can_ask() {
        let mistake = Diagnostic::error(
            "trust asks before it files a key, and there is no terminal to ask on",
        )
        .help("give --fingerprint SHA256:… with the key that you expect, or --yes");
        project::tell(style, sources, vec![mistake]);
        return Exit::Mistake;
    }
    let Examined { resolver, mut found, .. } = project::examine(common, Modules::Used, None);
    let Some(resolver) = resolver.filter(|_| found.is_empty()) else {
        project::tell(style, sources, found);
        return Exit::Mistake;
    };
    let mut hosts = Vec::new();
    for name in &verb.hosts {
        match project::host(&resolver, name) {
            Ok(target) => hosts.push(resolver.targets[target].host.clone()),
            Err(mistake) => found.push(mistake),
        }
    }
    if !found.is_empty() {
        project::tell(style, sources, found);
        return Exit::Mistake;
    }
    let transport = settings::transport(verb.connect_timeout, verb.ssh_config.as_ref());
    let mut exit = Exit::Good;
    for host in &hosts {
        let looked = runtime().block_on(host_key::look(host, &transport));
        if !one(host, looked, verb) {
            exit = Exit::Hosts;
        }
    }
    exit
}

/// One host: shows its key and files it where it may be; false where it was not.
fn one(host: &Host, looked: Result<Seen, TransportError>, verb: &Trust) -> bool {
    let tell = |word: &'static str, lines: Vec<String>| {
        report::print(&report::render_trust(&TrustView { host: host.name.clone(), word, lines }));
    };
    let seen = match looked {
        Ok(seen) => seen,
        Err(error) => {
            tell("not reached", vec![error.to_string()]);
            return false;
        }
    };
    let key = format!("{}  from {}", seen.key.shown(), seen.from);
    if let Some(expected) = &verb.fingerprint
        && *expected != seen.key.fingerprint()
    {
        tell(
            "refused: it shows another key than the one that you expect",
            vec![key, format!("expected {expected}")],
        );
        return false;
    }
    if seen.trusted {
        tell("known already", vec![key]);
        return true;
    }
    let changed = !seen.known.is_empty();
    if changed && !verb.replace {
        let mut lines: Vec<String> =
            host_key::changed(&seen).lines().map(ToOwned::to_owned).collect();
        lines.push(format!(
            "Where you are sure of the new one: trueup trust --replace {}",
            host.name
        ));
        tell("refused: its host key is not the one that is known", lines);
        return false;
    }
    if changed {
        tell(
            "another key than the one that is known",
            host_key::changed(&seen).lines().map(ToOwned::to_owned).collect(),
        );
    } else {
        tell("not known", vec![key]);
    }
    let question = format!("Is this the key of {}?", host.name);
    if !verb.yes && verb.fingerprint.is_none() && !report::ask(&question) {
        tell("not trusted", Vec::new());
        return false;
    }
    match seen.trust() {
        Ok(file) => tell("trusted", vec![format!("filed as {} in {}", seen.name, file.display())]),
        Err(why) => {
            tell("not trusted", vec![why]);
            return false;
        }
    }
    true
}
