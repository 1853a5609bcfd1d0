//! The same work by hand: shell text that somebody wrote for these hosts alone. It asks for no more than the files speak
//! of, or makes it and looks at nothing, and keeps nothing. Where even that misses an aim, it
//! leaves no room for asking what the files ask with the programs that a host has.

use crate::figures::{Part, Row, ratios};
use crate::lab::{self, Lab};
use crate::plans::in_turn;
use crate::work::Size;

/// The questions behind a plan: one program for each kind.
pub fn questions(size: &Size) -> String {
    let list = |count: usize, name: &dyn Fn(usize) -> String| -> String {
        (1..=count).map(name).collect::<Vec<_>>().join(" ")
    };
    let files = list(size.files, &|number| format!("/srv/work-d1/site{number}.conf"));
    let folders = list(size.each, &|number| format!("/srv/work-d{number}"));
    let links = list(size.each, &|number| format!("/srv/work-l{number}"));
    let edited = "/etc/issue /etc/issue.net";
    let mut text = format!(
        "set -e; stat -c '%f %u %g %U %G %s %n' -- {files} {folders} {links} {edited}; sha256sum {files}; \
         readlink {links}; cat {edited}; getent passwd {}; \
         dpkg-query -W -f '${{Package}} ${{db:Status-Status}} ${{Version}}\\n' {}",
        list(size.each, &|number| format!("work{number}")),
        size.packages.join(" "),
    );
    if size.services > 0 {
        let units = list(size.services, &|number| format!("lab-svc{number}"));
        text += "; systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState -- ";
        text += &units;
    }
    text
}

/// Makes what the 113 are, but for the packages, on a host that has nothing of it.
pub const MAKE: &str = r##"set -e
for n in 1 2 3 4 5 6 7 8 9 10; do useradd -m -s /bin/bash -c "worker $n" work$n; done
cd /srv && mkdir -m 750 work-d1 work-d2 work-d3 work-d4 work-d5 work-d6 work-d7 work-d8 work-d9 work-d10
for n in 1 2 3 4 5 6 7 8 9 10; do chown work$n work-d$n; ln -s /srv/work-d$n work-l$n; done
t='workers 4'
for k in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do t="$t
upstream 1-$k 10.0.0.$k"; done
n=0; umask 027; while [ $n -lt 50 ]; do n=$((n + 1)); printf 'site %s\n%s\n' $n "$t" >work-d1/site$n.conf; done
for n in 1 2 3 4 5; do echo "# work line $n" >>/etc/issue; echo "# work line 1$n" >>/etc/issue.net; done
sync work-d1/*.conf /etc/issue /etc/issue.net
systemctl enable --now lab-svc1 lab-svc2 lab-svc3"##;

/// Bare ssh and this text in turn, `before` each not measured: a figure of the row.
pub fn beside(
    row: &mut Row,
    work: &str,
    (lab, text): (&Lab, &str),
    before: impl Fn() -> Result<(), String>,
) -> Result<(), String> {
    let (bare, by_hand) = in_turn(lab, || {
        before()?;
        lab::each(&lab.config(), &lab.names, text)
    })?;
    row.add(Part::Hand, work, "wall ÷ bare ssh", ratios(&by_hand, &bare));
    Ok(())
}
