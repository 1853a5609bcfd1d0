//! Systemd units.

use std::sync::MutexGuard;

use super::{meanwhile, moved, project, settle, told};
use crate::support::{lab, lab::left_out, lab::own};

/// Units of this test: made by hand, so that only services are looked at.
const UNITS: &str = "cd /etc/systemd/system && \
    printf '[Service]\\nExecStart=sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' >sys-a.service && \
    printf '[Service]\\nExecStart=sh -c \"echo it cannot go on; sleep 0.3; exit 7\"\\n' >sys-ends.service && \
    printf '[Service]\\nRestart=always\\nRestartSec=60\\nExecStart=false\\n' >sys-loop.service && \
    printf '[Service]\\nExecStart=sleep %%i\\n[Install]\\nWantedBy=multi-user.target\\n' >sys-i@.service && \
    printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' >sys-a.timer && \
    printf '[Socket]\\nListenStream=/run/sys-s.sock\\n[Install]\\nWantedBy=sockets.target\\n' >sys-s.socket && \
    cp sys-a.service sys-s.service && ln -sf sys-a.service sys-alias.service && systemctl daemon-reload";

fn clean() {
    lab().on(
        "spare1",
        "rm -f /srv/meanwhile; for n in sys-a.timer sys-s.socket sys-s sys-a sys-ends sys-loop sys-i@100; do \
            systemctl unmask $n; systemctl disable --now $n; done >/dev/null 2>&1; systemctl reset-failed; \
         rm -rf /etc/systemd/system/sys-* /run/sys-s.sock; systemctl daemon-reload",
    );
}

/// The host, with these units and nothing else of these tests; none where tests on hosts are left out.
fn with_units() -> Option<MutexGuard<'static, ()>> {
    if left_out() {
        return None;
    }
    let host = own("spare1");
    clean();
    lab().on("spare1", UNITS);
    Some(host)
}

#[test]
fn units_of_all_kinds_run_start_at_boot_and_are_masked() {
    let Some(_host) = with_units() else { return };
    let lab = lab();
    let up = settle(
        "[service.sys-a]\nstate = \"running\"\nenabled = true\n[service.\"sys-i@100\"]\nstate = \"running\"\nenabled = true\n\
         [service.\"sys-a.timer\"]\nstate = \"running\"\nenabled = true\n[service.\"sys-s.socket\"]\nstate = \"running\"\nenabled = true\n",
    );
    assert!(up.contains("4 updates"), "{up}");
    let states = "systemctl is-active sys-a sys-i@100 sys-a.timer sys-s.socket; systemctl is-enabled sys-a sys-i@100 sys-a.timer sys-s.socket; true";
    assert_eq!(lab.on("spare1", states), "active\n".repeat(4) + &"enabled\n".repeat(4));
    // A vendor's unit can be masked; what stands in /etc is the administrator's own.
    lab.on(
        "spare1",
        "mv /etc/systemd/system/sys-i@.service /usr/lib/systemd/system/; systemctl daemon-reload",
    );
    let masked = settle(
        "[service.\"sys-i@100\"]\nstate = \"masked\"\n[service.sys-a]\nstate = \"stopped\"\nenabled = false\n",
    );
    assert!(masked.contains("state  running → masked"), "{masked}");
    let states = "systemctl is-active sys-i@100 sys-a; systemctl is-enabled sys-i@100 sys-a; true";
    assert_eq!(lab.on("spare1", states), "inactive\ninactive\nmasked\ndisabled\n");
    let again = settle("[service.\"sys-i@100\"]\nstate = \"running\"\n");
    assert!(again.contains("state  masked → running"), "{again}");
    lab.on("spare1", "rm /usr/lib/systemd/system/sys-i@.service");
    clean();
}

#[test]
fn a_unit_that_ends_right_after_its_start_is_a_failure_with_its_last_words() {
    let Some(_host) = with_units() else { return };
    let told = told(&moved("[service.sys-ends]\nstate = \"running\"\n"));
    assert!(told.contains("it ended right after its start"), "{told}");
    assert!(told.contains("it cannot go on") && told.contains("status=7"), "{told}");
    lab().on("spare1", "systemctl start sys-loop; sleep 1");
    let plan = project("[service.sys-loop]\nstate = \"running\"\n").on_lab(&["plan"]).expect(0);
    assert!(plan.stdout.contains("state  failing → running"), "{}", plan.stdout);
    clean();
}

