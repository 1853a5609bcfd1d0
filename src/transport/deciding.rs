//! The files that decide how ssh gets where: its config with all that it includes, and the keys of hosts that are known.
//! Only whether they changed is asked of them; what they mean is ssh's own.
#![expect(clippy::disallowed_methods, reason = "ssh's files are no files of the project")]

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

/// How deep files include others (readconf.c of OpenSSH, `READCONF_MAX_DEPTH`).
const DEPTH: usize = 16;

/// These config files, those that they include, and those with known keys, each with what it holds (nothing where it cannot
/// be read); `None` where what a program says decides too (`Match exec`), or a name that only ssh can make out.
pub(super) fn files(configs: &[PathBuf], home: &Path) -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let known = [home.join(".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts".into()];
    let mut all: Vec<_> = known.into_iter().map(read).collect();
    for config in configs {
        follow(config, home, DEPTH, &mut all)?;
    }
    Some(all)
}

/// Whether one of the files gives this keyword a value.
pub(super) fn any_says(files: &[(PathBuf, Vec<u8>)], word: &str) -> bool {
    files.iter().any(|(_, content)| {
        let text = String::from_utf8_lossy(content);
        text.lines().any(|line| keyword(line).0.eq_ignore_ascii_case(word))
    })
}

fn read(file: PathBuf) -> (PathBuf, Vec<u8>) {
    let content = std::fs::read(&file).unwrap_or_default();
    (file, content)
}

/// Adds a file and what it includes (`ssh_config(5)`, Include).
fn follow(file: &Path, home: &Path, depth: usize, all: &mut Vec<(PathBuf, Vec<u8>)>) -> Option<()> {
    let read = read(file.to_owned());
    let text = String::from_utf8_lossy(&read.1).into_owned();
    all.push(read);
    for line in text.lines() {
        let (keyword, rest) = keyword(line);
        if keyword.eq_ignore_ascii_case("match") && rest.to_ascii_lowercase().contains("exec") {
            return None;
        }
        if !keyword.eq_ignore_ascii_case("include") {
            continue;
        }
        for pattern in words(rest)? {
            for file in named(&pattern, home)? {
                follow(&file, home, depth.checked_sub(1)?, all)?;
            }
        }
    }
    Some(())
}

/// The first word of a line and what stands behind it; one `=` may stand between.
fn keyword(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (keyword, rest) = line.split_at(
        line.find(|char: char| char.is_whitespace() || char == '=').unwrap_or(line.len()),
    );
    let rest = rest.trim_start();
    (keyword, rest.strip_prefix('=').unwrap_or(rest).trim())
}

/// Words, in double quotes where they hold spaces; `None` for what has to be made out otherwise.
fn words(text: &str) -> Option<Vec<String>> {
    let mut parts = text.split('"');
    let mut words = Vec::new();
    while let Some(bare) = parts.next() {
        words.extend(bare.split_whitespace().map(str::to_owned));
        words.extend(parts.next().map(str::to_owned));
    }
    let plain = |word: &String| !word.contains(['%', '$', '\\', '\'', '#']);
    (text.matches('"').count().is_multiple_of(2) && words.iter().all(plain)).then_some(words)
}

/// The files that a pattern names: `*`, `?` and `[` may stand behind its last `/` only.
fn named(pattern: &str, home: &Path) -> Option<Vec<PathBuf>> {
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if pattern.starts_with('~') => return None,
        // ssh takes what trueup's own config includes for the user's.
        None => home.join(".ssh").join(pattern),
    };
    let wild = |text: &str| text.contains(['*', '?', '[']);
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    if wild(folder.to_str()?) {
        return None;
    }
    if !wild(name) {
        return Some(vec![path]);
    }
    let glob = GlobBuilder::new(name).literal_separator(true).build().ok()?.compile_matcher();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| glob.is_match(entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_included_counts_and_what_a_program_says_cannot() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at(".ssh/config.d")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
        let asked = || {
            let all = files(&[at(".ssh/config")], home.path())?;
            Some(all.into_iter().map(|(file, _)| file).collect::<Vec<_>>())
        };
        write(
            ".ssh/config",
            "Host a\n  User x\n include=config.d/*.conf \"~/b c\"\nMatch user x\n",
        );
        write(".ssh/config.d/1.conf", "INCLUDE other\n");
        write(".ssh/config.d/2.txt", "");
        let found = asked().unwrap();
        let wanted = [".ssh/config", ".ssh/config.d/1.conf", ".ssh/other", "b c"].map(at);
        assert_eq!(found[2..], wanted);
        write(".ssh/other", "Include config\n");
        assert_eq!(asked(), None, "round in a circle");
        for odd in
            ["Match host a exec \"test -e x\"", "Include ~other/x", "Include ${X}/y", "Include */z"]
        {
            write(".ssh/other", odd);
            assert_eq!(asked(), None, "{odd}");
        }
    }
}
