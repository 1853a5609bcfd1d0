//! The shipped modules, examples and inventories: all of them load, and the examples do what their
//! READMEs say.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Output, Project, lab, lab::left_out, lab::own, repository};

/// Every TOML file below a folder of the repository, by its path from the repository's folder.
fn toml_files(folder: &str) -> BTreeSet<PathBuf> {
    let root = repository();
    let mut folders = vec![root.join(folder)];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                files.insert(path.strip_prefix(&root).expect("below it").to_owned());
            }
        }
    }
    files
}

/// The folders in a folder of the repository, by name.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(repository().join(folder)).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a plain name");
    entries.map(|entry| name(entry.expect("an entry"))).collect()
}

/// A project of one stage on one host of this machine, which uses one module.
fn using(module: &str) -> Project {
    let project = Project::new();
    let text = "[project]\nname = \"t\"\ninventory = \"inventory.toml\"\n\
                [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [";
    let inventory = "[connection]\ntransport = \"local\"\n[groups.web]\nhosts = [\"here\"]\n";
    project.file("trueup.toml", format!("{text}{module}]\n")).file("inventory.toml", inventory);
    project
}

/// The addresses of all changes that a plan shows, in its order, each once for each block.
fn changes(plan: &Output) -> Vec<&str> {
    let change = |line: &'_ str| line.starts_with("  ") && !line.starts_with("   ");
    // The closing list names them once more.
    let lines = plan.stdout.lines().take_while(|line| !line.starts_with("In short"));
    let lines = lines.filter(|line| change(line));
    lines.filter_map(|line| line.split_whitespace().nth(1)).collect()
}

#[test]
fn every_file_belongs_to_something_that_is_checked() {
    for file in ["modules", "examples", "inventories"].into_iter().flat_map(toml_files) {
        let parts: Vec<&str> = file.iter().map(|part| part.to_str().expect("UTF-8")).collect();
        let checked = match parts.as_slice() {
            ["modules", _, "module.toml"] | ["inventories", _] | ["examples", _, "trueup.toml"] => {
                true
            }
            ["examples", example, "modules", module, "module.toml"] => {
                let uses = format!("use = \"{module}\"");
                text(&format!("examples/{example}/trueup.toml")).contains(&uses)
            }
            ["examples", example, "inventories", inventory] => {
                let names = format!("inventory = \"inventories/{inventory}\"");
                text(&format!("examples/{example}/trueup.toml")).contains(&names)
            }
            _ => false,
        };
        assert!(checked, "no test loads {}", file.display());
    }
}

/// A text file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("a file of the repository")
}

#[test]
fn every_example_is_without_mistakes() {
    for example in names("examples") {
        let project = Project::copy_of(&format!("examples/{example}"));
        project.run(&["check"]).expect(0);
    }
}

#[test]
fn every_inventory_is_without_mistakes() {
    for file in toml_files("inventories") {
        let project = using("\"base\"");
        project.file("inventory.toml", text(file.to_str().expect("UTF-8")));
        project.run(&["check"]).expect(0);
    }
}

#[test]
fn every_module_can_be_used_as_it_is_and_says_what_it_is() {
    for module in names("modules") {
        using(&format!("\"{module}\"")).run(&["check"]).expect(0);
        let text = text(&format!("modules/{module}/module.toml"));
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(head.iter().any(|line| line.contains(&format!("use = \"{module}\""))), "{module}");
        assert!(text.contains("\ndescription = "), "{module}");
    }
}