#[test]
fn of_units_that_are_started_together_each_says_what_became_of_it() {
    let Some(_host) = with_units() else { return };
    let lab = lab();
    lab.on("spare1", "cd /etc/systemd/system; sed 's/sleep 1000/false/' sys-a.service >sys-dies.service; systemctl daemon-reload");
    let service = |name: &str| format!("[service.{name:?}]\nstate = \"running\"\nenabled = true\n");
    let module = ["sys-dies", "sys-a", "sys-a.timer"].map(service).concat();
    let apply = project(&module).on_lab(&["apply", "--yes"]).expect(3);
    let (_, end) = apply.stdout.rsplit_once("Plan: ").expect("a plan");
    assert!(end.contains("x m/service[sys-dies]"), "{end}");
    assert!(end.contains("it ended right after its start"), "{end}");
    assert!(end.contains(": 2 updates. 1 failed"), "{end}");
    assert!(!end.contains("sys-a"), "they were done, and nothing else is said of them: {end}");
    let states = "systemctl is-active sys-a sys-a.timer; systemctl is-enabled sys-a sys-a.timer";
    assert_eq!(lab.on("spare1", states), "active\nactive\nenabled\nenabled\n");
    lab.on("spare1", "systemctl disable sys-dies; rm /etc/systemd/system/sys-dies.service");
    clean();
}

#[test]
fn a_unit_that_cannot_reload_or_be_enabled_says_so() {
    let Some(_host) = with_units() else { return };
    lab().on("spare1", "systemctl start sys-a; rm -f /srv/sys-conf");
    let told = told(&moved(
        "[file.\"/srv/sys-conf\"]\ncontent = \"x\"\n[service.sys-a]\nreload_on = [\"file[/srv/sys-conf]\"]\n",
    ));
    assert!(told.contains("name its resource in `restart_on` instead"), "{told}");
    let plan = project("[service.sys-ends]\nenabled = true\n").on_lab(&["plan"]).expect(3);
    assert!(plan.stdout.contains("cannot be enabled: its unit file is static"), "{}", plan.stdout);
    settle("[service.sys-alias]\nenabled = true\n");
    assert_eq!(lab().on("spare1", "systemctl is-enabled sys-a"), "enabled\n", "by its own name");
    lab().on("spare1", "rm -f /srv/sys-conf");
    clean();
}

/// T17.
#[test]
fn services_that_were_changed_meanwhile_are_left() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    let cases = [
        (
            "service_moved_state",
            "systemctl start sys-a",
            "systemctl kill -s KILL sys-a; sleep 0.3",
            "[service.sys-a]\nstate = \"stopped\"\nenabled = true\n",
            "systemctl is-active sys-a || true",
            "failed",
        ),
        (
            "service_moved_boot",
            "true",
            "systemctl mask --runtime sys-v",
            "[service.sys-v]\nenabled = true\n",
            "systemctl is-enabled sys-v || true",
            "masked-runtime",
        ),
        (
            "service_moved_trigger",
            "systemctl start sys-a",
            "systemctl stop sys-a",
            "[service.sys-a]\nrestart_on = [\"file[/srv/meanwhile]\"]\n",
            "systemctl is-active sys-a || true",
            "inactive",
        ),
    ];
    for (name, before, by_hand, resource, look, kept) in cases {
        clean();
        lab.on("spare1", UNITS);
        lab.on("spare1", "cp /etc/systemd/system/sys-a.service /usr/lib/systemd/system/sys-v.service; systemctl daemon-reload");
        lab.on("spare1", before);
        let told = told(&moved(&format!("{}{resource}", meanwhile(by_hand))));
        insta::assert_snapshot!(name, told);
        assert_eq!(lab.on("spare1", look).trim_end(), kept, "{name}");
        lab.on("spare1", "systemctl --runtime unmask sys-v 2>/dev/null; rm -f /usr/lib/systemd/system/sys-v.service");
    }
    clean();
}

