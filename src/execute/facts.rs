//! Facts: the question, and the answer read into typed values. Nothing of it is ever evaluated.

use crate::model::Facts;
use crate::model::facts::Os;
use crate::shell::Script;

/// Asks for all facts with a handful of processes: lines `KEY VALUE`.
pub(super) fn ask(script: &mut Script) {
    script.text(
        r#"uname -s -r -m -n | { read -r a b c d e; printf 'kernel %s\narch %s\nhostname %s\n' "$c" "$d" "$b"; }
printf 'cpus %s\n' "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc)"
while read -r a b c; do if [ "$a" = MemTotal: ]; then printf 'memory_kb %s\n' "$b"; fi; done </proc/meminfo
printf 'user %s\n' "$(id -un)"
if [ -d /run/systemd/system ]; then echo init systemd; else echo init other; fi
for a in /etc/os-release /usr/lib/os-release; do if [ -r "$a" ]; then while IFS= read -r b || [ -n "$b" ]; do printf 'os %s\n' "$b"; done <"$a"; break; fi; done
"#,
    );
}

/// Reads the answer.
///
/// # Errors
/// What is missing or not in its shape: a mistake of the host.
pub fn read(answer: &[u8]) -> Result<Facts, String> {
    let text = String::from_utf8_lossy(answer);
    let get = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.map(|value| clean(value, 256))
    };
    let need = |key: &str| {
        get(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("the host did not say its {key}"))
    };
    let number = |key: &str| {
        need(key)?.parse::<u64>().map_err(|_| format!("the host's {key} is not a number"))
    };
    let os = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("os ")?.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| clean(value.trim().trim_matches(['"', '\'']), 256)).unwrap_or_default()
    };
    let id = os("ID");
    let like = os("ID_LIKE");
    let family = like.split(' ').next().filter(|first| !first.is_empty()).unwrap_or(&id).to_owned();
    Ok(Facts {
        hostname: need("hostname")?,
        kernel: need("kernel")?,
        arch: need("arch")?,
        cpus: u32::try_from(number("cpus")?)
            .map_err(|_| "the host has too many cpus".to_owned())?,
        memory_mb: number("memory_kb")? / 1024,
        user: need("user")?,
        init: need("init")?,
        os: Os {
            family,
            id,
            version: os("VERSION_ID"),
            codename: os("VERSION_CODENAME"),
            name: os("PRETTY_NAME"),
        },
    })
}

/// A bounded text without control characters.
fn clean(value: &str, most: usize) -> String {
    value.chars().filter(|char| !char.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_debian_host_says() {
        let answer =
            b"kernel 6.1.0\narch x86_64\nhostname web1\ncpus 4\nmemory_kb 2048000\nuser root\n\
            init systemd\nos PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nos VERSION_ID=\"12\"\n\
            os VERSION_CODENAME=bookworm\nos ID=debian\n";
        let facts = read(answer).unwrap();
        assert_eq!((facts.cpus, facts.memory_mb), (4, 2000));
        assert_eq!((facts.os.family.as_str(), facts.os.version.as_str()), ("debian", "12"));
    }

    #[test]
    fn keeps_hostile_text_inert_and_bounded() {
        let answer = b"kernel {{7*7}}\narch $(id)\nhostname a\x1b[2Jb\ncpus 1\nmemory_kb 1\nuser r\ninit other\n";
        let facts = read(answer).unwrap();
        assert_eq!(facts.kernel, "{{7*7}}");
        assert_eq!(facts.hostname, "a[2Jb");
        assert!(read(b"cpus many").is_err());
    }
}
