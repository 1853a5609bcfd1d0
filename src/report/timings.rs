//! Where the time of each host went: a table, the slowest host first.

use std::fmt::Write as _;
use std::time::Duration;

use super::Style;
use super::escape::visible;

/// Hosts that are named unless all are asked for.
const NAMED: usize = 20;

/// A host and its times, in the order of the columns.
#[derive(Debug, Clone)]
pub struct HostTimes {
    pub host: String,
    pub times: [Duration; 5],
}

const COLUMNS: [&str; 5] = ["connect", "facts", "probe", "compare", "steps"];

/// The table, in seconds. `wall` is what the whole run took.
#[must_use]
pub fn render(style: Style, mut hosts: Vec<HostTimes>, wall: Duration) -> String {
    let total = |host: &HostTimes| host.times.iter().sum::<Duration>();
    hosts.sort_by(|one, other| total(other).cmp(&total(one)).then(one.host.cmp(&other.host)));
    let most = if style.full() { hosts.len() } else { NAMED };
    let wide = hosts.iter().take(most).map(|host| visible(&host.host).chars().count()).max();
    let wide = wide.unwrap_or(0).max(9);
    let mut text = format!("{:wide$}", "seconds");
    for column in COLUMNS.iter().chain(&["together"]) {
        let _ = write!(text, "  {column:>8}");
    }
    text.push('\n');
    for host in hosts.iter().take(most) {
        let _ = write!(text, "{:wide$}", visible(&host.host));
        for time in host.times.iter().copied().chain([total(host)]) {
            let _ = if time.is_zero() {
                write!(text, "  {:>8}", "-")
            } else {
                write!(text, "  {:>8.3}", time.as_secs_f64())
            };
        }
        text.push('\n');
    }
    if hosts.len() > most {
        let _ = writeln!(text, "and {} that took less (--full)", hosts.len() - most);
    }
    let _ = writeln!(text, "{:.3} s in all", wall.as_secs_f64());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_host_stands_first() {
        let host = |host: &str, probe| HostTimes {
            host: host.to_owned(),
            times: [10, 0, probe, 1, 0].map(Duration::from_millis),
        };
        let text =
            render(Style::PLAIN, vec![host("web1", 20), host("web2", 300)], Duration::from_secs(1));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "seconds     connect     facts     probe   compare     steps  together",
                "web2          0.010         -     0.300     0.001         -     0.311",
                "web1          0.010         -     0.020     0.001         -     0.031",
                "1.000 s in all",
            ]
        );
    }
}
