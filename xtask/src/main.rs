//! Everything that a contributor does, by name: `cargo xtask NAME`. CI runs the same names.

#![allow(clippy::disallowed_methods, reason = "it starts the tools that it names")]

mod fuzz;

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "cargo xtask NAME

  quickstart        build, then plan and apply examples/quickstart on this machine, into a folder of its own
  test [FILTER…]    all tests, on real lab hosts; installs the Debian packages that they need
  lint              formatting, clippy and the docs build, warnings as errors
  bench [ROW…]      all figures of docs/performance.md, or some rows, on lab hosts; writes the page
  docs              docs/resources.md, from the resource types themselves
  book              the book, as HTML in target/book; installs mdbook into target/tools if it is missing
  ci                lint and test, and a look at a build without failpoints: what CI runs
  fuzz [TARGET] [SECONDS]      looks for inputs that break a target of fuzz/src/targets.rs (60 seconds each)
  fuzz minimise TARGET         keeps of what was found the fewest small inputs, in fuzz/corpus
  campaign NAME     one of the long tests whole: logins, hostile, confirm, crash, duels, attack, truth, power,
                    faults (docs/testing.md)
  lab up|down DIR   the lab alone, for trying things by hand (see tests/lab/README.md)
";

/// The feature with which the program is built for tests: its points to die at.
const FAILPOINTS: &str = "trueup/failpoints";

/// The hosts that the tests use.
const TEST_HOSTS: [&str; 9] =
    ["web1", "web2", "web3", "web4", "spare1", "spare2", "odd1", "busybox1", "crowd1"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["quickstart"] => quickstart(),
        ["test", filters @ ..] => test(filters),
        ["lint"] => lint(),
        ["bench", rows @ ..] => bench(rows),
        ["docs"] => docs(),
        ["book"] => book(),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest),
        ["ci"] => lint().and_then(|()| test(&[])).and_then(|()| plain()),
        ["campaign", name] => campaign(name),
        ["lab", rest @ ..] => run(lab().args(rest)),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The project's folder: that of the checkout in which cargo was called, also where several share one
/// target folder.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().expect("xtask lies in the project").to_owned()
}

/// A command in the project's folder.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

fn cargo() -> Command {
    command(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
}

fn lab() -> Command {
    command("tests/lab/lab.sh")
}

/// Runs a command; anything but success is an error that names it.
fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String, String> {
    let result = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&result.stdout).trim().to_owned();
    if result.status.success() {
        Ok(text)
    } else {
        Err(format!("{command:?} failed: {}", result.status))
    }
}

fn quickstart() -> Result<(), String> {
    run(cargo().args(["build", "--quiet"]))?;
    let target = root().join("target/quickstart");
    std::fs::create_dir_all(&target).map_err(|error| error.to_string())?;
    let var = format!("root={}", target.display());
    // Beside this program, wherever cargo builds.
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = here.with_file_name("trueup");
    let trueup = |words: &[&str]| {
        println!("\n$ trueup -C examples/quickstart {}", words.join(" "));
        run(command(&program).args(["-C", "examples/quickstart", "--var", &var]).args(words))
    };
    trueup(&["plan"])?;
    trueup(&["apply", "--yes"])?;
    trueup(&["plan"])?;
    println!("\nWhat it made is in target/quickstart. Change something there and run this again.");
    Ok(())
}

