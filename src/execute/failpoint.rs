//! Named points at which a test has this program die or wait. They are there in builds with the feature
//! `failpoints` only, and no build with optimisations can have it: a release does nothing here and knows no name.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for test builds: this one is to be used");

/// A point that tests name in `TRUEUP_FAILPOINT`; nothing at all in other builds.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::execute::failpoint::reached($name);
    };
}

pub(crate) use failpoint;

/// Does what `TRUEUP_FAILPOINT` says: `NAME=kill` kills this program, and `NAME=wait PATH` makes the file PATH and goes
/// on when it is gone. `NAME#N` is the N-th time that the point is reached.
#[cfg(feature = "failpoints")]
#[expect(clippy::disallowed_methods, reason = "tests say it in the environment")]
pub(crate) fn reached(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static SEEN: AtomicU32 = AtomicU32::new(0);
    let Ok(asked) = std::env::var("TRUEUP_FAILPOINT") else { return };
    let (point, what) = asked.split_once('=').expect("NAME=WHAT in TRUEUP_FAILPOINT");
    let (point, turn) = point.split_once('#').unwrap_or((point, "1"));
    let turn: u32 = turn.parse().expect("NAME#NUMBER in TRUEUP_FAILPOINT");
    if point != name || SEEN.fetch_add(1, Ordering::Relaxed) + 1 != turn {
        return;
    }
    let pause = || std::thread::sleep(std::time::Duration::from_millis(10));
    if let Some(path) = what.strip_prefix("wait ").map(std::path::Path::new) {
        std::fs::write(path, "").expect("a file that says that the point is reached");
        while path.exists() {
            pause();
        }
        return;
    }
    assert_eq!(what, "kill", "`kill` or `wait PATH` in TRUEUP_FAILPOINT");
    kill_process(getpid(), Signal::KILL).expect("this process can be killed");
    loop {
        pause();
    }
}
