//! `trueup init`: writes a small project that can be planned on this machine at once.
#![expect(clippy::disallowed_methods, reason = "the one verb that writes files on this machine")]

use std::path::Path;
use std::{fs, io};

use super::args::Init;
use super::exit::Exit;
use crate::report;
use crate::resources::input::absolute_path;
use crate::shell::quote;

/// The files of a new project; `NAME` or `ROOT` in one stands for what depends on its folder.
const FILES: [(&str, &str); 4] = [
    ("trueup.toml", include_str!("init/trueup.toml")),
    ("inventories/local.toml", include_str!("init/local.toml")),
    ("modules/hello/module.toml", include_str!("init/module.toml")),
    ("modules/hello/templates/hello.txt.tera", include_str!("init/hello.txt.tera")),
];

/// Runs the verb.
pub(super) fn run(verb: &Init) -> Exit {
    let (folder, shown) = (verb.folder.display().to_string(), verb.folder.display());
    if let Err(why) = write(&verb.folder) {
        report::print_error(&format!("error: cannot make a project in {shown}: {why}\n"));
        return Exit::Mistake;
    }
    let files = FILES.map(|(path, _)| format!("  {path}\n")).concat();
    report::print(&format!(
        "A new project in {shown}:\n{files}\nNext:\n  cd {}\n  trueup plan\n  trueup apply\n\n\
         It makes the folder `made` beside these files, on this machine, without root.\n\
         `trueup doc` tells what else can be declared.\n",
        word(&folder)
    ));
    Exit::Good
}

/// A path as a word for the shell of the reader.
fn word(path: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "_./".contains(char);
    if path.chars().all(plain) {
        return path.to_owned();
    }
    let quoted = quote(path.as_bytes()).expect("no path of this machine holds a NUL byte");
    format!("-- {}", String::from_utf8_lossy(&quoted))
}

/// Writes the files into a folder that is empty or new.
fn write(folder: &Path) -> Result<(), String> {
    let said = |error: io::Error| error.to_string();
    fs::create_dir_all(folder).map_err(said)?;
    if fs::read_dir(folder).map_err(said)?.next().is_some() {
        return Err("it is not empty\n  name a folder that is empty or not there yet".to_owned());
    }
    let whole = folder.canonicalize().map_err(said)?;
    let root = whole.join("made");
    let root = root.to_str().filter(|root| absolute_path(root).is_ok());
    let root = root.ok_or("its path is no plain text\n  name a folder with another path")?;
    let marks = [("NAME", project_name(&whole)), ("ROOT", root.to_owned())];
    for (file, text) in FILES {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().expect("a file is in a folder")).map_err(said)?;
        let mark = marks.iter().find(|(mark, _)| text.contains(mark));
        let text = mark.map_or_else(
            || text.to_owned(),
            |(mark, value)| text.replacen(mark, &toml::Value::from(value.as_str()).to_string(), 1),
        );
        fs::write(file, text).map_err(said)?;
    }
    Ok(())
}

/// A project's name from its folder's: letters, digits, `-`, `_` and `.`, not beginning with a dot.
fn project_name(folder: &Path) -> String {
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let right = |char: &char| char.is_ascii_alphanumeric() || "-_.".contains(*char);
    let name: String = name.chars().filter(right).collect();
    let name = name.trim_start_matches('.').to_owned();
    if name.is_empty() { "project".to_owned() } else { name }
}
