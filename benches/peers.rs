//! Other tools of the field at the same work: the 113 on 4 hosts, nothing to change.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::{Part, Row, ratios, root, seconds};
use crate::lab::{Hosts, Lab};
use crate::machine;
use crate::plans::{project, settle, walls, write};
use crate::program::Run;
use crate::rows::{Bench, runs};
use crate::work::Size;

/// Ansible alone takes minutes: it gets so many runs at most.
const SLOW_RUNS: usize = 3;

/// Where the tools are, and how each is called.
struct Peers {
    /// A virtual environment of Python's.
    tools: PathBuf,
    /// The work in their languages, and their settings.
    folder: PathBuf,
    hosts: usize,
}

/// Ansible, Ansible with mitogen, and pyinfra.
pub fn peers(bench: &mut Bench, row: &mut Row) -> Result<(), String> {
    let hosts = Hosts::Web(4);
    let tools = tools()?;
    let names = bench.lab(hosts)?.0.names.clone();
    let work = project(bench, &names, &Size::small())?;
    let folder = bench.project("peers")?;
    let (lab, program) = bench.lab(hosts)?;
    give_python(lab, &folder)?;
    settle(&program, &work)?;
    let peers = Peers { tools, folder, hosts: names.len() };
    peers.prepare(lab)?;
    // One run each that does not count: whatever they keep is kept from then on.
    peers.pyinfra()?;
    peers.ansible("mitogen")?;
    let (mut bare, mut ours) = (Vec::new(), Vec::<Run>::new());
    let (mut pyinfra, mut mitogen, mut ansible) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs() {
        bare.push(lab.bare(&names)?);
        ours.push(program.cold(&work)?);
        pyinfra.push(peers.pyinfra()?);
        mitogen.push(peers.ansible("mitogen")?);
        if run < SLOW_RUNS {
            ansible.push(peers.ansible("plain")?);
        }
    }
    let ours = walls(&ours);
    let versions = versions()?;
    let rows = [
        ("trueup plan".to_owned(), &ours),
        (format!("pyinfra {}", versions.pyinfra), &pyinfra),
        (format!("Ansible {} with mitogen {}", versions.ansible, versions.mitogen), &mitogen),
        (format!("Ansible {}, pipelining on", versions.ansible), &ansible),
    ];
    let work = "4 hosts × 113 resources, nothing to change";
    for (name, took) in rows {
        row.add(Part::Peer, &name, "wall ÷ bare ssh", ratios(took, &bare));
        row.beside(work, &format!("{name}, s"), seconds(took));
    }
    row.beside(work, "bare ssh beside the other tools, s", seconds(&bare));
    row.note(
        "The other tools come from PyPI (`benches/peers/requirements.txt`) and do the work of `benches/peers`: all \
         packages in one task, no facts gathered, all hosts at once, no connection open at the begin. Python is \
         put on the hosts for Ansible. A run counts only when the tool says that it changed nothing.",
    );
    Ok(())
}

struct Versions {
    ansible: String,
    mitogen: String,
    pyinfra: String,
}

fn required() -> PathBuf {
    root().join("benches/peers/requirements.txt")
}

fn versions() -> Result<Versions, String> {
    let text = std::fs::read_to_string(required()).map_err(|error| error.to_string())?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
        line.map(str::to_owned).ok_or_else(|| format!("{name} is not pinned"))
    };
    Ok(Versions { ansible: of("ansible-core")?, mitogen: of("mitogen")?, pyinfra: of("pyinfra")? })
}

/// The virtual environment, made again when other versions are pinned.
fn tools() -> Result<PathBuf, String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let wanted = std::fs::read_to_string(required()).map_err(|error| error.to_string())?;
    let stamp = tools.join("requirements");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(tools);
    }
    let _ = std::fs::remove_dir_all(&tools);
    quietly(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
    quietly(Command::new(tools.join("bin/pip")).args(["install", "-q", "-r"]).arg(required()))?;
    write(&stamp, wanted.as_bytes())?;
    Ok(tools)
}

/// Runs a command and gives what it said, also as the error when it fails.
fn quietly(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let lines: Vec<&str> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(15)..].join("\n");
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    Err(format!("{} failed:\n{end}", name.display()))
}

