//! The way back of a run as a desired state: its changes undone in an order that the host can stand, as
//! ordinary resources. Services that go down go first, then all else backwards, then services that come
//! up, with the triggers that the run had set off.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::judge::short;
use super::undo::{Came, Copied, Kept, Undo, Way};
use super::{Entry, Ledger};
use crate::model::change::TriggerKind;
use crate::model::{Action, Address, Change, Difference, Span};
use crate::resolve::{Desired, Instance, Source};
use crate::resources::{Copy, Erased, LOGIN, ResourceType, find};

/// Where a host goes back to.
#[derive(Debug)]
pub struct WayBack {
    pub desired: Desired,
    pub trail: Trail,
    /// What cannot be undone: an address, and why.
    pub lost: BTreeSet<(String, String)>,
}

/// What is known of each place of a way back besides.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// The run that is undone.
    run: String,
    places: Vec<Known>,
}

/// What is known of one place.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The addresses that it undoes, and what was remembered of them before.
    marks: Vec<(String, Option<Entry>)>,
    left: Left,
}

/// What the run left.
#[derive(Debug, Clone, Default)]
enum Left {
    #[default]
    Unsaid,
    Nothing,
    Record(BTreeMap<String, String>),
}

/// One resource that goes back, while the way is put together.
#[derive(Debug)]
struct Piece {
    address: Address,
    place: String,
    sensitive: bool,
    timeout: Option<u32>,
    table: toml::Table,
    kept: bool,
    /// Whether a change of it was made, as far as that is known.
    made: bool,
    /// The first digits of the digest of what is kept.
    was: Option<String>,
    known: Known,
    triggers: Vec<(TriggerKind, BTreeSet<String>)>,
}

impl Piece {
    /// When its turn is: 0 before all others, 2 behind them.
    fn turn(&self) -> u8 {
        let says = |key: &str, value: toml::Value| self.table.get(key) == Some(&value);
        let up = says("state", "running".into()) || says("enabled", true.into());
        match self.address.kind {
            "service" if self.stops() => 0,
            "service" if up || !self.triggers.is_empty() => 2,
            "service" => 0,
            "command" => 2,
            _ => 1,
        }
    }

    /// Whether it is a service that goes down: it hears of nothing then.
    fn stops(&self) -> bool {
        let state = self.table.get("state").and_then(toml::Value::as_str);
        self.address.kind == "service" && matches!(state, Some("stopped" | "masked"))
    }
}

/// Whether what a change of this address did besides is not known.
fn opaque(address: &str) -> bool {
    let kind = Address::read(address).and_then(|address| find(address.kind));
    kind.is_some_and(ResourceType::opaque)
}

/// The way back of all that is kept of `run`. `span` says where a place is.
#[must_use]
pub fn way_back(kept: &Kept, run: &str, span: impl Fn(&str) -> Span) -> WayBack {
    let mut lost = BTreeSet::new();
    let mut pieces = pieces(kept, &mut lost);
    // Whose what they made is may be a program's doing.
    if kept.changes.iter().any(|undo| opaque(&undo.address)) {
        for piece in &mut pieces {
            if let Left::Record(left) = &mut piece.known.left {
                left.remove(LOGIN);
            }
        }
    }
    if kept.damaged > 0 {
        let why = format!("{} lines of what it changed cannot be read", kept.damaged);
        lost.insert((String::new(), why));
    }
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&at| match pieces[at].turn() {
        2 => (2, at),
        turn => (turn, usize::MAX - at),
    });
    let mut resources = Vec::new();
    let mut trail = Trail { run: run.to_owned(), places: Vec::new() };
    let mut triggers = Vec::new();
    for at in order {
        let piece = &mut pieces[at];
        match instance(piece, (kept, run), span(&piece.place)) {
            // What is changed is kept before: where nothing is kept of it, its step failed before it changed anything.
            Err(_) if !piece.made => {}
            Err(why) => drop(lost.insert((piece.address.to_string(), why))),
            Ok(made) => {
                resources.push(Arc::new(made));
                trail.places.push(std::mem::take(&mut piece.known));
                triggers.push(std::mem::take(&mut piece.triggers));
            }
        }
    }
    let triggers = triggers.iter().enumerate().map(|(at, all)| trail.causes(at, all)).collect();
    let count = resources.len();
    let desired = Desired::ordered(resources, vec![0; count], vec![Vec::new(); count], triggers);
    let desired = desired.expect("its triggers lead back only");
    WayBack { desired, trail, lost }
}

