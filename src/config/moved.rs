//! `moved`: addresses that changed. What hosts remember under the first is the second's, and nothing is
//! touched for that.

use toml::de::DeValue;

use super::table::{Fields, Shape, TomlValue, wrong_type};
use crate::model::{Address, Diagnostic, FileId, Located};

/// An old address and its new one, both whole: `module/type[name]`.
pub type Moved = (Located<String>, Located<String>);

const MOVED: Shape = Shape {
    what: "an address that moved",
    is: "an address that moved is",
    write: "{ from = \"type[name]\", to = \"type[name]\" }",
};

/// Reads the list. Inside `module` its name in front may be left out.
pub(super) fn read(
    file: FileId,
    module: Option<&str>,
    value: &TomlValue,
    found: &mut Vec<Diagnostic>,
) -> Vec<Moved> {
    let DeValue::Array(items) = value.get_ref() else {
        found.push(wrong_type(file, "moved", "a list of tables", value));
        return Vec::new();
    };
    let mut all: Vec<Moved> = Vec::new();
    for item in items {
        let Some(mut fields) = Fields::of(&MOVED, file, item, found) else { continue };
        let from = fields.need("from", "from = \"type[name]\"").is_some();
        let to = fields.need("to", "to = \"type[name]\"").is_some();
        let from = from.then(|| fields.string("from", found)).flatten();
        let to = to.then(|| fields.string("to", found)).flatten();
        fields.finish(found);
        let (Some(from), Some(to)) = (from, to) else { continue };
        let (Some(from), Some(to)) = (whole(module, &from, found), whole(module, &to, found))
        else {
            continue;
        };
        if from.value == to.value {
            found.push(Diagnostic::at(to.span, "this is where it was before"));
        } else if let Some(why) = two_things(&from.value, &to.value) {
            let help = "what is no longer declared goes with --prune, and the new one is made";
            found.push(Diagnostic::at(to.span, why).help(help));
        } else if all.iter().any(|(known, _)| known.value == from.value) {
            let message = format!("`{}` moved already", from.value);
            found.push(Diagnostic::at(from.span, message).help("one address has one new one"));
        } else {
            all.push((from, to));
        }
    }
    all
}

/// Types whose name says which thing on a host it is.
const NAMED: [&str; 7] = ["file", "directory", "symlink", "package", "service", "user", "group"];

/// Why one cannot be the other under a new address.
fn two_things(from: &str, to: &str) -> Option<String> {
    let (from, to) = (Address::read(from)?, Address::read(to)?);
    if from.kind != to.kind {
        return Some(format!("a {} does not become a {}", from.kind, to.kind));
    }
    let two = NAMED.contains(&from.kind) && from.name != to.name;
    two.then(|| format!("`{}` and `{}` are two things on a host", from.short(), to.short()))
}

/// An address with its module in front.
fn whole(
    module: Option<&str>,
    text: &Located<String>,
    found: &mut Vec<Diagnostic>,
) -> Option<Located<String>> {
    let bare = text.value.split_once('[').is_some_and(|(head, _)| !head.contains('/'));
    let value = match module {
        Some(module) if bare => format!("{module}/{}", text.value),
        _ => text.value.clone(),
    };
    let read = Address::read(&value).filter(|address| {
        !(address.module.is_empty() || address.kind.is_empty() || address.name.is_empty())
    });
    if read.is_none() {
        let form = if module.is_some() { "type[name]" } else { "module/type[name]" };
        found.push(Diagnostic::at(text.span, format!("an address is written `{form}`")));
        return None;
    }
    Some(Located { value, span: text.span })
}

/// Old addresses with their last new ones: who moved twice is found where it is now.
pub(super) fn settled(all: &[Moved]) -> Vec<(String, String)> {
    let next = |at: &str| all.iter().find(|(from, _)| from.value == at).map(|(_, to)| &to.value);
    let last = |from: &str| {
        let mut at = from.to_owned();
        for _ in 0..all.len() {
            match next(&at) {
                Some(to) => at.clone_from(to),
                None => break,
            }
        }
        at
    };
    all.iter().map(|(from, _)| (from.value.clone(), last(&from.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    #[test]
    fn who_moved_twice_is_found_where_it_is_now() {
        let text = |value: &str| Located { value: value.into(), span: Span::new(FileId(0), 0..0) };
        let all = [(text("m/file[a]"), text("m/file[b]")), (text("m/file[b]"), text("n/file[b]"))];
        let settled = settled(&all);
        assert_eq!(settled[0], ("m/file[a]".into(), "n/file[b]".into()));
        assert_eq!(settled[1], ("m/file[b]".into(), "n/file[b]".into()));
    }

    #[test]
    fn what_is_two_things_on_a_host_does_not_move() {
        let two = |from, to| two_things(from, to).is_some();
        assert!(two("m/file[/a]", "m/file[/b]") && two("m/line[a]", "m/block[a]"));
        assert!(!two("m/file[/a]", "n/file[/a]") && !two("m/line[a]", "m/line[b]"));
    }
}
