//! The book: every project in it checks clean, every screen in it is what the program prints, and every
//! link leads somewhere. `UPDATE_BOOK=1` writes the screens anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use crate::support::repository;

/// The folder that readers of the book are in. The real one has a name of the same length, so that
/// columns stay where they are.
const HOME: &str = "/home/me";
/// Marks what a page leaves out and the test fills in.
const FILLED: &str = "# filled in";
/// Pages whose blocks other tests hold: examples of the types (manual.rs).
const ELSEWHERE: [&str; 1] = ["resources.md"];

/// A piece of a page.
#[derive(Debug)]
enum Piece {
    Line(String),
    Block { line: usize, info: String, body: Vec<String> },
}

/// A page in pieces.
fn pieces(text: &str) -> Vec<Piece> {
    let (mut pieces, mut open): (Vec<Piece>, bool) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), pieces.last_mut()) {
            (Some(_), _) if open => open = false,
            (Some(info), _) => {
                open = true;
                let info = info.to_owned();
                pieces.push(Piece::Block { line: index + 1, info, body: Vec::new() });
            }
            (None, Some(Piece::Block { body, .. })) if open => body.push(line.to_owned()),
            (None, _) => pieces.push(Piece::Line(line.to_owned())),
        }
    }
    assert!(!open, "a block has no end");
    pieces
}

/// Each line with its end.
fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// The page again.
fn text(pieces: &[Piece]) -> String {
    let text = pieces.iter().map(|piece| match piece {
        Piece::Line(line) => lines(std::slice::from_ref(line)),
        Piece::Block { info, body, .. } => format!("```{info}\n{}```\n", lines(body)),
    });
    text.collect()
}

/// A reader of one page, who does what it says.
struct Reader {
    page: String,
    home: tempfile::TempDir,
    /// Below the home.
    here: PathBuf,
    /// Exit status of the last command.
    status: i32,
    wrong: Vec<String>,
}

impl Reader {
    fn new(page: &str) -> Self {
        let home = tempfile::Builder::new().prefix("").rand_bytes(3).tempdir_in("/tmp");
        let home = home.expect("a temporary folder");
        assert_eq!(home.path().as_os_str().len(), HOME.len());
        let (page, here) = (page.to_owned(), PathBuf::new());
        Self { page, home, here, status: 0, wrong: Vec::new() }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join(&self.here)
    }

    fn real(&self, text: &str) -> String {
        text.replace(HOME, self.home.path().to_str().expect("UTF-8"))
    }

    fn say(&mut self, line: usize, why: &str) {
        self.wrong.push(format!("docs/{}:{line}: {why}", self.page));
    }

    /// Runs a line of a shell; both streams, as a terminal shows them.
    fn run(&mut self, line: &str) -> Vec<String> {
        if let Some(folder) = line.strip_prefix("cd ") {
            self.here = self.folder().join(folder).strip_prefix(self.home.path()).unwrap().into();
            assert!(self.folder().is_dir(), "{line}");
            return Vec::new();
        }
        if line == "echo $?" {
            return vec![std::mem::take(&mut self.status).to_string()];
        }
        let program = Path::new(env!("CARGO_BIN_EXE_trueup")).parent().expect("its folder");
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{}", self.real(line))])
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.display()))
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TRUEUP_HOST_STATE", self.home.path().join("state"))
            .stdin(std::process::Stdio::null())
            .output()
            .expect("a shell");
        self.status = output.status.code().unwrap_or(-1);
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        let said = said.replace(self.home.path().to_str().expect("UTF-8"), HOME);
        said.lines().map(ToOwned::to_owned).collect()
    }

    /// Writes a file of the page.
    fn write(&self, info: &str, path: &Path, body: &[String]) {
        let rest = if info == "tera" { &body[1..] } else { body };
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, self.real(&lines(rest))).expect("a file");
    }

    /// What a page leaves out: this machine, and a trueup.toml that puts every module on every host.
    fn fill(&self) {
        let here = self.folder();
        let names = |folder: &str| {
            let entries = fs::read_dir(here.join(folder)).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.collect::<Vec<_>>()
        };
        let (mut modules, inventories) = (names("modules"), names("inventories"));
        modules.retain(|name| here.join("modules").join(name).join("module.toml").exists());
        modules.sort();
        if modules.is_empty() && inventories.is_empty() {
            return;
        }
        let inventory = inventories.iter().max().map_or("local.toml", String::as_str);
        if inventories.is_empty() {
            fs::create_dir_all(here.join("inventories")).expect("a folder");
            let text = "[hosts.localhost]\nconnection = { transport = \"local\" }\n";
            fs::write(here.join("inventories").join(inventory), text).expect("a file");
        }
        let file = here.join("trueup.toml");
        if fs::read_to_string(&file).map_or(true, |text| text.starts_with(FILLED)) {
            let text = format!(
                "{FILLED}\n[project]\nname = \"book\"\ninventory = \"inventories/{inventory}\"\n\
                 [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = {modules:?}\n"
            );
            fs::write(file, text).expect("a file");
        }
    }

    /// Runs the lines of a console and gives the console as it is.
    fn console(&mut self, line: usize, body: &[String]) -> Vec<String> {
        self.fill();
        let mut shown = Vec::new();
        let commands: Vec<usize> =
            (0..body.len()).filter(|&at| body[at].starts_with("$ ")).collect();
        if commands.first() != Some(&0) {
            self.say(line, "a console begins with `$ `");
        }
        for (number, &at) in commands.iter().enumerate() {
            let end = commands.get(number + 1).copied().unwrap_or(body.len());
            let said = self.run(&body[at][2..]);
            let asked = body.get(end).is_some_and(|next| next == "$ echo $?");
            if self.status != 0 && !asked {
                self.say(
                    line + at + 1,
                    &format!("it ended with {}, and no `$ echo $?`", self.status),
                );
            }
            shown.push(body[at].clone());
            shown.extend(self.shown(line + at + 2, &body[at + 1..end], said));
        }
        shown
    }

    /// What stands in the page where that is true, else what was said.
    fn shown(&mut self, line: usize, page: &[String], said: Vec<String>) -> Vec<String> {
        if like(page, &said) {
            return page.to_vec();
        }
        self.say(line, &format!("the program prints\n{}\n", said.join("\n")));
        said
    }

    /// A project is over: it must be right.
    fn finish(&mut self, line: usize) {
        self.fill();
        if self.folder().join("trueup.toml").exists() {
            let said = self.run("trueup check");
            if self.status != 0 {
                self.say(line, &format!("the project above does not check:\n{}", said.join("\n")));
            }
        }
    }
}