/// Each resource that goes back, once: of several changes of one the first says where to, and the last
/// what is there now. What was not begun stays as it is.
fn pieces(kept: &Kept, lost: &mut BTreeSet<(String, String)>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    let mut marked: BTreeSet<&str> = BTreeSet::new();
    for undo in &kept.changes {
        let came = kept.came(undo);
        let address = &undo.address;
        let Some(own) = Address::read(address).filter(|_| came != Came::Not) else { continue };
        // Of most types a step that failed has changed nothing; nobody knows what a program has done by then.
        if came == Came::Done || opaque(address) {
            lost.extend(undo.lost.iter().map(|why| (address.clone(), why.clone())));
        }
        let again = undo.back.iter().any(|way| way.again);
        let trigger = undo.trigger().filter(|_| own.kind == "service" || again);
        let service = own.name.strip_suffix(".service").unwrap_or(&own.name).to_owned();
        let called = trigger.filter(|_| !again);
        let called =
            called.map(|_| Way { kind: own.kind.to_owned(), name: service, ..Way::default() });
        let mut place = None;
        for (nth, way) in undo.back.iter().chain(&called).enumerate() {
            // A command is its module's own; of it only that comes back which runs once more.
            let command = way.kind == "command";
            let Some(kind) = find(&way.kind).filter(|_| !command || way.again) else {
                continue;
            };
            let subject = if command { address } else { &way.name };
            let text = if way.table.is_empty() { "{}" } else { &way.table };
            let Ok(mut table) = toml::from_str::<toml::Table>(&format!("table = {text}")) else {
                continue;
            };
            let Some(toml::Value::Table(table)) = table.remove("table") else { continue };
            let at = *known.entry((way.kind.clone(), subject.clone())).or_insert_with(|| {
                let (module, name) = (own.module.clone(), way.name.clone());
                pieces.push(Piece::new(Address { module, kind: kind.name(), name }, undo));
                pieces.len() - 1
            });
            let piece = &mut pieces[at];
            piece.sensitive |= undo.sensitive;
            piece.made |= came == Came::Done;
            place = Some(at);
            if nth == 0 && marked.insert(address) {
                piece.known.marks.push((address.clone(), undo.entry.clone()));
            }
            if !way.table.is_empty() {
                piece.take(table, way);
            }
        }
        if let Some(((kind, because), at)) = trigger.zip(place) {
            pieces[at].triggers.push((kind, because.clone()));
        }
    }
    pieces
}

impl Piece {
    /// One of which nothing is known yet but the first change of it.
    fn new(address: Address, undo: &Undo) -> Self {
        Self {
            address,
            place: undo.place.clone(),
            sensitive: false,
            timeout: undo.timeout,
            table: toml::Table::new(),
            kept: false,
            made: false,
            was: None,
            known: Known::default(),
            triggers: Vec::new(),
        }
    }

    /// Takes one more change of the same in.
    fn take(&mut self, table: toml::Table, way: &Way) {
        let first = matches!(self.known.left, Left::Unsaid);
        let absent = self.table.get("state").is_some_and(|state| state.as_str() == Some("absent"));
        if first || !absent && !table.contains_key("state") {
            for (key, value) in table {
                self.table.entry(key).or_insert(value);
            }
            if way.kept && !self.kept {
                self.was.clone_from(&way.was);
            }
            self.kept |= way.kept;
        }
        match (&mut self.known.left, &way.left) {
            (Left::Record(all), Some(left)) => all.extend(left.clone()),
            (known, Some(left)) => *known = Left::Record(left.clone()),
            (known, None) => *known = Left::Nothing,
        }
    }
}

