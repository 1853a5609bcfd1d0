//! Resources of one host that cannot stand beside each other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Instance;
use super::order::Placed;
use crate::model::{Address, Diagnostic};
use crate::resources::Claim;

/// The same address twice is a mistake, unless both say the same: then they are one.
pub(super) fn unique(all: Vec<Placed>, found: &mut Vec<Diagnostic>) -> Vec<Placed> {
    let mut seen: HashMap<&Address, &Placed> = HashMap::with_capacity(all.len());
    let mut twice = false;
    for placed in &all {
        let instance = &placed.draft.instance;
        let Some(first) = seen.get(&instance.address) else {
            seen.insert(&instance.address, placed);
            continue;
        };
        twice = true;
        let uses = (first.used, placed.used);
        let first = &first.draft.instance;
        if !Arc::ptr_eq(first, instance) && !first.kind.same(&first.desired, &instance.desired) {
            let address = &instance.address;
            let mistake = Diagnostic::at(
                instance.place,
                format!("`{address}` is declared twice and not in the same way"),
            )
            .code("conflict");
            found.push(if first.place != instance.place {
                mistake.related(first.place, "the first one")
            } else if uses.0 != uses.1 {
                mistake
                    .related(uses.0, "by this use of its module")
                    .related(uses.1, "and by this one, which makes it otherwise")
                    .help("let there be one use of the module on a host, or let both make the same")
            } else {
                mistake
                    .label("two items of its `for_each` have this name")
                    .help("a name with `{{ each.key }}` keeps them apart")
            });
        }
    }
    if !twice {
        return all;
    }
    let mut kept: BTreeSet<Address> = BTreeSet::new();
    all.into_iter().filter(|placed| kept.insert(placed.draft.instance.address.clone())).collect()
}

/// Two resources that claim the same path would never come to rest: a file that is given whole and
/// edited by line, two blocks with one name.
pub(super) fn check_owners(drafts: &[Placed]) -> Vec<Diagnostic> {
    let mut seen: HashMap<String, Vec<(Claim, &Arc<Instance>)>> = HashMap::new();
    let mut found = Vec::new();
    for instance in drafts.iter().map(|placed| &placed.draft.instance) {
        for claim in instance.kind.claims(&instance.desired) {
            let Some(path) = claim.path() else { continue };
            let before = seen.entry(path.to_owned()).or_default();
            let clash = before
                .iter()
                .find(|(other, with)| !claim.goes_with(other) && with.address != instance.address);
            if let Some((_, other)) = clash {
                let both = format!("`{}` and `{}`", other.address, instance.address);
                let message = match claim {
                    Claim::Edit { mark: Some(_), .. }
                        if other.address.kind == instance.address.kind =>
                    {
                        format!("{both} have the same markers in {path}")
                    }
                    _ => format!("{both} manage the same path"),
                };
                let edits = [&instance.address, &other.address];
                let edited = edits.iter().any(|address| matches!(address.kind, "line" | "block"));
                let help = match claim {
                    Claim::Edit { mark: Some(_), .. }
                        if instance.address.kind == other.address.kind =>
                    {
                        "give one of them another name"
                    }
                    _ if edited => {
                        "leave the content of the file out, or put into it what the other one adds"
                    }
                    _ => "let one of them go: only one can say what stands there",
                };
                found.push(
                    Diagnostic::at(instance.place, message)
                        .code("conflict")
                        .related(other.place, "the other one")
                        .help(help),
                );
            }
            before.push((claim, instance));
        }
    }
    found
}