#[test]
fn the_modules_take_all_their_params() {
    for (module, with, resources) in [
        (
            "base",
            r#"motd = "", packages = ["curl", "git"], timezone = "Europe/Berlin",
               directories = { "/srv/a" = "0700", "/srv/a/b" = "1777" }"#,
            6,
        ),
        (
            "users",
            r#"groups = ["ops"], users = [
                 { name = "one", groups = ["ops"], authorized_keys = ["ssh-ed25519 A", "ssh-ed25519 B"] },
                 { name = "two", uid = 1500, home = "/srv/two", shell = "/bin/sh", comment = "Two", authorized_keys = [] },
                 { name = "three", state = "absent", authorized_keys = ["ssh-ed25519 C"] }]"#,
            8,
        ),
        (
            "nginx",
            r#"workers = 2, connections = 64, user = "www", upstreams = { app = ["10.0.0.1:8080 weight=2"] }, sites = [
                 { name = "a", root = "/srv/a", listen = [8080, "443 ssl"], server_names = ["a", "b"], index = ["i"], headers = { X = "y" }, directives = ["autoindex on"] },
                 { name = "b", upstream = "app" }]"#,
            3,
        ),
    ] {
        let project = using(&format!("{{ use = \"{module}\", with = {{ {with} }} }}"));
        let said = project.run(&["check"]).expect(0);
        assert!(said.stdout.contains(&format!(" {resources} resources")), "{}", said.stdout);
    }
}

