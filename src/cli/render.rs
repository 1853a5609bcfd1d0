//! `trueup render`: what would be put on a host; it is not contacted.

use super::args::{Common, Render};
use super::exit::Exit;
use super::{project, settings};
use crate::config::Modules;
use crate::model::suggest::nearest;
use crate::model::{AddressPattern, Diagnostic, Facts, Severity};
use crate::report::view::RenderedView;
use crate::report::{self, Zoom};
use crate::resolve::{Rendered, Resolver};

/// Runs the verb.
pub(super) fn run(common: &Common, verb: &Render) -> Exit {
    let examined = project::examine(common, Modules::Used, None);
    let style = settings::style(common, Zoom::Plain);
    let mut found = examined.found;
    found.retain(|mistake| mistake.severity == Severity::Error);
    let result = match examined.resolver {
        Some(resolver) if found.is_empty() => render(&resolver, verb),
        _ => Err(found),
    };
    match result {
        Ok(text) => {
            report::print_bytes(&text);
            Exit::Good
        }
        Err(mistakes) => {
            project::tell(style, &examined.project.sources, mistakes);
            Exit::Mistake
        }
    }
}

fn render(resolver: &Resolver, verb: &Render) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let target = project::host(resolver, &verb.host).map_err(|mistake| vec![mistake])?;
    let all = resolver.render(target, &Facts::stand_in(&verb.host))?;
    if resolver.uses_facts() {
        report::print_error(
            "note: facts are not asked for; those of a Debian 12 host stand in for them\n",
        );
    }
    let Some(address) = &verb.address else {
        let views = all.iter().map(|rendered| view(resolver, rendered));
        return Ok(report::rendered(&views.collect::<Vec<_>>()).into_bytes());
    };
    let pattern = AddressPattern::parse(address)
        .map_err(|error| vec![Diagnostic::error(format!("`{address}`: {error}"))])?;
    let chosen: Vec<&Rendered> = all
        .iter()
        .filter(|rendered| pattern.matches(&rendered.address, &rendered.address.module))
        .collect();
    match chosen.as_slice() {
        [] => Err(vec![no_address(&verb.host, address, &all)]),
        [one] => Ok(match &one.content {
            Some(content) if !one.sensitive => content.whole().map_err(|error| {
                let message = format!("the content of {} cannot be read: {error}", one.address);
                vec![Diagnostic::error(message).code("unreadable")]
            })?,
            _ => report::rendered(&[view(resolver, one)]).into_bytes(),
        }),
        many => {
            let views: Vec<RenderedView> =
                many.iter().map(|rendered| view(resolver, rendered)).collect();
            Ok(report::rendered(&views).into_bytes())
        }
    }
}

fn no_address(host: &str, address: &str, all: &[Rendered]) -> Diagnostic {
    let names: Vec<String> = all
        .iter()
        .flat_map(|rendered| [rendered.address.to_string(), rendered.address.short()])
        .collect();
    let mistake =
        Diagnostic::error(format!("host `{host}` has no resource `{address}`")).code("selector");
    match nearest(address, names.iter().map(String::as_str)) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake.help(format!("trueup render {host} prints all of them")),
    }
}

fn view(resolver: &Resolver, rendered: &Rendered) -> RenderedView {
    let hidden = |text: String| if rendered.sensitive { "(sensitive)".to_owned() } else { text };
    let keys = rendered.keys.iter().map(|(key, value)| (key.clone(), hidden(value.to_string())));
    let content = rendered.content.as_ref().filter(|_| !rendered.sensitive);
    let kept_back = rendered.content.as_ref().filter(|_| rendered.sensitive);
    let keys = keys.chain(kept_back.map(|_| ("content".to_owned(), hidden(String::new()))));
    RenderedView {
        address: rendered.address.to_string(),
        place: resolver.place(rendered.place),
        keys: keys.collect(),
        content: content.map(|content| match content.bytes() {
            Some(bytes) => {
                String::from_utf8(bytes.to_vec()).map_err(|_| ("binary", content.size()))
            }
            None => Err(("large", content.size())),
        }),
    }
}
