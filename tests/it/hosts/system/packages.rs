//! Packages of a small repository: versions up and down, what comes along, what must not go.

use std::fmt::Write as _;

use super::{meanwhile, moved, project, settle, told};
use crate::support::{lab, lab::left_out, lab::own};

/// Adds a repository with packages of this test, `NAME VERSION [FIELD]` each. Those named sys-conf have a
/// configuration file, and sys-slow takes its time.
fn offer(packages: &[(&str, &str, &str)]) {
    let mut text = String::from("set -e; mkdir -p /opt/sys-repo; cd /opt/sys-repo; rm -rf ./*; ");
    for (name, version, field) in packages {
        let _ = write!(
            text,
            "rm -rf t; mkdir -p t/DEBIAN t/etc t/usr/share/{name}; echo {version} >t/usr/share/{name}/version; \
             if [ {name} = sys-conf ]; then echo 'version = {version}' >t/etc/sys-conf.conf; echo /etc/sys-conf.conf >t/DEBIAN/conffiles; fi; \
             if [ {name} = sys-slow ]; then printf '#!/bin/sh\\n: >/run/sys-slow.runs\\nsleep $(cat /run/sys-slow)\\n' >t/DEBIAN/postinst; chmod 755 t/DEBIAN/postinst; fi; \
             printf '%s\\n' 'Package: {name}' 'Version: {version}' 'Architecture: all' 'Maintainer: x <x@localhost>' {field} 'Description: x' >t/DEBIAN/control; \
             dpkg-deb --root-owner-group -Zgzip --build t {name}_{version}.deb >/dev/null; "
        );
    }
    text += "rm -rf t; for d in *.deb; do dpkg-deb --field $d; printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' \
        $d $(stat -c %s $d) $(sha256sum <$d | cut -d ' ' -f 1); done >Packages; \
        echo 'deb [trusted=yes] file:/opt/sys-repo ./' >/etc/apt/sources.list.d/sys.list; apt-get -qq update";
    lab().on("spare1", &text);
}

fn clean() {
    lab().on(
        "spare1",
        "rm -f /srv/meanwhile; apt-mark unhold sys-a >/dev/null 2>&1; \
         apt-get -qq -y purge 'sys-*' lab-pkg20 lab-broken >/dev/null 2>&1; \
         rm -rf /opt/sys-repo /etc/apt/sources.list.d/sys.list /etc/sys-conf.conf*; apt-get -qq update",
    );
}

fn version(name: &str) -> String {
    let text =
        format!("dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' {name} 2>/dev/null || true");
    lab().on("spare1", &text)
}

#[test]
fn versions_go_up_and_down_and_what_comes_along_is_named() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    offer(&[
        ("sys-a", "1.0", "'Depends: sys-lib'"),
        ("sys-a", "1.2", "'Depends: sys-lib'"),
        ("sys-lib", "2.0", ""),
        ("sys-other", "1", ""),
    ]);
    let made = settle("[package.sys-a]\nversion = \"1.0\"\n[package.sys-other]\n");
    insta::assert_snapshot!("package_made", made.split("\nApplied").next().unwrap_or_default());
    assert_eq!(version("sys-a"), "installed 1.0");
    let up = settle(
        "[package.sys-a]\nstate = \"latest\"\n[package.sys-other]\nstate = \"absent\"\n[package.lab-pkg20]\n",
    );
    insta::assert_snapshot!("package_up", up.split("\nApplied").next().unwrap_or_default());
    let log = lab().on("spare1", "grep -c '^Commandline: apt-get' /var/log/apt/history.log; grep '^Commandline' /var/log/apt/history.log | tail -n 1");
    assert!(
        log.contains("install -- sys-a=1.2 sys-other- lab-pkg20=1.0"),
        "one run for all: {log}"
    );
    let down = settle("[package.sys-a]\nversion = \"1.0\"\n");
    assert!(down.contains("a downgrade\n      version  1.2 → 1.0"), "{down}");
    assert_eq!(version("sys-a"), "installed 1.0");
    clean();
}

#[test]
fn no_package_goes_that_nobody_named() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    offer(&[
        ("sys-a", "1.0", "'Depends: sys-lib'"),
        ("sys-lib", "2.0", ""),
        ("sys-new", "1", "'Conflicts: sys-a'"),
    ]);
    settle("[package.sys-a]\n");
    for module in ["[package.sys-lib]\nstate = \"absent\"\n", "[package.sys-new]\n"] {
        let plan = project(module).on_lab(&["plan"]).expect(3);
        assert!(
            plan.stdout.contains("apt would also remove sys-a; where that is meant"),
            "{}",
            plan.stdout
        );
    }
    let swap = settle("[package.sys-new]\n[package.sys-a]\nstate = \"absent\"\n");
    assert!(swap.contains("1 create, 1 delete"), "{swap}");
    // A removal that only comes up after the plan was made is not done either.
    settle(
        "[package.sys-new]\nstate = \"absent\"\n[package.sys-lib]\nstate = \"absent\"\n[package.sys-a]\nstate = \"absent\"\n",
    );
    let apply = moved(&format!(
        "{}[package.sys-new]\n",
        meanwhile("apt-get -qq -y install sys-a >/dev/null 2>&1")
    ));
    insta::assert_snapshot!("package_would_remove", told(&apply));
    assert_eq!(version("sys-a"), "installed 1.0");
    clean();
}

