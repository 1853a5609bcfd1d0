//! The files in which ssh keeps host keys: one line added, or one put in the place of others.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::host_key::Seen;

/// The most that is read of such a file.
const FILE_MAX: u64 = 16 << 20;

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX).read_to_end(&mut text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    String::from_utf8(text).map_err(|_| format!("{} is no text", path.display()))
}

impl Seen {
    /// Files the key where ssh will look for it, and says where. With keys known under the name theirs
    /// go: the caller has asked for that.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be written.
    pub fn trust(&self) -> Result<PathBuf, String> {
        let file = self.files.first().filter(|file| file.as_path() != Path::new("/dev/null"));
        let file = file.ok_or("ssh's config names no file for host keys (UserKnownHostsFile)")?;
        let mut targets = vec![file];
        targets.extend(self.known.iter().map(|known| &known.file));
        targets.dedup();
        for target in targets {
            let lines: Vec<usize> = self
                .known
                .iter()
                .filter(|known| known.file == *target)
                .map(|known| known.line)
                .collect();
            if !lines.is_empty() {
                let left = without(&read(target)?, &lines, &self.name)
                    .map_err(|why| format!("{}: {why}", target.display()))?;
                replace(target, &left)
                    .map_err(|error| format!("cannot write {}: {error}", target.display()))?;
            }
        }
        append(file, &self.line)
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(file.clone())
    }
}

/// `text` without what its `lines` say of `name`: other names on a line keep their key.
fn without(text: &str, lines: &[usize], name: &str) -> Result<String, String> {
    let mut left = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if !lines.contains(&(index + 1)) {
            left.push_str(line);
            continue;
        }
        let (names, rest) = line.split_once(' ').unwrap_or((line, ""));
        if names.contains(['*', '?', '!']) {
            return Err(format!("line {} names hosts by a pattern: change it by hand", index + 1));
        }
        let others: Vec<&str> = names.split(',').filter(|other| *other != name).collect();
        // A hashed name is the only one on its line.
        if !names.starts_with('|') && !others.is_empty() && others.len() < names.split(',').count()
        {
            left.push_str(&others.join(","));
            left.push(' ');
            left.push_str(rest);
        }
    }
    Ok(left)
}

/// Adds a line at the end; ssh itself adds lines so, and others' stay.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut text = String::new();
    std::io::Read::by_ref(&mut file).take(FILE_MAX).read_to_string(&mut text)?;
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{gap}{line}\n").as_bytes())?;
    file.sync_all()
}

/// Puts `text` in the place of a file, whole or not at all; where the name is a link the file behind it
/// is replaced.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let mode = path.metadata()?.mode() & 0o7777;
    let mut new = tempfile::Builder::new().prefix(".known_hosts-").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&path).map(|_| ()).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn only_what_is_said_of_the_name_goes() {
        let text =
            "a ssh-ed25519 AAAA\nweb1,10.0.0.1 ssh-ed25519 BBBB\n# note\n|1|x|y ssh-rsa CCCC\n";
        assert_eq!(
            without(text, &[2, 4], "web1").unwrap(),
            "a ssh-ed25519 AAAA\n10.0.0.1 ssh-ed25519 BBBB\n# note\n"
        );
        assert_eq!(without("web1 ssh-rsa A\n", &[1], "web1").unwrap(), "");
        assert!(without("*.example ssh-rsa A\n", &[1], "web1").is_err());
    }
}
