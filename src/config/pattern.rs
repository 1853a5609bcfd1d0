//! Patterns that select hosts: names and globs of hosts and groups, `and`, `or`, `not`, `( )`.

use std::ops::Range;

use globset::{Glob, GlobMatcher};

use crate::model::Host;

/// A parsed pattern.
#[derive(Debug, Clone)]
pub struct HostPattern {
    text: String,
    root: Node,
}

#[derive(Debug, Clone)]
enum Node {
    Name(Name),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 64;

/// One name or glob and where it stands in the pattern.
#[derive(Debug, Clone)]
struct Name {
    text: String,
    at: Range<usize>,
    glob: GlobMatcher,
}

/// Why a text is no pattern, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct PatternError {
    pub why: String,
    /// Bytes of the pattern's text.
    pub at: Range<usize>,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is not one, with the place in `text`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parser = Parser { words: words(text), at: 0, end: text.len(), depth: 0 };
        let root = parser.or()?;
        match parser.peek() {
            None => Ok(Self { text: text.to_owned(), root }),
            Some(word) => Err(PatternError {
                why: format!("`{}` is not expected here: put `and` or `or` between names", word.0),
                at: word.1.clone(),
            }),
        }
    }

    /// Whether it selects `host`.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        matches(&self.root, host)
    }

    /// The names in it that no host and no group of `hosts` has, with their places in the text.
    #[must_use]
    pub fn unmatched<'h>(
        &self,
        hosts: &(impl Iterator<Item = &'h Host> + Clone),
    ) -> Vec<(String, Range<usize>)> {
        let mut names = Vec::new();
        collect(&self.root, &mut names);
        names
            .into_iter()
            .filter(|name| name.text != ALL && !hosts.clone().any(|host| name.selects(host)))
            .map(|name| (name.text.clone(), name.at.clone()))
            .collect()
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The name that every host has.
const ALL: &str = "all";

impl Name {
    fn selects(&self, host: &Host) -> bool {
        self.text == ALL
            || self.glob.is_match(&host.name)
            || host.groups.iter().any(|group| self.glob.is_match(group))
    }
}

fn matches(node: &Node, host: &Host) -> bool {
    match node {
        Node::Name(name) => name.selects(host),
        Node::Not(inner) => !matches(inner, host),
        Node::And(nodes) => nodes.iter().all(|node| matches(node, host)),
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, host)),
    }
}

fn collect<'n>(node: &'n Node, names: &mut Vec<&'n Name>) {
    match node {
        Node::Name(name) => names.push(name),
        Node::Not(inner) => collect(inner, names),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| collect(node, names)),
    }
}

/// Words and parentheses with their places; a comma reads as `or`.
fn words(text: &str) -> Vec<(String, Range<usize>)> {
    let mut words: Vec<(String, Range<usize>)> = Vec::new();
    let mut open = false;
    for (at, char) in text.char_indices() {
        let single = matches!(char, '(' | ')' | ',');
        if char.is_whitespace() || single {
            open = false;
            if single {
                words.push((char.to_string(), at..at + 1));
            }
        } else if open && let Some(last) = words.last_mut() {
            last.0.push(char);
            last.1.end = at + char.len_utf8();
        } else {
            words.push((char.to_string(), at..at + char.len_utf8()));
            open = true;
        }
    }
    words
}

struct Parser {
    words: Vec<(String, Range<usize>)>,
    at: usize,
    end: usize,
    /// Parentheses that are open.
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&(String, Range<usize>)> {
        self.words.get(self.at)
    }

