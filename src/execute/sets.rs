//! The step of a set: all its members that change, in one.

use super::host::HostRun;
use crate::resolve::Together;
use crate::resources::{Member, Part, SetStep};
use crate::shell::Step;

/// The step that does `parts`, which are members of `set`; `id` is the run's.
pub(super) fn step(
    run: &HostRun,
    set: &Together,
    (wave, parts): (&[usize], &[Part<'_>]),
    id: &str,
) -> Step {
    let resources = &run.desired.resources;
    let member = |(index, part): (&usize, &Part<'_>)| -> Member {
        resources[*index].kind.member(part).expect("only what can be in a set is in one")
    };
    let members: Vec<Member> = wave.iter().zip(parts).map(member).collect();
    let own = set.members.iter().map(|&index| {
        let instance = &resources[index];
        instance.kind.subject(&instance.desired)
    });
    let paths: Vec<&str> = own.chain(set.beside.iter().map(String::as_str)).collect();
    let step = SetStep {
        folder: &format!("{id}-{}-{}", set.module, set.name),
        label: &set.label(),
        validate: set.validate.as_deref(),
        seconds: parts.iter().filter_map(|part| part.timeout).max(),
        paths: &paths,
    };
    step.step(&members)
}