#[test]
fn what_a_module_cannot_use_is_a_mistake() {
    let users = |user: &str| format!("{{ use = \"users\", with = {{ users = [{{ {user} }}] }} }}");
    let site = |site: &str| format!("{{ use = \"nginx\", with = {{ sites = [{{ {site} }}] }} }}");
    for (module, message) in [
        (site(r#"name = "s""#), "site `s` needs `root` or `upstream`, one of them"),
        (site(r#"name = "s", root = "/a", upstream = "b""#), "needs `root` or `upstream`, one of"),
        (site(r#"name = "s", upstream = "b""#), "site `s`: there is no upstream `b`"),
        (site(r#"name = "s", root = "/a", listne = 80"#), "a site has no key `listne`"),
        (site(r#"root = "/a""#), "`site.name` is not defined"),
        (users(r#"name = "one", autorized_keys = []"#), "a user has no key `autorized_keys`"),
        (
            users(r#"name = "one", uid = 9, state = "gone""#),
            "takes \"present\" or \"absent\", not \"gone\"",
        ),
    ] {
        let said = using(&module).run(&["check"]).expect(1);
        assert!(said.stderr.contains(message), "{}", said.stderr);
    }
}

#[test]
fn the_quickstart_makes_its_folder_and_sees_what_is_changed_by_hand() {
    let project = Project::copy_of("examples/quickstart");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("quick start");
    let var = format!("root={}", root.display());
    let run = |words: &[&str]| project.run(&[words, &["--var", &var]].concat());

    let plan = run(&["plan", "--detailed-exitcode"]).expect(2);
    assert_eq!(changes(&plan).len(), 9, "{}", plan.stdout);
    assert!(!root.exists(), "a plan changes nothing");
    run(&["apply", "--yes"]).expect(0);
    assert_eq!(changes(&run(&["plan", "--detailed-exitcode"]).expect(0)), [""; 0]);

    let tree: Vec<String> = tree(&root).iter().map(|path| path.display().to_string()).collect();
    let files = ["config/app.conf", "pages/first.txt", "pages/second.txt", "private.txt"];
    assert_eq!(tree, [&files[..], &["start.txt"]].concat());
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("what it made");
    assert_eq!(read("config/app.conf"), "colour = auto\nlevel = 2\n");
    assert!(read("start.txt").starts_with("Notes of Quick Start\n\ntrueup plan shows"));
    let mode = |path: &str| fs::metadata(root.join(path)).expect("it is there").mode() & 0o7777;
    assert_eq!(
        [mode("private.txt"), mode("pages/first.txt"), mode("pages")],
        [0o600, 0o644, 0o755]
    );

    fs::write(root.join("pages/first.txt"), "oops\n").expect("a change by hand");
    let plan = run(&["plan", "--detailed-exitcode"]).expect(2);
    let page = format!("notes/file[{}/pages/first.txt]", root.display());
    assert!(plan.stdout.contains(&page), "{}", plan.stdout);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 to change. 1 update.");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(root.join("private.txt"), open).expect("another change by hand");
    let plan = run(&["plan"]).expect(0);
    assert_eq!(plan.last_line(), "Plan: 1 host: 1 to change. 2 updates.");
    run(&["apply", "--yes"]).expect(0);
    assert_eq!(mode("private.txt"), 0o600);
    run(&["plan", "--detailed-exitcode"]).expect(0);
}

/// Everything below a folder that is not a folder itself, sorted.
fn tree(root: &Path) -> BTreeSet<PathBuf> {
    let mut folders = vec![root.to_owned()];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(root).expect("below it").to_owned());
            }
        }
    }
    found
}

#[test]
fn users_come_with_their_keys_and_go() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let gone = "userdel -r one 2>/dev/null; userdel -r two 2>/dev/null; groupdel both 2>/dev/null; rm -rf /srv/ex";
    lab().on("spare2", &format!("{gone}; mkdir /srv/ex"));
    let apply = |state: &str| {
        let project = using(&format!(
            r#"{{ use = "base", with = {{ directories = {{ "/srv/ex/kept" = "1770" }} }} }},
               {{ use = "users", with = {{ groups = ["both"], users = [
                   {{ name = "one", groups = ["both"], authorized_keys = ["ssh-ed25519 A", "ssh-ed25519 B"], state = "{state}" }},
                   {{ name = "two", uid = 4711, home = "/srv/ex/two", shell = "/bin/sh", authorized_keys = [] }}] }} }}"#
        ));
        project.file("inventory.toml", "[hosts.spare2]\n");
        project.on_lab(&["apply", "--yes"]).expect(0);
        project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    };
    apply("present");
    let state = lab().on(
        "spare2",
        "id -nG one; cat ~one/.ssh/authorized_keys; cd /srv/ex; id -u two; \
         stat -c '%a %U %n' two/.ssh two/.ssh/authorized_keys; stat -c '%a %U' kept",
    );
    let keys = "700 two two/.ssh\n600 two two/.ssh/authorized_keys\n";
    assert_eq!(state, format!("one both\nssh-ed25519 A\nssh-ed25519 B\n4711\n{keys}1770 root\n"));
    apply("absent");
    assert_eq!(lab().on("spare2", "id one 2>/dev/null || ls -d /home/one"), "/home/one\n");
    lab().on("spare2", &format!("{gone}; rm -rf /home/one"));
}

/// The hosts of the lab that stand in for the fleet's, with their group.
const FLEET: [(&str, &str); 3] = [("spare1", "balancer"), ("spare2", "web"), ("busybox1", "web")];

#[test]
fn the_fleet_serves_its_pages_through_the_balancer() {
    if left_out() {
        return;
    }
    let _hosts = FLEET.map(|(host, _)| own(host));
    let project = fleet();
    everything_is_new(&project);
    a_mistake_does_not_reach_nginx(&project);
    a_release_is_a_reload(&project);
    a_stopped_server_is_seen_and_started(&project);
}

/// The example with an inventory of lab hosts on which nothing of it is left.
fn fleet() -> Project {
    let path = "inventories/production.toml";
    let example = text(&format!("examples/fleet/{path}"));
    let (vars, _) = example.split_once("[groups.balancer]").expect("vars before groups");
    let mut inventory = format!("{vars}[groups.balancer]\n[groups.web]\n");
    for (host, group) in FLEET {
        lab().on(
            host,
            "apt-get -qq -y purge nginx nginx-common curl >/dev/null 2>&1; \
             userdel -r publisher 2>/dev/null; groupdel publishers 2>/dev/null; \
             rm -rf /etc/nginx /srv/shop; : >/etc/motd",
        );
        let address = lab().address(host);
        inventory.extend([
            format!("[hosts.{host}]\ngroups = [\"{group}\"]\n"),
            format!("address = \"{address}\"\n"),
        ]);
    }
    let project = Project::copy_of("examples/fleet");
    project.file(path, inventory);
    project
}

fn everything_is_new(fleet: &Project) {
    let plan = fleet.on_lab(&["plan", "--detailed-exitcode"]).expect(2);
    for address in [
        "base/package[curl]",
        "users/user[publisher]",
        "shop/file[/srv/shop/index.html]",
        "nginx/package[nginx]",
        "nginx/file[/etc/nginx/nginx.conf]",
        "nginx/service[nginx]",
    ] {
        assert!(changes(&plan).contains(&address), "{address}:\n{}", plan.stdout);
    }
    assert!(plan.last_line().starts_with("Plan: 3 hosts: 3 to change."), "{}", plan.last_line());
    fleet.on_lab(&["apply", "--yes"]).expect(0);
    unchanged(fleet, &[]);
    served("spring", &["busybox1", "spare2"]);
}

fn a_mistake_does_not_reach_nginx(fleet: &Project) {
    let stages = text("examples/fleet/trueup.toml");
    let wrong = "upstream = \"web\", directives = [\"bogus on\"] }";
    fleet.file("trueup.toml", stages.replace("upstream = \"web\" }", wrong));
    let failed = fleet.on_lab(&["apply", "--yes"]).expect(3);
    assert!(failed.stdout.contains("unknown directive \"bogus\""), "{}", failed.stdout);
    served("spring", &["busybox1", "spare2"]);
    fleet.file("trueup.toml", stages);
    unchanged(fleet, &[]);
}

/// The var of a new release.
const RELEASE: [&str; 2] = ["--var", "release=autumn"];

fn a_release_is_a_reload(fleet: &Project) {
    let processes = || FLEET.map(|(host, _)| lab().on(host, "systemctl show -p MainPID nginx"));
    let before = processes();
    let plan = fleet.on_lab(&[&["plan", "--full"], &RELEASE[..]].concat()).expect(0);
    for address in ["shop/file[/srv/shop/index.html]", "nginx/file[/etc/nginx/nginx.conf]"] {
        assert!(changes(&plan).contains(&address), "{}", plan.stdout);
    }
    assert!(plan.stdout.contains("+        add_header X-Release \"autumn\" always;"));
    let last = "Plan: 3 hosts: 2 to change, 1 unchanged. 4 updates, 2 reloads.";
    assert_eq!(plan.last_line(), last);
    fleet.on_lab(&[&["apply", "--yes"], &RELEASE[..]].concat()).expect(0);
    unchanged(fleet, &RELEASE);
    served("autumn", &["busybox1", "spare2"]);
    assert_eq!(processes(), before, "reloaded, not restarted");
}

fn a_stopped_server_is_seen_and_started(fleet: &Project) {
    lab().on("spare2", "systemctl stop nginx");
    served("autumn", &["busybox1"]);
    let plan = fleet.on_lab(&[&["plan"], &RELEASE[..]].concat()).expect(0);
    assert_eq!(changes(&plan), ["nginx/service[nginx]"], "{}", plan.stdout);
    assert!(plan.last_line().starts_with("Plan: 3 hosts: 1 to change, 2 unchanged."));
    fleet.on_lab(&[&["apply", "--yes"], &RELEASE[..]].concat()).expect(0);
    unchanged(fleet, &RELEASE);
    assert!(get(&lab().address("spare2")).starts_with("HTTP/1.1 200 "));
}

/// A plan of the fleet is empty.
#[track_caller]
fn unchanged(fleet: &Project, words: &[&str]) {
    let plan = fleet.on_lab(&[&["plan", "--detailed-exitcode"], words].concat()).expect(0);
    assert_eq!(plan.last_line(), "Plan: 3 hosts: 3 unchanged.");
}

/// Waits until the balancer answers with the pages and headers of `release`, and in turn from
/// `servers`, no more and no fewer. A reload takes a moment: old workers end what they began.
#[track_caller]
fn served(release: &str, servers: &[&str]) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let answers: BTreeSet<String> = (0..10).map(|_| get(&lab().address("spare1"))).collect();
        let right = |server: &&str, answer: &String| {
            answer.starts_with("HTTP/1.1 200 ")
                && answer.contains(&format!("X-Release: {release}\r\n"))
                && answer.contains(&format!("Release {release}, served by {server}."))
        };
        let each = servers.iter().all(|server| answers.iter().any(|answer| right(server, answer)));
        let only = answers.iter().all(|answer| servers.iter().any(|server| right(server, answer)));
        if each && only {
            return;
        }
        assert!(Instant::now() < end, "not {release} from {servers:?}: {answers:#?}");
    }
}

/// The whole answer to a request for `/`.
fn get(address: &str) -> String {
    let mut stream = TcpStream::connect((address, 80)).expect("a web server");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
