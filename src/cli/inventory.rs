//! `trueup inventory`: hosts, groups, and where values come from; no host is contacted.

use std::collections::BTreeMap;

use super::args::{Common, Explain, Inventory, InventoryWhat};
use super::exit::Exit;
use super::{project, settings};
use crate::config::Modules;
use crate::model::suggest::nearest;
use crate::model::{Diagnostic, Facts, Host, Severity};
use crate::report::view::{ExplainedView, GraphView, SaidView};
use crate::report::{self, Zoom};
use crate::resolve::{Explained, Resolver};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Inventory) -> Exit {
    let examined = project::examine(common, Modules::Used, None);
    let style = settings::style(common, Zoom::Plain);
    let sources = &examined.project.sources;
    let mut found = examined.found;
    found.retain(|mistake| mistake.severity == Severity::Error);
    let limit = settings::limit(common);
    let result = match (examined.resolver, limit) {
        // A mistake in a module does not stand between a reader and the inventory.
        (Some(resolver), Ok(limit)) if !examined.project.inventory.doubtful => {
            resolver.hosts(limit.as_ref()).and_then(|mut hosts| {
                hosts.retain(|&index| common.holds(&resolver.targets[index].host.name));
                show(&resolver, &hosts, verb)
            })
        }
        (_, Err(mistake)) => Err(vec![mistake]),
        _ => Err(found),
    };
    match result {
        Ok(text) => {
            report::print(&text);
            Exit::Good
        }
        Err(mistakes) => {
            project::tell(style, sources, mistakes);
            Exit::Mistake
        }
    }
}

fn show(resolver: &Resolver, hosts: &[usize], verb: &Inventory) -> Result<String, Vec<Diagnostic>> {
    match &verb.what {
        InventoryWhat::List(list) => {
            let hosts: Vec<&Host> =
                hosts.iter().map(|&index| &resolver.targets[index].host).collect();
            Ok(if list.json { report::hosts_json(&hosts) } else { report::hosts(&hosts) })
        }
        InventoryWhat::Graph => Ok(report::graph(&graph(resolver, hosts))),
        InventoryWhat::Explain(explain) => {
            let all = explained(resolver, explain).map_err(|mistake| vec![mistake])?;
            Ok(if explain.json { report::explained_json(&all) } else { report::explained(&all) })
        }
    }
}

fn graph(resolver: &Resolver, hosts: &[usize]) -> GraphView {
    let inventory = &resolver.project().inventory;
    let mut groups: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (name, group) in &inventory.groups {
        let children = group.children.iter().map(|child| child.value.clone());
        groups.insert(name.clone(), (children.collect(), Vec::new()));
    }
    let mut alone = Vec::new();
    for &index in hosts {
        let name = &resolver.targets[index].host.name;
        let own = &inventory.hosts[name].groups;
        for group in own {
            if let Some((_, hosts)) = groups.get_mut(&group.value)
                && !hosts.contains(name)
            {
                hosts.push(name.clone());
            }
        }
        if own.is_empty() {
            alone.push(name.clone());
        }
    }
    GraphView { groups, alone }
}

/// The values of a host that are asked about.
fn explained(resolver: &Resolver, verb: &Explain) -> Result<Vec<ExplainedView>, Diagnostic> {
    let target = project::host(resolver, &verb.host)?;
    let facts = Facts::stand_in(&verb.host);
    let all = resolver.explain(target, &facts);
    let asked = |explained: &&Explained| {
        let name = explained.name.as_str();
        verb.name.as_ref().is_none_or(|asked| {
            name == asked
                || name.rsplit('.').next() == Some(asked)
                || name.ends_with(&format!("/{asked}"))
        })
    };
    let found: Vec<&Explained> = all.iter().filter(asked).collect();
    if let (true, Some(asked)) = (found.is_empty(), &verb.name) {
        let names = all.iter().map(|explained| explained.name.as_str());
        let short = all.iter().filter_map(|explained| explained.name.rsplit('.').next());
        let mistake = Diagnostic::error(format!("host `{}` has no value `{asked}`", verb.host))
            .code("undefined");
        return Err(match nearest(asked, names.chain(short)) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake.help("without a name all of them are printed"),
        });
    }
    Ok(found.into_iter().map(|explained| view(resolver, explained)).collect())
}

fn view(resolver: &Resolver, explained: &Explained) -> ExplainedView {
    let shown = |value: &Option<crate::model::Value>| match value {
        _ if explained.sensitive => "(sensitive)".to_owned(),
        Some(value) => value.to_string(),
        None => "(cannot be evaluated: see trueup check)".to_owned(),
    };
    let said = explained.said.iter().map(|said| SaidView {
        value: shown(&said.value),
        place: said.place.map(|span| resolver.place(span)),
        by: said.by.clone(),
    });
    let value =
        if explained.said.is_empty() { "(not given)".to_owned() } else { shown(&explained.value) };
    ExplainedView {
        name: explained.name.clone(),
        value,
        said: said.collect(),
        facts: explained.facts,
    }
}
