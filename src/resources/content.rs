//! The content that a table names: as text, as a template or as a file of the module.

use toml::Spanned;

use super::Input;
use super::input::Presence;
use crate::model::{Body, Change, Diagnostic, Difference};

/// The keys of a table that name a content.
pub(super) struct Given<'t> {
    pub(super) content: &'t Option<Spanned<String>>,
    pub(super) template: &'t Option<Spanned<String>>,
    pub(super) source: &'t Option<Spanned<String>>,
}

impl Given<'_> {
    /// The one content that they name. `what` is the type, as in "a file".
    pub(super) fn read(
        &self,
        input: &Input<'_>,
        (what, state): (&str, Presence),
        found: &mut Vec<Diagnostic>,
    ) -> Option<Body> {
        let mut given = [self.content, self.template, self.source].into_iter().flatten();
        let (first, second) = (given.next()?, given.next());
        if let Some(second) = second {
            found.push(
                Diagnostic::at(input.span(second), format!("{what} has one content"))
                    .label("either `content`, `template` or `source`")
                    .related(input.span(first), "already given here"),
            );
            return None;
        }
        if state == Presence::Absent {
            let message = format!("{what} that is absent has no content");
            found.push(Diagnostic::at(input.span(first), message));
            return None;
        }
        let body = match (self.template, self.source) {
            (Some(name), _) => input.bodies.template(name.get_ref(), input.span(name)),
            (_, Some(name)) => input.bodies.source(name.get_ref(), input.span(name)),
            _ => Ok(Body::of(first.get_ref().as_bytes())),
        };
        body.map_err(|mistake| found.push(mistake)).ok()
    }
}

/// The content that a change puts in.
pub(super) fn new_content(change: &Change) -> Option<&Body> {
    change.attributes.iter().find_map(|attribute| match &attribute.difference {
        Difference::Content { after, .. } => after.as_ref(),
        _ => None,
    })
}