/// The resource of a piece.
fn instance(
    piece: &mut Piece,
    (kept, run): (&Kept, &str),
    place: Span,
) -> Result<Instance, String> {
    if piece.stops() {
        piece.triggers.clear();
    }
    for (kind, because) in &piece.triggers {
        let causes = because.iter().map(|cause| toml::Value::String(cause.clone())).collect();
        let key = match kind {
            TriggerKind::Reload => "reload_on",
            TriggerKind::Restart => "restart_on",
            TriggerKind::Run => "run_on",
        };
        piece.table.insert(key.to_owned(), toml::Value::Array(causes));
    }
    let text = toml::Value::Table(piece.table.clone()).to_string();
    let mut made = Source::restore(piece.address.clone(), (&text, Vec::new()), place)
        .map_err(|why| format!("what is kept of it cannot be read: {why}"))?;
    (made.sensitive, made.timeout) = (piece.sensitive, piece.timeout);
    // What nobody declared any more when it was changed has no place.
    made.orphan = piece.place.is_empty();
    if piece.kept {
        let copy = match kept.of(&piece.address.name) {
            Copied::File(_, body)
                if piece.was.as_ref().is_some_and(|was| *was != short(body.digest())) =>
            {
                return Err("its copy is damaged: it is not what stood there".to_owned());
            }
            Copied::File(number, body) => {
                Copy { place: format!("{run}/{number}"), body: body.clone() }
            }
            Copied::Large => return Err("it was larger than what is kept".to_owned()),
            Copied::Missing => return Err("no copy of it is kept".to_owned()),
        };
        let restored = made.kind.restoring(&made.desired, &copy);
        made.desired = restored.ok_or("no type brings it back")?;
    }
    Ok(made)
}

impl Trail {
    /// The run that is undone.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// What is remembered of the addresses that a place undoes, once it is done.
    pub fn marks(&self, index: usize) -> impl Iterator<Item = &(String, Option<Entry>)> {
        self.places[index].marks.iter()
    }

    /// What sets a place off: places before it.
    fn causes(
        &self,
        at: usize,
        triggers: &[(TriggerKind, BTreeSet<String>)],
    ) -> Vec<(TriggerKind, Vec<usize>)> {
        let undoes = |place: &Known, because: &BTreeSet<String>| {
            place.marks.iter().any(|(address, _)| because.contains(address))
        };
        let causes = |because| {
            let before = self.places[..at].iter().enumerate();
            before.filter(|(_, place)| undoes(place, because)).map(|(at, _)| at).collect()
        };
        triggers.iter().map(|(kind, because)| (*kind, causes(because))).collect()
    }

    /// Why what a place would change, an `instance` with a state, is not what the run left there; `None` where it is.
    #[must_use]
    pub fn moved(
        &self,
        index: usize,
        (instance, state): (&Instance, Option<&Erased>),
        change: &Change,
        ledger: &Ledger,
    ) -> Option<String> {
        let run = &self.run;
        let place = &self.places[index];
        let beside =
            |left: &BTreeMap<String, String>| instance.kind.unlike(&instance.desired, state?, left);
        let found = match (&place.left, change.action) {
            (Left::Unsaid, _) | (Left::Nothing, Action::Create) => return None,
            (Left::Nothing, _) => format!("run {run} took it away, and it is there again"),
            (Left::Record(_), Action::Create) => format!("run {run} left it there, and it is gone"),
            (Left::Record(left), _) => {
                let other = change.attributes.iter().find_map(|attribute| {
                    let left = left.get(attribute.name)?;
                    let now = now(&attribute.difference)?;
                    (now != *left).then_some(attribute.name)
                });
                let other = other.or_else(|| beside(left))?;
                format!("its {other} is not what run {run} left there")
            }
        };
        let later = place.marks.iter().filter_map(|(address, _)| ledger.entries.get(address));
        let later =
            later.map(|entry| entry.run.as_str()).filter(|later| *later > run.as_str()).max();
        let by = later.map_or_else(String::new, |later| format!(" (run {later} applied it since)"));
        Some(format!("{found}{by}; --force puts it back all the same"))
    }
}