/// Whether a screen is what was said: times, runs and who began them may differ, and a line `…` stands for any lines.
fn like(page: &[String], said: &[String]) -> bool {
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        let (run, date) = (r"\b01[0-9A-HJKMNP-TV-Z]{6,24}\b", r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?");
        Regex::new(&format!(r"\bin \d+\.\d s\b|\b\d+\.\d s\b|{run}|{date}|by \S+@\S+")).unwrap()
    });
    match page {
        [] => said.is_empty(),
        [dots, rest @ ..] if dots.trim() == "…" => {
            (0..=said.len()).any(|skipped| like(rest, &said[skipped..]))
        }
        [line, rest @ ..] => said.first().is_some_and(|first| {
            TIME.replace_all(line, "") == TIME.replace_all(first, "") && like(rest, &said[1..])
        }),
    }
}

/// The verbs and flags of a line that is not run must be there.
fn known(reader: &mut Reader, line: usize, text: &str) {
    static CALL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\btrueup ([a-z]+)\b([^|>)]*)").unwrap());
    for call in CALL.captures_iter(text) {
        let help = reader.run(&format!("trueup {} --help", &call[1]));
        if reader.status != 0 {
            reader.say(line, &format!("there is no verb `{}`", &call[1]));
        }
        let there =
            |flag: &str| help.iter().any(|text| text.split([' ', ',']).any(|word| word == flag));
        for flag in call[2].split(' ').filter(|word| word.starts_with('-') && !there(word)) {
            reader.say(line, &format!("`trueup {}` has no `{flag}`", &call[1]));
        }
    }
}

/// Does what a page says; gives the page as it should be, and what is wrong with it.
fn read(page: &str, whole: &str) -> (String, Vec<String>) {
    let mut pieces = pieces(whole);
    let mut reader = Reader::new(page);
    // The message of the block before, where that was wrong on purpose.
    let mut message: Option<Vec<String>> = None;
    for piece in &mut pieces {
        let (line, info, body) = match piece {
            Piece::Line(text) if text == "<!-- project -->" => {
                reader.finish(0);
                let wrong = std::mem::take(&mut reader.wrong);
                reader = Reader::new(page);
                reader.wrong = wrong;
                continue;
            }
            Piece::Line(_) => continue,
            Piece::Block { line, info, body } => (*line, info.as_str(), body),
        };
        if let (Some(said), "text") = (message.take(), info) {
            *body = reader.shown(line + 1, body, said);
            continue;
        }
        match info {
            "toml" | "toml,wrong" | "tera" => {
                let path = named(info, body).map(|path| reader.folder().join(path));
                let Some(path) = path else {
                    reader.say(line, "the first line does not name the file");
                    continue;
                };
                let before = fs::read(&path).ok();
                reader.write(info, &path, body);
                if info == "toml,wrong" {
                    reader.fill();
                    message = Some(reader.run("trueup check"));
                    if reader.status != 1 {
                        reader.say(line, "nothing is wrong with it");
                    }
                    match before {
                        Some(before) => fs::write(path, before).expect("a file"),
                        None => fs::remove_file(path).expect("a file"),
                    }
                }
            }
            "console" => *body = reader.console(line, body),
            "console,ssh" | "sh" | "yaml" => {
                let shown = |text: &String| info != "console,ssh" || text.starts_with("$ ");
                for (at, text) in body.iter().enumerate().filter(|(_, text)| shown(text)) {
                    known(&mut reader, line + at + 1, text);
                }
            }
            "text" => {}
            other => reader.say(line, &format!("no block of a page is `{other}`")),
        }
    }
    reader.finish(whole.lines().count());
    (text(&pieces), std::mem::take(&mut reader.wrong))
}

