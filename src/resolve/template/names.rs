//! Which names a text uses, seen without evaluating it: what its value depends on, what it takes for
//! granted, and what cannot be right whatever branch is taken.

use std::collections::BTreeSet;
use std::ops::Range;

use super::token::{Kind, Tag, Word, tags};

/// What every expression can name: nothing is reachable without its prefix.
pub(in crate::resolve) const ROOTS: [&str; 10] = [
    "vars",
    "params",
    "locals",
    "facts",
    "host",
    "each",
    "stage",
    "project",
    "candidate",
    "staged",
];

/// Words of the language that are no names.
const KEYWORDS: [&str; 20] = [
    "and", "or", "not", "in", "is", "if", "elif", "else", "for", "true", "false", "True", "False",
    "none", "None", "null", "loop", "super", "body", "as",
];

/// Those behind which a value begins.
const OPERATORS: [&str; 8] = ["and", "or", "not", "in", "is", "if", "elif", "else"];

/// One use of a name: `vars.db.port` is the root `vars` and the path `db`, `port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::resolve) struct Use {
    pub(in crate::resolve) root: String,
    pub(in crate::resolve) path: Vec<String>,
    /// In bytes of the text.
    pub(in crate::resolve) at: Range<usize>,
    /// `is defined`, `default` or `?.` says that it may be missing.
    pub(in crate::resolve) guarded: bool,
    /// Whether it may be that it is not evaluated: it stands in a branch, a loop or a block.
    pub(in crate::resolve) nested: bool,
}

/// Everything that a text names.
#[derive(Debug, Clone, Default)]
pub(in crate::resolve) struct Names {
    pub(in crate::resolve) uses: Vec<Use>,
    /// Names that stand without a prefix and that the text does not make itself; their place is that of
    /// the first word.
    pub(in crate::resolve) bare: Vec<Use>,
    /// Names that the text makes: loop variables, `set`, arguments of components.
    pub(in crate::resolve) bound: BTreeSet<String>,
    /// Templates that it includes or extends, and whether it does so for sure.
    pub(in crate::resolve) templates: Vec<(String, bool)>,
    /// Whether it names a template in a way that is not read here.
    pub(in crate::resolve) opaque: bool,
    /// The groups that `hosts(group="…")` names, one for each time that it stands in the text; `None`
    /// where the group is computed.
    pub(in crate::resolve) groups: Vec<Option<(String, Range<usize>)>>,
    /// Vars of other hosts: `….vars.NAME`; `None` for all of them.
    pub(in crate::resolve) peer_vars: BTreeSet<Option<String>>,
    /// Whether facts of other hosts are named: `….facts`.
    pub(in crate::resolve) peer_facts: bool,
    /// Each use of a var or fact of other hosts, as if it were the host's own.
    pub(in crate::resolve) peer_uses: Vec<Use>,
    pub(in crate::resolve) arguments: Vec<Argument>,
}

/// An argument of a filter, a test or a function.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Argument {
    /// What is called.
    pub(in crate::resolve) called: String,
    pub(in crate::resolve) name: String,
    /// Where its name is.
    pub(in crate::resolve) at: Range<usize>,
    /// Its value, where that is one word.
    pub(in crate::resolve) value: String,
}

/// Reads the names of a text.
pub(in crate::resolve) fn names(text: &str) -> Names {
    let mut names = Names::default();
    let mut depth = 0_usize;
    let tags = tags(text);
    for tag in &tags {
        let first = tag.words.iter().find(|word| !word.is("-"));
        let verb = first.filter(|_| tag.block).map_or("", |word| word.text);
        depth = depth.saturating_sub(usize::from(verb.starts_with("end")));
        let branch = matches!(verb, "elif" | "else");
        Reader { words: &tag.words, names: &mut names, nested: depth > 0 || branch }
            .read(tag, verb);
        let opens = matches!(verb, "if" | "for" | "block" | "component" | "filter")
            || (matches!(verb, "set" | "set_global") && !tag.words.iter().any(|word| word.is("=")));
        depth += usize::from(opens);
    }
    let bound = &names.bound;
    names.bare.retain(|bare| !bound.contains(&bare.root));
    guard_all(&mut names.uses);
    names
}

