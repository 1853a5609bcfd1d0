//! The words of a template's tags, with their places: as much of tera's grammar as it takes to see
//! which names are used. tera itself says what is right; this only looks at texts that it took.

use std::ops::Range;

/// A tag: what stands between `{{ }}` or `{% %}`.
#[derive(Debug)]
pub(super) struct Tag<'t> {
    /// `{% … %}`: the first word says what it does.
    pub(super) block: bool,
    pub(super) words: Vec<Word<'t>>,
}

/// A word of a tag: a name, a string with its quotes, or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    /// In bytes of the text.
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    String,
    Sign,
}

impl Word<'_> {
    pub(super) fn is(&self, sign: &str) -> bool {
        self.kind != Kind::String && self.text == sign
    }

    /// What a string says, where it is written without escapes.
    pub(super) fn literal(&self) -> Option<&str> {
        let inner = self.text.get(1..self.text.len().checked_sub(1)?)?;
        (self.kind == Kind::String && !inner.contains('\\')).then_some(inner)
    }
}

/// All tags of a text.
pub(super) fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some((start, block)) = next_tag(text, &mut at) {
        let (words, end) = words(text, start, if block { "%}" } else { "}}" });
        at = end;
        let mut plain = words.iter().filter(|word| !word.is("-"));
        let raw =
            block && plain.next().is_some_and(|word| word.is("raw")) && plain.next().is_none();
        tags.push(Tag { block, words });
        if raw {
            at = after_raw(text, at);
        }
    }
    tags
}

/// Where the inside of the next tag begins, and whether it is a block; comments are passed over.
fn next_tag(text: &str, at: &mut usize) -> Option<(usize, bool)> {
    loop {
        let open = *at + text[*at..].find('{')?;
        match text.as_bytes().get(open + 1) {
            Some(b'#') => {
                let from = open + 2;
                *at = text[from..].find("#}").map_or(text.len(), |end| from + end + 2);
            }
            Some(b'{') => return Some((open + 2, false)),
            Some(b'%') => return Some((open + 2, true)),
            _ => *at = open + 1,
        }
    }
}

/// Behind the `{% endraw %}` that ends a raw block.
fn after_raw(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(found) = text[at..].find("{%") {
        let inside = at + found + 2;
        let rest = &text[inside..];
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        if let Some(rest) = rest.trim_ascii_start().strip_prefix("endraw") {
            let rest = rest.trim_ascii_start();
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            if let Some(rest) = rest.strip_prefix("%}") {
                return text.len() - rest.len();
            }
        }
        at = inside;
    }
    text.len()
}

/// The words from `start` to `close`, and where the text goes on.
fn words<'t>(text: &'t str, start: usize, close: &str) -> (Vec<Word<'t>>, usize) {
    let mut words: Vec<Word<'t>> = Vec::new();
    let mut at = start;
    let mut depth = 0_usize;
    let word_char = |char: char| char == '_' || char.is_ascii_alphanumeric();
    while let Some(char) = text[at..].chars().next() {
        // A table's `}}` is no end of the tag.
        if depth == 0 && text[at..].starts_with(close) {
            return (words, at + close.len());
        }
        let (kind, length) = match char {
            '"' | '\'' | '`' => (Kind::String, string(&text[at..], char)),
            _ if word_char(char) => {
                let rest = &text[at..];
                (Kind::Name, rest.find(|char| !word_char(char)).unwrap_or(rest.len()))
            }
            _ => (Kind::Sign, sign(&text[at..], char)),
        };
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !char.is_whitespace() {
            words.push(Word { kind, text: &text[at..at + length], at: at..at + length });
        }
        at += length;
    }
    (words, text.len())
}

/// The length of a string with its quotes.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if char == '\\' {
            escaped = true;
        } else if char == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a sign; those of more characters that matter here are one word.
fn sign(text: &str, first: char) -> usize {
    let long = ["...", "?.", "?[", "==", "!=", ">=", "<=", "</"];
    let found = long.iter().find(|sign| text.starts_with(*sign));
    found.map_or_else(|| first.len_utf8(), |sign| sign.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_words_of_tags_and_nothing_else() {
        let text = "a {# {{ no }} #}{%- raw -%}{{ '{% endrawx %}{%- endraw -%}{#}{{ \" #}{%- if x?.y == \"}}\" -%}{{ {'k': v} }}";
        let tags = tags(text);
        let shown: Vec<String> = tags
            .iter()
            .map(|tag| tag.words.iter().map(|word| word.text).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(shown, ["- raw -", "- if x ?. y == \"}}\" -", "{ 'k' : v }"]);
        for word in tags.iter().flat_map(|tag| &tag.words) {
            assert_eq!(&text[word.at.clone()], word.text);
        }
    }
}