/// T17.
#[test]
fn packages_that_were_changed_meanwhile_are_left() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let cases = [
        (
            "package_moved",
            "apt-get -qq -y install sys-a=1.0 >/dev/null",
            "apt-get -qq -y install sys-a=1.1 >/dev/null 2>&1",
            "[package.sys-a]\nstate = \"latest\"\n",
            "installed 1.1",
        ),
        (
            "package_moved_absent",
            "apt-get -qq -y install sys-a=1.0 >/dev/null",
            "apt-get -qq -y install sys-a=1.1 >/dev/null 2>&1",
            "[package.sys-a]\nstate = \"absent\"\n",
            "installed 1.1",
        ),
        (
            "package_made_meanwhile",
            "true",
            "apt-get -qq -y install sys-a=1.0 >/dev/null 2>&1",
            "[package.sys-a]\nversion = \"1.2\"\n",
            "installed 1.0",
        ),
    ];
    for (name, before, by_hand, resource, kept) in cases {
        clean();
        offer(&[("sys-a", "1.0", ""), ("sys-a", "1.1", ""), ("sys-a", "1.2", "")]);
        lab().on("spare1", before);
        let apply = moved(&format!("{}{resource}", meanwhile(by_hand)));
        insta::assert_snapshot!(name, told(&apply));
        assert_eq!(version("sys-a"), kept, "{name}");
    }
    clean();
}

#[test]
fn configuration_files_that_were_changed_are_kept_or_replaced_and_told() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    offer(&[("sys-conf", "1.0", ""), ("sys-conf", "1.1", ""), ("sys-conf", "1.2", "")]);
    settle("[package.sys-conf]\nversion = \"1.0\"\n");
    lab().on("spare1", "echo 'by hand' >/etc/sys-conf.conf");
    let kept = settle("[package.sys-conf]\nversion = \"1.1\"\n");
    assert!(kept.contains("spare1  m/package[sys-conf]\n      kept /etc/sys-conf.conf, which was changed on this host"), "{kept}");
    assert_eq!(
        lab().on("spare1", "cat /etc/sys-conf.conf; ls /etc/sys-conf.conf.dpkg-dist"),
        "by hand\n/etc/sys-conf.conf.dpkg-dist\n"
    );
    let replaced = settle("[package.sys-conf]\nversion = \"1.2\"\nconffiles = \"replace\"\n");
    assert!(replaced.contains("replaced /etc/sys-conf.conf by the package's"), "{replaced}");
    assert_eq!(lab().on("spare1", "cat /etc/sys-conf.conf"), "version = 1.2\n");
    settle("[package.sys-conf]\nstate = \"absent\"\n");
    assert_eq!(version("sys-conf"), "config-files 1.2");
    let purged = settle("[package.sys-conf]\nstate = \"absent\"\npurge = true\n");
    assert!(purged.contains("configuration  there → none"), "{purged}");
    assert_ne!(lab().try_on("spare1", "ls /etc/sys-conf.conf", b"").0, 0);
    clean();
}

/// T85.
#[test]
fn a_lock_is_waited_for_and_its_holder_is_named() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    offer(&[("sys-slow", "1", "")]);
    let lab = lab();
    let hold = |seconds: u32| {
        let text = format!(
            "echo {seconds} >/run/sys-slow; systemd-run -q --collect --unit slow apt-get -qq -y install sys-slow; \
             until [ -e /run/sys-slow.runs ]; do sleep 0.2; done; rm /run/sys-slow.runs"
        );
        lab.on("spare1", &text);
    };
    hold(6);
    settle("[package.lab-pkg20]\n");
    lab.on("spare1", "apt-get -qq -y -o DPkg::Lock::Timeout=60 purge sys-slow >/dev/null");
    hold(60);
    let told = told(&moved("[package.lab-pkg20]\nstate = \"absent\"\ntimeout = 6\n"));
    lab.on("spare1", "systemctl stop slow; echo 0 >/run/sys-slow; dpkg --configure -a >/dev/null; rm -f /run/sys-slow*");
    assert!(
        told.contains("Could not get lock /var/lib/dpkg/lock-frontend. It is held by process"),
        "{told}"
    );
    assert!(told.contains("another program holds that lock: the step waited for it 3 s"), "{told}");
    clean();
}

#[test]
fn states_that_apt_left_half_done_are_seen_and_holds_are_respected() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    offer(&[("sys-a", "1.0", "'Provides: sys-virtual'"), ("sys-a", "1.2", "")]);
    let lab = lab();
    lab.on("spare1", "apt-get -qq -y install sys-a=1.0 >/dev/null; apt-get -qq -y install lab-broken >/dev/null 2>&1 || true");
    let plan = |module: &str, status| project(module).on_lab(&["plan"]).expect(status).stdout;
    let half = plan("[package.lab-broken]\n", 0);
    assert!(half.contains("state  half-configured → installed"), "{half}");
    let along = plan("[package.lab-pkg20]\n", 0);
    assert!(along.contains("apt also configures what waits for it: lab-broken"), "{along}");
    settle("[package.lab-broken]\nstate = \"absent\"\n");
    lab.on("spare1", "apt-mark hold sys-a >/dev/null");
    let held = plan("[package.sys-a]\nstate = \"latest\"\n", 3);
    assert!(held.contains("`apt-mark unhold sys-a`"), "{held}");
    let name = plan("[package.sys-virtual]\n", 3);
    assert!(name.contains("only a name that others provide; declare one of them: sys-a"), "{name}");
    clean();
}
