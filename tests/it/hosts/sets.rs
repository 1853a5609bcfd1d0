//! Sets on real hosts: two files of nginx that only work together, judged by nginx itself.

use crate::support::{Project, lab, lab::left_out, lab::own};

const PROJECT: [(&str, &str); 3] = [
    (
        "trueup.toml",
        "[project]\nname = \"sets\"\ninventory = \"inventories/lab.toml\"\n\
         [[stage]]\nname = \"all\"\nhosts = \"spare2\"\nmodules = [\"pair\"]\n",
    ),
    (
        "inventories/lab.toml",
        "[connection]\nuser = \"root\"\n[vars]\nupstream = \"app\"\nport = 8081\n[groups.all-hosts]\nhosts = [\"spare2\"]\n",
    ),
    (
        "modules/pair/module.toml",
        r#"
[package.nginx]

[set.site]
members = ["file[/etc/nginx/conf.d/**]"]
validate = "nginx -q -t -c /etc/nginx/nginx.conf && ls {{ staged }}"

[file."/etc/nginx/conf.d/a-upstream.conf"]
content = "upstream {{ vars.upstream }} { server 127.0.0.1:{{ vars.port }}; }\n"
requires = ["package[nginx]"]

[file."/etc/nginx/conf.d/b-site.conf"]
content = "server { listen 8099; location / { proxy_pass http://app; } }\n"
requires = ["package[nginx]"]

[service.nginx]
state = "running"
reload_on = ["file[/etc/nginx/conf.d/**]"]
"#,
    ),
];

#[test]
fn files_that_only_work_together_go_in_together_or_not_at_all() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let lab = lab();
    let project = Project::new();
    for (path, text) in PROJECT {
        project.file(path, text);
    }
    project.on_lab(&["apply", "--yes", "--verbose"]).expect(0);
    let running =
        "systemctl is-active nginx; cat /etc/nginx/conf.d/*.conf; ls -A /etc/nginx/conf.d";
    let before = lab.on("spare2", running);
    assert!(before.starts_with("active\nupstream app { server 127.0.0.1:8081; }\n"), "{before}");
    project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);

    // Each file is right for itself; the other one does not know this upstream.
    let refused = project.on_lab(&["apply", "--yes", "--var", "upstream=other"]).expect(3);
    assert!(refused.stdout.contains("host not found in upstream \"app\""), "{}", refused.stdout);
    assert_eq!(lab.on("spare2", running), before);

    // The step was begun, so that its reload is owed.
    project.on_lab(&["apply", "--yes"]).expect(0);
    let reloads = "journalctl -q -u nginx -o cat | grep -c '^Reload\\(ed\\|ing\\)' || :";
    let was: u32 = lab.on("spare2", reloads).trim().parse().expect("a number");
    let plan = project.on_lab(&["plan", "--var", "port=8082"]).expect(0);
    insta::assert_snapshot!(plan.stdout);
    let applied = project.on_lab(&["apply", "--yes", "--verbose", "--var", "port=8082"]).expect(0);
    let said = format!("{}{}", applied.stdout, applied.stderr);
    assert!(said.contains("validated in a private mount namespace"), "{said}");
    assert!(applied.last_line().contains("1 update, 1 reload."), "{}", applied.stdout);
    let now: u32 = lab.on("spare2", reloads).trim().parse().expect("a number");
    assert!(
        now > was && now - was <= 2,
        "one reload, which says so when it begins and ends: {was}, {now}"
    );
    let after = lab.on("spare2", running);
    assert_eq!(after, before.replace("8081", "8082"));
    let left =
        "find / -xdev \\( -path '*/spare2/sets/*' -o -path '/etc/*/.trueup-*' \\) 2>/dev/null; :";
    assert_eq!(lab.on("spare2", left), "");
    lab.on("spare2", "apt-get -qq -y purge 'nginx*' >/dev/null 2>&1; rm -rf /etc/nginx; :");
}
