//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `given`, if one is near enough that it can have been meant.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (score(given, candidate), candidate))
        .filter(|(score, _)| *score > 0.72)
        .max_by(|a, b| {
            // Of names that end in numbers the one that does so too was meant.
            let number = |name: &str| name.ends_with(|char: char| char.is_ascii_digit());
            let alike = |name: &str| number(name) != number(given);
            let nearer = a.0.total_cmp(&b.0).then_with(|| alike(b.1).cmp(&alike(a.1)));
            nearer.then_with(|| b.1.cmp(a.1))
        })
        .map(|(_, candidate)| candidate)
}

/// `word` with its article: `an integer`, `a string`.
#[must_use]
pub fn a(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// At most `count` of the candidates, the one most like `given` first.
#[must_use]
pub fn ranked<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    let mut all: Vec<(f64, &str)> =
        candidates.into_iter().map(|candidate| (score(given, candidate), candidate)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    all.into_iter().take(count).map(|(_, candidate)| candidate).collect()
}

/// `words` as a sentence lists them: `a, b and c`.
#[must_use]
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Words of which one is to be taken: `"a", "b" or "c"`.
#[must_use]
pub fn either<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        one => one.concat(),
    }
}

/// What of `name` is not allowed: its first character, if that is not `first`, or the first of all that
/// is not `right`.
#[must_use]
pub fn wrong_character(
    name: &str,
    first: impl Fn(char) -> bool,
    right: impl Fn(char) -> bool,
) -> Option<String> {
    let wrong = name.chars().enumerate().find(|(at, char)| {
        let begins = *at == 0 && !first(*char);
        begins || !right(*char)
    });
    wrong.map(|(_, char)| {
        let shown = match char {
            ' ' => "a space".to_owned(),
            '\t' => "a tab".to_owned(),
            '\n' | '\r' => "a line break".to_owned(),
            char => format!("`{}`", char.escape_debug()),
        };
        let place = if right(char) { " at the beginning" } else { "" };
        format!("{shown} is not allowed{place}")
    })
}

/// From 0 (nothing alike) to 1; a name that goes on from what was given counts as near.
fn score(given: &str, candidate: &str) -> f64 {
    if given.len() >= 3 && candidate.starts_with(given) {
        return 0.9;
    }
    if given.len() >= 3 && strsim::damerau_levenshtein(given, candidate) == 1 {
        return 0.85;
    }
    strsim::normalized_damerau_levenshtein(given, candidate)
        .max(strsim::jaro(given, candidate) - 0.08)
}

#[cfg(test)]
mod tests {
    use super::{either, list, nearest, ranked, wrong_character};

    #[test]
    fn says_what_stands_in_the_way_of_a_name() {
        let right = |char: char| char.is_ascii_alphanumeric();
        let said = |name: &str| wrong_character(name, |char| char.is_ascii_alphabetic(), right);
        assert_eq!(said("web1"), None);
        assert_eq!(said("my db!").as_deref(), Some("a space is not allowed"));
        assert_eq!(said("1a!").as_deref(), Some("`1` is not allowed at the beginning"));
        assert_eq!(said("a\u{7f}").as_deref(), Some("`\\u{7f}` is not allowed"));
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!((either(["a"]), either(["a", "b"])), ("\"a\"".into(), "\"a\" or \"b\"".into()));
        assert_eq!(ranked("file[/a/x]", ["file[/b]", "file[/a/y]"], 1), ["file[/a/y]"]);
    }

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let keys = ["content", "group", "mode", "owner", "source", "template"];
        assert_eq!(nearest("mod", keys), Some("mode"));
        assert_eq!(nearest("templat", keys), Some("template"));
        assert_eq!(nearest("onwer", keys), Some("owner"));
        assert_eq!(nearest("banana", keys), None);
        assert_eq!(nearest("web7", ["web", "web1"]), Some("web1"));
        assert_eq!(nearest("dbs", ["db", "db1"]), Some("db"));
    }
}
