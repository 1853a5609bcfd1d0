//! The main job: 4 hosts × 113 resources from nothing to done, and what was changed by hand mended.

use crate::support::{Project, lab, lab::left_out, lab::own, work};

const HOSTS: [&str; 4] = ["web1", "web2", "web3", "web4"];

/// Every path of a host that could be changed by mistake: name, kind, mode, owner, size, and for files
/// the time of the last change and the digest's stand-in, the inode.
fn tree(host: &str) -> Vec<String> {
    let text = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path '/var/tmp/trueup-*' \
        -o -path /var/log -o -path /var/lib/systemd -o -path /root/.ssh \\) -prune -o \
        \\( -type f -printf '%p %y %m %U:%G %s %T@ %i\\n' -o -printf '%p %y %m %U:%G %l\\n' \\)";
    let mut lines: Vec<String> = lab().on(host, text).lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

/// The paths whose line differs between two trees.
fn changed(before: &[String], after: &[String]) -> Vec<String> {
    let path = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    let gone = before.iter().filter(|line| after.binary_search(line).is_err());
    let new = after.iter().filter(|line| before.binary_search(line).is_err());
    let mut paths: Vec<String> = gone.chain(new).map(path).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn from_nothing_to_done_and_only_what_the_plan_names_is_mended() {
    if left_out() {
        return;
    }
    let _hosts = own("web");
    let project = Project::new();
    for (path, text) in work::files(&HOSTS, &work::Size::small()) {
        project.file(path, text);
    }
    let before = tree("web1");
    let plan = project.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
    assert_eq!(tree("web1"), before, "plan changes nothing on a host");
    assert!(plan.stdout.contains("(113 changes)"), "{}", plan.stdout);
    assert_eq!(
        plan.last_line(),
        "Plan: 4 hosts: 4 to change. 400 creates, 52 updates.",
        "packages, users, directories, files and links are created; lines and services are updates"
    );

    let apply = project.on_lab(&["apply", "--yes"]).expect(0);
    assert!(apply.last_line().starts_with("Applied to 4 hosts in "), "{}", apply.stdout);
    assert!(apply.last_line().contains(" s: 400 creates, 52 updates. Run "), "{}", apply.stdout);
    let lab = lab();
    for host in HOSTS {
        let said = lab.on(host, "dpkg-query -W -f '${db:Status-Status}\\n' 'lab-pkg*' | grep -cx installed; \
            stat -c '%a %U' /srv/work-d3; readlink /srv/work-l3; head -n 2 /srv/work-d1/site50.conf; \
            systemctl is-active lab-svc1 lab-svc2 lab-svc3; systemctl is-enabled lab-svc3; grep -c '# work line' /etc/issue");
        assert_eq!(
            said,
            format!(
                "20\n750 work3\n/srv/work-d3\n# {host}: site 50 of work.example\nworkers 4\nactive\nactive\nactive\nenabled\n5\n"
            )
        );
    }
    let again = project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(again.last_line(), "Plan: 4 hosts: 4 unchanged.");

    lab.on("web2", "echo 'by hand' >>/srv/work-d1/site7.conf; chmod 0755 /srv/work-d4");
    let drifted = project.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
    insta::assert_snapshot!(super::stable(&drifted.stdout));
    let before = tree("web2");
    project.on_lab(&["apply", "--yes"]).expect(0);
    assert_eq!(
        changed(&before, &tree("web2")),
        ["/srv/work-d1/site7.conf", "/srv/work-d4"],
        "exactly what the plan named"
    );
    project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
}