/// Python on each host, which Ansible needs: packages that this machine's apt knows, for what the host has.
fn give_python(lab: &Lab, folder: &Path) -> Result<(), String> {
    let archives = folder.join("debs");
    write(&archives.join("partial/keep"), b"")?;
    let status = folder.join("status");
    let there = lab.on(&lab.names[0], "cat /var/lib/dpkg/status")?;
    write(&status, there.as_bytes())?;
    quietly(Command::new("apt-get").args(["-q", "update"]))?;
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "-y", "--no-install-recommends", "--download-only"]);
    apt.args(["-o", &option("Dir::State::status", &status)]);
    apt.args(["-o", &option("Dir::Cache::archives", &archives)]);
    quietly(apt.args(["install", "python3", "python3-apt"]))?;
    let pack = folder.join("debs.tar");
    quietly(Command::new("sh").arg("-c").arg(format!(
        "cd {} && tar -cf {} *.deb",
        archives.display(),
        pack.display()
    )))?;
    for host in &lab.names {
        let file = std::fs::File::open(&pack).map_err(|error| error.to_string())?;
        let text = "rm -rf /root/debs && mkdir /root/debs && cd /root/debs && tar -xf - && \
                    DEBIAN_FRONTEND=noninteractive dpkg -i *.deb";
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(lab.config()).args([host, text]).stdin(file);
        let output = ssh.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("python3 cannot be put on {host}: {said}"));
        }
    }
    Ok(())
}

/// Where mitogen keeps its way of running Ansible's tasks.
fn strategies(tools: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(tools.join("lib")).map_err(|error| error.to_string())?;
    let of = |python: PathBuf| python.join("site-packages/ansible_mitogen/plugins/strategy");
    let found = entries.flatten().map(|entry| of(entry.path())).find(|path| path.is_dir());
    found.ok_or_else(|| "mitogen has no strategies".to_owned())
}

impl Peers {
    /// Writes the work and the settings of each tool.
    fn prepare(&self, lab: &Lab) -> Result<(), String> {
        for name in ["ansible.yml", "site.conf.j2", "deploy.py"] {
            let text = std::fs::read(root().join("benches/peers").join(name));
            write(&self.folder.join(name), &text.map_err(|error| error.to_string())?)?;
        }
        let config = lab.config();
        let config = config.display();
        let hosts = lab.names.join("\n");
        let inventory = format!("[all]\n{hosts}\n");
        write(&self.folder.join("hosts.ini"), inventory.as_bytes())?;
        let strategies = strategies(&self.tools)?;
        let common = "[defaults]\ninventory = hosts.ini\nforks = 64\nremote_user = root\n\
             interpreter_python = /usr/bin/python3\nhost_key_checking = True\ndeprecation_warnings = False\n";
        let mitogen =
            format!("strategy_plugins = {}\nstrategy = mitogen_linear\n", strategies.display());
        let ssh = format!(
            "[ssh_connection]\npipelining = True\n\
             ssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=60s\n"
        );
        write(&self.folder.join("plain.cfg"), format!("{common}{ssh}").as_bytes())?;
        write(&self.folder.join("mitogen.cfg"), format!("{common}{mitogen}{ssh}").as_bytes())?;
        let hosts: Vec<String> = lab.names.iter().map(|host| format!("{host:?}")).collect();
        let inventory = format!(
            "hosts = [(name, {{\"ssh_user\": \"root\", \"ssh_config_file\": \"{config}\"}}) for name in [{}]]\n",
            hosts.join(", ")
        );
        write(&self.folder.join("inventory.py"), inventory.as_bytes())
    }

    /// Ansible with one of the two settings.
    fn ansible(&self, settings: &str) -> Result<Duration, String> {
        // Sockets of its own for each run: none is open at the begin.
        let sockets = tempfile::Builder::new().prefix("a").tempdir().map_err(|e| e.to_string())?;
        let mut command = Command::new(self.tools.join("bin/ansible-playbook"));
        command.current_dir(&self.folder).arg("ansible.yml");
        command.env("ANSIBLE_CONFIG", self.folder.join(format!("{settings}.cfg")));
        command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", sockets.path());
        command.env("ANSIBLE_HOME", self.folder.join("ansible-home"));
        command.env("LC_ALL", "C.UTF-8").env("TMPDIR", sockets.path());
        machine::rest();
        let begun = Instant::now();
        let said = quietly(&mut command)?;
        let took = begun.elapsed();
        let same = said.lines().filter(|line| line.contains("changed=0 ")).count();
        if same == self.hosts {
            Ok(took)
        } else {
            Err(format!("Ansible changed something:\n{said}"))
        }
    }

    fn pyinfra(&self) -> Result<Duration, String> {
        let mut command = Command::new(self.tools.join("bin/pyinfra"));
        command.current_dir(&self.folder).args(["-y", "inventory.py", "deploy.py"]);
        machine::rest();
        let begun = Instant::now();
        let said = quietly(&mut command)?;
        let took = begun.elapsed();
        // Operations, those that succeeded, that failed, and that had nothing to change.
        let total = said.lines().find_map(|line| line.trim().strip_prefix("Grand total"));
        let counts: Vec<&str> = total.unwrap_or_default().split_whitespace().collect();
        match counts.as_slice() {
            [all, "-", "-", same] if all == same => Ok(took),
            _ => Err(format!("pyinfra changed something: {counts:?}")),
        }
    }
}