/// What a host has, in short.
fn now(difference: &Difference) -> Option<String> {
    Some(match difference {
        Difference::Value { before, .. } => short(before.as_deref().unwrap_or_default()),
        Difference::Content { before, .. } => short(before.as_ref()?.digest()),
        Difference::Secret { before, .. } => {
            short(&String::from_utf8_lossy(before.as_ref()?.reveal()))
        }
        Difference::Sensitive { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Undo, lines};
    use crate::model::FileId;

    /// The way back of these changes, of which the steps begun are 1 to 9 and those that failed 5 to 9.
    fn back(changes: &[Undo]) -> WayBack {
        let marks: String =
            (1..10).fold(String::new(), |text, seq| text + &format!("begun {seq}\n"));
        let failed: String = (5..10).fold(marks, |text, seq| text + &format!("failed {seq}\n"));
        let answer = format!("= marks\nwhole\n{failed}= changes\n{}", lines(changes));
        way_back(&Kept::read(answer.as_bytes()), "R", |_| Span::new(FileId(0), 0..0))
    }

    fn way(kind: &str, name: &str, table: &str) -> Way {
        let (kind, name, table) = (kind.to_owned(), name.to_owned(), table.to_owned());
        Way { kind, name, table, left: Some(BTreeMap::new()), ..Way::default() }
    }

    fn undo(seq: u64, address: &str, back: Vec<Way>, lost: &[&str]) -> Undo {
        let lost = lost.iter().map(|why| (*why).to_owned()).collect();
        Undo { seq, address: address.to_owned(), back, lost, ..Undo::default() }
    }

    fn names(back: &WayBack) -> Vec<String> {
        back.desired.resources.iter().map(|made| made.address.short()).collect()
    }

    #[test]
    fn what_failed_or_was_not_begun_is_not_lost() {
        let gone = "a user that was removed is not made again";
        let lost = |seq, address| back(&[undo(seq, address, Vec::new(), &[gone])]).lost.len();
        assert_eq!((lost(1, "m/user[x]"), lost(5, "m/user[x]"), lost(20, "m/user[x]")), (1, 0, 0));
        // Nobody knows what a program has done before it failed.
        assert_eq!((lost(5, "m/command[x]"), lost(20, "m/command[x]")), (1, 0));
        let kept = Way { kept: true, ..way("file", "/a", "{ mode = \"0644\" }") };
        let copy = |seq| back(&[undo(seq, "m/file[/a]", vec![kept.clone()], &[])]).lost.len();
        assert_eq!((copy(1), copy(5), copy(20)), (1, 0, 0));
    }

    #[test]
    fn a_unit_that_goes_goes_first_and_hears_of_nothing() {
        let because: BTreeSet<String> = ["m/file[/etc/x.conf]".to_owned()].into();
        let service = |back| Undo {
            fired: Some(("reload".to_owned(), because.clone())),
            ..undo(3, "m/service[x]", back, &[])
        };
        let file = undo(
            2,
            "m/file[/etc/x.conf]",
            vec![way("file", "/etc/x.conf", "{ state = \"absent\" }")],
            &[],
        );
        let down = service(vec![way("service", "x", "{ state = \"stopped\" }")]);
        let way = back(&[file.clone(), down]);
        assert_eq!(names(&way), ["service[x]", "file[/etc/x.conf]"]);
        assert!(way.desired.triggers(0).is_empty());
        let way = back(&[file, service(Vec::new())]);
        assert_eq!(names(&way), ["file[/etc/x.conf]", "service[x]"]);
        assert_eq!(way.desired.triggers(1).len(), 1);
    }

    #[test]
    fn only_a_command_that_runs_again_comes_back() {
        let because: BTreeSet<String> = ["m/file[/a]".to_owned()].into();
        let command = |again| Undo {
            fired: Some(("run".to_owned(), because.clone())),
            ..undo(
                2,
                "m/command[c]",
                vec![Way { again, ..way("command", "c", "{ command = \"true\" }") }],
                &[],
            )
        };
        let file = undo(1, "m/file[/a]", vec![way("file", "/a", "{ state = \"absent\" }")], &[]);
        assert_eq!(names(&back(&[file.clone(), command(true)])), ["file[/a]", "command[c]"]);
        assert_eq!(names(&back(&[file, command(false)])), ["file[/a]"]);
    }
}
