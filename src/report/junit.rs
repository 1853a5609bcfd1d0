//! The end of an apply as `JUnit` XML: a suite for each host, a case for each resource that the plan named.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::escape::visible;
use super::view::{EndView, HostEndView};
use crate::model::Outcome;

/// The whole document.
#[must_use]
pub fn render(end: &EndView) -> String {
    let mut report = Report::new("trueup apply");
    report.set_time(end.time);
    for host in &end.hosts {
        report.add_test_suite(suite(host));
    }
    // What could not be written as XML was made visible before.
    report.to_string().unwrap_or_default()
}

fn suite(host: &HostEndView) -> TestSuite {
    let name = visible(&host.host);
    let mut suite = TestSuite::new(name.clone());
    let case = |address: &str, status: TestCaseStatus| {
        let mut case = TestCase::new(visible(address), status);
        case.set_classname(name.clone());
        case
    };
    for (address, _) in &host.done {
        suite.add_test_case(case(address, TestCaseStatus::success()));
    }
    for problem in &host.problems {
        let (kind, address) = match &problem.resource {
            Some((address, _)) => (NonSuccessKind::Failure, address.as_str()),
            None => (NonSuccessKind::Error, "host"),
        };
        let mut status = TestCaseStatus::non_success(kind);
        let lines: Vec<String> = problem.message.lines().map(visible).collect();
        status.set_message(lines.first().cloned().unwrap_or_default());
        let place = problem.resource.iter().map(|(_, place)| place.clone());
        status.set_description(lines.into_iter().chain(place).collect::<Vec<_>>().join("\n"));
        suite.add_test_case(case(address, status));
    }
    for (address, why) in &host.needless {
        let mut status = TestCaseStatus::skipped();
        status.set_message(visible(why));
        suite.add_test_case(case(address, status));
    }
    for (address, _) in &host.not_done {
        let mut status = TestCaseStatus::skipped();
        status.set_message("not done");
        suite.add_test_case(case(address, status));
    }
    // A host on which nothing was to be done, or nothing could be, is a case too.
    if suite.test_cases.is_empty() {
        let status = if host.outcome > Outcome::Changed {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(host.outcome.word());
            status
        } else {
            TestCaseStatus::success()
        };
        suite.add_test_case(case("host", status));
    }
    suite
}
