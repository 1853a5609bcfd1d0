//! Targets for what hosts answer: frames, facts, and the state of every type's resources.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde::Deserialize;
use toml::de::DeTable;
use trueup::model::{Body, Diagnostic, FileId, Located, Span};
use trueup::resources::{Bodies, Erased, Input, Part, REGISTRY, Verdict};
use trueup::shell::{Answer, FrameError, Limits, Reader};

/// The session's word in every input.
const NONCE: &str = "00112233445566778899aabbccddeeff";

/// A stream from a host; its first byte says in which pieces it comes. Whatever it is, pieces make no
/// difference and limits hold.
pub fn frame(input: &[u8]) {
    let Some((first, stream)) = input.split_first() else { return };
    let size = usize::from(*first).max(1);
    // No limit is met here: where it is noticed hangs on the pieces.
    let wide = Limits { noise: 1 << 16, answers: 1 << 16, errors: 1 << 16 };
    let whole = read(stream, stream.len().max(1), wide);
    assert_eq!(whole, read(stream, size, wide), "pieces of {size} make a difference");
    let narrow = Limits { noise: 64, answers: 64, errors: 64 };
    let (answers, _) = read(stream, size, narrow);
    let taken: usize = answers.iter().map(|answer| answer.payload.len()).sum();
    assert!(taken <= narrow.answers, "{taken} bytes of answers");
}

fn read(stream: &[u8], size: usize, limits: Limits) -> (Vec<Answer>, Option<FrameError>) {
    let mut reader = Reader::new(NONCE, limits);
    let mut answers = Vec::new();
    for piece in stream.chunks(size) {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => break,
                Err(error) => return (answers, Some(error)),
            }
        }
    }
    (answers, None)
}

/// An answer to the question for facts: typed values, bounded, without control characters.
pub fn facts(input: &[u8]) {
    let Ok(facts) = trueup::execute::read_facts(input) else { return };
    let os = &facts.os;
    let texts =
        [&facts.hostname, &facts.kernel, &facts.arch, &facts.user, &facts.init, &os.family, &os.id];
    for text in texts.into_iter().chain([&os.version, &os.codename, &os.name]) {
        assert!(text.chars().count() <= 256, "{} characters", text.chars().count());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

/// A type's name on the first line, then what a host answers about the resources of all its cases:
/// whatever it is, it can be compared, predicted and made into steps.
pub fn observe(input: &[u8]) {
    // An answer with a NUL byte ends the session before anything is made of it.
    if input.contains(&0) {
        return;
    }
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Some(kind) = REGISTRY.iter().find(|kind| kind.name().as_bytes() == &input[..end]) else {
        return;
    };
    let desired = &desired()[kind.name()];
    let items: Vec<&Erased> = desired.iter().collect();
    let observed = kind.observe(&items, &input[end + 1..]);
    assert_eq!(observed.len(), items.len());
    for (desired, observed) in items.into_iter().zip(observed) {
        let Ok(observed) = observed else { continue };
        let predicted = kind.predict(desired, &observed);
        let _ = kind.diff(desired, &predicted);
        let change = match kind.diff(desired, &observed) {
            Verdict::Change(change) => change,
            Verdict::Blocked { then, .. } => then,
            Verdict::Same(_) | Verdict::Refused(_) => continue,
        };
        let _ = kind.heeds(desired, &observed, Some(&change));
        let part = Part { desired, observed: &observed, change: &change, timeout: None };
        let _ = kind.steps(&[part]);
    }
}

/// What every type's cases declare.
fn desired() -> &'static BTreeMap<&'static str, Vec<Erased>> {
    static DESIRED: OnceLock<BTreeMap<&'static str, Vec<Erased>>> = OnceLock::new();
    DESIRED.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let beside = here.join("tests/cases");
        let folder = if beside.is_dir() { beside } else { here.join("../tests/cases") };
        REGISTRY
            .iter()
            .map(|kind| (kind.name(), cases(&folder.join(kind.name()), kind.name())))
            .collect()
    })
}

/// The part of a case that declares something.
#[derive(Deserialize)]
struct Case {
    name: String,
    desired: toml::Table,
    #[serde(default)]
    bodies: BTreeMap<String, String>,
}

struct Texts(BTreeMap<String, String>);

impl Bodies for Texts {
    fn template(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        let text = self.0.get(name).map(|text| Body::of(text.as_bytes()));
        text.ok_or_else(|| Diagnostic::at(span, "there is no such body"))
    }

    fn source(&self, name: &str, span: Span) -> Result<Body, Diagnostic> {
        self.template(name, span)
    }
}

/// What the cases in a folder declare, without those that are wrong.
fn cases(folder: &Path, kind: &str) -> Vec<Erased> {
    let kind = trueup::resources::find(kind).expect("a type of the registry");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a case").path())
        .collect();
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).expect("a case is a text"));
    let cases = texts.filter_map(|text| toml::from_str::<Case>(&text).ok());
    cases
        .filter_map(|case| {
            let text = format!("#\n{}", toml::to_string(&case.desired).expect("a table is TOML"));
            let table =
                DeTable::parse(text.leak()).expect("TOML that was just written").into_inner();
            let header = Span::new(FileId(0), 0..1);
            let name = Located { value: case.name, span: header };
            let bodies = &Texts(case.bodies);
            let (evaluated, meta_keys) = (&[], &[]);
            kind.parse(&Input { name: &name, header, table: &table, evaluated, bodies, meta_keys })
                .ok()
        })
        .collect()
}
