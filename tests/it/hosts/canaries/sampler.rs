//! Looks through the arguments and the environment of every process of this machine, on which the lab's
//! hosts run too, as often as it can.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use regex::bytes::Regex;

use super::needles::Needles;

/// A look that goes on until it is stopped.
pub(super) struct Sampler {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<(usize, BTreeSet<String>)>,
}

impl Sampler {
    /// Begins. Programs that the tests start to look for canaries get them on standard input.
    pub(super) fn start(needles: &Needles) -> Self {
        let any: Vec<String> = needles.long().into_iter().map(regex::escape).collect();
        let needles = Regex::new(&any.join("|")).expect("a regex");
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let looking = std::thread::spawn(move || {
            let (mut looks, mut found) = (0, BTreeSet::new());
            while !asked.load(Ordering::Relaxed) {
                look(&needles, &mut found);
                looks += 1;
            }
            (looks, found)
        });
        Self { stop, looking }
    }

    /// How often it looked, and what it found.
    pub(super) fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, found) = self.looking.join().expect("the look");
        (looks, found.into_iter().collect())
    }
}

fn look(needles: &Regex, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            if let Some(needle) = needles.find(&text) {
                let needle = String::from_utf8_lossy(needle.as_bytes());
                let text = String::from_utf8_lossy(&text).replace('\0', " ");
                found.insert(format!("{needle} in the {file} of {text}"));
            }
        }
    }
}