/// What `quick` says of units that are up and start at boot is what `systemctl show` says of each; where anything about
/// them is odd, it says nothing.
#[test]
fn what_is_asked_of_all_units_at_once_is_what_systemd_says_of_each() {
    let Some(_host) = with_units() else { return };
    let library = include_str!("../../../../src/resources/service.sh");
    let (functions, _) = library.split_once("# The rest is for steps.").expect("its two parts");
    let units = "cd /etc/systemd/system
        for n in on off down run mask empty gone over dang copy add; do sed s/1000/100/ sys-a.service >/usr/lib/systemd/system/sys-$n.service; done
        sed s/WantedBy/RequiredBy/ sys-a.service >sys-req.service
        sed '/Install/,$d' sys-a.service >/usr/lib/systemd/system/sys-add.service
        printf '#!/bin/sh\\nsed s/1000/100/ /etc/systemd/system/sys-a.service >$1/sys-gen.service\\n' >/etc/systemd/system-generators/sys-gen
        chmod +x /etc/systemd/system-generators/sys-gen
        systemctl daemon-reload
        systemctl -q enable sys-on sys-down sys-mask sys-empty sys-gone sys-over sys-dang sys-req sys-loop
        systemctl -q enable --runtime sys-run
        cp sys-a.service multi-user.target.wants/sys-copy.service
        systemctl -q add-wants multi-user.target sys-add
        ln -s /run/systemd/generator/sys-gen.service multi-user.target.wants/sys-gen.service
        systemctl start sys-on sys-off sys-run sys-mask sys-empty sys-gone sys-over sys-dang sys-copy sys-req sys-add sys-gen sys-loop
        # Behind systemd's back.
        ln -s /dev/null sys-mask.service; ln -s /nowhere sys-dang.service; : >sys-empty.service; rm /usr/lib/systemd/system/sys-gone.service
        cp sys-a.service /run/systemd/system/sys-over.service";
    let ask = r#"
        set -- on off down run mask empty gone over dang copy req add gen loop nosuch
        for n do shift; set -- "$@" "sys-$n.service"; done
        quick "$@" >/run/sys-said
        for u do
          case $slow in *" $u "*) echo "$u slowly" ;; *)
            grep -A 5 -Fx "Id=$u" /run/sys-said | sed '/^$/,$d'
            for p in Id Names LoadState ActiveState UnitFileState; do echo "$p=$(systemctl show -P $p "$u")"; done ;;
          esac
        done
        quick sys-nosuch.service sys-down.service; units $slow | grep '^Id='"#;
    lab().on("spare1", "mkdir -p /etc/systemd/system-generators");
    let said =
        lab().on("spare1", &format!("{{ {units}\n}} >/dev/null 2>&1\nU=0\n{functions}\n{ask}"));
    let clear = "rm -f /run/sys-said /run/systemd/system/sys-* /etc/systemd/system-generators/sys-gen; \
        rm -f /etc/systemd/system/*/sys-* /run/systemd/system/*/sys-*; for n in on off down run mask empty gone over dang copy add req gen; do \
        systemctl stop sys-$n; rm -f /usr/lib/systemd/system/sys-$n.service /etc/systemd/system/sys-$n.service; done; true";
    lab().on("spare1", &format!("{{ {clear}; }} >/dev/null 2>&1"));
    let twice = |unit: &str| {
        let block = format!(
            "Id={unit}\nNames={unit}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
        );
        block.repeat(2)
    };
    let slowly = |unit: &str| format!("sys-{unit}.service slowly\n");
    let expected = twice("sys-on.service")
        + &["off", "down", "run", "mask", "empty", "gone", "over", "dang", "copy"]
            .map(slowly)
            .concat()
        + &twice("sys-req.service")
        + &twice("sys-add.service")
        + &["gen", "loop", "nosuch"].map(slowly).concat()
        + "Id=sys-nosuch.service\nId=sys-down.service\n";
    assert_eq!(said, expected);
    clean();
}