/// Where a text asks once whether a name is there, it knows that it may be missing.
fn guard_all(uses: &mut [Use]) {
    let asked: Vec<(String, Vec<String>)> = uses
        .iter()
        .filter(|used| used.guarded)
        .map(|used| (used.root.clone(), used.path.clone()))
        .collect();
    for used in uses {
        used.guarded |=
            asked.iter().any(|(root, path)| *root == used.root && used.path.starts_with(path));
    }
}

/// Reads one tag.
struct Reader<'r> {
    words: &'r [Word<'r>],
    names: &'r mut Names,
    nested: bool,
}

impl Reader<'_> {
    fn read(mut self, tag: &Tag<'_>, verb: &str) {
        let start = self.words.iter().position(|word| !word.is("-")).unwrap_or(0);
        // A list made from a list names its variables behind their first use.
        for at in start + 1..self.words.len() {
            if self.is(at, "for") {
                self.bind_loop(at + 1);
            }
        }
        match verb {
            "for" => self.bind_loop(start + 1),
            "set" | "set_global" => self.bind(start + 1),
            "component" => {
                for at in start + 1..self.words.len() {
                    self.bind(at);
                }
                return;
            }
            "include" | "extends" => match self.words.get(start + 1).and_then(Word::literal) {
                Some(name) => self.names.templates.push((name.to_owned(), !self.nested)),
                None => self.names.opaque = true,
            },
            "block" | "endblock" | "endcomponent" => return,
            _ => {}
        }
        let mut at = start + usize::from(tag.block) + usize::from(verb == "filter");
        while at < self.words.len() {
            // What stands behind these may or may not be evaluated.
            self.nested |= ["and", "or"].iter().any(|word| self.words[at].is(word))
                || (at > start && (self.word(at).is("if") || self.word(at).is("else")));
            at = self.word_at(at);
        }
    }

    fn word(&self, at: usize) -> &Word<'_> {
        &self.words[at]
    }

    fn is(&self, at: usize, sign: &str) -> bool {
        self.words.get(at).is_some_and(|word| word.is(sign))
    }

    fn bind(&mut self, at: usize) {
        if let Some(word) = self.words.get(at).filter(|word| word.kind == Kind::Name) {
            self.names.bound.insert(word.text.to_owned());
        }
    }

    /// `k, v` behind `for`.
    fn bind_loop(&mut self, at: usize) {
        self.bind(at);
        if self.is(at + 1, ",") {
            self.bind(at + 2);
        }
    }

    /// Reads the word at `at` and gives where to go on.
    fn word_at(&mut self, at: usize) -> usize {
        let word = &self.words[at];
        let before = |sign: &str| at > 0 && self.words[at - 1].is(sign);
        if word.is(".") || word.is("?.") {
            return self.attribute(at);
        }
        if word.kind != Kind::Name || word.text.starts_with(|char: char| char.is_ascii_digit()) {
            return at + 1;
        }
        if self.is(at + 1, "(") {
            self.arguments(at);
        }
        if word.text == "for" {
            // A list made from a list: its variables are its own.
            self.nested = true;
            return at + 1;
        }
        let argument =
            self.is(at + 1, "=") || (self.is(at + 1, ":") && (before("{") || before(",")));
        let test = before("is") || (before("not") && at > 1 && self.words[at - 2].is("is"));
        if KEYWORDS.contains(&word.text) || before("|") || test || argument || self.component(at) {
            return at + 1;
        }
        if self.is(at + 1, "(") {
            if word.text == "hosts" {
                self.hosts(at + 2);
            }
            return at + 1;
        }
        self.name(at)
    }

    /// Whether the name at `at` is a component's: `<` before it compares where a value stands before.
    fn component(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|at| self.word(at));
        let value = |word: &Word<'_>| match word.kind {
            Kind::Name => !OPERATORS.contains(&word.text),
            Kind::String => true,
            Kind::Sign => matches!(word.text, ")" | "]" | "}"),
        };
        before(1).is_some_and(|word| word.is("</"))
            || (before(1).is_some_and(|word| word.is("<")) && !before(2).is_some_and(value))
    }

    /// The arguments of `hosts(`.
    fn hosts(&mut self, at: usize) {
        let group = self.words.get(at + 2).filter(|_| self.is(at, "group") && self.is(at + 1, "="));
        let named = group.and_then(|word| {
            let text = word.literal()?.to_owned();
            Some((text, word.at.start + 1..word.at.end - 1))
        });
        self.names.groups.push(named);
    }

    /// A name with the path behind it.
    fn name(&mut self, at: usize) -> usize {
        let word = &self.words[at];
        let (path, next, mut guarded) = self.path(at + 1);
        let known = ROOTS.contains(&word.text) && !self.names.bound.contains(word.text);
        guarded |= self.is(next, "|") && self.is(next + 1, "default");
        guarded |= self.is(next, "is")
            && [next + 1, next + 2]
                .iter()
                .any(|&at| self.is(at, "defined") || self.is(at, "undefined"));
        if known {
            let end = self.words[next - 1].at.end;
            self.names.uses.push(Use {
                root: word.text.to_owned(),
                path,
                at: word.at.start..end,
                guarded,
                nested: self.nested,
            });
        } else {
            self.peer(&path);
            self.peer_use(&path, (at, next), guarded);
            let (root, at, nested) = (word.text.to_owned(), word.at.clone(), self.nested);
            self.names.bare.push(Use { root, path, at, guarded, nested });
        }
        next
    }

    /// A path behind something that is no name, as in `hosts(group='db')[0].vars.port`.
    fn attribute(&mut self, at: usize) -> usize {
        if self.is(at, "?.") {
            let name = self.words.get(at + 1).filter(|word| word.kind == Kind::Name);
            self.peer(&name.map(|word| word.text.to_owned()).into_iter().collect::<Vec<_>>());
            return at + 1 + usize::from(name.is_some());
        }
        let (path, next, guarded) = self.path(at);
        self.peer(&path);
        self.peer_use(&path, (at, next), guarded);
        next.max(at + 1)
    }

    /// Remembers `….vars.NAME` and `….facts.NAME`, which stand in the words `from..to`.
    fn peer_use(&mut self, path: &[String], (from, to): (usize, usize), guarded: bool) {
        let Some(at) = path.iter().position(|part| part == "vars" || part == "facts") else {
            return;
        };
        let Some(last) = to.checked_sub(1).filter(|last| *last >= from) else { return };
        let guarded = guarded
            || (self.is(to, "|") && self.is(to + 1, "default"))
            || (self.is(to, "is") && (1..3).any(|more| self.is(to + more, "defined")));
        self.names.peer_uses.push(Use {
            root: path[at].clone(),
            path: path[at + 1..].to_vec(),
            at: self.words[from].at.start..self.words[last].at.end,
            guarded,
            nested: true,
        });
    }

    /// The names of the arguments behind a name that is called.
    fn arguments(&mut self, at: usize) {
        let callee = self.words[at].text;
        let mut depth = 0_usize;
        for index in at + 1..self.words.len() {
            let word = &self.words[index];
            match word.text {
                "(" | "[" | "{" if word.kind == Kind::Sign => depth += 1,
                ")" | "]" | "}" if word.kind == Kind::Sign => depth -= 1,
                _ if depth == 1 && word.kind == Kind::Name && self.is(index + 1, "=") => {
                    let alone = self.is(index + 3, ",") || self.is(index + 3, ")");
                    let value = self.words.get(index + 2).filter(|_| alone);
                    self.names.arguments.push(Argument {
                        called: callee.to_owned(),
                        name: word.text.to_owned(),
                        at: word.at.clone(),
                        value: value.map_or_else(String::new, |word| word.text.to_owned()),
                    });
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn peer(&mut self, path: &[String]) {
        for (at, part) in path.iter().enumerate() {
            if part == "vars" {
                self.names.peer_vars.insert(path.get(at + 1).cloned());
            }
            self.names.peer_facts |= part == "facts";
        }
    }

    /// `.a.b["c"]` from `at` on: its parts, where the text goes on, and whether `?.` stands in it.
    fn path(&self, mut at: usize) -> (Vec<String>, usize, bool) {
        let mut path = Vec::new();
        loop {
            if self.is(at, "?.") || self.is(at, "?[") {
                // What is behind may be missing, and so may what is before.
                return (path, at, true);
            }
            let name = self.words.get(at + 1);
            if self.is(at, ".") && name.is_some_and(|word| word.kind == Kind::Name) {
                path.extend(name.map(|word| word.text.to_owned()));
                at += 2;
            } else if self.is(at, "[")
                && self.is(at + 2, "]")
                && let Some(key) = name.and_then(Word::literal)
            {
                path.push(key.to_owned());
                at += 3;
            } else {
                return (path, at, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let used = |used: &Use| {
            let mark = [(used.guarded, "?"), (used.nested, "*")];
            let mark: String = mark.iter().filter(|(on, _)| *on).map(|(_, mark)| *mark).collect();
            format!("{}.{}{mark}", used.root, used.path.join("."))
        };
        names(text).uses.iter().map(used).collect()
    }

    #[test]
    fn finds_what_is_used_and_how() {
        assert_eq!(shown("{{ vars.a }}{{vars['b'].c|upper}}"), ["vars.a", "vars.b.c"]);
        assert_eq!(shown("{{ vars.a | default(value=params.b) }}"), ["vars.a?", "params.b"]);
        assert_eq!(
            shown("{% if vars.x is defined %}{{ vars.x.y }}{% endif %}{{ vars.z }}"),
            ["vars.x?", "vars.x.y?*", "vars.z"]
        );
        assert_eq!(shown("{{ vars.a?.b }}"), ["vars.a?"]);
        assert_eq!(shown("{{ vars[params.key] }}"), ["vars.", "params.key"]);
        assert_eq!(shown("{{ vars.a and vars.b }}"), ["vars.a", "vars.b*"]);
        assert_eq!(
            shown("{% for a, b in vars.l %}{{ a }}{{ host.name }}{% endfor %}"),
            ["vars.l", "host.name*"]
        );
        assert_eq!(shown("{{ [x.y for x in vars.l] }}"), ["vars.l*"]);
        assert_eq!(
            shown("{% raw %}{{ vars.no }}{% endraw %}{# {{ vars.no }} #}"),
            Vec::<String>::new()
        );
        assert_eq!(shown("{{ 'vars.no' ~ 1.5 }}"), Vec::<String>::new());
        assert_eq!(shown("{{ 1 < vars.a }}{{ <vars x={vars.b} /> }}"), ["vars.a", "vars.b"]);
        assert_eq!(shown("{% <c> %}{% </vars> %}{{ [1, ...vars.a] }}"), ["vars.a"]);
    }

    #[test]
    fn tells_bare_names_from_those_that_the_text_makes() {
        let bare =
            |text: &str| names(text).bare.into_iter().map(|bare| bare.root).collect::<Vec<_>>();
        assert_eq!(bare("{{ domain }} {{ x | upper }}"), ["domain", "x"]);
        assert!(
            bare("{% block title %}{% filter upper %}x{% endfilter %}{% endblock title %}")
                .is_empty()
        );
        assert!(
            bare("{% set a = 1 %}{{ a }}{{ range(end=3) | join(sep=',') }}{{ loop.index }}")
                .is_empty()
        );
        assert!(bare("{% for k, v in vars.t %}{{ k }}{{ v.w }}{% endfor %}").is_empty());
        assert!(bare("{% filter upper %}{% block a %}{% endblock a %}{% endfilter %}").is_empty());
        assert!(
            bare("{{ [h.name for h in hosts(group='web') if h.vars.port is defined] }}").is_empty()
        );
        assert!(bare("{{ vars?.a }}{{ vars.t?.x?.y }}{{ vars['t']?.x.y }}").is_empty());
        let peers =
            names("{{ [h.vars.port for h in hosts(group='web')] }}{{ hosts(group='a')[0].vars }}");
        assert_eq!(peers.groups.len(), 2);
        assert_eq!(peers.peer_vars, BTreeSet::from([None, Some("port".to_owned())]));
    }

    #[test]
    fn finds_included_templates() {
        let found =
            names("{% extends 'a' %}{% if vars.x %}{% include \"b\" %}{% endif %}").templates;
        assert_eq!(found, [("a".to_owned(), true), ("b".to_owned(), false)]);
    }
}
