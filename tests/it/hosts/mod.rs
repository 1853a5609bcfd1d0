//! What must hold on real hosts.

mod attack;
mod broken;
mod canaries;
mod confirm;
mod cost;
mod crash;
mod hostile;
mod kept;
mod language;
mod large;
mod limits;
mod links;
mod logins;
mod matrix;
mod outcomes;
mod paths;
mod prune;
mod relayed;
mod rollback;
mod sets;
mod signals;
mod standing;
mod sudo;
mod system;
mod texts;
mod trouble;
mod trust;
mod truth;
mod types;
mod waves;
mod work;

use crate::support::Project;

/// A project with one module, on these hosts.
fn project(inventory: &str, module: &str) -> Project {
    Project::of(inventory, module)
}

/// Times and addresses of the lab out of a text.
fn stable(text: &str) -> String {
    let time = regex::Regex::new(r"in \d+\.\d s").expect("a regex");
    let address = regex::Regex::new(r"10\.213\.\d+\.\d+").expect("a regex");
    let folder = regex::Regex::new(r"\S*/trueup-lab-[^/]*/").expect("a regex");
    let text = time.replace_all(text, "in N s");
    let run = regex::Regex::new(r" Run [0-9A-Z]+…: trueup runs show [0-9A-Z]+").expect("a regex");
    let text = run.replace_all(&text, " Run RUN");
    let day = regex::Regex::new("after run [0-9A-Z]{26} \\([0-9-]+\\)").expect("a regex");
    let text = day.replace_all(&text, "after run RUN (DAY)");
    let state = regex::Regex::new(r"/var/tmp/trueup-[^/]+/").expect("a regex");
    let text = state.replace_all(&text, "STATE/");
    let text = folder.replace_all(&text, "LAB/");
    address.replace_all(&text, "10.213.N.N").into_owned()
}
