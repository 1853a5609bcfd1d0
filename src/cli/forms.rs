//! In which forms results can be asked for.

use clap::{Args as ClapArgs, ValueEnum};

/// What standard output is.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Form {
    /// What standard output is; github: text, and what went wrong as annotations
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "json")]
    output: Output,
    /// The same as --output json
    #[arg(long)]
    json: bool,
}

impl Form {
    /// What was asked for.
    pub(super) const fn output(&self) -> Output {
        if self.json { Output::Json } else { self.output }
    }
}

/// Forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    // For people
    Text,
    // For programs: plan prints one document, apply one line for each thing that happens
    Json,
    // Text, and what went wrong as annotations of GitHub Actions
    Github,
}

/// Forms of a plan.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ShowAs {
    // As `trueup plan` prints it
    Text,
    // As `trueup plan --json` prints it
    Json,
    // For a merge request
    Markdown,
}

/// Forms of what a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckOutput {
    // For people
    Text,
    // One document
    Json,
    // SARIF 2.1.0, for code scanning
    Sarif,
    // Text, and mistakes as annotations of GitHub Actions
    Github,
}
