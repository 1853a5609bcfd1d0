//! The arguments of `trueup trust`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::ArgValueCandidates;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Trust {
    /// The hosts
    #[arg(value_name = "HOST", required = true, add = ArgValueCandidates::new(super::completers::hosts))]
    pub(in crate::cli) hosts: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    /// Take this key and no other, and do not ask: SHA256:…, as `ssh-keygen -lf` prints it
    #[arg(long, value_name = "SHA256:…", value_parser = fingerprint)]
    pub(in crate::cli) fingerprint: Option<String>,
    /// Put the new key in the place of the one that is known
    #[arg(long)]
    pub(in crate::cli) replace: bool,
    /// An ssh config to use instead of your own
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ssh_config: Option<PathBuf>,
    /// Seconds until a host counts as unreachable
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) connect_timeout: u16,
}

/// A fingerprint in the form that ssh prints.
fn fingerprint(text: &str) -> Result<String, String> {
    let digest = text.strip_prefix("SHA256:").map(|digest| digest.trim_end_matches('='));
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '+' || char == '/';
    match digest.filter(|digest| digest.len() == 43 && digest.chars().all(plain)) {
        Some(digest) => Ok(format!("SHA256:{digest}")),
        None => {
            Err("not a fingerprint: SHA256: and 43 letters, as `ssh-keygen -lf` prints it".into())
        }
    }
}