fn lint() -> Result<(), String> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo()
        .args(["clippy", "--quiet", "--workspace", "--all-targets", "--features", FAILPOINTS])
        .args(["--", "-D", "warnings"])
        .env("CLIPPY_CONF_DIR", root().join(".cargo")))?;
    run(cargo()
        .args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// Builds the book with the mdbook of this machine, else with one of our own.
fn book() -> Result<(), String> {
    let tools = root().join("target/tools");
    let own = tools.join("bin/mdbook");
    let there = |program: &Path| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let program = if there(Path::new("mdbook")) { PathBuf::from("mdbook") } else { own };
    if !there(&program) {
        let words = ["install", "mdbook", "--locked", "--no-default-features", "-j2", "--root"];
        run(cargo().args(words).arg(&tools))?;
    }
    run(Command::new(program).arg("build").arg(root().join("docs")))?;
    println!("The book begins with target/book/index.html.");
    Ok(())
}

fn test(filters: &[&str]) -> Result<(), String> {
    let lab = Lab::start("test", &TEST_HOSTS);
    let folder = match &lab {
        Ok(lab) => lab.folder.clone().into_os_string(),
        Err(why) if ci() => return Err(format!("the lab is needed in CI: {why}")),
        Err(_) => "skip".into(),
    };
    let result = run(cargo()
        .args(["test", "--quiet", "--features", FAILPOINTS, "--lib", "--test", "it", "--"])
        .args(filters)
        .env("TRUEUP_LAB", folder));
    if let Err(why) = &lab {
        eprintln!(
            "\nLEFT OUT: every test on real hosts (tests/it/hosts, examples/fleet), because there is no lab:\n  {why}\n\
             The lab needs root and Debian's packages: run `cargo xtask test` as root on Debian 12 or later.\n"
        );
    }
    result
}

/// Looks whether a build as users make it has nothing of the tests in it.
fn plain() -> Result<(), String> {
    run(cargo()
        .args(["test", "--quiet", "--test", "it", "--", "--exact"])
        .arg("failpoints::only_builds_for_tests_have_them"))
}

/// Tests that run as a sample otherwise, whole.
fn campaign(name: &str) -> Result<(), String> {
    let filter = match name {
        "logins" => "hosts::matrix",
        "hostile" => "hostile",
        "confirm" => "confirm::",
        "crash" => "hosts::crash",
        "duels" => "duels::",
        "attack" => "hosts::attack",
        "truth" => "hosts::truth",
        "power" => "faults::power",
        "faults" => "faults::calls",
        _ => return Err("no campaign of this name: cargo xtask names them".to_owned()),
    };
    let rounds = |name: &str| env::var(name).unwrap_or_else(|_| "200".into());
    let mut test = cargo();
    test.args(["test", "--quiet", "--features", FAILPOINTS, "--test", "it"])
        .args(["--", filter, "--nocapture"])
        .env("TRUEUP_FULL", "1")
        .env("TRUEUP_CRASH", rounds("TRUEUP_CRASH"))
        .env("TRUEUP_ATTACK", rounds("TRUEUP_ATTACK"))
        .env("TRUEUP_TRUTH", rounds("TRUEUP_TRUTH"))
        .env("TRUEUP_POWER", rounds("TRUEUP_POWER"));
    if filter.starts_with("faults::") {
        // On this machine, in rooms of their own.
        install(&output(lab().arg("needs"))?)?;
        return run(test.env("TRUEUP_LAB", "skip"));
    }
    let lab = Lab::start("campaign", &TEST_HOSTS)?;
    run(test.env("TRUEUP_LAB", &lab.folder))
}

fn docs() -> Result<(), String> {
    let page =
        output(cargo().args(["run", "--quiet", "--bin", "trueup", "--", "doc", "--markdown"]))?;
    std::fs::write(root().join("docs/resources.md"), page + "\n").map_err(|error| error.to_string())
}

/// The bench starts the hosts itself, as its rows need them.
fn bench(rows: &[&str]) -> Result<(), String> {
    root_only()?;
    install(&output(lab().arg("needs"))?)?;
    install(&output(lab().arg("bench-needs"))?)?;
    run(cargo().args(["bench", "--quiet", "--bench", "figures", "--"]).args(rows))
}

/// Whether this is CI, where nothing may be left out.
fn ci() -> bool {
    env::var("CI").as_deref() == Ok("true")
}

fn root_only() -> Result<(), String> {
    if output(command("id").arg("-u"))? == "0" { Ok(()) } else { Err("it needs root".to_owned()) }
}

/// A running lab; dropping it ends it.
struct Lab {
    folder: PathBuf,
}

impl Lab {
    fn start(name: &str, hosts: &[&str]) -> Result<Self, String> {
        root_only()?;
        install(&output(lab().arg("needs"))?)?;
        let folder = env::temp_dir().join(format!("trueup-lab-{name}-{}", std::process::id()));
        let lab = Self { folder };
        run(self::lab().arg("up").arg(&lab.folder).args(hosts).stdin(Stdio::null()))?;
        Ok(lab)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(why) = run(lab().arg("down").arg(&self.folder)) {
            eprintln!("{why}");
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Installs Debian packages that are missing.
fn install(packages: &str) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    run(command("apt-get").args(["-q", "update"]).stdout(Stdio::null()))?;
    run(command("apt-get")
        .args(["-q", "-y", "install", "--no-install-recommends"])
        .args(packages.split_whitespace())
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null()))
}
