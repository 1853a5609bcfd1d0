//! Writes docs/performance.md from what was measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::figures::{Aim, Line, Part, Results, Row, root};
use super::machine::Machine;

const BEGIN: &str = "# Performance

`cargo xtask bench` measures all of this on real sshd hosts of the test lab and writes this page;
`cargo xtask bench ROW…` measures some rows again, and the others keep what they had. The raw figures are
`benches/results.json`.

The limit is what nobody can avoid: `ssh HOST true` to the same hosts, as many at once. Time is told as a
multiple of that, pair by pair: bare ssh and trueup run in turn, so that a machine whose speed drifts is fair
to both, each once the machine has come to rest, so that what one leaves behind does not fall into the next. A
figure is the median, with minimum and maximum; what is told of one run has all three the same.
Controller and hosts share the machine, so that the cores are both ends'.
";

/// The order of the rows on the page, and the part that says it when one is missing.
pub const ORDER: [(&str, Part); 14] = [
    ("cold", Part::Aim),
    ("twenty", Part::Aim),
    ("1130", Part::Aim),
    ("10013", Part::Aim),
    ("apply", Part::Aim),
    ("file", Part::Aim),
    ("tree", Part::Aim),
    ("crowd", Part::Aim),
    ("line", Part::Aim),
    ("check", Part::Aim),
    ("render", Part::Aim),
    ("start", Part::Aim),
    ("peers", Part::Peer),
    ("curve", Part::Curve),
];

/// Writes the page.
pub fn write(results: &Results) -> Result<(), String> {
    let path = root().join("docs/performance.md");
    std::fs::write(&path, page(results)).map_err(|error| format!("{}: {error}", path.display()))
}

/// A row's figures, for a terminal.
pub fn brief(name: &str, row: &Row) -> String {
    let mut text = format!("\n{name}\n");
    if let Some(why) = &row.failed {
        let _ = writeln!(text, "  not measured: {why}");
    }
    for line in &row.lines {
        let (median, first, last) = line.spread();
        let _ = writeln!(
            text,
            "  {:9} {:9} {:9}  {}: {}{}",
            number(median),
            number(first),
            number(last),
            line.work,
            line.measure,
            line.aim
                .map(|_| format!("  (aim {}, {})", aim(line), reached(line)))
                .unwrap_or_default()
        );
    }
    text
}

/// The page.
pub fn page(results: &Results) -> String {
    let mut text = BEGIN.to_owned();
    let rows: Vec<(&str, &Row)> =
        ORDER.iter().filter_map(|(name, _)| Some((*name, results.rows.get(*name)?))).collect();
    text.push_str("\n## Aims\n\n");
    text.push_str("| work | measure | aim | median | minimum | maximum | runs | reached |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for (name, _) in ORDER {
        if let Some(row) = results.rows.get(name) {
            aims(&mut text, row);
        }
        missing(&mut text, Part::Aim, name, results);
    }
    let parts = [
        (Part::Peer, "Beside others", PEERS),
        (Part::Hand, "By hand", HAND),
        (Part::Curve, "Curves", "What grows with hosts and with resources."),
        (
            Part::Beside,
            "What the figures were made from",
            "Medians, minima and maxima of the runs.",
        ),
    ];
    for (part, title, words) in parts {
        // What no row has measured yet, and none stands for.
        let some = rows.iter().flat_map(|(_, row)| &row.lines).any(|line| line.part == part);
        if !some && ORDER.iter().all(|(_, stands)| *stands != part) {
            continue;
        }
        let _ = write!(text, "\n## {title}\n\n{words}\n\n");
        text.push_str(
            "| work | measure | median | minimum | maximum | runs |\n|---|---|---|---|---|---|\n",
        );
        for line in rows.iter().flat_map(|(_, row)| &row.lines).filter(|line| line.part == part) {
            plain(&mut text, line);
        }
        for (name, _) in ORDER {
            missing(&mut text, part, name, results);
        }
    }
    text.push_str("\n## The work\n\n");
    text.push_str(WORK);
    for note in rows.iter().flat_map(|(_, row)| &row.notes) {
        let _ = writeln!(text, "- {note}");
    }
    machines(&mut text, &rows);
    text
}

const PEERS: &str = "The same work on the same hosts in the same run, with nothing to change, as multiples of bare ssh.";

const HAND: &str = "The same work by shell text that somebody wrote for these hosts alone, over the same ssh: it asks for no more
than the files speak of, or makes it and looks at nothing, and nobody compares. Where even that misses an aim, it
leaves no room for asking what the files ask with the programs that a host has.";

const WORK: &str = "\
- The 113 resources of a host: 20 packages, 10 users, 10 directories, 50 files made from a template, 10 \
symlinks, 10 lines and 3 services.
- Nothing to change: everything was applied before, and each plan that is timed fails where it finds a change.
- 10,013 resources: the 113 and 9,900 more files of the same template, 9,950 in all.
";

/// Says in its part of the page why there is nothing, or not all, of a row.
fn missing(text: &mut String, part: Part, name: &str, results: &Results) {
    let why = match results.rows.get(name) {
        None => "not measured yet".to_owned(),
        Some(Row { failed: Some(why), .. }) => ends(why),
        Some(_) => return,
    };
    if ORDER.contains(&(name, part)) {
        let _ = writeln!(text, "| row `{name}` | **not measured**: {} |", cell(&why));
    }
}

/// The first line and the last.
fn ends(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    lines.next_back().map_or_else(|| first.clone(), |last| format!("{first} … {}", last.trim()))
}

/// A text in a table: what parts cells does not there.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn aims(text: &mut String, row: &Row) {
    for line in row.lines.iter().filter(|line| line.part == Part::Aim) {
        let (median, first, last) = line.spread();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&line.work),
            cell(&line.measure),
            aim(line),
            number(median),
            number(first),
            number(last),
            line.runs.len(),
            reached(line)
        );
    }
}

fn plain(text: &mut String, line: &Line) {
    let (median, first, last) = line.spread();
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} |",
        cell(&line.work),
        cell(&line.measure),
        number(median),
        number(first),
        number(last),
        line.runs.len()
    );
}

fn aim(line: &Line) -> String {
    match line.aim {
        None => String::new(),
        Some(Aim::AtMost(most)) => format!("≤ {most}"),
        Some(Aim::AtLeast(least)) => format!("≥ {least}"),
    }
}

fn reached(line: &Line) -> &'static str {
    match line.reached() {
        None => "",
        Some(true) => "yes",
        Some(false) => "**no**",
    }
}

/// As many digits as tell a figure from an aim beside it.
fn number(figure: f64) -> String {
    let size = figure.abs();
    if size >= 100.0 {
        format!("{figure:.0}")
    } else if size >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.3}")
    }
}

/// Each machine and moment, with the rows that were measured there.
fn machines(text: &mut String, rows: &[(&str, &Row)]) {
    let mut there: BTreeMap<&Machine, BTreeSet<&str>> = BTreeMap::new();
    for (name, row) in rows {
        there.entry(&row.machine).or_default().insert(name);
    }
    text.push_str("\n## The machine\n\n");
    text.push_str(
        "| date | commit | cores | memory | kernel | ssh | rows |\n|---|---|---|---|---|---|---|\n",
    );
    for (machine, names) in there {
        let names: Vec<&str> = names.into_iter().collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} of {} | {} GiB | {} | {} | {} |",
            machine.date,
            machine.commit,
            machine.cores,
            machine.processor,
            machine.memory_gib,
            machine.kernel,
            machine.openssh,
            names.join(", ")
        );
    }
}
