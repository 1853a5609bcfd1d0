//! The way back of a package's change.

use super::super::record::text;
use super::super::{Back, Inverse, Resource as _};
use super::Package;
use super::state::Observed;
use crate::model::{Action, Change};

/// It goes where it was not there, and else is installed at the version that it had; what apt brought
/// along goes with the first of its transaction.
pub(super) fn inverse(package: &Package, observed: &Observed, change: &Change) -> Inverse {
    let name = package.name.as_str();
    let along = observed
        .along(name)
        .map(|(name, old, new)| to(name, old).leaving(vec![("version", new.to_owned())]));
    let mut back: Vec<Back> = along.collect();
    let mut lost = Vec::new();
    match observed.version() {
        Some(_) if !observed.is_whole() => {
            lost.push("it was half-installed before, which is not brought about again".to_owned());
        }
        Some(version) if change.action == Action::Delete => {
            back.push(to(name, Some(version)));
            if package.purge {
                lost.push(
                    "its configuration files and data were purged and do not come back".to_owned(),
                );
            }
        }
        None if change.action == Action::Delete => {
            lost.push("configuration files that were purged do not come back".to_owned());
        }
        version => back.push(to(name, version).leaving_all(change)),
    }
    Inverse { back, lost }
}

fn to(name: &str, version: Option<&str>) -> Back {
    match version {
        Some(version) => Back::to(Package::NAME, name, [("version", text(version))]),
        None => Back::gone(Package::NAME, name),
    }
}