/// The file that a block is, from its first line.
fn named<'b>(info: &str, body: &'b [String]) -> Option<&'b str> {
    let first = body.first()?;
    let named = match info {
        "tera" => first.strip_prefix("{# ")?.strip_suffix(" #}")?,
        _ => first.strip_prefix("# ")?,
    };
    named.split(':').next().filter(|path| path.contains('.') && !path.contains(' '))
}

/// The pages of the book, by their file's name.
fn pages() -> BTreeMap<String, String> {
    let summary = fs::read_to_string(repository().join("docs/SUMMARY.md")).expect("SUMMARY.md");
    let links = links(&summary).into_iter().map(|(_, target)| target);
    links
        .map(|page| {
            let text = fs::read_to_string(repository().join("docs").join(&page));
            (page.clone(), text.unwrap_or_else(|why| panic!("{page}: {why}")))
        })
        .collect()
}

#[test]
fn the_book_is_true() {
    let update = std::env::var_os("UPDATE_BOOK").is_some();
    let mut all = Vec::new();
    for (page, before) in pages().iter().filter(|(page, _)| !ELSEWHERE.contains(&page.as_str())) {
        let (after, wrong) = read(page, before);
        if update && after != *before {
            fs::write(repository().join("docs").join(page), after).expect("a page");
        }
        all.extend(wrong);
    }
    assert!(all.is_empty(), "{}\nUPDATE_BOOK=1 writes the screens anew", all.join("\n"));
}

#[test]
fn the_summary_names_every_page() {
    let named: BTreeSet<String> = pages().into_keys().collect();
    let entries = fs::read_dir(repository().join("docs")).expect("docs").flatten();
    let files =
        entries.map(|entry| entry.path()).filter(|path| path.extension() == Some("md".as_ref()));
    let files = files.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    let there: BTreeSet<String> = files.filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(named, there);
}

/// The links of a page, with their lines; what stands in blocks and code is none.
fn links(text: &str) -> Vec<(usize, String)> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").unwrap());
    static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`[^`]*`").unwrap());
    let (mut found, mut open) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        open ^= line.starts_with("```");
        let line = if open { "" } else { line };
        for link in LINK.captures_iter(&CODE.replace_all(line, "`x`")) {
            found.push((index + 1, link[1].to_owned()));
        }
    }
    found
}

/// The anchors of a page, as mdbook and code hosts make them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Line(line) if line.starts_with('#') => {
            Some(line.trim_start_matches('#').trim().to_lowercase())
        }
        _ => None,
    });
    let kept = |char: &char| char.is_alphanumeric() || " -_".contains(*char);
    headings
        .map(|heading| heading.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let docs = repository().join("docs");
    let mut all: Vec<PathBuf> = pages().keys().map(|page| docs.join(page)).collect();
    all.extend([repository().join("README.md"), docs.join("SUMMARY.md")]);
    for path in all {
        let own = fs::read_to_string(&path).expect("a page");
        for (line, link) in links(&own).iter().filter(|(_, link)| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let inside = target.parent() == Some(&docs) || path.ends_with("README.md");
            let text = fs::read_to_string(&target).unwrap_or_default();
            let leads = anchor.is_empty() || anchors(&text).contains(anchor);
            if !target.exists() || !inside || !leads {
                wrong.push(format!("{}:{line}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere, or out of the book:\n{}", wrong.join("\n"));
}

#[test]
fn the_page_of_mistakes_has_every_code() {
    let page = pages().remove("check.md").expect("a page");
    let (_, codes) = page.split_once("\n## Codes\n").expect("its codes");
    let codes = codes.split("\n## ").next().unwrap_or_default().lines();
    let rows: Vec<&str> = codes.filter(|line| line.starts_with("| `")).collect();
    let mut known = trueup::model::CODES.map(|(code, why)| format!("| `{code}` | {why} |"));
    known.sort();
    assert_eq!(rows, known);
}
