//! Contents that are too large to be held: how often their files are opened, and what is printed and saved of them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::ledger::Bench;
use crate::support::Project;
use crate::wire::shells::left_out;
use crate::wire::traces;

const MIB: usize = 1 << 20;

/// A bench with a large file and a small one for one host.
fn bench() -> Bench {
    let bench = Bench::new(
        "[file.\"ROOT/big\"]\nsource = \"files/big\"\n[file.\"ROOT/small\"]\nsource = \"files/small\"\n",
    );
    bench.project.file("modules/m/files/big", vec![b'b'; 3 * MIB]);
    bench.project.file("modules/m/files/small", "small\n");
    bench
}

/// Whether the digests of a project's files may be kept; says so where they may not.
fn keeps(project: &Project) -> bool {
    let kind = Command::new("stat").args(["-f", "-c", "%T"]).arg(project.path()).output();
    let kind = String::from_utf8(kind.expect("stat").stdout).expect("UTF-8");
    let keeps = kind.trim() != "tmpfs";
    if !keeps {
        left_out("digests that are kept between runs", "the folder for temporary files is a tmpfs");
    }
    keeps
}

/// How often each file of the module was opened by a run of the program.
fn opened(project: &Project, words: &[&str], status: i32) -> BTreeMap<String, usize> {
    opened_with(project, words, &[], status)
}

/// The same in an environment with these variables.
fn opened_with(
    project: &Project,
    words: &[&str],
    variables: &[(&str, &str)],
    status: i32,
) -> BTreeMap<String, usize> {
    let trace = tempfile::NamedTempFile::new().expect("a file");
    let path = trace.path().to_str().expect("UTF-8");
    let strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-e", "signal=none", "-o", path];
    project.run_under(&strace, words, variables).expect(status);
    let text = fs::read_to_string(path).expect("what strace wrote");
    let mut count = BTreeMap::new();
    for line in text.lines() {
        // A call that another thread's breaks into stands in two lines, the path in the first.
        let name = line.split_once("modules/m/files/").and_then(|(_, rest)| rest.split('"').next());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            *count.entry(name.to_owned()).or_default() += 1;
        }
    }
    count
}

#[test]
fn ten_hosts_cost_one_digest() {
    if !traces() {
        left_out("how often a file is opened", "strace cannot be used here");
        return;
    }
    let project =
        Project::of("[connection]\ntransport = \"local\"\n[groups.g]\nhosts = [\"h[0:9]\"]\n", "");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("UTF-8");
    let file = |name: &str| {
        format!("[file.\"{root}/{{{{ host.name }}}}-{name}\"]\nsource = \"files/{name}\"\n")
    };
    project.file("modules/m/module.toml", file("big") + &file("small"));
    project.file("modules/m/files/big", vec![b'b'; 3 * MIB]);
    project.file("modules/m/files/small", "small\n");
    let count = |big, small| BTreeMap::from([("big".to_owned(), big), ("small".to_owned(), small)]);
    // To look how long it is, and to find the digest.
    assert_eq!(opened(&project, &["plan", "--detailed-exitcode"], 2), count(2, 1));
    assert_eq!(opened(&project, &["check"], 0), count(1, 1), "nobody needs its digest");
    // And once for each host that it is sent to.
    assert_eq!(opened(&project, &["apply", "--yes"], 0), count(12, 1));
    for host in 0..10 {
        let path = folder.path().join(format!("h{host}-big"));
        assert_eq!(fs::metadata(path).expect("a file").len(), 3 * MIB as u64);
    }
    assert_eq!(opened(&project, &["plan", "--detailed-exitcode"], 0), count(2, 1));
}

#[test]
fn a_large_file_that_did_not_change_is_not_read_again_by_the_next_run() {
    if !traces() {
        left_out("how often a file is opened", "strace cannot be used here");
        return;
    }
    let bench = bench();
    if !keeps(&bench.project) {
        return;
    }
    let cache = tempfile::tempdir().expect("a folder");
    let variables = [("XDG_CACHE_HOME", cache.path().to_str().expect("UTF-8"))];
    let big =
        |words: &[&str], status| opened_with(&bench.project, words, &variables, status)["big"];
    let plan = ["plan", "--detailed-exitcode"];
    // What was written to just now may be written to again without another time.
    assert_eq!(big(&plan, 2), 2, "to look how long it is, and to find the digest");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!((big(&plan, 2), big(&plan, 2)), (2, 1));
    assert_eq!(big(&["apply", "--yes"], 0), 2, "it is read to be sent");
    assert_eq!(big(&plan, 0), 1);
    // As long as it was, and its time set back: ctime tells.
    let path = bench.project.path().join("modules/m/files/big");
    let then = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    fs::write(&path, vec![b'c'; 3 * MIB]).expect("written");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    file.set_modified(then).expect("set");
    assert_eq!(big(&plan, 2), 2);
    // What is known of it is not what is in it: what is sent is looked at all the same.
    let kept = cache.path().join("trueup/digests");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!((big(&plan, 2), big(&plan, 2)), (2, 1));
    let text = fs::read_to_string(&kept).expect("lines");
    let (_, last) = text.trim_end().rsplit_once('\n').expect("two lines");
    let stamp: Vec<&str> = last.split(' ').take(5).collect();
    let lie = format!("{} {} 5", stamp.join(" "), "5".repeat(64));
    let sum = trueup::model::change::sha256_hex(lie.as_bytes());
    fs::write(&kept, format!("{lie} {}\n", &sum[..16])).expect("written");
    let refused = bench.project.run_with(&["apply", "--yes"], &variables).expect(3);
    assert!(refused.stdout.contains("was changed after this was planned"), "{}", refused.stdout);
    assert_eq!(fs::read(bench.path("big")).expect("a file")[0], b'b');
    // It says to plan again, and that is true.
    bench.project.run_with(&["apply", "--yes"], &variables).expect(0);
    assert_eq!(fs::read(bench.path("big")).expect("a file")[0], b'c');
}

