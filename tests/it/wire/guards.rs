//! Each guard of the prelude and of the steps is taken out in memory, and a check must fall: what these
//! tests say of the wire is worth no more than what they notice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::session::Edit;
use super::shells::{SHELLS, Shell, left_out, root};
use super::{
    children, client, contents, cut, kept, large, place, raced, remembered, room, sets, tools,
    window,
};

/// A guard: its text, what stands there without it, and who notices.
struct Guard {
    name: &'static str,
    edits: &'static [Edit],
    check: fn(&Shell, &[Edit]) -> Result<(), String>,
    root: bool,
}

const fn guard(
    name: &'static str,
    edits: &'static [Edit],
    check: fn(&Shell, &[Edit]) -> Result<(), String>,
) -> Guard {
    Guard { name, edits, check, root: false }
}

static GUARDS: &[Guard] = &[
    guard(
        "a program's length is compared before it runs",
        &[("[ \"${#P}\" -eq \"$2\" ] || exit 1", ":")],
        cut::falls,
    ),
    guard(
        "a content without its line was cut",
        &[
            ("IFS= read -r E <&3 || exit 1", "IFS= read -r E <&3"),
            ("*) exit 1 ;;\nesac\n}\ndrop", "esac\n}\ndrop"),
        ],
        cut::falls,
    ),
    guard(
        "the line after a content holds the nonce",
        &[("*) exit 1 ;;\nesac\n}\ndrop", "esac\n}\ndrop")],
        cut::falls_when_shifted,
    ),
    guard("what a cut step left is removed", &[("trap 'leave' EXIT", ":")], cut::falls),
    guard(
        "a block is read whole, however late it comes",
        &[("iflag=fullblock", "")],
        cut::in_pieces,
    ),
    guard(
        "steps have no standard input",
        &[("exec 3<&0 4>&1 0</dev/null", "exec 3<&0 4>&1")],
        |shell, edits| children::reads_nothing(shell, edits, "M=$(timeout 3 cat)"),
    ),
    // Either of the two is enough for what `run` starts.
    guard(
        "programs have no standard input",
        &[("exec 3<&0 4>&1 0</dev/null", "exec 3<&0 4>&1"), ("</dev/null >", ">")],
        |shell, edits| children::reads_nothing(shell, edits, "run 3 cat"),
    ),
    guard("the wire is closed in commands", &[("3<&- 4>&-", "")], children::cannot_eat_the_program),
    guard(
        "what a command prints goes through a file",
        &[("run() {", "run() { try \"$@\"; return; ")],
        children::background_does_not_hold_up,
    ),
    guard(
        "a closed pipe ends what writes to it",
        &[("trap : PIPE", "trap '' PIPE")],
        children::dies_of_a_closed_pipe,
    ),
    guard(
        "commands have a time limit",
        &[("timeout -k 5 \"$@\"", "sleep 9")],
        children::has_a_time_limit,
    ),
    guard(
        "kept output is bounded",
        &[("most=65536", "most=65536000")],
        children::output_is_bounded,
    ),
    guard(
        "nothing is done after a failure",
        &[("if [ -z \"$F\" ] && beat busy; then", "if :; then")],
        children::nothing_after_a_failure,
    ),
    guard(
        "contents of steps not done are thrown away",
        &[("wire \"$k\" 2>/dev/null | cat >/dev/null", ":")],
        children::nothing_after_a_failure,
    ),
    guard("nobody listens: it ends", &[(">&4 || exit 1", ">&4")], client::is_killed),
    guard(
        "private files go before the end is told",
        &[("[ -z \"$D\" ] || rm -rf -- \"$D\"\nD=", ":")],
        client::nothing_is_left_at_the_end,
    ),
    guard(
        "a hangup is ignored",
        &[("trap '' HUP", "trap : HUP PIPE; trap - HUP")],
        client::hangs_up,
    ),
    guard("a signal to end cleans up", &[("trap 'exit 1' INT TERM", ":")], |shell, edits| {
        client::is_told_to_end(shell, edits, "TERM")
    }),
    guard(
        "temporary files are new",
        &[
            ("set -C\n{ set +C; fill", "{ set +C; fill"),
            ("if [ -e \"$n\" ] || [ -L \"$n\" ]", "if false"),
        ],
        place::planted_is_not_followed,
    ),
    guard(
        "asking why it could not be opened does not open it",
        &[("$(set -C; {", "$({"), ("if [ -e \"$n\" ] || [ -L \"$n\" ]", "if false")],
        place::planted_is_not_followed,
    ),
    guard(
        "nothing stands at a temporary name",
        &[("if [ -e \"$n\" ] || [ -L \"$n\" ]", "if false")],
        place::planted_is_not_followed,
    ),
    guard(
        "what is changed is kept first",
        &[("[ -z \"$keeping\" ] || keepsake", ":")],
        kept::all_goes_back,
    ),
    Guard {
        root: true,
        ..guard(
            "what cannot be kept is not changed",
            &[("\"$4\" \"$M\" || return ;; esac", "\"$4\" \"$M\" ;; esac")],
            kept::unkept_is_unchanged,
        )
    },
    guard(
        "a link is made, not entered",
        &[("ln -sT", "ln -s"), ("|| [ -L \"$n\" ]", ""), ("if [ -e \"$n\" ]", "if false")],
        place::planted_is_not_followed,
    ),
    guard(
        "a link to a folder is replaced",
        &[("mv -fT", "mv -f")],
        place::link_to_a_folder_is_replaced,
    ),
    guard(
        "a file is not moved into a folder",
        &[("mv -fT", "mv -f")],
        place::rename_does_not_enter_a_folder,
    ),
    guard(
        "kind, owner and mode are compared again",
        &[("[ \"$(stat -c '%f %u %g' -- \"$1\" 2>&1)\" != \"$2\" ]", "false")],
        place::moved_is_left_alone,
    ),
    guard(
        "the content is compared again",
        &[("|| fail \"its content is not what", "|| : \"its content is not what")],
        place::moved_is_left_alone,
    ),
    guard(
        "what was absent must be absent",
        &[("if [ -e \"$1\" ] || [ -L \"$1\" ]; then", "if false; then")],
        place::moved_is_left_alone,
    ),
    guard(
        "a copied content is compared with what was promised",
        &[("[ \"$(sha256sum <\"$t\" 2>&1)\" = \"${8%% *}  -\" ] ||", ": ||")],
        place::copied_content_is_compared,
    ),
    guard(
        "what is purged is compared again",
        &[("[ \"$(listing \"$a\" \"$@\" | sort | sha256sum)\" = \"$b  -\" ]", ":")],
        place::moved_is_not_purged,
    ),
    Guard {
        name: "a link on the way is root's",
        edits: &[("sound . && case $open$(", ": && case $(")],
        check: place::foreign_link_is_not_followed,
        root: true,
    },
    Guard {
        name: "each folder on the way is where it was looked at",
        edits: &[("[ \"$k\" = .. ] || [ \"$(pwd -P)\" = \"$n\" ] ||", ": ||")],
        check: raced::raced,
        root: true,
    },
    Guard {
        name: "a link where everybody may write is root's",
        edits: &[("case $open$(", "case $(")],
        check: raced::raced,
        root: true,
    },
    Guard {
        name: "where everybody may write, somebody may",
        edits: &[("V=${V:-any user}", ":")],
        check: raced::raced,
        root: true,
    },
    Guard {
        name: "what is kept of a file is that of the file",
        edits: &[
            ("cp -RP", "cp"),
            (
                "[ -z \"$V\" ] || [ \"$2\" = - ] || [ \"$(command stat -L",
                "true || [ \"$(command stat -L",
            ),
        ],
        check: raced::raced,
        root: true,
    },
    Guard {
        name: "a folder that was made is the one that is given away",
        edits: &[("inside && blank || return", "inside || return")],
        check: raced::raced,
        root: true,
    },
    Guard {
        name: "the way is looked at",
        edits: &[("led \"$G\" || return", ":")],
        check: place::foreign_link_is_not_followed,
        root: true,
    },
    guard(
        "a set that was left in the middle is put back",
        &[("through journal back ||", ": ||")],
        sets::left_in_the_middle,
    ),
    guard(
        "what goes comes back too",
        &[("if [ \"$i\" = - ] && [ -z \"$n\" ]; then\nformer || return 1", "if false; then :")],
        sets::left_in_the_middle,
    ),
    guard(
        "only what a set put there gives way to the old file",
        &[("if [ \"$d\" != - ] && [ \"$(sha256sum <\"$T\" 2>&1)\" != \"$d  -\" ]", "if false")],
        sets::changed_is_left_alone,
    ),
    guard(
        "what is about to be done is written down",
        &[("receive 5>>\"$state/journal\" ||", "receive 5>/dev/null ||")],
        remembered::steps_are_marked,
    ),
    guard(
        "a step that begins is marked",
        &[("mark begun && return 0", "return 0")],
        remembered::steps_are_marked,
    ),
    guard(
        "a step is done when it was done",
        &[("mark begun && return 0", "mark begun && mark done && return 0")],
        remembered::steps_are_marked,
    ),
    guard("a step that failed is marked", &[("mark failed", ":")], remembered::steps_are_marked),
    guard(
        "a ledger is not written in place",
        &[("X=$state/ledger.new", "X=$state/ledger")],
        remembered::ledger_is_whole,
    ),
    guard(
        "a journal that was taken in goes",
        &[("M=$(rm -f -- \"$state/journal\" 2>&1) && ondisk", "ondisk")],
        remembered::ledger_is_whole,
    ),
    guard(
        "a damaged ledger is kept",
        &[("[ \"${1:-}\" != aside ] ||", ": ||")],
        remembered::ledger_is_whole,
    ),
    guard(
        "the lock is taken",
        &[("flock -n 9 2>/dev/null || return", ":")],
        remembered::one_holds_it,
    ),
    guard(
        "the lock is kept",
        &[("flock -n 9 2>/dev/null || return", "flock -n 9 2>/dev/null || return\nflock -u 9")],
        remembered::one_holds_it,
    ),
    guard(
        "who holds a lock is a process that is there",
        &[(
            "[ \"$a\" = \"$boot\" ] && process \"$k\" \"$l\"",
            "[ \"$a\" = \"$boot\" ] && [ -e \"/proc/$k\" ]",
        )],
        remembered::the_dead_hold_nothing,
    ),
    guard(
        "who held a lock in another boot is gone",
        &[("[ \"$a\" = \"$boot\" ] && process", "process")],
        remembered::the_dead_hold_nothing,
    ),
    guard(
        "only the run that is named is ended",
        &[("case $who in *\"run $3,\"*) ;; *) echo \"$who\"; return ;; esac", ":")],
        remembered::unlocked_by_its_run,
    ),
    guard(
        "who is ended can clean up",
        &[(
            "kill -TERM \"$k\"\no=0\nwhile process \"$k\" \"$l\" && [ \"$o\" -lt 20 ]",
            "kill -KILL \"$k\"\no=0\nwhile process \"$k\" \"$l\" && [ \"$o\" -lt 20 ]",
        )],
        remembered::unlocked_by_its_run,
    ),
    guard(
        "nothing is forgotten while somebody is at work",
        &[("! holder || { echo \"lock $who\"; return; }", ":")],
        remembered::unlocked_by_its_run,
    ),
    guard(
        "a folder of somebody else is not ours",
        &[("own \"$state\" || { fail \"$state is not", "true || { fail \"$state is not")],
        remembered::only_our_own_folder,
    ),
    guard(
        "what is kept is of this boot",
        &[("[ \"$1\" = \"$boot\" ]; then\ncase", "true; then\ncase")],
        remembered::stands_as_it_was,
    ),
    guard(
        "what another login remembers is elsewhere",
        &[("{ [ \"$U\" -eq 0 ] || [ -n \"$2\" ]; }", "true")],
        remembered::stands_as_it_was,
    ),
    guard(
        "what cannot be read is not nothing",
        &[("{ r=$?; for p do", "{ r=0; for p do")],
        remembered::stands_as_it_was,
    ),
    guard(
        "stat says whole lines of what is kept",
        &[("*\"\n$2\n\"*) had=y", "*\"$2\n\"*) had=y")],
        remembered::stands_as_it_was,
    ),
    guard(
        "what stat says is compared with what it said then",
        &[("*\"\n$2\n\"*) had=y", "*) had=y")],
        remembered::stands_as_it_was,
    ),
    guard(
        "a saved plan is used up",
        &[("M=$(mkdir -- \"$n/$1\" 2>&1) || {", "M=$(mkdir -p -- \"$n/$1\" 2>&1) || {")],
        remembered::spent_once,
    ),
    guard("new files are closed to others", &[("umask 077", "umask 0")], window::never_looser),
    guard(
        "a new file does not go through the old one's mode",
        &[(
            "become \"$@\" || return",
            "keep \"$1\" \"$t\"; chown -- \"${5:-0}\" \"$t\"; chmod -- \"$4\" \"$t\"",
        )],
        window::never_looser,
    ),
    guard(
        "an owner that is right is not set again",
        &[("n=$(stat -L -c %U:%G -- \"$1\")", "return 1")],
        window::access_is_kept,
    ),
    guard(
        "old owner and mode are kept",
        &[("keep \"$1\" \"$t\" && kept_of", ": && kept_of")],
        window::access_is_kept,
    ),
    guard(
        "the new file is closed before it is tried",
        &[("exec 5>&-", ":")],
        window::candidate_is_whole,
    ),
    guard("a content is synced", &[("conv=fsync", "")], synced),
    guard(
        "a stat that died says nothing of absence",
        &[("[ \"$n\" -le 1 ] ||", "[ \"$n\" -le 255 ] ||")],
        // dash says it too.
        |_, edits| tools::no_answer_is_no_answer(&SHELLS[1], edits),
    ),
    guard(
        "a file of which sha256sum said nothing is looked at",
        &[("[ \"$k\" = \"$q\" ] ||", "[ -z \"$k\" ] || [ \"$k\" = \"$q\" ] ||")],
        tools::no_answer_is_no_answer,
    ),
    guard(
        "a content that could not be read is not empty",
        &[("[ -n \"$l\" ] || [ ! -s \"$2\" ] ||", ": ||"), ("esac || l='!'", "esac || :")],
        tools::no_answer_is_no_answer,
    ),
    guard(
        "contents that came together are as long as they are said to be",
        &[("[ \"${#l}\" -eq $((n + 1)) ] || return", ":")],
        contents::come_as_they_are,
    ),
    guard(
        "a small file is read by the shell only in folders of root's alone",
        &[("case $k in 's 4'?[02468ace][014589cd]' 0 '*) ;; *) return 1 ;; esac", ":")],
        contents::small_ones_are_read_where_nobody_swaps,
    ),
    guard(
        "a small file is as long as stat said",
        &[("\"$o\":*) ;; *) return 1 ;;", "*) ;;")],
        contents::small_ones_are_read_where_nobody_swaps,
    ),
    guard(
        "a user database that did not answer is not empty",
        &[("case $? in 0 | 2) return ;; esac", "return")],
        tools::no_answer_is_no_answer,
    ),
    Guard {
        name: "a failed write is a failed step",
        edits: &[("${4-} <&3 2>&1 >&5) || r=1", "${4-} <&3 2>&1 >&5) || r=0")],
        check: room::full_disk,
        root: true,
    },
    Guard {
        name: "a failed write of a large content is a failed step",
        edits: &[("|| { r=1; rest \"$k\"; return; }", "|| rest \"$k\"")],
        check: room::full_disk,
        root: true,
    },
    Guard {
        name: "a large content that is not written is read all the same",
        edits: &[("|| { r=1; rest \"$k\"; return; }", "|| { r=1; return; }")],
        check: room::full_disk,
        root: true,
    },
    Guard {
        name: "a failed write of what was made small is a failed step",
        edits: &[("r=1 M=${M##*: }", "M=${M##*: }")],
        check: room::full_disk_in_parts,
        root: true,
    },
    guard(
        "parts of a content that nobody reads are thrown away",
        &[("wire \"$k\" 2>/dev/null | cat >/dev/null", ":")],
        large::unread_is_thrown_away,
    ),
    guard(
        "a part begins with the nonce",
        &[("case $E in \"$N \"*", "case $E in *")],
        large::another_part_is_no_part,
    ),
    guard(
        "a signal does not take a part's line away",
        &[(
            "E=$(dd bs=80 count=1 iflag=fullblock <&3 2>/dev/null)",
            "IFS= read -r E <&3 || exit 1",
        )],
        large::stops_behind_its_parts,
    ),
    guard(
        "what came in parts is on disk before it has its name",
        &[("dd bs=1 count=1 conv=fsync", "dd bs=1 count=1")],
        synced,
    ),
    guard(
        "a content that is not what was planned is refused",
        &[("spoiled\") return 1 ;;", "spoiled\") ;;")],
        large::spoiled_is_refused,
    ),
    guard(
        "a large content is sure only as long as nobody touched it",
        &[("*\"\n$1 $k\n\"*) ;; *) return 1 ;; esac\n}\nidentity", "*) ;; esac\n}\nidentity")],
        large::read_again_once_touched,
    ),
    guard(
        "an old large file is compared again before it is replaced",
        &[("[ \"$(identity \"$1\")\" = \"$9\" ] || same", ": || same")],
        large::touched_while_it_came,
    ),
];

fn synced(shell: &Shell, edits: &[Edit]) -> Result<(), String> {
    if window::traces() {
        return window::on_disk_before_its_name(shell, edits);
    }
    left_out("the guard of fsync", "strace cannot be used here");
    Err("not tried".into())
}

#[test]
fn no_guard_can_be_taken_out_unnoticed() {
    let next = AtomicUsize::new(0);
    let unnoticed = Mutex::new(Vec::new());
    // Most of them wait for something that never comes.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(guard) = GUARDS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if guard.root && !root() {
                        left_out(guard.name, "not root");
                    } else if (guard.check)(&SHELLS[0], guard.edits).is_ok() {
                        unnoticed.lock().expect("no thread panicked").push(guard.name);
                    }
                }
            });
        }
    });
    let unnoticed = unnoticed.into_inner().expect("no thread panicked");
    assert!(unnoticed.is_empty(), "nobody notices when these are taken out: {unnoticed:#?}");
}
