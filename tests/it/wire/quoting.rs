//! Any value reaches every shell as it is: through frames, `eval` and the one quoting door.

use std::path::Path;

use proptest::prelude::*;
use trueup::shell::{NulByte, Script, quote};

use super::bench::Bench;
use super::shells::{Shell, everywhere};

/// Values that shells are known to read as more than data, and every single byte.
fn corpus(canary: &str) -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = (1..=255).map(|byte| vec![byte]).collect();
    let special =
        b"'\"`$\\!*?[]{}()<>|&;#~%= \t\n\r\x01\x7f\x80\x81\x82\x83\x84\x85\x86\x87\x88\xff-a";
    for one in special {
        values.extend(special.iter().map(|other| vec![*one, *other]));
    }
    let attack = [
        "'; touch CANARY; '",
        "\"; touch CANARY; \"",
        "$(touch CANARY)",
        "`touch CANARY`",
        "'$(touch CANARY)'",
        "'\\''; touch CANARY; '\\''",
        "\\'; touch CANARY; \\'",
        "a\ntouch CANARY\n",
        "| touch CANARY",
        "& touch CANARY &",
        "> CANARY",
        "${x:=$(touch CANARY)}",
        "$((1+1))",
        "\n:\ntouch CANARY",
        "}\nend 0\n}\ntouch CANARY\n{",
    ];
    values.extend(attack.iter().map(|text| text.replace("CANARY", canary).into_bytes()));
    let plain = [
        "",
        "-rf",
        "--",
        "-n",
        "-e",
        "%s%n%d\\n\\0\\c",
        "!!",
        "!$",
        "*",
        "/*",
        "[a-z]?",
        "~",
        "~root",
        "a b  c",
        " ",
        "\n",
        "\n\n",
        "a\n",
        "\\",
        "\\\\",
        "\\n",
        "$",
        "${",
        "$'\\x41'",
        "{a,b}",
        "é",
        "日本語",
        "\u{202e}\u{200b}",
        "\u{1f980}",
        "#",
        "a=b",
        "CDPATH=/",
        "&&",
        ";;",
        "é\u{301}'",
    ];
    values.extend(plain.iter().map(|text| text.as_bytes().to_vec()));
    for byte in [b'a', b'\'', b'\n', b'\\', b'$', 0x81, 0x88, 0xff] {
        values.push(vec![byte; 64 << 10]);
    }
    values
}

/// Sends all values in one program, to a builtin and to a program, and compares what they got.
fn arrives(shell: &Shell, values: &[Vec<u8>]) -> Result<(), String> {
    let mut bench = Bench::new(shell, &[]);
    let out = |name: &str| bench.tree.join(name).display().to_string();
    let (builtin, program, variable) = (out("builtin"), out("program"), out("variable"));
    let mut script = Script::new();
    script.text("show() { printf '%s\\0' \"$@\"; }\nhold() { v=$1; }\n{\n");
    for chunk in values.chunks(50) {
        script.text("show").args(chunk).text("\n");
    }
    script.text("} >").arg(&builtin).text("\n{\n");
    for value in values {
        script.text("hold").arg(value).text("; show \"$v\"\n");
    }
    script.text("} >").arg(&variable).text("\n{\n");
    for chunk in values.chunks(8) {
        script.text("env printf '%s\\0'").args(chunk).text("\n");
    }
    script.text("} >").arg(&program).text("\n");
    bench.session.exchange(&script, &[])?;
    let wanted: Vec<u8> = values.iter().flat_map(|value| [value, &b"\0"[..]].concat()).collect();
    for path in [builtin, program, variable] {
        same(&wanted, &std::fs::read(&path).map_err(|error| error.to_string())?, Path::new(&path))?;
        std::fs::remove_file(&path).map_err(|error| error.to_string())?;
    }
    let left = bench.tree();
    if left.0.is_empty() { Ok(()) } else { Err(format!("a value had an effect: {left:?}")) }
}

fn same(wanted: &[u8], got: &[u8], path: &Path) -> Result<(), String> {
    if wanted == got {
        return Ok(());
    }
    let at = wanted.iter().zip(got).position(|(one, other)| one != other);
    let at = at.unwrap_or_else(|| wanted.len().min(got.len()));
    let around = |bytes: &[u8]| {
        let piece = &bytes[at.saturating_sub(20).min(bytes.len())..(at + 20).min(bytes.len())];
        piece.escape_ascii().to_string()
    };
    Err(format!("{}: {} instead of {}", path.display(), around(got), around(wanted)))
}

#[test]
fn corpus_arrives_byte_for_byte() {
    everywhere(|shell| {
        let canary = Bench::new(shell, &[]);
        let path = canary.tree.join("canary");
        arrives(shell, &corpus(&path.display().to_string()))?;
        if path.exists() { Err("the canary was touched".into()) } else { Ok(()) }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_arrive(values in prop::collection::vec(prop::collection::vec(1_u8..=255, 0..300), 1..40)) {
        everywhere(|shell| arrives(shell, &values));
    }

    #[test]
    fn shell_text_arrives(values in prop::collection::vec("[-'\"`$()\\\\{}\\[\\]!*?~;&|<>#%=\n\t a-c]{0,40}", 1..40)) {
        let values: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
        everywhere(|shell| arrives(shell, &values));
    }

    #[test]
    fn a_nul_byte_is_refused(before in prop::collection::vec(any::<u8>(), 0..20), after in prop::collection::vec(any::<u8>(), 0..20)) {
        prop_assert_eq!(quote(&[&before[..], &[0], &after[..]].concat()), Err(NulByte));
    }
}
