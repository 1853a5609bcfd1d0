//! What nobody declares any more on a real host: packages, accounts, services.

use super::project;
use crate::support::{lab, lab::left_out, lab::own};

const HOST: &str = "spare2";
const INVENTORY: &str = "[connection]\nuser = \"root\"\n[hosts.spare2]\n";

const MODULE: &str = r#"
[package.lab-pkg02]
[group.prunegrp]
[user.prune]
group = "prunegrp"
[authorized_key.prune]
user = "prune"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f prune"]
[file."/etc/systemd/system/prune.service"]
content = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
[service.prune]
state = "running"
enabled = true
"#;

#[test]
fn what_another_address_declares_stays_and_what_nobody_does_goes_in_order() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let project = project(INVENTORY, MODULE);
    project.on_lab(&["apply", "--yes"]).expect(0);
    let accounts = || {
        lab().on(
            HOST,
            "getent passwd prune; getent group prunegrp; dpkg-query -Wf '${Status}' lab-pkg02 || true",
        )
    };
    let before = accounts();
    // The module has another name: nothing is to be done, whatever is asked for.
    let text = std::fs::read_to_string(project.path().join("trueup.toml")).expect("a project");
    project.file("trueup.toml", text.replace("modules = [\"m\"]", "modules = [\"n\"]"));
    project.file("modules/n/module.toml", MODULE);
    let renamed = project.on_lab(&["apply", "--yes", "--prune-accounts"]).expect(0);
    assert!(renamed.stdout.contains("no changes"), "{}", renamed.stdout);
    assert_eq!(accounts(), before);
    // The group is still a declared user's; the service goes before its unit does.
    project.file("modules/n/module.toml", "[user.prune]\ngroup = \"prunegrp\"\n");
    let plan = project.on_lab(&["plan", "--prune-accounts"]).expect(0).stdout;
    assert!(
        plan.contains("n/group[prunegrp]  on spare2: it stays: n/user[prune] needs it"),
        "{plan}"
    );
    project.on_lab(&["apply", "--yes", "--prune-accounts"]).expect(0);
    let state = "systemctl show -p ActiveState,LoadState,UnitFileState prune.service; \
                 ls /etc/systemd/system/*/prune.service; getent group prunegrp; ls ~prune/.ssh/authorized_keys";
    let state = lab().on(HOST, &format!("({state}) 2>&1 || true"));
    assert!(
        state.contains("ActiveState=inactive") && state.contains("LoadState=not-found"),
        "{state}"
    );
    assert!(!state.contains("/prune.service\n") || state.contains("No such file"), "{state}");
    assert!(state.contains("prunegrp:"), "{state}");
    assert!(!accounts().contains("install ok installed"));
    project.file("modules/n/module.toml", "");
    project.on_lab(&["apply", "--yes", "--prune-accounts"]).expect(0);
    assert_eq!(lab().on(HOST, "getent passwd prune; getent group prunegrp; true"), "");
    assert!(project.on_lab(&["plan"]).expect(0).stdout.contains("no changes"));
}
