//! What a text calls and includes: which argument is at fault, and where a template is named.

use std::collections::BTreeSet;
use std::ops::Range;

use super::functions::{takes, usage};
use super::token::{Kind, Word, tags};

/// How what is called around the word at `at` is written, where an argument stands without its name.
pub(super) fn usage_at(text: &str, at: usize) -> Option<String> {
    let tags = tags(text);
    let words = &tags.iter().find_map(|tag| place(&tag.words, at).map(|_| &tag.words))?;
    let here = place(words, at)?;
    let mut depth = 0_usize;
    for index in (1..here).rev() {
        let word = &words[index];
        if closes(word) {
            depth += 1;
        } else if opens(word) && depth > 0 {
            depth -= 1;
        } else if opens(word) {
            let called = &words[index - 1];
            let alone = words.get(here + 1).is_some_and(|word| word.is(")") || word.is(","));
            let value = if alone { words[here].text } else { "" };
            return usage(called.text, value).filter(|_| word.is("("));
        }
    }
    None
}

/// What takes a value of another type: the filter behind the value at `range`, or an argument of it.
/// `None` where that cannot be told from the text.
pub(super) fn at_fault(
    text: &str,
    range: &Range<usize>,
    message: &str,
) -> Option<(String, Range<usize>)> {
    let rest = message.strip_prefix("invalid type for the value, expected ")?;
    let (wanted, given) = rest.split_once(" but got ")?;
    let tags = tags(text);
    let words = &tags.iter().find_map(|tag| place(&tag.words, range.start).map(|_| &tag.words))?;
    let bar = words.iter().position(|word| word.at.start >= range.end)?;
    let called = words.get(bar + 1).filter(|_| words[bar].is("|"))?;
    let (input, known) = takes(called.text)?;
    let meant = arguments(&words[bar + 2..]).into_iter().filter(|(name, value)| {
        let takes = known.iter().any(|(known, kind)| known == name && *kind == wanted);
        takes && literal(value).is_none_or(|kind| kind == given)
    });
    let meant: Vec<(&str, &[Word<'_>])> = meant.collect();
    match meant.as_slice() {
        [] if input == wanted => {
            Some((format!("`{}` takes {wanted}, not {given}", called.text), range.clone()))
        }
        [(name, value)] if input != wanted => {
            let message = format!("`{name}` of `{}` takes {wanted}, not {given}", called.text);
            Some((message, value.first()?.at.start..value.last()?.at.end))
        }
        _ => None,
    }
}

/// The arguments with names behind what is called.
fn arguments<'w>(words: &'w [Word<'w>]) -> Vec<(&'w str, &'w [Word<'w>])> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut begin = 1;
    for (index, word) in words.iter().enumerate() {
        if opens(word) {
            depth += 1;
        } else if closes(word) {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 || (depth == 1 && word.is(",")) {
            if let Some([name, equals, value @ ..]) = words.get(begin..index)
                && equals.is("=")
            {
                found.push((name.text, value));
            }
            begin = index + 1;
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// The type of a value that is written out.
fn literal(value: &[Word<'_>]) -> Option<&'static str> {
    let [word] = value else { return None };
    match word.kind {
        Kind::String => Some("a string"),
        Kind::Name if word.text.bytes().all(|byte| byte.is_ascii_digit()) => Some("an integer"),
        Kind::Name if matches!(word.text, "true" | "false") => Some("a boolean"),
        _ => None,
    }
}

/// Which word begins at `at`.
fn place(words: &[Word<'_>], at: usize) -> Option<usize> {
    words.iter().position(|word| word.at.start == at)
}

fn opens(word: &Word<'_>) -> bool {
    ["(", "[", "{"].iter().any(|sign| word.is(sign))
}

fn closes(word: &Word<'_>) -> bool {
    [")", "]", "}"].iter().any(|sign| word.is(sign))
}

/// A template, the word by which it names another, and where that name is.
type Step<'t> = (String, &'t str, Range<usize>);

/// The way from a template back to itself: which names which, by what word, and where. `text` gives a
/// template's text.
pub(super) fn circle<'t>(name: &str, text: impl Fn(&str) -> Option<&'t str>) -> Vec<Step<'t>> {
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<(String, Vec<Step<'t>>)> = vec![(name.to_owned(), Vec::new())];
    while let Some((at, way)) = waiting.pop() {
        let Some(text) = text(&at) else { continue };
        for (verb, target, range) in named(text) {
            let mut way = way.clone();
            way.push((at.clone(), verb, range));
            if target == name {
                return way;
            }
            if seen.insert(target.to_owned()) {
                waiting.insert(0, (target.to_owned(), way));
            }
        }
    }
    Vec::new()
}

/// Every template that a text includes or extends, with the place of its name.
fn named(text: &str) -> Vec<(&str, &str, Range<usize>)> {
    let mut found = Vec::new();
    for tag in tags(text).into_iter().filter(|tag| tag.block) {
        let mut words = tag.words.into_iter().skip_while(|word| word.is("-"));
        if let (Some(verb), Some(name)) = (words.next(), words.next())
            && ["include", "extends"].contains(&verb.text)
            && name.literal().is_some()
        {
            found.push((verb.text, &text[name.at.start + 1..name.at.end - 1], name.at));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_it_is_called() {
        let said = |text: &str| usage_at(text, text.find('4').unwrap()).unwrap_or_default();
        assert!(said("{{ x | default(4) }}").ends_with("default(value=4)"));
        assert!(said("{{ x | default(4 + 1) }}").ends_with("default(value=…)"));
        assert_eq!(said("{{ x | upper(4) }}"), "`upper` takes no argument");
        assert_eq!(said("{{ (4) }}"), "");
        assert_eq!(said("{{ f([4]) }}"), "");
    }

    #[test]
    fn finds_the_argument_at_fault_or_none() {
        let told = |text: &str, wanted: &str, given: &str| {
            let message = format!("invalid type for the value, expected {wanted} but got {given}");
            at_fault(text, &(3..6), &message).map(|(said, at)| (said, text[at].to_owned()))
        };
        let said = |text: &str, at: &str| Some((text.to_owned(), at.to_owned()));
        assert_eq!(
            told("{{ a.b | join(sep=3) }}", "a string", "an integer"),
            said("`sep` of `join` takes a string, not an integer", "3")
        );
        assert_eq!(
            told("{{ a.b | join(sep=c[0]) | upper }}", "a string", "an integer"),
            said("`sep` of `join` takes a string, not an integer", "c[0]")
        );
        assert_eq!(
            told("{{ a.b | join(sep=3) }}", "a list", "an integer"),
            said("`join` takes a list, not an integer", "a.b")
        );
        // The value or an argument: who knows.
        let text = "{{ a.b | replace(from=3, to='x') }}";
        assert_eq!(told(text, "a string", "an integer"), None);
        assert_eq!(told("{{ a.b + 1 }}", "a string", "an integer"), None);
    }

    #[test]
    fn finds_the_way_back() {
        let texts = [("a", "{% include 'b' %}"), ("b", "{% include 'c' %}{%- include \"a\" -%}")];
        let way = circle("a", |name| texts.iter().find(|(at, _)| *at == name).map(|(_, t)| *t));
        let way: Vec<_> = way.iter().map(|(at, verb, range)| (&**at, *verb, range.start)).collect();
        assert_eq!(way, [("a", "include", 11), ("b", "include", 29)]);
    }
}
