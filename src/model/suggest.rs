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
    use super::nearest;

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
