//! What an exchange carries: shell text, the contents that it reads, and which answers must come.

use crate::shell::{AnswerKind, Content, Script};

/// A program to run and the contents that its steps read, in their order.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) script: Script,
    pub(super) contents: Vec<Content>,
    /// The answers that it gives, in their order, its end not counted.
    pub(super) expected: Vec<(u64, Expected)>,
    /// Seconds in which the next answer must come.
    pub(super) seconds: u32,
    /// Seconds in which all must have come, if that is another limit than the host's.
    pub(super) whole: Option<u32>,
}

/// What an answer is to be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Question,
    /// Several questions, whose answers come together.
    Questions,
    /// A question that may have to wait, and says then for whom.
    Lock,
    Step,
}

impl Expected {
    /// Whether an answer of this kind may be the one.
    pub(super) const fn takes(self, kind: AnswerKind) -> bool {
        match kind {
            AnswerKind::Data => matches!(self, Self::Question | Self::Questions | Self::Lock),
            AnswerKind::Done | AnswerKind::Failed | AnswerKind::Skipped => {
                matches!(self, Self::Step)
            }
            AnswerKind::Live => matches!(self, Self::Step | Self::Lock),
            AnswerKind::Hello | AnswerKind::End => false,
        }
    }
}

/// Questions that one shell beside the one that waits for steps answers, so that each costs no process of its own.
#[derive(Debug, Default)]
pub(super) struct Questions(Vec<(u64, Script)>);

impl Questions {
    /// Adds one.
    pub(super) fn ask(&mut self, seq: u64, inner: Script) {
        self.0.push((seq, inner));
    }
}

impl Program {
    /// Adds questions that are answered together, each under its own number.
    pub(super) fn ask_all(&mut self, questions: &Questions) {
        let Some((first, _)) = questions.0.first() else { return };
        let script = &mut self.script;
        script.text("A=$(\n");
        for (seq, inner) in &questions.0 {
            script.script(inner).text("\napart ").number(*seq).text(" $?\n");
        }
        script.text(")\nask ").number(*first).text(" $? \"$A\"\n");
        self.expected.push((*first, Expected::Questions));
    }

    /// Adds the question about paths, whose answer is what `inner` has stat(1) print (`seen` in the prelude); where other
    /// answers hang on it, behind which boot that is.
    pub(super) fn ask_stat(&mut self, seq: u64, inner: &Script, boot: bool) {
        let script = &mut self.script;
        script.text(if boot { "booted\n" } else { "" });
        script.text("A=$(\n").script(inner).text("\n)\nask ").number(seq);
        script.text(if boot { " $? \"$boot\n$A\"" } else { " $? \"$A\"" });
        script.text("\nseen=\"$A\n\"\n");
        self.expected.push((seq, Expected::Question));
    }

    /// Adds a question whose answer is what `inner` prints.
    pub(super) fn ask(&mut self, seq: u64, inner: &Script) {
        let script = &mut self.script;
        script.text("A=$(\n").script(inner).text("\n)\nask ").number(seq);
        script.text(" $? \"$A\"\n");
        self.expected.push((seq, Expected::Question));
    }
}
