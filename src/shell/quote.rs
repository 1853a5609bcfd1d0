//! The only door through which a value reaches a shell.

/// A value holds a NUL byte, which no shell word and no argument can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds a NUL byte, which a shell cannot carry")]
pub struct NulByte;

/// `value` as one shell word: single quotes around it, a quote inside as `'\''`. Inside single
/// quotes every other byte stands for itself (POSIX.1-2024, Shell Command Language, 2.2.2).
///
/// # Errors
/// When `value` holds a NUL byte.
pub fn quote(value: &[u8]) -> Result<Vec<u8>, NulByte> {
    if value.contains(&0) {
        return Err(NulByte);
    }
    let mut word = Vec::with_capacity(value.len() + 2);
    word.push(b'\'');
    for &byte in value {
        if byte == b'\'' {
            word.extend_from_slice(b"'\\''");
        } else {
            word.push(byte);
        }
    }
    word.push(b'\'');
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_and_escapes() {
        assert_eq!(quote(b"").unwrap(), b"''");
        assert_eq!(quote(b"a b$c").unwrap(), b"'a b$c'");
        assert_eq!(quote(b"it's").unwrap(), b"'it'\\''s'");
        assert_eq!(quote(b"a\0b"), Err(NulByte));
    }
}