#[test]
fn nothing_of_a_large_secret_outlives_the_run() {
    let bench = Bench::new(
        "[file.\"ROOT/big\"]\nsource = \"files/big\"\nsensitive = true\n\
         [file.\"ROOT/other\"]\nsource = \"files/other\"\n",
    );
    if !keeps(&bench.project) {
        return;
    }
    bench.project.file("modules/m/files/big", vec![b'b'; 3 * MIB]);
    bench.project.file("modules/m/files/other", vec![b'o'; 3 * MIB]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let cache = tempfile::tempdir().expect("a folder");
    let variables = [("XDG_CACHE_HOME", cache.path().to_str().expect("UTF-8"))];
    for words in [&["plan"][..], &["apply", "--yes"], &["drift"]] {
        bench.project.run_with(words, &variables).expect(0);
    }
    let digest = |byte| trueup::model::change::sha256_hex(&vec![byte; 3 * MIB]);
    let kept = fs::read_to_string(cache.path().join("trueup/digests")).expect("lines");
    assert!(kept.contains(&digest(b'o')) && !kept.contains(&digest(b'b')), "{kept}");
}

#[test]
fn a_plan_shows_a_large_content_by_its_size() {
    let bench = bench();
    let plan = bench.run(&["plan", "--full"]).expect(0);
    let line = plan.stdout.lines().find(|line| line.contains("large")).expect("a line");
    assert_eq!(line.trim(), "content  large, none → 3072 KiB (6cac27e0f30e)");
    let shown = bench.run(&["render", "here"]).expect(0);
    assert!(shown.stdout.contains("  | large, 3145728 bytes\n"), "{}", shown.stdout);
    let address = format!("m/file[{}]", bench.path("big").display());
    let whole = bench.run(&["render", "here", &address]).expect(0);
    assert!(whole.stdout.len() == 3 * MIB && whole.stdout.bytes().all(|byte| byte == b'b'));
}

#[test]
fn a_saved_plan_with_a_large_content_needs_the_project_as_it_was() {
    let bench = bench();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let saved = elsewhere.path().join("saved.plan");
    let saved = saved.to_str().expect("UTF-8");
    let key = [("TRUEUP_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")];
    let plan = bench.project.run_with(&["plan", "-o", saved], &key);
    plan.expect(0);
    let length = fs::metadata(saved).expect("a plan").len();
    assert!(length < 100_000, "it holds the content: {length} bytes");
    let refused = Project::new().run_with(&["apply", saved, "--yes"], &key).expect(1);
    let why = "as a digest only, because it is larger than 1 MiB: it comes from the project again";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let mut big = vec![b'b'; 3 * MIB];
    big[MIB] = b'c';
    bench.project.file("modules/m/files/big", &big);
    let refused = bench.project.run_with(&["apply", saved, "--yes"], &key).expect(3);
    assert!(
        refused.stdout.contains("changed in the project after this plan was made"),
        "{}",
        refused.stdout
    );
    assert!(!bench.path("big").exists());
    bench.project.file("modules/m/files/big", vec![b'b'; 3 * MIB]);
    bench.project.run_with(&["apply", saved, "--yes"], &key).expect(0);
    assert_eq!(fs::metadata(bench.path("big")).expect("a file").len(), 3 * MIB as u64);
}

#[test]
fn a_block_takes_no_large_content() {
    let bench = Bench::new("[block.b]\npath = \"ROOT/x\"\nsource = \"files/big\"\n");
    bench.project.file("modules/m/files/big", vec![b'b'; 3 * MIB]);
    let check = bench.run(&["check"]).expect(1);
    assert!(
        check.stderr.contains("a block's content has at most 1 MiB"),
        "{}{}",
        check.stdout,
        check.stderr
    );
}
