//! Small files that are edited: the shell of a host reads them itself, and nothing of them may be lost.

use std::fmt::Write as _;

use super::project;
use crate::support::{lab, lab::left_out, lab::own};

/// What a shell could lose something of, or a reader take for the end of it.
const CONTENTS: [&[u8]; 11] = [
    b"one\ntwo\n",
    b"no end",
    b"",
    b"\n\n\n",
    b"  in  the\tmiddle  \n\\n \\\n\\0$(id)`id`'\"*\n \n",
    b"= 3\n> 3\nd - /etc/passwd\n.\n",
    b"nul \0 in it\n",
    b"\xff\xfe\x80\x81\x88\n",
    b"a\rb\n",
    &[b'x'; 999],
    &[b'y'; 1000],
];

/// Folders that they are in: what belongs to others, or lies deeper, is read in another way.
const FOLDERS: [&str; 5] =
    ["/etc", "/etc/texts.d", "/etc/texts.open", "/etc/texts.d/deep", "/srv/texts"];

#[test]
fn small_texts_come_as_they_are() {
    if left_out() {
        return;
    }
    for host in ["spare1", "busybox1"] {
        let _host = own(host);
        lab().on(host, "rm -rf /etc/texts* /srv/texts; mkdir -p /etc/texts.d/deep /etc/texts.open /srv/texts && chmod 777 /etc/texts.open");
        let (mut module, mut make, mut wanted) = (String::new(), String::new(), Vec::new());
        for (number, content) in CONTENTS.iter().enumerate() {
            for folder in FOLDERS {
                let path = format!("{folder}/texts {number}");
                let mut octal = String::new();
                for byte in *content {
                    let _ = write!(octal, "\\{byte:03o}");
                }
                let _ = writeln!(make, "printf '{octal}' >'{path}'");
                let _ =
                    writeln!(module, "[line.\"{path}\"]\npath = \"{path}\"\nline = \"added\"\n");
                let end = if content.is_empty() || content.ends_with(b"\n") { "" } else { "\\012" };
                wanted.push((path, format!("{octal}{end}added\\012")));
            }
        }
        lab().on(host, &make);
        let project = project(&format!("[hosts.{host}]\n"), &module);
        project.on_lab(&["apply", "--yes"]).expect(0);
        for (path, octal) in wanted {
            let same = format!("printf '{octal}' | cmp - '{path}' 2>&1 || true");
            assert_eq!(lab().on(host, &same), "", "{host}");
        }
        project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
        // One more byte after it was seen is seen.
        lab().on(
            host,
            "echo behind >>'/etc/texts 0'; printf 'one\\ntwo\\n' >'/etc/texts.d/texts 0'",
        );
        let plan = project.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
        assert_eq!(plan.last_line(), "Plan: 1 host: 1 to change. 1 update.", "{}", plan.stdout);
        lab().on(host, "rm -rf /etc/texts* /srv/texts");
    }
}
