//! What other tools call the facts and names that there are here, for "did you mean".

/// Their name, without what it begins with in all of them, and ours.
const NAMES: [(&str, &str); 50] = [
    // Ansible's `ansible_…` and `ansible_facts.…`.
    ("architecture", "facts.arch"),
    ("machine", "facts.arch"),
    ("distribution", "facts.os.id"),
    ("distribution_major_version", "facts.os.version"),
    ("distribution_release", "facts.os.codename"),
    ("distribution_version", "facts.os.version"),
    ("hostname", "facts.hostname"),
    ("nodename", "facts.hostname"),
    ("kernel", "facts.kernel"),
    ("lsb.codename", "facts.os.codename"),
    ("lsb.id", "facts.os.id"),
    ("memtotal_mb", "facts.memory_mb"),
    ("memory_mb.real.total", "facts.memory_mb"),
    ("os_family", "facts.os.family"),
    ("processor_cores", "facts.cpus"),
    ("processor_count", "facts.cpus"),
    ("processor_nproc", "facts.cpus"),
    ("processor_vcpus", "facts.cpus"),
    ("service_mgr", "facts.init"),
    ("user_id", "facts.user"),
    ("host", "host.address"),
    ("inventory_hostname", "host.name"),
    ("inventory_hostname_short", "host.name"),
    ("group_names", "host.groups"),
    ("groups", "hosts(group=…)"),
    ("hostvars", "hosts(group=…)"),
    ("item", "each.value"),
    // Puppet's, as structured facts and as those before them.
    ("os.distro.codename", "facts.os.codename"),
    ("os.distro.id", "facts.os.id"),
    ("os.architecture", "facts.arch"),
    ("os.hardware", "facts.arch"),
    ("os.release.full", "facts.os.version"),
    ("os.release.major", "facts.os.version"),
    ("processors.count", "facts.cpus"),
    ("networking.hostname", "facts.hostname"),
    ("memory.system.total", "facts.memory_mb"),
    ("identity.user", "facts.user"),
    ("osfamily", "facts.os.family"),
    ("operatingsystem", "facts.os.id"),
    ("operatingsystemrelease", "facts.os.version"),
    ("lsbdistcodename", "facts.os.codename"),
    ("kernelrelease", "facts.kernel"),
    ("processorcount", "facts.cpus"),
    // Salt's grains.
    ("cpuarch", "facts.arch"),
    ("num_cpus", "facts.cpus"),
    ("mem_total", "facts.memory_mb"),
    ("oscodename", "facts.os.codename"),
    ("osrelease", "facts.os.version"),
    ("init", "facts.init"),
    ("os", "facts.os.id"),
];

/// What a fact begins with elsewhere.
const PREFIXES: [&str; 4] = ["ansible_facts.", "ansible_", "facts.", "grains."];

/// Our name of what other tools call `name`.
pub(super) fn ours(name: &str) -> Option<&'static str> {
    let mut name = name;
    for prefix in PREFIXES {
        name = name.strip_prefix(prefix).unwrap_or(name);
    }
    NAMES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours)
}

/// Whether `name` is one that a fact has elsewhere.
pub(super) fn is_fact(name: &str) -> bool {
    ["ansible_", "grains."].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Facts, Value};

    #[test]
    fn every_name_of_ours_is_one() {
        let facts = Facts::stand_in("h").to_value();
        for (theirs, ours) in NAMES {
            let Some(path) = ours.strip_prefix("facts.") else { continue };
            let found = path.split('.').try_fold(&facts, |value, part| match value {
                Value::Table(entries) => entries.get(part),
                _ => None,
            });
            assert!(found.is_some_and(|value| !matches!(value, Value::Table(_))), "{theirs}");
        }
        assert_eq!(ours("ansible_facts.os_family"), Some("facts.os.family"));
        assert_eq!(ours("ansible_processor_vcpus"), Some("facts.cpus"));
        assert_eq!(ours("ansible_selinux"), None);
        assert!(is_fact("ansible_selinux"));
    }
}
