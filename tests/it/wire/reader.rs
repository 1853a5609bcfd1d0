//! The reader of frames against a dumb one that has all bytes at once, on any bytes in any pieces.

use proptest::prelude::*;
use trueup::shell::{Answer, AnswerKind, Limits, Reader};

use super::session::NONCE;

/// More than any stream here needs.
const LIMITS: Limits = Limits { noise: 4096, answers: 1 << 20, errors: 1 << 20 };

const KINDS: [(&str, AnswerKind); 6] = [
    ("hello", AnswerKind::Hello),
    ("data", AnswerKind::Data),
    ("done", AnswerKind::Done),
    ("failed", AnswerKind::Failed),
    ("skipped", AnswerKind::Skipped),
    ("end", AnswerKind::End),
];

/// An answer as a host sends it.
fn written(answer: &Answer, nonce: &str) -> Vec<u8> {
    let (word, _) = KINDS.iter().find(|(_, kind)| *kind == answer.kind).expect("a kind");
    let Answer { seq, status, payload, .. } = answer;
    let mut bytes = format!("\n{nonce} {word} {seq} {status} {}\n", payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.push(b'\n');
    bytes
}

/// Reads all that there is, pushed in pieces that end at `cuts`; true when it ended in an error.
fn read(bytes: &[u8], cuts: &[usize], limits: Limits) -> (Vec<Answer>, bool) {
    let mut reader = Reader::new(NONCE, limits);
    let mut answers = Vec::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut from = 0;
    for end in ends {
        reader.push(&bytes[from..end]);
        from = end;
        loop {
            match reader.next() {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => break,
                Err(_) => return (answers, true),
            }
        }
    }
    (answers, false)
}

/// The dumb reader: after the noise, one regular expression a frame.
fn dumb(bytes: &[u8]) -> Vec<Answer> {
    let header = format!(r"(?-u)\A\n{NONCE} ([a-z]+) ([0-9]+) ([0-9]+) ([0-9]+)\n");
    let header = regex::bytes::Regex::new(&header).expect("a regular expression");
    let start = format!("\n{NONCE} ").into_bytes();
    let mut rest = match bytes.windows(start.len()).position(|window| window == start) {
        Some(at) => &bytes[at..],
        None => return Vec::new(),
    };
    let mut answers = Vec::new();
    while let Some(found) = header.captures(rest) {
        let text = |group: usize| std::str::from_utf8(&found[group]).expect("ASCII");
        let kind = KINDS.iter().find(|(word, _)| *word == text(1));
        let numbers = (text(2).parse(), text(3).parse(), text(4).parse::<usize>());
        let (Some((_, kind)), (Ok(seq), Ok(status), Ok(length))) = (kind, numbers) else { break };
        let body = &rest[found[0].len()..];
        if body.get(length) != Some(&b'\n') || body[..length].contains(&0) {
            break;
        }
        answers.push(Answer { kind: *kind, seq, status, payload: body[..length].to_vec() });
        rest = &body[length + 1..];
    }
    answers
}

/// Bytes in which the marks of the wire are likely.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let mark = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(b"\n".to_vec()),
        1 => Just(NONCE.as_bytes().to_vec()),
        1 => Just(format!("\n{NONCE}").into_bytes()),
        1 => Just(b" data 1 0 3\n".to_vec()),
    ];
    prop::collection::vec(mark, 0..most).prop_map(|pieces| pieces.concat())
}

prop_compose! {
    fn answer()(kind in 0..KINDS.len(), seq in any::<u64>(), status in any::<u32>(), mut payload in bytes(12)) -> Answer {
        // No shell can hold one.
        payload.retain(|byte| *byte != 0);
        Answer { kind: KINDS[kind].1, seq, status, payload }
    }
}

prop_compose! {
    /// What may come before the first frame: anything that does not look like one.
    fn noise()(noise in bytes(20)) -> Vec<u8> {
        let mut text = noise.escape_ascii().to_string().replace("\\n", "\n");
        let mark = format!("\n{NONCE} ");
        // Taking one mark out can bring another one together.
        while text.contains(&mark) {
            text = text.replace(&mark, "");
        }
        text.into_bytes()
    }
}

prop_compose! {
    fn stream()(noise in noise(), answers in prop::collection::vec(answer(), 0..8)) -> (Vec<u8>, Vec<Answer>) {
        let frames = answers.iter().flat_map(|answer| written(answer, NONCE));
        (noise.into_iter().chain(frames).collect(), answers)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same_answers((bytes, wanted) in stream(), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        prop_assert_eq!(read(&bytes, &cuts, LIMITS), (wanted, false));
    }

    #[test]
    fn any_mutation_is_read_as_the_dumb_reader_does(
        (mut bytes, _) in stream(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), 0..3_u8), 1..6),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        for (at, byte, how) in changes {
            let at = at % (bytes.len() + 1);
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        let (answers, _) = read(&bytes, &cuts, LIMITS);
        prop_assert_eq!(&answers, &dumb(&bytes));
        prop_assert_eq!(&answers, &read(&bytes, &[], LIMITS).0, "in one piece");
    }

    #[test]
    fn another_nonce_gives_no_answer(
        (before, first) in stream(),
        mut forged in prop::collection::vec(answer(), 1..4),
        at in 0..NONCE.len(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut nonce = NONCE.as_bytes().to_vec();
        nonce[at] = if nonce[at] == b'x' { b'y' } else { b'x' };
        let nonce = String::from_utf8(nonce).expect("ASCII");
        for answer in &mut forged {
            answer.payload.retain(|byte| *byte != b'\n');
        }
        let mut bytes = before;
        bytes.extend(forged.iter().flat_map(|answer| written(answer, &nonce)));
        prop_assert_eq!(read(&bytes, &cuts, LIMITS).0, first);
    }

    #[test]
    fn nothing_is_kept_beyond_the_limits(noise in prop_oneof![0..60_usize, 101..200_usize], payload in 0..200_usize, piece in 1..50_usize) {
        let limits = Limits { noise: 100, answers: 100, errors: 100 };
        let answer = Answer { kind: AnswerKind::Data, seq: 1, status: 0, payload: vec![b'p'; payload] };
        let bytes = [vec![b'n'; noise], written(&answer, NONCE)].concat();
        let cuts: Vec<usize> = (0..bytes.len()).step_by(piece).collect();
        let (answers, failed) = read(&bytes, &cuts, limits);
        prop_assert_eq!(failed, noise > 100 || payload > 100);
        prop_assert_eq!(answers.len(), usize::from(!failed));
        let (_, failed) = read(&bytes[..noise], &cuts, limits);
        prop_assert_eq!(failed, noise > 100, "noise alone");
    }
}