    fn accept(&mut self, wanted: &[&str]) -> bool {
        let found = self.peek().is_some_and(|word| wanted.contains(&word.0.as_str()));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Node, PatternError> {
        let mut nodes = vec![self.and()?];
        while self.accept(&["or", ","]) {
            nodes.push(self.and()?);
        }
        Ok(Node::Or(nodes))
    }

    fn and(&mut self) -> Result<Node, PatternError> {
        let mut nodes = vec![self.not()?];
        while self.accept(&["and"]) {
            nodes.push(self.not()?);
        }
        Ok(Node::And(nodes))
    }

    fn not(&mut self) -> Result<Node, PatternError> {
        let mut negations = 0;
        while self.accept(&["not"]) {
            negations += 1;
        }
        let node = self.name()?;
        Ok(if negations % 2 == 1 { Node::Not(Box::new(node)) } else { node })
    }

    fn name(&mut self) -> Result<Node, PatternError> {
        let Some((word, at)) = self.peek().cloned() else {
            let why = "a host, a group or `(` is expected here".to_owned();
            return Err(PatternError { why, at: self.end..self.end });
        };
        self.at += 1;
        if word == "(" {
            if self.depth == DEPTH_MAX {
                let why = format!("parentheses nest deeper than {DEPTH_MAX}");
                return Err(PatternError { why, at });
            }
            self.depth += 1;
            let node = self.or()?;
            self.depth -= 1;
            return if self.accept(&[")"]) {
                Ok(node)
            } else {
                Err(PatternError { why: "this `(` is not closed".into(), at })
            };
        }
        if matches!(word.as_str(), "and" | "or" | ")" | ",") {
            let why = format!("a host, a group or `(` is expected here, not `{word}`");
            return Err(PatternError { why, at });
        }
        if word.split('[').skip(1).any(|rest| rest.split(']').next().unwrap_or(rest).contains(':'))
        {
            let why = "ranges are for inventories: name a group here, or use a glob".to_owned();
            return Err(PatternError { why, at });
        }
        if word.contains(['{', '}']) {
            let why = "braces are not for patterns: put `or` or a comma between names".to_owned();
            return Err(PatternError { why, at });
        }
        if word.contains([':', '!', '&']) {
            let why = "names have no `:`, `!` or `&`: `a:b` is written `a or b`, `a:!b` `a and not b`, `a:&b` `a and b`".to_owned();
            return Err(PatternError { why, at });
        }
        match Glob::new(&word) {
            Ok(glob) => Ok(Node::Name(Name { text: word, at, glob: glob.compile_matcher() })),
            Err(error) => {
                Err(PatternError { why: format!("not a name or glob: {}", error.kind()), at })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Connection;

    fn host(name: &str, groups: &[&str]) -> Host {
        Host {
            name: name.into(),
            address: name.into(),
            groups: groups.iter().map(|&group| group.into()).collect(),
            connection: Connection::default(),
        }
    }

    #[test]
    fn selects_by_names_globs_and_operators() {
        let hosts =
            [host("web1.x", &["web", "eu"]), host("web2.x", &["web"]), host("db1", &["db", "eu"])];
        let cases = [
            ("all", "web1.x web2.x db1"),
            ("web and not web1.x", "web2.x"),
            ("eu and (web or db)", "web1.x db1"),
            ("web*", "web1.x web2.x"),
            ("not not db", "db1"),
            ("db, web2.x", "web2.x db1"),
            ("db or web and eu", "web1.x db1"),
        ];
        for (text, wanted) in cases {
            let pattern = HostPattern::parse(text).unwrap();
            let found: Vec<&str> =
                hosts.iter().filter(|h| pattern.matches(h)).map(|h| h.name.as_str()).collect();
            assert_eq!(found.join(" "), wanted, "{text}");
        }
    }

    #[test]
    fn points_at_what_is_wrong() {
        for (text, at) in
            [("", 0..0), ("web and", 7..7), ("(web", 0..1), ("web db", 4..6), ("and", 0..3)]
        {
            assert_eq!(HostPattern::parse(text).unwrap_err().at, at, "{text}");
        }
        let pattern = HostPattern::parse("web or wep").unwrap();
        let hosts = [host("web1", &["web"])];
        assert_eq!(pattern.unmatched(&hosts.iter()), [("wep".to_owned(), 7..10)]);
    }
}
